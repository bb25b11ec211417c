"""Which metrics match patterns: looked at once each, and not again at every question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.engine.registry import Registry
from tocsin.rules import matches

__all__ = ["Matching"]

#: Patterns that are remembered.
_REMEMBERED: Final = 50


class Matching:
    """Rows of the registry that match a pattern: looked at once, and as metrics are added."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        #: By pattern: how many rows were looked at, and those that match.
        self._known: dict[str, tuple[int, list[int]]] = {}

    def rows(self, patterns: Sequence[str], limit: int) -> list[int]:
        """Rows that match any pattern, oldest first. Cost: O(metrics that are new)."""
        found: dict[int, None] = {}
        for pattern in patterns:
            found.update(dict.fromkeys(self._of(pattern)))
        alive = (row for row in sorted(found) if self._alive(row))
        return [row for row, _ in zip(alive, range(limit), strict=False)]

    def _of(self, pattern: str) -> list[int]:
        done, rows = self._known.pop(pattern, (0, []))
        upto = len(self._registry.metrics)
        metrics = self._registry.metrics
        rows = [*rows, *(row for row in range(done, upto) if matches(pattern, metrics[row]))]
        while len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)), None)
        self._known[pattern] = upto, rows
        return rows

    def _alive(self, row: int) -> bool:
        return self._registry.row_of_uid(self._registry.uids[row]) == row
