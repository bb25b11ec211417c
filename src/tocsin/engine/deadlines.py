"""When which metric's status is to be looked at again."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tocsin.engine.registry import Registry
from tocsin.samples import SECOND_NS

__all__ = ["Deadlines"]

#: Longest sleep: the wall clock may be set meanwhile.
_LONGEST_S: Final = 60.0


class Deadlines:
    """A heap of (time, row); whether a deadline still holds, the row's standing says."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []

    def put(self, row: int, deadline: int | None) -> None:
        """Look at this row at this time (ns, UTC); None: never."""
        if deadline is not None:
            heapq.heappush(self._heap, (deadline, row))

    def put_all(self, registry: Registry, statuses: Iterable[Mapping[str, Any]]) -> None:
        """The deadlines of rows of `metric` that are about to be written."""
        for status in statuses:
            self.put(registry.row_of_id(status["id"]), status["deadline"])

    def due(self, now: int) -> list[int]:
        """Rows whose time has come; each is told once."""
        rows = []
        while self._heap and self._heap[0][0] <= now:
            rows.append(heapq.heappop(self._heap)[1])
        return [row for row in rows if row >= 0]

    def seconds_left(self) -> float:
        """How long until the next one."""
        if not self._heap:
            return _LONGEST_S
        left = (self._heap[0][0] - time.time_ns()) / SECOND_NS
        return min(max(left, 0.0), _LONGEST_S)
