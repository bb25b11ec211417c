"""The report, read back in a real browser."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.browser import Watch, trace, until, view, wait_for_chart
from tests.browser import chromium_fixture as chromium_fixture
from tocsin.detect.events import Event
from tocsin.detect.result import RESULT
from tocsin.errors import MissingExtraError, OutputError
from tocsin.publish import report
from tocsin.publish.report import ReportSeries, write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from playwright.sync_api import Browser, Page

START = 1_412_000_000
STEP = 300
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>&amp;"


def event_at(first: int, last: int, score: float = 0.8) -> Event:
    """An event from sample ``first`` to ``last``."""
    start, end = (int((START + STEP * i) * 1e9) for i in (first, last))
    return Event(
        start=start,
        end=end,
        peak=start,
        value=900.0,
        expected=200.0,
        lower=150.0,
        upper=float("inf"),
        anomaly_score=score,
        likelihood=1 - 10 ** (-10 * score),
        samples=last - first + 1,
        open=False,
        pattern="level_shift",
        why="4.5 times higher than expected (900 against 200)",
        muted="like the one of <b>3 July</b> 2026 marked not an anomaly",
    )


def scored(values: NDArray[np.float64]) -> NDArray[np.void]:
    """Rows that look like a detector's: a warm-up of 150, then a band and scores."""
    rows = np.zeros(len(values), RESULT)
    rows["expected"], rows["lower"], rows["upper"] = 200.0, 150.0, 250.0
    rows["anomaly_score"] = np.clip(np.abs(values - 200) / 1000, 0, 1)
    for name in ("likelihood", "anomaly_score", "alert_score"):
        rows[name][:150] = np.nan
    for name in ("expected", "lower", "upper"):
        rows[name][:1] = np.nan
    return rows


