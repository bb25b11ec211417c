"""Search: what is typed is found, by keyboard, and the address keeps it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.running import Service
from tests.web.story import HOSTILE, STORY
from tests.web.visiting import Visit

FIELD = "input[type=search]"
RESULT = "main .result"
#: What is to be done after a frame comes half a second late; what the field waits for, in time.
_LATE = """() => {
  const real = window.setTimeout;
  window.setTimeout = (act, ms, ...more) => real(act, ms === 90 ? ms : (ms ?? 0) + 500, ...more);
  window.requestAnimationFrame = (act) => real(() => act(performance.now()), 500);
}"""


def query(page: Page) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


@pytest.fixture(name="search")
def search_fixture(visit: Visit) -> Page:
    page = visit.go("/search", until=RESULT)
    expect(page.locator(FIELD)).to_be_focused()
    return page


def test_all_metrics_are_ranked(search: Page) -> None:
    expect(search.locator(RESULT)).to_have_count(len(STORY))
    odd = {metric.name for metric in STORY if metric.outage != 1}
    assert search.locator(f"{RESULT} .result-name b").first.inner_text() in odd
    assert search.locator(f"{RESULT} canvas").count() == len(STORY)
    expect(search.locator(".search-total")).to_have_text(f"{len(STORY)} metrics")


def test_parts_of_names_and_labels_find(search: Page) -> None:
    search.keyboard.type("busy WEB-2")
    expect(search.locator(RESULT)).to_have_count(1)
    expect(search.locator(RESULT)).to_contain_text("cpu.busy")
    expect(search.locator(f"{RESULT} mark").first).to_have_text("busy")
    search.wait_for_url("**q=busy+WEB-2*")
    search.locator(FIELD).fill("host=db-1")
    expect(search.locator(RESULT)).to_have_count(2)
    search.reload()
    expect(search.locator(FIELD)).to_have_value("host=db-1")
    expect(search.locator(RESULT)).to_have_count(2)


def test_no_letter_is_lost_on_a_slow_machine(search: Page) -> None:
    """What is to be done after a frame is done so late that more was typed by then."""
    search.evaluate(_LATE)
    search.keyboard.type("busy web-2", delay=150)  # slow enough for an address after each letter
    expect(search.locator(FIELD)).to_have_value("busy web-2")
    search.wait_for_url("**q=busy+web-2*")
    expect(search.locator(RESULT)).to_have_count(1)
    # Who else changes the address does change the field.
    search.keyboard.press("Enter")
    search.wait_for_url("**/metrics/*")
    search.go_back()
    expect(search.locator(FIELD)).to_have_value("busy web-2")


def test_markup_is_found_as_text(search: Page) -> None:
    search.keyboard.type(HOSTILE)
    expect(search.locator(RESULT)).to_have_count(1)
    expect(search.locator(f"{RESULT} .result-name b").first).to_have_text(HOSTILE)


def test_the_keyboard_is_enough(service: Service, search: Page) -> None:
    search.keyboard.type("cpu")
    expect(search.locator(RESULT)).to_have_count(2)
    search.keyboard.press("ArrowDown")
    expect(search.locator(RESULT).first).to_be_focused()
    search.keyboard.press("j")
    expect(search.locator(RESULT).nth(1)).to_be_focused()
    search.keyboard.press("k")
    search.keyboard.press("ArrowUp")
    expect(search.locator(FIELD)).to_be_focused()
    search.keyboard.press("Escape")
    expect(search.locator(RESULT)).to_have_count(len(STORY))
    search.keyboard.press("Escape")
    search.keyboard.press("/")
    expect(search.locator(FIELD)).to_be_focused()
    search.keyboard.type("disk")
    expect(search.locator(RESULT)).to_have_count(1)
    search.keyboard.press("Enter")
    search.wait_for_url(f"**/metrics/{service.uid('disk.queue')}")
    search.go_back()
    expect(search.locator(FIELD)).to_have_value("disk")


def test_it_is_filtered_by_status_and_sorted(search: Page) -> None:
    search.get_by_label("Sort").select_option(label="Name")
    search.wait_for_url("**sort=name*")
    expect(search.locator(f"{RESULT} .result-name b").nth(1)).to_have_text("cpu.busy")
    search.get_by_role("button", name="Paused").click()
    expect(search.locator(".empty-title")).to_have_text("No metric is paused")
    assert query(search) == {"sort": "name", "status": "paused"}
    search.get_by_role("button", name="Look in all statuses").click()
    expect(search.locator(RESULT)).to_have_count(len(STORY))


def test_nothing_found_says_what_to_do(search: Page) -> None:
    search.keyboard.type("no such thing")
    expect(search.locator(".empty")).to_contain_text("Nothing found for “no such thing”")
    search.get_by_role("button", name="Show all metrics").click()
    expect(search.locator(RESULT)).to_have_count(len(STORY))
    expect(search.locator(FIELD)).to_have_value("")


def test_what_was_found_stays_while_there_is_no_answer(search: Page, visit: Visit) -> None:
    visit.provoked.append("ERR_FAILED")
    search.route("**/api/v1/search*", lambda route: route.abort())
    search.keyboard.insert_text("cpu")  # in one go: a second search would answer by itself
    expect(search.get_by_role("alert")).to_contain_text("no answer")
    expect(search.locator(RESULT)).to_have_count(len(STORY))
    search.unroute("**/api/v1/search*")
    search.get_by_role("button", name="Try again").click()
    expect(search.locator(RESULT)).to_have_count(2)
