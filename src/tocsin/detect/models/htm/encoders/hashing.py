"""A counter-based integer hash: the same random bits for the same counters, on any machine."""

from __future__ import annotations

from typing import Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["mix"]

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xFF51AFD7ED558CCD)
_SECOND: Final = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT: Final = np.uint64(33)


@kernel
def mix(seed: int, counter: int) -> int:
    """64 random bits that belong to ``seed`` and ``counter``. Cost: two multiplications.

    Source: the finishing step of MurmurHash3, over a Weyl sequence.
    """
    x = np.uint64(seed) * _SECOND + np.uint64(counter) * _STEP + _STEP
    x ^= x >> _SHIFT
    x *= _FIRST
    x ^= x >> _SHIFT
    x *= _SECOND
    x ^= x >> _SHIFT
    return x  # type: ignore[return-value]
