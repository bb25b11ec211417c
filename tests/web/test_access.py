"""Tokens in a real browser: the first one, logging in, making and revoking others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.running import Service, running
from tests.web.conftest import Visiting
from tests.web.story import HOSTILE
from tests.web.visiting import Visit


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has no tokens yet."""
    with running(tmp_path_factory.mktemp("guarded")) as started:
        yield started


def make(visit: Visit, name: str) -> str:
    """Make a token; returns its secret."""
    page = visit.page
    page.get_by_label("For whom").fill(name)
    visit.click("Make it")
    expect(page.locator(".made")).to_contain_text(name)
    secret: str = page.locator(".made pre").inner_text()
    return secret


def test_from_the_first_token_to_the_log_in(guarded: Service, visits: Visiting) -> None:
    address = str(guarded.client.base_url)
    first = visits(address)
    page = first.go("/settings/tokens", until=".make")
    first.see("No token is needed")
    secret = make(first, "Anna")
    expect(page.locator("main")).to_contain_text("Anna (admin)")  # who made it is logged in
    other = make(first, HOSTILE)
    expect(page.locator("table")).to_contain_text(HOSTILE)
    assert guarded.client.get("/api/v1/metrics").status_code == 401

    second = visits(address)
    second.provoked += ["401"]
    page = second.go("/incidents?state=all", until="#token")
    assert "next=" in page.url
    page.get_by_label("Token").fill("no such token")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This token is not known here.")
    page.get_by_label("Token").fill(secret)
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents?state=all")
    second.see("No incident")
    page.goto(address + "/settings/tokens")
    page.get_by_role("button", name=f"Revoke {HOSTILE}").click()
    second.click("Revoke")
    expect(page.locator("tbody tr")).to_have_count(1)
    bearer = {"Authorization": f"Bearer {other}"}
    assert guarded.client.get("/api/v1/metrics", headers=bearer).status_code == 401
    second.click("Log out")
    page.wait_for_url("**/login*")
    page.goto(address + "/")
    page.locator("#token").wait_for()
