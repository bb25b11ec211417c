"""Everything that a running service has stored, to compare with what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.running import Service

#: Name and labels in canonical order.
Series = tuple[str, tuple[tuple[str, str], ...]]
#: Time (ns) and value.
Sample = tuple[int, float]


def series(name: str, labels: Mapping[str, str] | None = None) -> Series:
    return name, tuple(sorted((labels or {}).items()))


def all_stored(service: Service, match: str = "") -> dict[Series, list[Sample]]:
    """The samples of each metric, oldest first."""
    query = {"match": match} if match else {}
    found = _pages(service, "metrics", "metrics", **query)
    return {
        series(one["name"], one["labels"]): [
            (_ns(sample["timestamp"]), sample["value"])
            for sample in _pages(service, f"metrics/{one['uid']}/samples", "samples")
        ]
        for one in found
    }


def differing(
    sent: Mapping[Series, Iterable[Sample]], stored: Mapping[Series, Iterable[Sample]]
) -> list[Any]:
    """What is on one side only, sample by sample."""
    both = [
        {(key, *sample) for key, samples in side.items() for sample in samples}
        for side in (sent, stored)
    ]
    return sorted(both[0] ^ both[1])


def _pages(service: Service, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = service.get(path, limit=1_000, **query)
        found += page[key]
        if page["cursor"] is None:
            return found
        query["cursor"] = page["cursor"]


def _ns(text: str) -> int:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9 + int(fraction.ljust(9, "0") or 0)
