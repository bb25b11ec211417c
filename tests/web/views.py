"""Every view of the page by its name: where it is, and what tells that it is all there."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.running import Service
from tests.web.story import HOSTILE

__all__ = ["NAMES", "View", "view_of"]


class View(NamedTuple):
    """An address, and a selector of something that is there once the answers are."""

    path: str
    there: str


_FIXED: Final = {
    "now": View("/", "main .tile canvas"),
    "incidents": View("/incidents?state=all", "main .incident"),
    "groups": View("/incidents?view=groups", "main .groups td"),
    "add": View("/add", "main .heard li"),
    "rules": View("/settings/rules", "main .rule"),
    "calendars": View("/settings/calendars", "main .calendars li"),
    "channels": View("/settings/channels", "main .channels li"),
    "tokens": View("/settings/tokens", "main .make"),
    "changes": View("/settings/changes", "main .changes td"),
    "search": View("/search", "main [data-item]"),
    "look": View("/settings/look", "main [aria-pressed=true]"),
    "login": View("/login", "main #token"),
    "nowhere": View("/settings/nothing", "main .empty"),
}
NAMES: Final = (*_FIXED, "incident", "metric")


def view_of(service: Service, name: str) -> View:
    """One of `NAMES`."""
    if name == "incident":
        incidents = service.get("incidents")["incidents"]
        found = next(one["id"] for one in incidents if one["title"].startswith(HOSTILE))
        return View(f"/incidents/{found}", "main .plot canvas")
    if name == "metric":
        return View(f"/metrics/{service.uid(HOSTILE)}", "main .plot canvas")
    return _FIXED[name]
