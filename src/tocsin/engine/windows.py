"""Windows: which calendars are about which metric, and what follows for its samples."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tocsin.calendars import Calendar
from tocsin.samples import Metric

__all__ = ["Windows"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(slots=True)
class Window:
    """A calendar, and which rows of the registry it is about, as far as they were looked at."""

    calendar: Calendar
    rows: Flags = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def about(self, metrics: Sequence[Metric]) -> Flags:
        """By row. Cost: about a microsecond for each metric that is new."""
        known = len(self.rows)
        if known < len(metrics):
            new = [self.calendar.matches(metric) for metric in metrics[known:]]
            # In one step: other threads read it.
            self.rows = np.append(self.rows, np.array(new, dtype=np.bool_))
        return self.rows


class Windows:
    """All calendars, over the registry's list of metrics. Any thread."""

    def __init__(self, metrics: Sequence[Metric], calendars: Iterable[Calendar] = ()) -> None:
        """``metrics``: the list itself, which others append to."""
        self._metrics = metrics
        self._lock = threading.Lock()
        self._muting: tuple[Window, ...] = ()
        self._unlearning: tuple[Window, ...] = ()
        self.put(calendars)

    def put(self, calendars: Iterable[Calendar]) -> None:
        """Go by these from now on."""
        known = {one.calendar.id: one.rows for one in (*self._muting, *self._unlearning)}
        none = np.zeros(0, dtype=np.bool_)
        windows = [Window(one, known.get(one.id, none)) for one in calendars]
        self._muting = tuple(w for w in windows if not w.calendar.alarm and not _over(w.calendar))
        self._unlearning = tuple(w for w in windows if not w.calendar.learn)

    def rows(self, calendar: Calendar) -> Flags:
        """Which rows a calendar is about. Cost: O(metrics)."""
        return Window(calendar).about(self._metrics)

    def muted(self, row: int, at: int) -> str:
        """Why an event of a row that goes on at this time (ns) alarms nobody; "": it does."""
        for window in self._muting:
            if self._about(window)[row] and window.calendar.covers_one(at):
                return window.calendar.reason
        return ""

    def muted_rows(self, rows: Ints, at: int) -> Flags:
        """Which of these rows alarm nobody at this time (ns). Cost: O(calendars + rows)."""
        found = np.zeros(len(rows), dtype=np.bool_)
        for window in self._muting:
            if window.calendar.covers_one(at):
                found |= self._about(window)[rows]
        return found

    def mutes(self) -> bool:
        """Whether any calendar says that somebody is not alarmed."""
        return bool(self._muting)

    def unlearnt(self, rows: Ints, timestamps: Ints) -> Flags | None:
        """Which of these samples are not to be learnt; None: all are.

        Cost: nothing without such calendars, else O(samples) for each.
        """
        if not self._unlearning:
            return None
        found: Flags | None = None
        for window in self._unlearning:
            mine = np.flatnonzero(self._about(window)[rows])
            if not len(mine):
                continue
            inside = mine[window.calendar.unlearnt(timestamps[mine])]
            if len(inside):
                found = np.zeros(len(rows), dtype=np.bool_) if found is None else found
                found[inside] = True
        return found

    def _about(self, window: Window) -> Flags:
        if len(window.rows) < len(self._metrics):
            with self._lock:
                return window.about(self._metrics)
        return window.rows


def _over(calendar: Calendar) -> bool:
    """Whether it was taken back: what was not learnt stays unlearnt, but all is alarmed."""
    return calendar.until is not None
