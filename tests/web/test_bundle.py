"""What a browser has to load before anything is seen."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tocsin.web import build

LARGEST = 250_000


@pytest.fixture(scope="module")
def built() -> list[Path]:
    if not build.fresh():
        build.build()
    return [path for path in build.OUT.rglob("*") if path.suffix in (".js", ".css")]


def test_scripts_and_styles_are_small(built: list[Path]) -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), mtime=0)) for path in built}
    assert {Path(name).suffix for name in sizes} == {".js", ".css"}
    assert sum(sizes.values()) <= LARGEST, sizes


def test_nothing_stands_in_the_page_itself() -> None:
    text = (build.OUT / "index.html").read_text()
    assert "<style" not in text
    assert "<script>" not in text
    assert " style=" not in text
