"""The delta encoder: the difference to the value before, through the scalar encoder.

The first value has no difference and is encoded as one of 0.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.models.htm.encoders.range import RANGE, follow, tame
from tocsin.detect.models.htm.encoders.scalar import encode_scalar

__all__ = ["DELTA", "encode_delta", "follow_delta"]

DELTA: Final = np.dtype([("last", "f8"), ("difference", "f8"), ("range", RANGE)], align=True)


@kernel
def follow_delta(
    state: Any, value: float, buckets: int, smallest: float, trim: float, horizon: int, seed: int
) -> bool:
    """Learn a finite value; as `tocsin.detect.models.htm.encoders.range.follow`."""
    value = tame(value)
    state.difference = value - state.last if state.range.seen > 0 else 0.0
    state.last = value
    return follow(state.range, state.difference, buckets, smallest, trim, horizon, seed)


@kernel
def encode_delta(
    state: Any, bits: int, width: int, seed: int, offset: int, on: Any, count: int
) -> int:
    """Write the bits of the difference that `follow_delta` learnt last."""
    return encode_scalar(state.range, state.difference, bits, width, seed, offset, on, count)
