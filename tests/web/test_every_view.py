"""What holds of every view: accessible, on a phone too, and names are text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

import pytest

from tests.browser import until
from tests.running import Service
from tests.web.conftest import Visiting
from tests.web.story import HOSTILE
from tests.web.views import NAMES, view_of
from tests.web.visiting import DESKTOP, PHONE, Visit
from tocsin.web import build

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_AXE = build.HOME / "node_modules" / "axe-core" / "axe.min.js"
#: What axe found, short enough to be read.
_RUN_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
  ({id, nodes}) => `${id}: ${nodes.map(({html, any}) =>
    `${html.slice(0, 200)} ${any.map(({message}) => message).join(" ")}`).join(" | ")}`)"""
#: Elements that only a name taken for markup could have made.
_MADE = """document.querySelectorAll('img[src="x"], body script, b[onclick]').length"""
_THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
#: Views that show metrics, and so the hostile one.
_SHOW_METRICS = ("now", "incidents", "groups", "incident", "metric", "search", "rules", "calendars")


@pytest.fixture(scope="module")
def axe() -> str:
    if not _AXE.is_file():
        reason = "no axe-core: the page's libraries are not installed (python -m tocsin.web.build)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return _AXE.read_text()


@pytest.fixture(scope="module", params=NAMES)
def shown(
    request: pytest.FixtureRequest, chromium: Browser, service: Service
) -> Iterator[tuple[str, Visit]]:
    """Each view in turn, with all its answers; nothing may happen in it that must not."""
    name: str = request.param
    visit = Visit(chromium, str(service.client.base_url))
    path, there = view_of(service, name)
    visit.go(path, until=there)
    yield name, visit
    visit.close()


def violations(visit: Visit, axe: str) -> list[str]:
    if not visit.page.evaluate("'axe' in window"):
        visit.page.evaluate(axe)
    found: list[str] = visit.page.evaluate(_RUN_AXE)
    return found


def test_names_are_text(shown: tuple[str, Visit]) -> None:
    name, visit = shown
    if name in _SHOW_METRICS:
        visit.see(HOSTILE if name != "groups" else "<script>document.title=2</script>")
    assert visit.page.evaluate(_MADE) == 0
    assert visit.page.title().endswith("Tocsin")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_is_accessible_and_not_too_wide(
    shown: tuple[str, Visit], axe: str, size: tuple[int, int]
) -> None:
    _, visit = shown
    visit.page.set_viewport_size({"width": size[0], "height": size[1]})
    assert visit.overflow() == 0
    for theme in _THEMES:
        visit.page.emulate_media(color_scheme=theme)
        until(visit.page, f"document.documentElement.dataset.theme === '{theme}'")
        assert violations(visit, axe) == [], theme


def test_axe_does_find_what_is_wrong(visits: Visiting, axe: str) -> None:
    visit = visits()
    page = visit.go("/login", until="#token")
    page.evaluate("document.querySelector('label').remove()")
    assert any(found.startswith("label: ") for found in violations(visit, axe))
