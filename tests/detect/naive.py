"""Slow, obviously right twins of the kernels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def distances(values: list[float]) -> list[float]:
    """Distance of each value from the nearest before it (0 for the first)."""
    return [
        min((abs(value - other) for other in values[:k]), default=0.0)
        for k, value in enumerate(values)
    ]


def spans(values: list[float], most: int) -> list[tuple[float, float]]:
    """The novelty view's memory, kept as a sorted list that is joined at its smallest gap."""
    kept: list[tuple[float, float]] = []
    for value in values:
        if any(low <= value <= high for low, high in kept):
            continue
        kept = sorted([*kept, (value, value)])
        if len(kept) > most:
            gaps = [kept[k + 1][0] - kept[k][1] for k in range(len(kept) - 1)]
            k = gaps.index(min(gaps))
            kept[k : k + 2] = [(kept[k][0], kept[k + 1][1])]
    return kept


class Forecaster:
    """The forecast view with plain Python lists and a separate formula for each forecaster."""

    def __init__(self) -> None:
        self.seen = 0
        self.last = self.mean = self.deviation = 0.0
        self.errors = [0.0] * 4
        self.profile: dict[int, float] = {}
        self.days: dict[int, int] = {}

    def forecasts(self, slot: int) -> list[float]:
        if slot not in self.profile:
            return [self.last, self.mean, self.mean, self.last]
        usual = self.profile[slot]
        return [self.last, self.mean, usual, usual + self.deviation]

    def expect(self, civil: int) -> float:
        if not self.seen:
            return math.nan
        forecasts = self.forecasts(self.slot(civil))
        least = min(self.errors)
        weights = [1.0 if e == least else (least / e) ** 2 for e in self.errors]
        moved = sum(w * (f - self.last) for w, f in zip(weights, forecasts, strict=True))
        return self.last + moved / sum(weights)

    def follow(self, civil: int, value: float) -> None:
        slot = self.slot(civil)
        if self.seen:
            rate = max(0.02, 1 / (self.seen + 1))
            for k, forecast in enumerate(self.forecasts(slot)):
                error = abs(value - forecast)
                if self.seen > 20 and self.errors[k] > 0:
                    error = min(error, 10 * self.errors[k])
                self.errors[k] += rate * (error - self.errors[k])
        if slot in self.profile:
            self.deviation += 0.3 * (value - self.profile[slot] - self.deviation)
        else:
            self.deviation = 0.0
        self.seen += 1
        self.last = value
        self.mean += max(0.1, 1 / self.seen) * (value - self.mean)
        self.days[slot] = self.days.get(slot, 0) + 1
        before = self.profile.get(slot, 0.0)
        self.profile[slot] = before + max(0.1, 1 / self.days[slot]) * (value - before)

    @staticmethod
    def slot(civil: int) -> int:
        return (civil % 86_400_000_000_000) // 900_000_000_000


class Shapes:
    """The shape view in double precision, with plain lists and no shared partial sums."""

    def __init__(self, length: int, room: int) -> None:
        self.length, self.room = length, room
        self.values: list[float] = []
        self.centres: list[list[float]] = []
        self.radius = 0.0

    def shape(self, value: float) -> list[float]:
        """This value and those before, less the one before it; the first stands in for earlier."""
        before = [*[(self.values or [value])[0]] * self.length, *self.values]
        last = [value, *reversed(before[-(self.length - 1) :])]
        return [number - last[1] for number in last]

    def apart(self, value: float) -> float:
        here = self.shape(value)
        return min((self._sum(here, other) for other in self.centres), default=0.0) / self.length

    def follow(self, value: float) -> None:
        here = self.shape(value)
        nearest = min((self._sum(here, other) for other in self.centres), default=math.inf)
        if nearest > self.radius:
            self.centres.append(here)
        if len(self.centres) == self.room:
            self._drop_one()
        self.values.append(value)

    def _drop_one(self) -> None:
        pairs = [(a, b) for a in range(self.room) for b in range(a + 1, self.room)]
        gaps = [self._sum(self.centres[a], self.centres[b]) for a, b in pairs]
        k = gaps.index(min(gaps))
        self.radius = max(self.radius, gaps[k])
        last = self.centres.pop()
        if pairs[k][1] < len(self.centres):
            self.centres[pairs[k][1]] = last

    @staticmethod
    def _sum(one: list[float], other: list[float]) -> float:
        return sum(abs(a - b) for a, b in zip(one, other, strict=True))


