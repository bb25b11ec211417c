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
