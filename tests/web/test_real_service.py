"""The live page on the real service: what is posted is seen, an event among it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.browser import Watch, trace, until, wait_for_chart
from tests.browser import chromium_fixture as chromium_fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

UP = "from tocsin.cli.main import main; main()"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a service of our own answers, on a free port."""
    config = tmp_path / "tocsin.toml"
    config.write_text('[[watch]]\nmatch = "*.total"\nkind = "counter"\n')
    command = [sys.executable, "-c", UP, "up", "--data", str(tmp_path), "--config", str(config)]
    places = ["--http", "127.0.0.1:0", "--graphite", "off"]
    with subprocess.Popen([*command, *places], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        found = re.search(r"http://\S+?/", service.stdout.readline())
        assert found, "the service did not say where it is"
        yield found[0]
        service.terminate()
        service.communicate(timeout=30)


def post(address: str, values: list[float], first: float, name: str = "web.latency") -> None:
    samples = [
        {"metric": name, "labels": {"host": "<a>"}, "timestamp": first + i, "value": value}
        for i, value in enumerate(values)
    ]
    request = urllib.request.Request(
        f"{address}api/v1/samples",
        data=json.dumps({"samples": samples}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["accepted"] == len(values)


def test_posted_samples_are_seen(chromium: Browser, address: str) -> None:
    begin = float(int(time.time()) - 3000)
    calm = [20 + (i * 7919 % 13) / 10 for i in range(2000)]
    with chromium.new_context() as context:
        page = context.new_page()
        watch = Watch(page)
        page.goto(address)
        page.wait_for_selector("#empty")
        post(address, calm, begin)
        page.wait_for_selector(".metric")
        assert page.inner_text(".metric .labels") == "host=<a>"
        until(page, "document.querySelector('#pulse').className === 'live'")
        post(address, [9000.0], begin + 2000)
        page.wait_for_selector("#recent li")
        assert "higher than expected (9,000 against 2" in page.inner_text("#recent li")
        page.click(".metric")
        wait_for_chart(page)
        assert max(y for y in trace(page, "value")["y"] if y is not None) == 9000
        post(address, [21.5], begin + 2001)
        until(page, "document.querySelector('#about').textContent.includes('2,002 samples')")
        assert watch.trouble == []
        page.goto("about:blank")


def test_a_counter_is_shown_as_its_rate(chromium: Browser, address: str) -> None:
    begin = float(int(time.time()) - 3000)
    steps = [20.0 + i * 7919 % 13 for i in range(300)]
    counts = [1e9 + count for count in itertools.accumulate(steps)]
    with chromium.new_context() as context:
        page = context.new_page()
        watch = Watch(page)
        post(address, counts, begin, "requests.total")
        page.goto(address)
        page.wait_for_selector(".metric")
        until(page, f"document.querySelector('.last').textContent === '{steps[-1]:.0f}/s'")
        page.click(".metric")
        wait_for_chart(page)
        shown = [y for y in trace(page, "value")["y"] if y == y and y is not None]
        assert (min(shown), max(shown)) == (20, 32)
        until(page, "document.querySelector('#pulse').className === 'live'")
        post(address, [counts[-1] + 500], begin + 300, "requests.total")
        until(page, "document.querySelector('#about').textContent.includes('301 samples')")
        assert trace(page, "value")["y"][-1] == 500
        assert watch.trouble == []
        page.goto("about:blank")