class Days:
    """The daily habits with whole lists of values, half hour by half hour."""

    def __init__(self) -> None:
        self.bounds: dict[int, tuple[float, float]] = {}
        self.slot = -1
        self.values: list[float] = []

    def outside(self, civil: int, value: float, level: float) -> float:
        if self.slot_of(civil) not in self.bounds:
            return 1.0
        own = self.beyond(value, *self.bounds[self.slot_of(civil)])
        top = max(high for _, high in self.bounds.values())
        bottom = min(low for low, _ in self.bounds.values())
        half = min(top - level, level - bottom)
        if top <= bottom or half <= 0:
            return own
        spans = [high - low for low, high in self.bounds.values()]
        alike = min(max((sum(spans) / len(spans) / (top - bottom) - 0.15) / 0.15, 0.0), 1.0)
        day = self.beyond(value, level - half, level + half)
        return min(own, day + (1 - alike) * (1 - day))

    @staticmethod
    def beyond(value: float, low: float, high: float) -> float:
        if low <= value <= high:
            return 0.0
        if low == high:
            return 1.0
        away = (value - high if value > high else low - value) / (high - low)
        return min(max(4 * away - 1, 0.0), 1.0)

    def follow(self, civil: int, value: float) -> None:
        if self.values and self.slot_of(civil) != self.slot:
            self.close()
        self.slot = self.slot_of(civil)
        self.values.append(value)

    def close(self) -> None:
        low, high = min(self.values), max(self.values)
        if self.slot in self.bounds:
            lower, higher = self.bounds[self.slot]
            low = lower + (0.5 if low < lower else 0.05) * (low - lower)
            high = higher + (0.5 if high > higher else 0.05) * (high - higher)
        self.bounds[self.slot] = (low, high)
        self.values = []

    @staticmethod
    def slot_of(civil: int) -> int:
        return civil % 86_400_000_000_000 // 1_800_000_000_000


class Level:
    """The level view with a separate name for each of its two levels."""

    def __init__(self) -> None:
        self.seen = 0
        self.flat = self.flat_error = self.moved = self.moved_error = self.mean = 0.0
        self.usual = Usual()

    def away(self, civil: int, value: float, profile: Forecaster) -> float:
        slot = profile.slot(civil)
        usually = self.flat
        if profile.days.get(slot, 0) >= 2 and self.moved_error < self.flat_error:
            usually = profile.profile[slot] + self.moved
        distance = value - usually
        return math.copysign(min(self.usual.times(abs(distance)), 4.0), distance or -1.0)

    def displaced(self, civil: int, value: float, profile: Forecaster) -> float:
        if self.seen < 30:
            return 0.0
        away = self.away(civil, value, profile)
        mean = (23 * self.mean + away) / 24
        return min(abs(mean), abs(away)) if mean * away > 0 else 0.0

    def follow(self, civil: int, value: float, profile: Forecaster) -> None:
        if self.seen == 0:
            self.flat = value
        slot = profile.slot(civil)
        usually = self.flat
        if profile.days.get(slot, 0) >= 2 and self.moved_error < self.flat_error:
            usually = profile.profile[slot] + self.moved
        if self.seen >= 30:
            self.mean = (23 * self.mean + self.away(civil, value, profile)) / 24
        self.usual.follow(abs(value - usually))
        rate = max(1 / 300, 1 / (self.seen + 1))
        error = self.bounded(value - self.flat, self.flat_error)
        self.flat += rate * error
        self.flat_error += rate * (abs(error) - self.flat_error)
        if slot in profile.profile:
            error = self.bounded(value - profile.profile[slot] - self.moved, self.moved_error)
            self.moved_error = self.moved_error or abs(error)
            self.moved += rate * error
            self.moved_error += rate * (abs(error) - self.moved_error)
        self.seen += 1

    def bounded(self, error: float, usual: float) -> float:
        if self.seen > 20 and usual > 0:
            return min(max(error, -4 * usual), 4 * usual)
        return error


class Usual:
    """The size that three of four scores stay below, step by step in its logarithm."""

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.unit = self.level = 0.0

    def times(self, score: float) -> float:
        few = len(self.scores) < 30
        if few or sum(one <= 0 for one in self.scores) >= 0.75 * len(self.scores):
            return 0.0
        return score / self.unit / 2.0**self.level

    def follow(self, score: float) -> None:
        self.scores.append(score)
        if score > 0 and self.unit == 0:
            self.unit = score
            return
        step = min(max(8 / len(self.scores), 0.0005), 2.0)
        above = score > 0 and math.log2(score / self.unit) > self.level
        self.level += 0.75 * step if above else -0.25 * step
