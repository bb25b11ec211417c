"""Incidents in a real browser: the list, one of them, and what people do about it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.running import Service
from tests.web.story import HOSTILE
from tests.web.visiting import Visit


def incident_of(service: Service, group: str) -> dict[str, Any]:
    """The newest incident of several metrics of a group."""
    found = service.get("incidents", group=group)["incidents"]
    newest: dict[str, Any] = next(one for one in found if one["metrics"] > 1)
    return newest


@pytest.fixture
def outage(service: Service) -> dict[str, Any]:
    """The one that goes on."""
    return incident_of(service, "host=web-1")


@pytest.fixture
def past(service: Service) -> dict[str, Any]:
    """The one that is over."""
    return incident_of(service, "host=db-1")


def test_only_those_that_are_not_over_are_listed_at_first(service: Service, visit: Visit) -> None:
    told = service.get("incidents", state="unresolved")["incidents"]
    assert {one["state"] for one in told} == {"open"}
    page = visit.go("/incidents")
    expect(page.locator("main .incident")).to_have_count(len(told))
    visit.click("Resolved")
    visit.see("disk.queue")
    assert "state=resolved" in page.url
    expect(page.locator("main .incident.open")).to_have_count(0)
    page.go_back()  # filters replace their address: back leads out of the list
    assert page.url == "about:blank"


def test_the_list_is_gone_through_by_keyboard(visit: Visit, outage: dict[str, Any]) -> None:
    page = visit.go("/incidents", until="main .incident")
    page.keyboard.press("k")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator("main .incident").first
    expect(first).to_be_focused()
    title = first.locator(".incident-title").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_contain_text(title)
    assert "/incidents/" in page.url


def test_an_incident_says_what_moved_first_and_why(visit: Visit, outage: dict[str, Any]) -> None:
    page = visit.go(f"/incidents/{outage['id']}")
    visit.see("4 of 4 metrics of host=web-1")
    first = page.locator(".member").first
    expect(first).to_contain_text("http.latency_ms")
    expect(first.locator(".tag.hot")).to_contain_text("moved first")
    late = page.locator(".member").nth(1)
    expect(late).to_contain_text("cpu.busy")
    expect(late).to_contain_text(re.compile("[23] min later"))  # two, if its first sample tells
    assert page.locator(".why sup").count() == 1  # "once in 10^11" is set as a power
    assert page.locator(".course li").count() >= 4
    expect(page.locator(".course")).to_contain_text("opened")


def test_people_look_after_an_incident(
    service: Service, visit: Visit, past: dict[str, Any]
) -> None:
    page = visit.go(f"/incidents/{past['id']}")
    visit.click("Reopen")
    visit.click("Acknowledge")
    expect(page.locator(".facts")).to_contain_text("acknowledged")
    page.get_by_label("Snooze").select_option("3600")
    expect(page.locator(".facts")).to_contain_text("snoozed until")
    visit.click("Assign")
    page.get_by_label("Who looks after it").fill(HOSTILE)
    page.keyboard.press("Enter")
    expect(page.locator(".facts")).to_contain_text(HOSTILE)
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 5, "y": 500})
    page.keyboard.press("n")
    expect(page.get_by_label("Note")).to_be_focused()
    page.keyboard.type("the disk was <b>full</b>")
    visit.click("Add the note")
    expect(page.locator(".course li.note")).to_contain_text("the disk was <b>full</b>")
    page.locator("body").click(position={"x": 5, "y": 500})
    page.keyboard.press("r")
    expect(page.locator(".facts")).to_contain_text("resolved")
    told = service.get(f"incidents/{past['id']}")
    assert (told["state"], told["assignee"]) == ("resolved", HOSTILE)
    kinds = [entry["kind"] for entry in told["history"]]
    assert kinds[-6:] == ["reopened", "acknowledged", "snoozed", "assigned", "note", "resolved"]


def test_feedback_is_tried_out_then_given_then_taken_back(
    service: Service, visit: Visit, outage: dict[str, Any]
) -> None:
    page = visit.go(f"/incidents/{outage['id']}", until=".member-events")
    member = page.locator(".member").filter(has_text="cpu.busy")
    member.get_by_role("button", name="Not an anomaly").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("In the last 30 days there")
    expect(dialog).to_contain_text("1 fewer")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    uid = next(
        one["metric"]["uid"]
        for one in service.get(f"incidents/{outage['id']}")["members"]
        if one["metric"]["name"] == "cpu.busy"
    )
    assert service.get(f"metrics/{uid}/marks")["marks"] == []
    member.get_by_role("button", name="Not an anomaly").click()
    dialog.get_by_label("Only near this time of day").check()
    dialog.get_by_role("button", name="Apply from now on").click()
    expect(member.locator(".feedback .tag")).to_have_text("not an anomaly")
    (mark,) = service.get(f"metrics/{uid}/marks")["marks"]
    assert (mark["kind"], mark["same_hour"]) == ("not_anomaly", True)
    member.get_by_role("button", name="Undo").click()
    expect(member.get_by_role("button", name="Not an anomaly")).to_be_visible()
    assert service.get(f"metrics/{uid}/marks")["marks"] == []


def test_an_incident_that_there_is_not(visit: Visit) -> None:
    visit.provoked.append("404")
    visit.go("/incidents/99999", until="main .empty")
    visit.see("There is no such incident")
    visit.click("See all incidents", role="link")
    visit.see("http.latency_ms")
