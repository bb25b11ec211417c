"""Chance that can be told again: a number from a seed and what it is for, by a hash.

There is no generator with a state: the same seed, step and place give the same number, in
whatever order they are asked for.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.models.htm.encoders.hashing import mix

__all__ = ["below", "chance", "rounded"]

_HALF: Final = np.uint64(32)
_TOP: Final = np.uint64(56)


@kernel
def chance(seed: int, first: int, second: int) -> int:
    """64 bits (unsigned) that depend on all three whole numbers and show no pattern."""
    return mix(mix(seed, first), second)


@kernel
def below(bits: Any, count: int) -> Any:
    """A whole number from 0 to ``count`` - 1 out of 64 bits of chance; ``count`` below 2^32."""
    return np.int64(((np.uint64(bits) >> _HALF) * np.uint64(count)) >> _HALF)


@kernel
def rounded(amount: int, bits: Any) -> Any:
    """An amount in 256ths as a whole number: up or down by chance, right on average."""
    return (amount + np.int64(np.uint64(bits) >> _TOP)) >> 8
