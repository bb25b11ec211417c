"""Work on many metrics by several threads: kernels run without the GIL.

Threads of our own, not Numba's: its parallel loops may not be entered from two threads at once
where only its own scheduler is installed, and a service scores from several.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["cores", "in_parallel", "parts_of"]

Ints = NDArray[np.int64]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parts_of(metric: Ints, parts: int) -> list[slice]:
    """About so many slices of a sorted column, of about equal length; none cuts a metric in two."""
    cuts = np.linspace(0, len(metric), parts + 1).astype(np.int64)[1:-1]
    # To the beginning of the metric that a cut falls into.
    starts = np.unique(np.searchsorted(metric, metric[cuts], side="left")).tolist()
    edges = [0, *(start for start in starts if start > 0), len(metric)]
    return [slice(a, b) for a, b in pairwise(edges)]


def in_parallel(work: Callable[[slice], None], parts: Sequence[slice], threads: int) -> None:
    """Do all parts, this thread and ``threads - 1`` others, each taking the next one.

    Errors: the first that ``work`` raises, when all threads have ended.
    """
    waiting = deque(parts)

    def take() -> None:
        while waiting:
            try:
                part = waiting.popleft()
            except IndexError:  # another was quicker
                return
            work(part)

    others = [_pool(cores()).submit(take) for _ in range(min(threads, len(parts)) - 1)]
    try:
        take()
    finally:
        for other in others:
            other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, threads - 1), "tocsin-fleet")


if hasattr(os, "register_at_fork"):
    # Threads do not come along into a forked process.
    os.register_at_fork(after_in_child=_pool.cache_clear)
