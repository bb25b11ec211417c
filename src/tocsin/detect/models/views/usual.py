"""The usual size of a view's score: the level that three of four scores stay below.

However many anomalies there are among a metric's samples, as long as it is not a quarter of them,
they hardly move it: it says how large a score is, where a p-value says how rare.

The level follows the scores by steps in its logarithm. Zeros count as below; where three of four
scores are zero there is no usual size. Cost: O(1). State: one `USUAL` record.

Source: Robbins & Monro, "A stochastic approximation method" (1951).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["USUAL", "follow", "size", "times"]

_BELOW: Final = 0.75
#: Scores before there is a usual size.
_NEEDED: Final = 30
#: The step in powers of two: begins like so many over the scores seen, and does not fall below.
_FIRST_STEP: Final = 8.0
_LAST_STEP: Final = 0.0005
_LARGEST_STEP: Final = 2.0

#: ``unit``: the first score above 0; ``level``: powers of two of it.
USUAL: Final = np.dtype(
    [("seen", "f4"), ("zeros", "f4"), ("unit", "f8"), ("level", "f8")], align=True
)
#: Beyond these, ratios and levels are as large as these: their product must be a number.
_LARGEST_RATIO: Final = 1e300
_LARGEST_LEVEL: Final = 990.0


@kernel
def times(row: Any, score: float) -> float:
    """How many times the usual size a score is; 0 while, or where, there is none."""
    if row.seen < _NEEDED or row.zeros >= _BELOW * row.seen:
        return 0.0
    return float(min(score / row.unit, _LARGEST_RATIO) * 2.0**-row.level)


@kernel
def size(row: Any) -> float:
    """The usual size; 0 while, or where, there is none."""
    if row.seen < _NEEDED or row.zeros >= _BELOW * row.seen:
        return 0.0
    return float(min(row.unit * 2.0**row.level, _LARGEST_RATIO))


@kernel
def follow(row: Any, score: float) -> None:
    """Learn a score >= 0."""
    if row.seen < 1e6:
        row.seen += np.float32(1.0)
    else:
        row.zeros *= np.float32(1.0 - 1e-6)
    if score <= 0.0:
        row.zeros += np.float32(1.0)
    elif row.unit == 0.0:
        row.unit = score
        return
    step = min(max(_FIRST_STEP / row.seen, _LAST_STEP), _LARGEST_STEP)
    above = score > 0.0 and math.log2(min(score / row.unit, _LARGEST_RATIO)) > row.level
    level = row.level + (step * _BELOW if above else -step * (1.0 - _BELOW))
    row.level = min(max(level, -_LARGEST_LEVEL), _LARGEST_LEVEL)
