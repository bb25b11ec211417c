"""How kernels are compiled: Numba, without the GIL, cached, arithmetic as written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["kernel"]

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile a function on first use.

    No fast-math: sums keep their order, so the same samples give the same bits whatever the
    batch.
    """
    compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return cast("F", compiled)
