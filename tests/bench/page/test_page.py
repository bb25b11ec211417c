"""The page's benchmark in short: it measures what it says; how fast depends on the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser import chromium_path
from tests.running import run
from tocsin.bench.page.run import MUST, bundle_bytes
from tocsin.web import build


@pytest.fixture(scope="module", autouse=True)
def page() -> None:
    if not build.fresh():
        build.build()


def test_the_page_is_looked_at_with_ten_thousand_metrics(tmp_path: Path) -> None:
    chromium_path()
    done = run(
        *("bench", "page", "--metrics", "10000", "--samples", "20000", "--loads", "1"),
        *("--pan-seconds", "1", "--updates", "2", "--json", "out.json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "first paint" in done.stdout
    (figures,) = json.loads((tmp_path / "out.json").read_text())
    # Shared machines are slow; these say that what was measured is what was meant.
    assert 0 < figures["paint"][0] <= figures["whole"][0] + 0.1 < 20
    assert all(0 < one < 20 for one in figures["live"])
    for how in ("dragged", "by keyboard"):
        seen = figures["panned"][how]
        assert 0 < seen["drawn_per_s"] <= seen["frames_per_s"] < 130
        assert seen["cpu_ms"] > 0
    assert 10_000 < figures["loaded"] <= figures["bundle"] + 5_000


def test_the_bundle_is_small() -> None:
    assert 10_000 < bundle_bytes() <= MUST["bundle"]


def test_without_a_browser_it_says_what_to_install(tmp_path: Path) -> None:
    done = run("bench", "page", cwd=tmp_path, PATH=str(tmp_path))
    assert done.returncode == 2
    assert "apt-get install chromium" in done.stderr
