"""What a real browser says of the page: first paint, frames while it is dragged, live updates."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from tocsin.errors import StartError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["Frames", "chromium", "first_paint", "live_delay", "pan"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
_SIZE: Final = {"width": 1400, "height": 900}
_PATIENCE_S: Final = 60.0
#: Notes every frame, and whether a chart was drawn in it.
_COUNT: Final = """
  window.frames_seen = [];
  let drawn = 0;
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    drawn += 1;
    return clear.apply(this, box);
  };
  function frame(at) {
    window.frames_seen.push([at, drawn]);
    drawn = 0;
    requestAnimationFrame(frame);
  }
  requestAnimationFrame(frame);
"""
_MOVE: Final = """([middle, height, reach, lasts]) => new Promise((over) => {
  const chart = document.querySelector(".u-over");
  const began = performance.now();
  function step() {
    const past = performance.now() - began;
    const clientX = middle + reach * Math.sin(past / 500);
    const where = { pointerId: 1, clientX, clientY: height, bubbles: true };
    chart.dispatchEvent(new PointerEvent("pointermove", where));
    if (past < lasts) requestAnimationFrame(step);
    else over();
  }
  requestAnimationFrame(step);
})"""
_PAINT: Final = """() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const loaded = performance.getEntriesByType("resource").concat(
    performance.getEntriesByType("navigation"));
  const code = loaded.filter(({name, entryType}) =>
    entryType === "navigation" || /[.](js|css)$/.test(name));
  return [paint ? paint.startTime : null,
          code.reduce((sum, {encodedBodySize}) => sum + encodedBodySize, 0)];
}"""

Frames = dict[str, float]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine. Errors: `StartError` says what to install."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        raise StartError(
            "no browser here: install Chromium (on Debian: apt-get install chromium), so that "
            f"one of {', '.join(_NAMES)} is on the PATH"
        )
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise StartError("the browser is driven by Playwright: pip install playwright") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _tab(browser: Browser) -> Iterator[Page]:
    """A tab of somebody who was never here: nothing is kept of an earlier one."""
    context = browser.new_context(viewport=_SIZE, color_scheme="light", locale="en-GB")  # type: ignore[arg-type]
    try:
        page = context.new_page()
        page.add_init_script(_COUNT)
        yield page
    finally:
        context.close()


def first_paint(browser: Browser, address: str) -> tuple[float, float, int]:
    """Seconds until something is painted, and until the view has its answers; bytes of code."""
    with _tab(browser) as page:
        began = time.perf_counter()
        page.goto(address)
        page.locator("main h1").first.wait_for(state="attached")
        _until(page, "!document.querySelector('main [aria-busy=true], main .loading')")
        whole = time.perf_counter() - began
        _until(page, "performance.getEntriesByName('first-contentful-paint').length > 0")
        paint, size = page.evaluate(_PAINT)
    return paint / 1_000, whole, int(size)


def pan(browser: Browser, address: str, seconds: float) -> dict[str, Frames]:
    """Frames while a chart is dragged to and fro with the mouse, and moved with the keyboard."""
    with _tab(browser) as page:
        page.goto(address)
        over = page.locator(".u-over").first
        over.wait_for()
        _settle(page)
        return {
            "dragged": _frames(page, lambda: _drag(page, seconds)),
            "by keyboard": _frames(page, lambda: _press(page, seconds)),
        }


def _drag(page: Page, seconds: float) -> None:
    """The mouse is pressed for real; a movement a frame then comes from within the page.

    why: each movement from outside waits for an answer, and there would be fewer than frames.
    """
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle, height)
    page.mouse.down()
    page.evaluate(_MOVE, [middle, height, box["width"] / 3, 1_000 * seconds])
    page.mouse.up()


def _press(page: Page, seconds: float) -> None:
    began, presses = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        page.keyboard.press("ArrowLeft" if presses // 4 % 2 else "ArrowRight")
        presses += 1


def _frames(page: Page, action: Callable[[], None]) -> Frames:
    """What was seen of frames while something was done."""
    page.evaluate("window.frames_seen.length = 0")
    before = _cpu_s()
    action()
    spent = _cpu_s() - before
    seen: Any = np.array(page.evaluate("window.frames_seen"), dtype=np.float64)
    _settle(page)
    if len(seen) < 3:
        raise StartError("the browser shows no frames")
    lasted = (seen[-1, 0] - seen[0, 0]) / 1_000
    drawn = int(np.count_nonzero(seen[1:, 1]))
    return {
        "frames_per_s": float((len(seen) - 1) / lasted),
        "drawn_per_s": float(drawn / lasted),
        # Of all the browser's processes, on however many cores.
        "cpu_ms": 1_000 * spent / max(1, drawn),
        # One frame in twenty takes longer.
        "slow_ms": float(np.quantile(np.diff(seen[:, 0]), 0.95)),
    }


def _cpu_s() -> float:
    """Seconds of CPU that the browser has used."""
    spent = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "chrom" in process.name():
                times = process.cpu_times()
                spent += times.user + times.system
    return spent


def live_delay(
    browser: Browser, address: str, send: Callable[[float], None], times: int
) -> list[float]:
    """Seconds from before a sample is sent until the page shows its value, so many times."""
    delays = []
    with _tab(browser) as page:
        page.goto(address)
        page.locator(".metric-value").first.wait_for()
        _settle(page)
        for number in range(times):
            value = 201 + 7 * number
            began = time.perf_counter()
            send(float(value))
            shown = "document.querySelector('.metric-value').textContent.replace(/[^0-9]/g, '')"
            _until(page, f"{shown}.startsWith('{value}')")
            delays.append(time.perf_counter() - began)
            page.wait_for_timeout(300)
    return delays


def _settle(page: Page) -> None:
    page.wait_for_timeout(1_500)


def _until(page: Page, condition: str) -> None:
    # why not Playwright's own waiting: it needs eval, which the page's policy forbids.
    until = time.monotonic() + _PATIENCE_S
    while not page.evaluate(condition):
        if time.monotonic() > until:
            raise StartError(f"the page does not come to: {condition}")
        page.wait_for_timeout(10)
