"""Events of all metrics: folded from scored rows, and numbered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.events import Event, EventFold, Mute, event_of
from tocsin.detect.marks import Lowered, Mark, muted_by
from tocsin.engine.windows import Windows
from tocsin.store.resume import Begun

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

    def __init__(
        self, last_id: int = 0, timezone: Callable[[int], str] = lambda _row: "UTC"
    ) -> None:
        """``timezone``: a row's civil time."""
        self._last_id = last_id
        self._timezone = timezone
        self._open: dict[int, tuple[int, EventFold]] = {}
        self._marks: dict[int, tuple[Mark, ...]] = {}
        self._lowered: dict[int, Lowered] = {}
        #: Why events of this group were begun, by row and seq.
        self._because: dict[tuple[int, int], str] = {}
        #: What calendars say; None: there are none.
        self.windows: Windows | None = None
        #: The last id that was given before this group.
        self._before = last_id

    def resume(self, row: int, stored: Mapping[str, Any], begun: Begun) -> None:
        """Go on with an open event from the database; ``begun``: what its samples say."""
        fold = EventFold(event_of(stored), self._timezone(row), begun.expected)
        fold.after = fold.stayed = -1
        for value in begun.since_peak:
            fold.look_back(value)
        self._open[row] = (stored["id"], fold)
        if stored.get("because"):
            self._lowered[row] = Lowered(begun.score, begun.quiet)

    def mark(self, row: int, marks: Sequence[Mark]) -> None:
        """What people said of a row's events, from now on."""
        if marks:
            self._marks[row] = tuple(marks)
        else:
            self._marks.pop(row, None)

    def marks(self, row: int) -> tuple[Mark, ...]:
        """The marks of a row."""
        return self._marks.get(row, ())

    def mute_of(self, row: int) -> Mute:
        """Why an event of a row as it stands is muted: by a mark, or a calendar."""
        by_mark = partial(muted_by, self.marks(row))
        windows = self.windows
        if windows is None or not windows.mutes():
            return by_mark
        return lambda event, seq: by_mark(event, seq) or windows.muted(row, event.end)

    def lower(
        self, rows: Ints, seq: Ints, timestamp: Ints, value: Floats, scored: NDArray[np.void]
    ) -> None:
        """Begin events where marks ask for them: changes ``scored["event"]``. Before `feed`.

        Cost: nothing where no metric of the group has marks.
        """
        concerned = self._marks.keys() | self._lowered.keys()
        if not concerned:
            return
        for row in concerned.intersection(np.unique(rows).tolist()):
            mine = np.flatnonzero(rows == row)
            some = scored[mine]
            lowered = self._lowered.setdefault(row, Lowered())
            begun = lowered.tell(self.marks(row), seq[mine], timestamp[mine], value[mine], some)
            scored["event"][mine] = some["event"]
            self._because |= {(row, int(seq[mine[i]])): why for i, why in begun.items()}
            if lowered.level == 0.0:
                del self._lowered[row]

    def open_of(self, row: int) -> int | None:
        """The id of a row's event that is open; any thread."""
        known = self._open.get(row)
        return known[0] if known is not None else None

    def close(self, row: int) -> Changed | None:
        """The metric's event is over, because its state is gone: as it ends; None: none is open."""
        self._lowered.pop(row, None)
        event_id, fold = self._open.pop(row, (0, EventFold()))
        if fold.current is None:
            return None
        return Changed(event_id, row, replace(fold.current, open=False), new=False)

    def take_ids(self, count: int) -> range:
        """Ids for events that were made elsewhere."""
        first, self._last_id = self._last_id + 1, self._last_id + count
        return range(first, self._last_id + 1)

    def feed(
        self, rows: Ints, seq: Ints, timestamp: Ints, value: Floats, scored: NDArray[np.void]
    ) -> list[Changed]:
        """Fold a group (each metric's samples in order) and say which events changed.

        Cost: O(samples that belong to an event).
        """
        self._before = self._last_id
        told = np.flatnonzero(scored["event"] > 0)
        changed: list[Changed] = []
        for row in np.unique(rows[told]).tolist():
            mine = told[rows[told] == row]
            changed += self._feed_one(row, seq[mine], timestamp[mine], value[mine], scored[mine])
        self._because.clear()
        return changed

    def _feed_one(
        self,
        row: int,
        seq: Ints,
        timestamp: Ints,
        value: Floats,
        scored: NDArray[np.void],
    ) -> list[Changed]:
        event_id, fold = self._open.get(row) or (0, EventFold(timezone=self._timezone(row)))
        known = fold.current
        seen: dict[int, Changed] = {}
        fold.mute = self.mute_of(row)
        because = {at: why for (of, at), why in self._because.items() if of == row}
        for event in fold.feed(timestamp, value, scored, seq, because):
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