def daily(metric: str, samples: int = 3000, *, spike: bool = True, seed: int = 1) -> ReportSeries:
    """A daily pattern with noise, a hole in time, and a spike that is an event."""
    seconds = START + STEP * np.arange(samples)
    noise = np.random.default_rng(seed).normal(0, 8, samples)
    values = 200 + 40 * np.sin(2 * np.pi * (seconds % 86_400) / 86_400) + noise
    events = []
    at = samples * 2 // 3
    if spike:
        values[at : at + 3] = 900.0
        events.append(event_at(at, at + 2))
    rows = scored(values)
    rows["alert_score"][at] = 0.8 if spike else 0.0
    kept = np.ones(samples, bool)
    kept[samples // 3 : samples // 3 + samples // 20] = False
    return ReportSeries(
        metric, (seconds * 10**9).astype(np.int64)[kept], values[kept], rows[kept], events
    )


def plain(
    metric: str, timestamps: list[int], values: list[float], notes: list[str] | None = None
) -> ReportSeries:
    """A series of these few samples, without events."""
    numbers = np.array(values, dtype=np.float64)
    times = np.array(timestamps, dtype=np.int64)
    return ReportSeries(metric, times, numbers, scored(numbers), [], notes or [])


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(viewport={"width": 1300, "height": 900}) as context:
        yield context.new_page()


@pytest.fixture
def opened(page: Page, tmp_path: Path) -> Callable[..., Watch]:
    """Writes a report and opens it from the disk."""

    def open_report(*series: ReportSeries, title: str = "a report", drawn: bool = True) -> Watch:
        path = tmp_path / "report.html"
        write_report(path, title, series)
        watch = Watch(page)
        page.goto(path.as_uri())
        if drawn:
            wait_for_chart(page)
        return watch

    return open_report


def test_opens_from_disk_without_any_request(page: Page, opened: Callable[..., Watch]) -> None:
    watch = opened(daily("web.requests"))
    assert watch.trouble == []
    assert [url.split(":")[0] for url in watch.requests] == ["file"]
    assert page.title() == "a report"
    assert "2,850 samples · 1 event" in page.inner_text("#summary")
    assert not page.is_visible("#side")  # one series needs no list


def test_draws_line_band_event_and_score(page: Page, opened: Callable[..., Watch]) -> None:
    opened(daily("web.requests"))
    value = trace(page, "value")
    numbers = [y for y in value["y"] if y is not None]
    assert max(numbers) == pytest.approx(900)
    assert None in value["y"], "the line must break where time was lost"
    assert {y for y in trace(page, "band")["y"] if y is not None} == {150, 250}
    peak = (START + STEP * 2000) * 1000
    assert trace(page, "events") == {"x": [peak], "y": [900]}
    assert trace(page, "alert score")["x"][:2] == [peak, peak]
    spans = page.evaluate(
        "document.querySelector('.plot').layout.shapes.filter(s => s.name === 'event').length"
    )
    assert spans == 1
    assert page.locator(".plot .scatterlayer .point").count() >= 1


def test_event_is_told_in_words(page: Page, opened: Callable[..., Watch]) -> None:
    opened(daily("web.requests"))
    row = page.inner_text("#events tbody tr")
    assert "1 in 100 million" in row
    assert "900 where about 200 was expected" in row
    assert "level shift 4.5 times higher than expected (900 against 200)" in row
    assert "(muted: like the one of <b>3 July</b> 2026 marked not an anomaly)" in row
    box = page.locator(".plot .nsewdrag").first.bounding_box()
    page.click("#events button.link")
    low, high = view(page)
    assert box is not None
    peak = (START + STEP * 2000) * 1000
    x = box["x"] + box["width"] * (peak - low) / (high - low)
    page.mouse.move(x - 3, box["y"] + box["height"] / 2)
    page.mouse.move(x, box["y"] + box["height"] / 2)
    page.wait_for_selector(".tip .event")
    tip = page.inner_text(".tip")
    for word in ("start", "peak", "end", "1 in 100 million", "900 where about 200"):
        assert word in tip


def test_mouse_zooms_drags_and_resets(page: Page, opened: Callable[..., Watch]) -> None:
    opened(daily("web.requests"))
    whole = view(page)
    page.mouse.move(600, 350)
    page.mouse.wheel(0, -600)
    until(
        page,
        f"(([a, b]) => b - a < {0.5 * (whole[1] - whole[0])})"
        "(document.querySelector('.plot').layout.xaxis.range)",
    )
    zoomed = view(page)
    assert len(trace(page, "value")["x"]) > 100
    page.mouse.down()
    page.mouse.move(750, 350, steps=4)
    page.mouse.up()
    until(page, f"document.querySelector('.plot').layout.xaxis.range[0] < {zoomed[0] - 1000}")
    page.mouse.dblclick(600, 350)
    until(page, "document.querySelector('#whole').disabled")
    assert view(page) == whole


def test_zoom_shows_every_sample(page: Page, opened: Callable[..., Watch]) -> None:
    series = daily("busy", 100_000)
    opened(series)
    assert len(trace(page, "value")["x"]) < 10_000, "more is drawn than there are pixels for"
    page.click("#events button.link")
    low, high = view(page)
    shown = {x for x in trace(page, "value")["x"] if x is not None and low <= x <= high}
    times = series.timestamps / 1e6
    assert shown == set(times[(times >= low) & (times <= high)].tolist())


def test_list_is_sorted_searched_and_walked(page: Page, opened: Callable[..., Watch]) -> None:
    many = daily("many.events")
    many.events += [event_at(2500, 2510, 0.6)]
    opened(daily("quiet", spike=False), daily("one.event"), many)
    names = page.locator(".series .name").all_inner_texts()
    assert names == ["many.events", "one.event", "quiet"]
    assert page.inner_text("#name") == "many.events"
    page.keyboard.press("ArrowDown")
    until(page, "document.documentElement.dataset.shown === '1'")
    assert page.inner_text("#name") == "one.event"
    page.fill("#search", "QUI")
    assert page.locator(".series:visible").all_inner_texts()[0].startswith("quiet")
    assert page.locator(".series:visible").count() == 1
    page.click(".series:visible")
    until(page, "document.documentElement.dataset.shown === '2'")
    assert "kept to its ways" in page.inner_text("#events")


def test_hostile_names_are_text(page: Page, opened: Callable[..., Watch]) -> None:
    series = daily(HOSTILE)
    series.notes.append(HOSTILE)
    watch = opened(series, daily("other", spike=False), title=HOSTILE)
    assert watch.trouble == []
    assert page.title() == HOSTILE
    assert page.inner_text("#name") == HOSTILE
    assert page.inner_text("#notes li") == HOSTILE
    assert page.locator("body img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_follows_the_readers_colours(page: Page, opened: Callable[..., Watch], scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    opened(daily("web.requests"))
    drawn = page.evaluate("document.querySelector('.plot').layout.paper_bgcolor")
    assert drawn == {"light": "#ffffff", "dark": "#1a2029"}[scheme]


def test_fits_a_phone(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, "phone", [daily("web.requests.of.a.long.name" * 3), daily("other")])
    with chromium.new_context(viewport={"width": 375, "height": 800}) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        wait_for_chart(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_fifty_series_open_and_switch_quickly(page: Page, opened: Callable[..., Watch]) -> None:
    series = [daily(f"metric.{i:02}", 10_000, spike=i < 5, seed=i) for i in range(50)]
    began = time.monotonic()
    watch = opened(*series)
    assert time.monotonic() - began < 60
    assert page.locator(".series").count() == 50
    for i in range(1, 6):
        began = time.monotonic()
        page.keyboard.press("ArrowDown")
        until(page, f"document.documentElement.dataset.shown === '{i}'")
        assert time.monotonic() - began < 20
    assert watch.trouble == []


def test_half_a_million_samples_in_one_series(page: Page, opened: Callable[..., Watch]) -> None:
    watch = opened(daily("large", 526_316))
    assert watch.trouble == []
    assert "500,001 samples" in page.inner_text("#summary")
    numbers = [y for y in trace(page, "value")["y"] if y is not None]
    assert max(numbers) == pytest.approx(900), "down-sampling lost the spike"
    began = time.monotonic()
    page.click("#in")
    until(page, "!document.querySelector('#whole').disabled")
    assert time.monotonic() - began < 20


ODD = {
    "regular": ([0, 60, 120, 180], [1.0, 2.0, 3.0, 2.0]),
    "irregular": ([0, 1, 60, 4_000_000], [1e-3, 2.5, 3.25, 1e9 + 0.5]),
    "huge": ([0, 60, 120], [1e308, -1e308, 0.0]),
    "denormal": ([0, 60, 120], [5e-324, 1e-310, 0.0]),
    "constant": ([0, 60, 120], [7.0, 7.0, 7.0]),
    "one": ([0], [3.5]),
    "ancient": ([-9_200_000_000, 9_200_000_000, 9_200_000_060], [1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("kind", ODD)
def test_numbers_arrive_as_they_left(page: Page, opened: Callable[..., Watch], kind: str) -> None:
    seconds, values = ODD[kind]
    series = plain(kind, [s * 10**9 + 123_456_000 for s in seconds], values)
    watch = opened(series, drawn=False)
    until(page, "document.documentElement.dataset.shown === '0'")
    got = page.evaluate(
        """async () => {
          const about = JSON.parse(document.getElementById('index').textContent).series[0];
          const text = document.getElementById('data-0').textContent;
          const c = await tocsin.decode.columns(about, text);
          return {times: [...c.times], values: [...c.values], unknown: isNaN(c.score[0])};
        }"""
    )
    assert got["times"] == pytest.approx((series.timestamps / 1e6).tolist(), rel=1e-15)
    span = max(values) / 2 - min(values) / 2
    assert got["values"] == pytest.approx(values, abs=span * 1e-6, rel=0)
    assert got["unknown"] is True
    assert watch.trouble == []


def test_empty_reports_say_so(page: Page, opened: Callable[..., Watch]) -> None:
    watch = opened(plain("nothing", [], []), drawn=False)
    until(page, "document.documentElement.dataset.shown === '0'")
    assert "no samples" in page.inner_text("#about")
    assert watch.trouble == []
    watch = opened(drawn=False)
    assert "0 series" in page.inner_text("#summary")
    assert watch.trouble == []


def test_infinite_band_is_left_out(page: Page, opened: Callable[..., Watch]) -> None:
    series = daily("web.requests")
    series.scored["upper"][1000:] = np.inf
    opened(series)
    band = [x for x in trace(page, "band")["x"] if x is not None]
    assert max(band) <= series.timestamps[1000] / 1e6


def test_unwritable_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path / "file" / "r.html", "t", [daily("a")])
    with pytest.raises(OutputError, match="No such file"):
        write_report(tmp_path / "absent" / "r.html", "t", [daily("a")])


def test_full_disk_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.html"
    path.write_text("the old one")

    def full(title: str, series: object) -> Iterator[str]:
        yield "half a page"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(report, "_page", full)
    with pytest.raises(OutputError, match="No space left"):
        write_report(path, "t", [daily("a")])
    assert path.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_plotly_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"tocsin\[report\]"):
        write_report(tmp_path / "r.html", "t", [daily("a")])
    assert list(tmp_path.iterdir()) == []
