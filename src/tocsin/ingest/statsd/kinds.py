"""What StatsD's types add up to between two flushes."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from tocsin.engine.batch import Reason
from tocsin.ingest.graphite.fields import number
from tocsin.ingest.statsd.messages import BadMessageError

__all__ = ["MAKERS", "Counter", "Gauge", "Kind", "Members", "Room", "Timer"]

#: Of one timer, so many values are kept for percentiles; of more, a fair choice.
_VALUES: Final = 10_000

#: What is appended to the name, and the value.
Told = tuple[str, float]


@dataclass(slots=True)
class Room:
    """What all timers and sets together may keep until the next flush."""

    values: int = 2_000_000
    members: int = 1_000_000


class Kind(Protocol):
    """One name's state."""

    def add(self, text: bytes, rate: float, room: Room) -> None:
        """Take one value. Errors: `BadMessageError`; nothing has changed then."""

    def flush(self, percentiles: tuple[float, ...]) -> list[Told]:
        """What came since the last flush, and begin anew."""

    def idle(self) -> list[Told]:
        """What is told when nothing came."""


def _finite(text: bytes) -> float:
    try:
        value = number(text)
    except ValueError:
        raise BadMessageError(Reason.BAD_LINE, "the value is not a number") from None
    if not math.isfinite(value):
        raise BadMessageError(Reason.NOT_FINITE, "the value is not a finite number")
    return value


@dataclass(slots=True)
class Counter:
    """How much was counted, scaled by the rate; 0 while nothing is."""

    total: float = 0.0

    def add(self, text: bytes, rate: float, room: Room) -> None:
        """Take one value. Errors: `BadMessageError`."""
        del room
        self.total += _finite(text) / rate

    def flush(self, percentiles: tuple[float, ...]) -> list[Told]:
        """What was counted since the last flush."""
        del percentiles
        total, self.total = self.total, 0.0
        return [("", total)]

    def idle(self) -> list[Told]:
        """Nothing was counted."""
        return [("", 0.0)]


@dataclass(slots=True)
class Gauge:
    """The last value; a sign makes it a change. Told only when it was set."""

    value: float = 0.0

    def add(self, text: bytes, rate: float, room: Room) -> None:
        """Take one value. Errors: `BadMessageError`."""
        del rate, room
        value = _finite(text)
        self.value = self.value + value if text[:1] in (b"+", b"-") else value

    def flush(self, percentiles: tuple[float, ...]) -> list[Told]:
        """The value."""
        del percentiles
        return [("", self.value)]

    def idle(self) -> list[Told]:
        """A gauge that nobody sets is no news."""
        return []


@dataclass(slots=True)
class Members:
    """How many different texts there were."""

    #: 64-bit hashes of them.
    seen: set[int] = field(default_factory=set)

    def add(self, text: bytes, rate: float, room: Room) -> None:
        """Take one member. Errors: `BadMessageError` when there is no room for it."""
        del rate
        member = hash(text)
        if member in self.seen:
            return
        if room.members <= 0:
            raise BadMessageError(Reason.NOT_STORED, "sets have too many members")
        room.members -= 1
        self.seen.add(member)

    def flush(self, percentiles: tuple[float, ...]) -> list[Told]:
        """How many there were since the last flush."""
        del percentiles
        count, self.seen = len(self.seen), set()
        return [("", float(count))]

    def idle(self) -> list[Told]:
        """There were none."""
        return [("", 0.0)]


@dataclass(slots=True)
class Timer:
    """Count, sum, mean, bounds and percentiles of values, each for as many as its rate says."""

    arrived: int = 0
    count: float = 0.0
    total: float = 0.0
    lower: float = math.inf
    upper: float = -math.inf
    values: array[float] = field(default_factory=lambda: array("d"))
    weights: array[float] = field(default_factory=lambda: array("d"))
    #: Of a generator of numbers, so that the same messages give the same choice.
    state: int = 1

    def add(self, text: bytes, rate: float, room: Room) -> None:
        """Take one value. Errors: `BadMessageError`."""
        value, weight = _finite(text), 1.0 / rate
        self.arrived += 1
        self.count += weight
        self.total += value * weight
        self.lower, self.upper = min(self.lower, value), max(self.upper, value)
        if not self.values or (len(self.values) < _VALUES and room.values > 0):
            room.values -= 1
            self.values.append(value)
            self.weights.append(weight)
        elif (place := self._chance(self.arrived)) < len(self.values):
            # Each value that came has the same chance to be among those that are kept.
            self.values[place], self.weights[place] = value, weight

    def _chance(self, below: int) -> int:
        self.state = (self.state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return (self.state >> 33) % below

    def flush(self, percentiles: tuple[float, ...]) -> list[Told]:
        """The figures of what came since the last flush."""
        mean = self.total / self.count
        told = [
            (".count", self.count),
            (".sum", self.total),
            # Rounding must not put it outside.
            (".mean", min(max(mean, self.lower), self.upper)),
            (".lower", self.lower),
            (".upper", self.upper),
            *((f".p{p:g}", v) for p, v in self._percentiles(percentiles)),
        ]
        self._begin()
        return told

    def idle(self) -> list[Told]:
        """Nothing came, so there is nothing but that to tell."""
        return [(".count", 0.0)]

    def _percentiles(self, wanted: tuple[float, ...]) -> list[tuple[float, float]]:
        """By nearest rank: the smallest value with that share at or below it."""
        values, weights = np.array(self.values), np.array(self.weights)
        order = np.argsort(values, kind="stable")
        upto = np.cumsum(weights[order])
        shares = np.array(wanted) / 100 * upto[-1] * (1 - 1e-12)
        places = np.minimum(np.searchsorted(upto, shares), len(values) - 1)
        return list(zip(wanted, values[order][places].tolist(), strict=True))

    def _begin(self) -> None:
        self.arrived, self.count, self.total = 0, 0.0, 0.0
        self.lower, self.upper = math.inf, -math.inf
        self.values, self.weights = array("d"), array("d")


MAKERS: Final[dict[str, type[Counter] | type[Gauge] | type[Members] | type[Timer]]] = {
    "counter": Counter,
    "gauge": Gauge,
    "set": Members,
    "timer": Timer,
}
