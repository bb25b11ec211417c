"""A service with a past, shared by the tests of the page, and visits of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import chromium_fixture as chromium_fixture
from tests.running import Service, running
from tests.web.story import HOSTILE, tell
from tests.web.visiting import Visit
from tocsin.web import build

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Opens a tab on the service; keywords as for `Visit`.
Visiting = Callable[..., Visit]

_CONFIGURATION = """
watch_self = false

[[channel]]
name = "ops"
kind = "webhook"
url = "http://127.0.0.1:9/hook"

[[alert]]
match = "temperature*"
severity = "info"
"""

_NIGHTS = {"days": [5, 6], "from": "23:00", "to": "01:00"}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service that was told the whole story; tests leave it as they found it."""
    if not build.fresh():
        build.build()
    folder = tmp_path_factory.mktemp("page")
    (folder / "tocsin.toml").write_text(_CONFIGURATION)
    config = str(folder / "tocsin.toml")
    with running(folder / "data", "--config", config) as started:
        tell(started)
        _rule(started)
        yield started


@pytest.fixture
def visits(chromium: Browser, service: Service) -> Iterator[Visiting]:
    """Open tabs; at the end nothing may have happened in them that must not."""
    opened: list[Visit] = []

    def visit(address: str | None = None, **how: Any) -> Visit:
        opened.append(Visit(chromium, address or str(service.client.base_url), **how))
        return opened[-1]

    yield visit
    for one in opened:
        one.close()


@pytest.fixture
def visit(visits: Visiting) -> Visit:
    """One tab, on a desktop."""
    return visits()


def _rule(service: Service) -> None:
    """Rules and windows of metrics that are called like markup."""
    known = service.get("rules")
    hostile = {"match": HOSTILE, "severity": "critical"}
    body = {"rules": [*known["rules"], hostile], "revision": known["revision"]}
    service.client.put("/api/v1/rules", json=body).raise_for_status()
    window = {"match": "nobody.*", "text": HOSTILE, "weekly": _NIGHTS}
    service.client.post("/api/v1/calendars", json=window).raise_for_status()
