"""What came between two points of a cumulative histogram."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from tocsin.ingest.otlp.buckets import Buckets

__all__ = ["Intervals"]

#: What remembering a series takes beside its buckets, in numbers.
_OTHER: int = 64


@dataclass(frozen=True, slots=True)
class _Point:
    start: int
    time: int
    buckets: Buckets


class Intervals:
    """Remembers the last two points of each histogram; may be shared by threads.

    Two, so that a point that is sent again means the same again. Holds about ``most`` numbers
    (of 8 bytes); then those are forgotten that have not come for longest.
    """

    def __init__(self, most: int = 8_000_000) -> None:
        self._most = most
        self._held = 0
        self._last: OrderedDict[Hashable, tuple[_Point, _Point | None]] = OrderedDict()
        self._lock = threading.Lock()

    def since(self, key: Hashable, start: int, time: int, buckets: Buckets) -> Buckets | None:
        """What the histogram has counted since its point before; None where that is not known.

        ``start``: since when it counts; another one than before: it has begun anew.
        """
        point = _Point(start, time, buckets)
        with self._lock:
            last, before = self._last.get(key, (None, None))
            if last is not None and time < last.time:
                return None
            if last is not None and time > last.time:
                before = last
            self._remember(key, point, before)
        return _between(before, point)

    def _remember(self, key: Hashable, point: _Point, before: _Point | None) -> None:
        self._held += _size(point, before) - _size(*self._last.get(key, (None, None)))
        self._last[key] = (point, before)
        self._last.move_to_end(key)
        while self._held > self._most:
            _, forgotten = self._last.popitem(last=False)
            self._held -= _size(*forgotten)


def _between(before: _Point | None, point: _Point) -> Buckets | None:
    if before is None:
        return None
    if before.start == point.start:
        return point.buckets.since(before.buckets)
    # Counted from the start, if that was after the point before.
    return point.buckets if point.start >= before.time else None


def _size(point: _Point | None, before: _Point | None) -> int:
    return sum(_OTHER + one.buckets.size for one in (point, before) if one is not None)
