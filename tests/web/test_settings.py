"""Channels, and the look of the page."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.web.visiting import Visit


def test_a_channel_is_tried_out(visit: Visit) -> None:
    page = visit.go("/settings/channels", until=".channels li")
    page.get_by_role("button", name="Send a test message to ops").click()
    expect(page.locator(".told")).to_contain_text("refused")


def test_the_look_is_chosen(visit: Visit) -> None:
    page = visit.go("/settings/look")
    visit.click("Dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    visit.click("As the system")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
