"""The view of one metric: zoomed, panned, followed, annotated, and watched otherwise."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.running import Service
from tests.web.conftest import Visiting
from tests.web.story import STEP_S, STORY, live
from tests.web.visiting import PHONE, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: From a sample's arrival until it is seen.
LIVE_S = 2.0
DISK = next(metric for metric in STORY if metric.name == "disk.queue")
CELLAR = next(metric for metric in STORY if metric.name == "temperature")
#: When the address does not change for so long, nothing moves any more.
SETTLED_S = 0.4
PLOT = ".canvas .u-over"
#: Frames a second while the chart is dragged. It draws over 30 where a processor is free; other
#: tests run beside this one.
FRAMES = 5
_COUNT_FRAMES = """window.frames = 0; (function next() {
  window.frames += 1; window.counting = requestAnimationFrame(next); })()"""


def span(page: Page) -> tuple[float, float]:
    """From and to of the address, in seconds since 1970."""
    query = parse_qs(urlsplit(page.url).query)

    def seconds(key: str) -> float:
        parsed: float = page.evaluate("text => Date.parse(text) / 1000", query[key][0])
        return parsed

    return seconds("from"), seconds("to")


def moves_to(page: Page, act: Callable[[], object]) -> tuple[float, float]:
    """Where the address is when what follows from an act has settled."""
    before, seen, still = page.url, page.url, 0
    act()
    for _ in range(250):
        page.wait_for_timeout(20)
        still = still + 1 if page.url == seen else 0
        seen = page.url
        if seen != before and still * 0.02 > SETTLED_S:
            return span(page)
    raise AssertionError(f"it does not come to rest: {seen}")


def middle(page: Page) -> tuple[float, float]:
    box = page.locator(PLOT).first.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@contextmanager
def asked(page: Page, part: str) -> Iterator[None]:
    """The body asks the service for something with this in its address."""
    with page.expect_response(lambda answer: part in answer.url and answer.ok):
        yield


@pytest.fixture(name="shown")
def shown_fixture(service: Service, visit: Visit) -> Page:
    """The disk's queue, all of it: it has an event."""
    page = visit.go(f"/metrics/{service.uid('disk.queue')}?last=all", until=PLOT)
    page.locator(".metric-events li").first.wait_for()
    return page


def test_it_is_shown_with_its_events_in_words(service: Service, shown: Page) -> None:
    (event,) = service.get("events", metric=service.uid("disk.queue"))["events"][-1:]
    expect(shown.locator("h1")).to_contain_text("disk.queue")
    expect(shown.locator("h1")).to_contain_text("host=db-1")
    expect(shown.locator(".metric-events")).to_contain_text(event["why"])
    expect(shown.locator(".heat td.known").first).to_be_visible()
    expect(shown.locator(".statuses")).to_contain_text("Watched")
    assert shown.title() == 'disk.queue{host="db-1"} · Tocsin'
    shown.get_by_role("button", name="As numbers").click()
    expect(shown.locator(".profile-numbers tbody tr")).to_have_count(24)


def test_the_wheel_zooms_where_the_pointer_is(service: Service, visit: Visit) -> None:
    page = visit.go(f"/metrics/{service.uid('disk.queue')}?last=1h", until=PLOT)
    x, y = middle(page)
    page.mouse.move(x, y)
    low, high = moves_to(page, lambda: page.mouse.wheel(0, -300))
    assert high - low < 3_600

    def out() -> None:
        for _ in range(4):
            page.mouse.wheel(0, 900)

    with asked(page, "/series?from"):  # beyond what was there
        lower, higher = moves_to(page, out)
    assert lower < low
    assert higher - lower > 3_600


def test_dragging_pans(shown: Page) -> None:
    shown.mouse.move(*middle(shown))
    low, high = moves_to(shown, lambda: shown.mouse.wheel(0, -900))
    x, y = middle(shown)

    def drag() -> None:
        shown.mouse.down()
        shown.mouse.move(x + 200, y, steps=5)
        shown.mouse.up()

    lower, higher = moves_to(shown, drag)
    width = shown.locator(PLOT).first.bounding_box()
    assert width
    expected = (high - low) * 200 / width["width"]
    assert low - lower == pytest.approx(expected, abs=3 + expected * 0.02)
    assert higher - lower == pytest.approx(high - low, abs=3)


