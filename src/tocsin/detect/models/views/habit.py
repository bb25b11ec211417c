"""Habit: standing still, and pauses, for clearly longer than the metric ever did.

What does not come has no value to be judged by. A run of the same value, or of missing samples,
breaks the habit when it is longer than twice the longest before it, by so much that it is rare
even so: a metric that often repeats itself must do so for longer. A run is told once.

Cost: O(1). State: one `HABIT` record.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["HABIT", "follow", "is_long_pause", "stands_still"]

#: A length that is nothing special: so many times the longest before, and so many more.
_TIMES: Final = 2.0
_MARGIN: Final = 4.0
#: A run must be one in 10 to this by the share of repeats among all samples, beyond that length.
_RARE: Final = 6.0
#: The same for each sample that did not come.
_RARITY_OF_MISSING: Final = 2.0

#: ``longest``: run before this one; ``run``: repeats in a row up to now; ``repeats``: of all
#: samples; ``told``: whether this run was.
HABIT: Final = np.dtype(
    [("longest", "f8"), ("run", "f8"), ("repeats", "f8"), ("told", "f8")], align=True
)


@kernel
def _breaks(length: float, longest: float, rarity: float) -> bool:
    return (length - _TIMES * longest - _MARGIN) * rarity >= _RARE


@kernel
def is_long_pause(missed: float, longest: float) -> bool:
    """Whether so many missing samples break a habit, given the most that ever were missing."""
    return _breaks(missed, longest, _RARITY_OF_MISSING)


@kernel
def stands_still(row: Any, seen: int) -> bool:
    """Whether one more repeat, after so many samples, breaks the habit; once a run."""
    if row.told > 0.0:
        return False
    rarity = -math.log10((row.repeats + 1.0) / (seen + 2.0))
    return _breaks(row.run + 1.0, row.longest, rarity)


@kernel
def follow(row: Any, repeated: bool, told: bool) -> None:
    """Learn whether a sample repeats the one before, and whether that was told."""
    if repeated:
        row.run += 1.0
        row.repeats += 1.0
        if told:
            row.told = 1.0
        return
    row.longest = max(row.longest, row.run)
    row.run = 0.0
    row.told = 0.0
