"""Events of all metrics: folded from scored rows, and numbered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.events import Event, EventFold

__all__ = ["Changed", "Events"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Changed:
    """An event as it stands after a group of samples."""

    id: int
    row: int
    event: Event
    #: Whether this group began it.
    new: bool


class Events:
    """The open event of every metric that has one."""

    def __init__(self, last_id: int = 0) -> None:
        self._last_id = last_id
        self._open: dict[int, tuple[int, EventFold]] = {}
        #: The last id that was given before this group.
        self._before = last_id

    def resume(self, row: int, stored: Mapping[str, Any]) -> None:
        """Go on with an open event from the database."""

        def number(key: str) -> float:
            return np.nan if stored[key] is None else float(stored[key])

        event = Event(
            start=stored["start"],
            end=stored["end"],
            peak=stored["peak"],
            value=stored["value"],
            expected=number("expected"),
            lower=number("lower"),
            upper=number("upper"),
            anomaly_score=number("anomaly_score"),
            likelihood=number("likelihood"),
            samples=stored["samples"],
        )
        self._open[row] = (stored["id"], EventFold(event))

    def close(self, row: int) -> Changed | None:
        """The metric's event is over, because its state is gone: as it ends; None: none is open."""
        event_id, fold = self._open.pop(row, (0, EventFold()))
        if fold.current is None:
            return None
        return Changed(event_id, row, replace(fold.current, open=False), new=False)

    def take_ids(self, count: int) -> range:
        """Ids for events that were made elsewhere."""
        first, self._last_id = self._last_id + 1, self._last_id + count
        return range(first, self._last_id + 1)

    def feed(
        self, rows: Ints, timestamp: Ints, value: Floats, scored: NDArray[np.void]
    ) -> list[Changed]:
        """Fold a group (each metric's samples in order) and say which events changed.

        Cost: O(samples that belong to an event).
        """
        self._before = self._last_id
        told = np.flatnonzero(scored["event"] > 0)
        changed: list[Changed] = []
        for row in np.unique(rows[told]).tolist():
            mine = told[rows[told] == row]
            changed += self._feed_one(row, timestamp[mine], value[mine], scored[mine])
        return changed

    def _feed_one(
        self,
        row: int,
        timestamp: Ints,
        value: Floats,
        scored: NDArray[np.void],
    ) -> list[Changed]:
        event_id, fold = self._open.get(row, (0, EventFold()))
        known = fold.current
        seen: dict[int, Changed] = {}
        for event in fold.feed(timestamp, value, scored):
            if event is not known:
                # A model that was learnt anew may have forgotten that an event was open.
                if known is not None and known.open:
                    known.open = False
                    seen[event_id] = Changed(event_id, row, known, self._is_new(event_id))
                self._last_id = event_id = self._last_id + 1
                known = event
            seen[event_id] = Changed(event_id, row, event, self._is_new(event_id))
        if fold.current is None:
            self._open.pop(row, None)
        else:
            self._open[row] = (event_id, fold)
        return [replace(change, event=replace(change.event)) for change in seen.values()]

    def _is_new(self, event_id: int) -> bool:
        return event_id > self._before