def test_the_keyboard_moves_and_zooms(shown: Page) -> None:
    low, high = moves_to(shown, lambda: shown.keyboard.press("+"))
    left, _ = moves_to(shown, lambda: shown.keyboard.press("ArrowLeft"))
    assert left < low
    _, right = moves_to(shown, lambda: shown.keyboard.press("ArrowRight"))
    assert right == pytest.approx(high, abs=3)
    wide, wider = moves_to(shown, lambda: shown.keyboard.press("-"))
    assert wider - wide > (high - low) * 1.5
    shown.keyboard.press("0")
    expect(shown.get_by_role("button", name="all", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_buttons_choose_a_stretch_and_links_keep_it(shown: Page) -> None:
    shown.get_by_role("button", name="1 h", exact=True).click()
    shown.wait_for_url("**last=1h*")
    shown.reload()
    expect(shown.get_by_role("button", name="1 h", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(shown.locator(".shown-range")).to_contain_text("1 h")
    low, high = moves_to(
        shown, lambda: shown.get_by_role("button", name="Earlier", exact=True).click()
    )
    shown.reload()
    shown.locator(PLOT).first.wait_for()
    assert span(shown) == (low, high)


def test_an_event_is_gone_to(shown: Page) -> None:
    shown.keyboard.press("j")
    expect(shown.locator(".metric-events a").first).to_be_focused()
    low, high = moves_to(shown, lambda: shown.keyboard.press("Enter"))
    assert high - low < 86_400
    expect(shown.locator(".metric-events li")).to_have_count(1)


def test_many_frames_are_drawn_while_it_is_dragged(shown: Page) -> None:
    shown.mouse.move(*middle(shown))
    moves_to(shown, lambda: shown.mouse.wheel(0, -900))
    # A machine may be busy with something else; not always.
    assert any(frames_while_dragged(shown) > FRAMES for _ in range(5))


def frames_while_dragged(shown: Page) -> float:
    """How many a second."""
    x, y = middle(shown)
    shown.mouse.down()
    shown.evaluate(_COUNT_FRAMES)
    began = time.monotonic()
    for step in range(30):
        shown.mouse.move(x + 4 * step, y)
        shown.wait_for_timeout(8)
    frames: int = shown.evaluate("(cancelAnimationFrame(window.counting), window.frames)")
    took = time.monotonic() - began
    shown.mouse.up()
    return frames / took


def test_a_new_sample_is_seen_within_two_seconds(service: Service, visit: Visit) -> None:
    page = visit.go(f"/metrics/{service.uid('temperature')}?last=1h", until=PLOT)
    page.wait_for_timeout(500)  # until the stream is open
    assert any(seen_soon(page, service, value) for value in (19.43, 19.57, 19.61, 19.72, 19.43))


def seen_soon(page: Page, service: Service, value: float) -> bool:
    """Whether a sample of now is seen in time; it is seen in any case."""
    began = time.monotonic()
    live(service, CELLAR, value)
    expect(page.locator(".metric-value")).to_have_text(str(value))
    return time.monotonic() - began < LIVE_S


def test_a_note_is_written_about_a_selected_stretch(service: Service, shown: Page) -> None:
    x, y = middle(shown)
    shown.keyboard.press("s")
    shown.mouse.move(x - 100, y)
    shown.mouse.down()
    shown.mouse.move(x + 100, y, steps=4)
    shown.mouse.up()
    selection = shown.get_by_role("region", name="Selected stretch")
    selection.get_by_role("button", name="Write a note").click()
    shown.keyboard.type("the <b>disk</b> was changed")
    selection.get_by_role("button", name="Add the note").click()
    expect(shown.locator(".note-text")).to_have_text("the <b>disk</b> was changed")
    path = f"metrics/{service.uid('disk.queue')}/annotations"
    (note,) = service.get(path)["annotations"]
    assert note["start"] < note["end"]
    shown.get_by_role("button", name="Remove this note").click()
    expect(shown.locator(".note-text")).to_have_count(0)
    assert service.get(path)["annotations"] == []


def test_what_other_settings_would_have_told_is_said_and_applied(
    service: Service, shown: Page
) -> None:
    path = f"metrics/{service.uid('disk.queue')}/settings"
    before = service.get(path)
    form = shown.get_by_role("form", name="Settings")
    with asked(shown, "/what-if"):
        form.get_by_role("spinbutton", name="by at least").fill("1000")
    outcome = shown.locator(".what-if")
    expect(outcome).to_contain_text(re.compile(r"It would have been \d+ alarms? instead of \d+"))
    expect(outcome.locator("li.removed").first).to_be_visible()
    expect(shown.get_by_role("list", name="Legend")).to_contain_text("would not be told")
    form.get_by_role("radio", name="Only down").check()
    form.get_by_role("button", name="Cancel").click()
    expect(outcome).to_have_count(0)
    expect(form.get_by_role("radio", name="Both ways")).to_be_checked()
    assert service.get(path) == before
    with asked(shown, "/what-if"):
        form.get_by_role("spinbutton", name="by at least").fill("7.5")
    expect(outcome).to_contain_text("It would have been")
    form.get_by_role("button", name="Apply").click()
    expect(form.locator(".applied")).to_contain_text("Applied")
    assert service.get(path)["own"] == before["own"] | {"least_change": 7.5}
    shown.get_by_role("button", name="Back to the configuration's").click()
    expect(form.get_by_role("spinbutton", name="by at least")).to_have_value("0")
    assert service.get(path) == before


def test_it_is_paused_resumed_and_deleted(service: Service, visit: Visit) -> None:
    samples = [
        {"metric": "short.lived", "timestamp": time.time() - STEP_S * ago, "value": ago % 7}
        for ago in range(36, -1, -1)
    ]
    service.post(samples)
    page = visit.go(f"/metrics/{service.uid('short.lived')}", until=PLOT)
    standing = page.locator(".standing")
    expect(standing).to_contain_text("Warming up: 37 of 100")
    page.get_by_label("Pause").select_option(label="until it is resumed")
    expect(standing).to_contain_text("Paused until it is resumed")
    page.get_by_role("button", name="Resume").click()
    expect(standing).to_contain_text("Warming up: 37 of 100")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("short.lived")
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/search")
    names = [metric["name"] for metric in service.get("metrics", match="short.lived")["metrics"]]
    assert names == []


def test_the_old_picture_stays_while_the_new_one_is_on_its_way(
    service: Service, visit: Visit
) -> None:
    visit.provoked.append("ERR_FAILED")
    page = visit.go(f"/metrics/{service.uid('disk.queue')}?last=1h", until=PLOT)
    page.route("**/series?from*", lambda route: route.abort())
    page.keyboard.press("-")
    moves_to(page, lambda: page.keyboard.press("-"))
    trouble = page.get_by_role("alert").filter(has_text="no answer")
    expect(trouble).to_be_visible()
    expect(page.locator(".canvas .plot").first).to_be_visible()
    page.unroute("**/series?from*")
    with asked(page, "/series?from"):
        trouble.get_by_role("button", name="Try again").click()
    expect(trouble).to_have_count(0)


def test_a_metric_that_is_not_there_is_told(visit: Visit) -> None:
    visit.provoked.append("404")
    visit.go("/metrics/0000", until="main .empty")
    visit.see("There is no such metric")


def test_fingers_pan_on_a_phone(service: Service, visits: Visiting) -> None:
    visit = visits(size=PHONE)
    page = visit.go(f"/metrics/{service.uid('disk.queue')}?last=1d", until=PLOT)
    assert visit.overflow() == 0
    low, high = moves_to(
        page, lambda: page.get_by_role("button", name="Earlier", exact=True).click()
    )
    assert high - low == pytest.approx(86_400, abs=3)
