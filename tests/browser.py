"""A real Chromium for the tests of the pages, and what to watch while one is open."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: How long a page may take for what is expected of it: machines that run tests are busy.
PATIENCE_MS = 40_000
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """The browser on this machine; without one, fails under CI and skips elsewhere."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    reason = f"no browser here: none of {', '.join(NAMES)} is on the PATH"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


# why per module and not per session: Playwright's event loop runs as long as this is open, and
# tests of other modules want to run their own.
@pytest.fixture(name="chromium", scope="module")
def chromium_fixture() -> Iterator[Browser]:
    """A browser for the tests of one module."""
    path = chromium_path()
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Watch:
    """What a page did that nobody sees: complaints, errors, requests, dialogs."""

    def __init__(self, page: Page) -> None:
        self.trouble: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}"))

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.trouble.append(text)


def view(page: Page) -> tuple[float, float]:
    """What the large chart shows now: from and to, in ms as the chart counts them."""
    low, high = page.evaluate("document.querySelector('.plot').layout.xaxis.range")
    return low, high


def trace(page: Page, name: str) -> dict[str, list[float | None]]:
    """The points of one of the large chart's traces."""
    points: dict[str, list[float | None]] = page.evaluate(
        """name => {
          const {x, y} = document.querySelector('.plot').data.find(t => t.name === name);
          return {x, y};
        }""",
        name,
    )
    return points


def until(page: Page, condition: str, timeout: float = PATIENCE_MS / 1_000) -> None:
    """Wait until a JavaScript expression is true in the page.

    why not Playwright's own: it needs eval, which the pages' policy rightly forbids.
    """
    deadline = time.monotonic() + timeout
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {condition}")
        page.wait_for_timeout(20)


def wait_for_chart(page: Page) -> None:
    """Wait until the large chart's line is drawn."""
    until(page, "(document.querySelector('.plot .js-line')?.getAttribute('d') ?? '').length > 10")
