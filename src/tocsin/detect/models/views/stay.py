"""Stay: values that lie away from the level, to one side, for clearly longer than they ever did.

A metric with bursts is often far from where it usually is, and its scores say so: a shift by less
than the bursts is as rare as they are. But it stays. Samples in a row that all lie further away
than a distance, to the same side, are a run; a run breaks the habit when it passes the longest
before it by so much that it is rare even so, as standing still does (`habit`). There are two
distances: what hardly ever lies as far away as the second may often lie as far as the first. A run
is told once.

Cost: O(1). State: one `STAY` record.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["STAY", "follow", "stays"]

#: The distances, in usual distances from the level.
_NEAR: Final = 1.5
_FAR: Final = 3.0
#: Samples before a habit is known.
_NEEDED: Final = 300
#: A length that is nothing special: so many times the longest before, and so many more.
_TIMES: Final = 1.2
_MARGIN: Final = 4.0
#: Beyond that, a run must be one in 10 to this by the share of such samples among all.
_RARE: Final = 6.0

_RUN: Final = [(name, "f8") for name in ("longest", "length", "side", "samples", "told")]

#: For each distance: the ``longest`` run before this one, this one's ``length`` and ``side`` (0:
#: there is none), ``samples`` of all runs, and whether this one was ``told``.
STAY: Final = np.dtype([("near", _RUN), ("far", _RUN)], align=True)


@kernel
def stays(row: Any, away: float, seen: int) -> bool:
    """Whether the next sample, after so many, breaks the habit; once a run.

    ``away``: its distance from the level, in usual ones, negative below.
    """
    if seen < _NEEDED:
        return False
    return _breaks(row.near, away, _NEAR, seen) or _breaks(row.far, away, _FAR, seen)


@kernel
def _breaks(run: Any, away: float, least: float, seen: int) -> bool:
    if abs(away) < least or away * run.side <= 0.0 or run.told > 0.0:
        return False
    rarity = -math.log10((run.samples + 1.0) / (seen + 2.0))
    return bool((run.length + 1.0 - _TIMES * run.longest - _MARGIN) * rarity >= _RARE)


@kernel
def follow(row: Any, away: float, told: bool) -> None:
    """Learn how far away a sample lay, and whether that was told."""
    _follow(row.near, away, _NEAR, told)
    _follow(row.far, away, _FAR, told)


@kernel
def _follow(run: Any, away: float, least: float, told: bool) -> None:
    outside = abs(away) >= least
    if not outside or away * run.side <= 0.0:  # the run before, if any, is over
        run.longest = max(run.longest, run.length)
        run.length = 0.0
        run.told = 0.0
        run.side = 0.0
    if outside:
        run.length += 1.0
        run.samples += 1.0
        run.side = 1.0 if away > 0.0 else -1.0
        if told:
            run.told = 1.0
