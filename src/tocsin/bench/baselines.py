"""Trivial detectors: what any model has to beat, scored by the very same code. All causal."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BASELINES", "last_difference", "rolling_z", "told_once", "value_novelty"]

Floats = NDArray[np.float64]

_WINDOW: Final = 288
_FIRST: Final = 10
#: A score is told if it exceeds the last one told, fading by this share per row.
_FORGET: Final = 0.01


def rolling_z(values: Floats) -> Floats:
    """|x - mean| over the standard deviation of the 288 rows before; 0 for the first 10 rows."""
    score = np.zeros(len(values))
    for row in range(_FIRST, len(values)):
        before = values[max(0, row - _WINDOW) : row]
        spread = before.std()
        if spread > 0:
            score[row] = abs(values[row] - before.mean()) / spread
    return score


def value_novelty(values: Floats) -> Floats:
    """Distance to the nearest value ever seen, over the range so far."""
    seen: list[float] = []
    score = np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        at = bisect.bisect_left(seen, value)
        if seen:
            near = min(abs(value - seen[k]) for k in (at - 1, at) if 0 <= k < len(seen))
            reach = seen[-1] - seen[0]
            score[row] = near / reach if reach > 0 else float(near > 0)
        seen.insert(at, value)
    return score


def last_difference(values: Floats) -> Floats:
    """|x - the value before| over the mean of such differences so far; 0 for the first 10 rows."""
    step = np.abs(np.diff(values, prepend=values[:1]))
    before = np.concatenate([[0.0], np.cumsum(step)[:-1]]) / np.maximum(np.arange(len(step)), 1)
    score = np.divide(step, before, out=np.zeros_like(step), where=before > 0)
    score[:_FIRST] = 0.0
    return score


def told_once(score: Floats) -> Floats:
    """A score only where it exceeds the last one told, which fades over about 100 rows."""
    told, bar = np.zeros_like(score), 0.0
    for row, height in enumerate(score.tolist()):
        bar *= 1.0 - _FORGET
        if height > bar:
            told[row] = bar = height
    return told


#: Name -> values to one score per row.
BASELINES: Final[dict[str, Callable[[Floats], Floats]]] = {
    "rolling z-score": rolling_z,
    "value novelty": value_novelty,
    "last difference": last_difference,
}
