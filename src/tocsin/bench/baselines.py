"""Trivial detectors: what any model has to beat, scored by the very same code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BASELINES", "last_difference", "rolling_z", "value_novelty"]

Floats = NDArray[np.float64]

_WINDOW: Final = 288


def rolling_z(values: Floats) -> Floats:
    """|x - mean| over the standard deviation of the 288 rows before; 0 for the first 10 rows."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    square = np.concatenate([[0.0], np.cumsum(values * values)])
    at = np.arange(len(values))
    first = np.maximum(at - _WINDOW, 0)
    rows = np.maximum(at - first, 1)
    mean = (total[at] - total[first]) / rows
    spread = np.sqrt(np.maximum((square[at] - square[first]) / rows - mean * mean, 0.0))
    away = np.abs(values - mean)
    score = np.divide(away, spread, out=np.zeros_like(away), where=spread > 1e-12)
    score[:10] = 0.0
    return score


def value_novelty(values: Floats) -> Floats:
    """Distance to the nearest value ever seen, over the range so far. Cost: O(n log n)."""
    import bisect

    seen: list[float] = []
    score = np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        at = bisect.bisect_left(seen, value)
        if seen:
            near = [abs(value - seen[k]) for k in (at - 1, at) if 0 <= k < len(seen)]
            reach = seen[-1] - seen[0]
            score[row] = min(near) / reach if reach > 0 else float(min(near) > 0)
        seen.insert(at, value)
    return score


def last_difference(values: Floats) -> Floats:
    """|x - the value before| over the median of such differences so far (of the first 288 rows)."""
    step = np.abs(np.diff(values, prepend=values[:1]))
    early = step[1 : _WINDOW + 1]
    usual = float(np.median(early)) if len(early) else 0.0
    return step / usual if usual > 0 else step


#: Name -> values to one score per row.
BASELINES: Final[dict[str, Callable[[Floats], Floats]]] = {
    "rolling z-score": rolling_z,
    "value novelty": value_novelty,
    "last difference": last_difference,
}
