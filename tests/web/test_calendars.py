"""Maintenance windows, as people make them on the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.running import Service
from tests.web.story import HOSTILE
from tests.web.visiting import Visit


@pytest.fixture(autouse=True)
def as_found(service: Service) -> Iterator[None]:
    """Windows that a test has made are gone afterwards."""
    before = {one["id"] for one in service.get("calendars")["calendars"]}
    yield
    for one in service.get("calendars")["calendars"]:
        if one["id"] not in before:
            service.client.delete(f"/api/v1/calendars/{one['id']}").raise_for_status()


def test_a_window_once(service: Service, visit: Visit) -> None:
    page = visit.go("/settings/calendars", until=".rule-form")
    form = page.locator(".rule-form")
    form.get_by_label("Metrics").fill("disk.*")
    form.get_by_label("From").fill("2030-07-01T22:00")
    form.get_by_label("To").fill("2030-07-01T21:00")
    expect(form).to_contain_text("The end must come after the begin.")
    expect(form.get_by_role("button", name="Add the window")).to_be_disabled()
    form.get_by_label("To").fill("2030-07-02T06:00")
    form.get_by_label("Time zone").fill("America/New_York")
    form.get_by_label("do not learn").uncheck()
    form.get_by_label("What for").fill("new disks")
    form.get_by_role("button", name="Add the window").click()
    row = page.locator(".calendars li").filter(has_text="new disks")
    expect(row).to_contain_text("2030-07-01 22:00 to 2030-07-02 06:00")
    expect(row).to_contain_text("America/New_York")
    expect(row).to_contain_text("no alarms")
    (made,) = [one for one in service.get("calendars")["calendars"] if one["text"] == "new disks"]
    assert made["start"].startswith("2030-07-02T02:00:00")
    assert made["end"].startswith("2030-07-02T10:00:00")
    assert (made["alarm"], made["learn"], made["weekly"]) == (False, True, None)
    row.get_by_role("button", name="Remove the window of disk.*").click()
    visit.click("Remove it")
    expect(row).to_have_count(0)
    assert made["id"] not in [one["id"] for one in service.get("calendars")["calendars"]]


def test_a_window_every_week(service: Service, visit: Visit) -> None:
    page = visit.go("/settings/calendars", until=".rule-form")
    form = page.locator(".rule-form")
    form.get_by_label("Metrics").fill('*{host="db-1"}')
    visit.click("Every week")
    for day in ("Mon", "Tue", "Wed"):
        form.get_by_label(day).check()
    form.get_by_label("Sun").uncheck()
    form.get_by_label("From").fill("22:30")
    form.get_by_label("To").fill("01:00")
    expect(form).to_contain_text("the next day")
    form.get_by_role("button", name="Add the window").click()
    row = page.locator(".calendars li").filter(has_text="db-1")
    expect(row).to_contain_text("Mon to Wed 22:30 to 01:00 the next day")
    expect(row).to_contain_text("Europe/Berlin")
    weekly = {"days": [0, 1, 2], "from": "22:30", "to": "01:00"}
    assert weekly in [one["weekly"] for one in service.get("calendars")["calendars"]]


def test_changes_are_in_the_book(service: Service, visit: Visit) -> None:
    page = visit.go("/settings/calendars", until=".rule-form")
    page.locator(".rule-form").get_by_label("Metrics").fill(HOSTILE)
    visit.click("Add the window")
    expect(page.locator(".calendars code").filter(has_text=HOSTILE).first).to_be_visible()
    visit.click("Changes", role="link")
    expect(page.locator(".changes tbody tr").first).to_contain_text("calendar")
