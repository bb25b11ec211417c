"""Alert rules, as people change them on the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.running import Service
from tests.web.story import HOSTILE
from tests.web.visiting import Visit


@pytest.fixture(autouse=True)
def as_found(service: Service) -> Iterator[None]:
    """Rules are afterwards as they were: those of the file, as if saved here."""
    rules = service.get("rules")["rules"]
    yield
    put_rules(service, rules)


def put_rules(service: Service, rules: list[dict[str, Any]]) -> None:
    """Save rules as somebody else."""
    body = {"rules": rules, "revision": service.get("rules")["revision"]}
    service.client.put("/api/v1/rules", json=body).raise_for_status()


def patterns(visit: Visit) -> list[str]:
    return visit.page.locator(".rule code").all_inner_texts()


def add_rule(visit: Visit, pattern: str) -> Locator:
    """Add one that alarms only of what is rare and long."""
    visit.click("Add a rule")
    form = visit.page.locator(".rule-form")
    form.get_by_label("Metrics").fill(pattern)
    form.get_by_label("Lasting at least (min)").fill("10")
    form.get_by_label("Severity").select_option("warning")
    form.get_by_role("button", name="Add the rule").click()
    return visit.page.locator(".rule").filter(has_text=pattern)


def test_rules_are_made_tried_out_and_saved(service: Service, visit: Visit) -> None:
    before = [rule["match"] for rule in service.get("rules")["rules"]]
    page = visit.go("/settings/rules", until=".rule")
    assert patterns(visit) == before
    expect(add_rule(visit, "cpu.*")).to_contain_text("lasts 10 min; always warning; tells all")
    page.get_by_role("button", name=f"Move rule {len(before) + 1} up").click()
    assert patterns(visit) == [*before[:-1], "cpu.*", before[-1]]
    visit.click("Try them out")
    preview = page.locator(".rules-preview")
    expect(preview).to_contain_text("In the last 30 days there would have been")
    events = service.get("rules")["revision"]
    visit.click("Save")
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    saved = service.get("rules")
    assert [rule["match"] for rule in saved["rules"]] == [*before[:-1], "cpu.*", before[-1]]
    made = saved["rules"][len(before) - 1]
    assert (made["minimum_s"], made["severity"], made["routes"]) == (600, "warning", None)
    assert saved["revision"] != events
    expect(page.locator("main")).to_contain_text("Saved here")


def test_rules_are_changed_and_removed(service: Service, visit: Visit) -> None:
    page = visit.go("/settings/rules", until=".rule")
    page.get_by_role("button", name="Edit rule 1").click()
    form = page.locator(".rule-form")
    form.get_by_label("all channels").uncheck()
    form.get_by_label("ops").check()
    form.get_by_label("Alarm somebody").uncheck()
    expect(form.get_by_label("Severity")).to_have_count(0)
    form.get_by_label("Alarm somebody").check()
    form.get_by_role("button", name="Done").click()
    expect(page.locator(".rule").first).to_contain_text("tells ops")
    visit.click("Save")
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    assert service.get("rules")["rules"][0]["routes"] == ["ops"]
    page.get_by_role("button", name="Remove rule 1").click()
    visit.click("Discard the changes")
    expect(page.locator(".rule").first).to_contain_text("tells ops")


def test_two_who_change_rules_at_once_are_told(service: Service, visit: Visit) -> None:
    visit.provoked.append("409")
    page = visit.go("/settings/rules", until=".rule")
    theirs = service.get("rules")["rules"]
    add_rule(visit, "mine.*")
    put_rules(service, [*theirs, theirs[0] | {"match": "theirs.*"}])
    visit.click("Save")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("saved other rules in the meantime")
    assert "theirs.*" in [rule["match"] for rule in service.get("rules")["rules"]]
    visit.click("Save mine over them")
    expect(alert).to_have_count(0)
    saved = [rule["match"] for rule in service.get("rules")["rules"]]
    assert "mine.*" in saved
    assert "theirs.*" not in saved


def test_theirs_can_be_taken_instead(service: Service, visit: Visit) -> None:
    visit.provoked.append("409")
    page = visit.go("/settings/rules", until=".rule")
    theirs = service.get("rules")["rules"]
    add_rule(visit, "mine.*")
    put_rules(service, [theirs[0] | {"match": HOSTILE}, *theirs])
    visit.click("Save")
    visit.click("Show those, drop mine")
    expect(page.locator(".rule code").first).to_have_text(HOSTILE)
    assert "mine.*" not in patterns(visit)


def test_the_way_back_to_the_file(service: Service, visit: Visit) -> None:
    service.client.delete("/api/v1/rules").raise_for_status()
    file = [rule["match"] for rule in service.get("rules")["rules"]]
    put_rules(service, [])
    page = visit.go("/settings/rules", until=".empty")
    visit.see("No rules")
    visit.click("Back to the configuration's")
    visit.click("Go back to them")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert patterns(visit) == file
    assert service.get("rules")["source"] == "file"
