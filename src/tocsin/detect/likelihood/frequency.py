"""Frequency: how many samples really had scores as rare as this one.

The `evidence` likelihood learns an anomaly once, so its p-value p says how rare an *anomaly* so
strong is. Where anomalies last, more samples than p lie below p; where a metric has settled down
since it was new, fewer. So samples are counted: of those of late, how many had a p-value of at most
0.1, 0.01 … 0.00001. Their share over what was stated, `_LEAST` at least, between the steps in
proportion to log p, makes of the p-value the share of *samples* that are as rare. Each step begins
with the ratio of the step before it, with the weight of `_PRIOR` samples that were stated there.

Cost: O(steps). State: one `FREQUENCY` record, 24 bytes.

Source: Leadbetter (1991), on the extremal index: one over the usual length of a cluster.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["FREQUENCY", "count", "frequency"]

#: Powers of ten that are counted; what is rarer is corrected as the last of them.
_STEPS: Final = 5
#: Samples after which old ones fade.
_MEMORY: Final = 40_000.0
#: What the ratio of the step before counts, in samples below the step.
_PRIOR: Final = 4.0
#: Samples are not held to be rarer than this share of what was stated.
_LEAST: Final = 0.2
#: From one step to the next the correction grows by less than what the p-value falls: 0.95 decades.
_MOST_A_STEP: Final = 10.0**0.95

#: ``rare[k]``: samples with a p-value of at most 10^-(k + 1).
FREQUENCY: Final = np.dtype([("seen", "f4"), ("rare", "f4", (_STEPS,))])


@kernel
def frequency(row: Any, p: float) -> float:
    """The share of samples whose p-value is at most ``p``: a fifth of ``p`` at least, at most 1."""
    correction = 1.0  # the factor at the step before
    before = 1.0  # what was stated there
    for k in range(_STEPS):
        if p >= before:
            break
        stated = 0.1 * before
        weight = row.seen * stated + _PRIOR / correction
        ratio = max((row.rare[k] + _PRIOR) / weight, _LEAST)
        reached = min(ratio, correction * _MOST_A_STEP)
        if p > stated and reached != correction:
            reached = correction * (reached / correction) ** math.log10(before / p)
        correction = reached
        before = stated
    return min(1.0, p * correction)


@kernel
def count(row: Any, p: float) -> None:
    """Count a sample that was scored with the p-value ``p``."""
    if row.seen >= _MEMORY:
        keep = np.float32(1.0 - 1.0 / _MEMORY)
        row.seen *= keep
        for k in range(_STEPS):
            row.rare[k] *= keep
    row.seen += np.float32(1.0)
    stated = 1.0
    for k in range(_STEPS):
        stated *= 0.1
        if p > stated:
            break
        row.rare[k] += np.float32(1.0)
