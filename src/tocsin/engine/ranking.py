"""The most unusual metrics first: by the anomaly score of the last sample of each."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.kernels import rank_keys
from tocsin.engine.registry import GONE, NEVER, STATUSES
from tocsin.samples import SECOND_NS

__all__ = ["by_change", "by_score", "chosen", "most"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: A score from longer ago is of the past: it comes after all later ones (ns).
_AGES_NS: Final = np.array([3_600, 86_400]) * SECOND_NS


def chosen(position: NDArray[np.void], status: str | None = None) -> NDArray[np.bool_]:
    """By row: whether it is there (not deleted), and has this status."""
    if status is None:
        return np.asarray(position["status"] != GONE)
    return np.asarray(position["status"] == STATUSES.index(status))


def by_score(position: NDArray[np.void], rows: Ints, now: int) -> Floats:
    """What rows are ranked by, higher ones first; ``now``: ns.

    That is the anomaly score, but for scores from longer ago: an hour, a day. Metrics without a
    score come last.
    """
    keys = np.empty(len(rows), dtype=np.float64)
    ages = now - _AGES_NS
    rank_keys(position["score"], position["timestamp"], rows, ages, -1.0, keys)
    return keys


def by_change(position: NDArray[np.void], rows: Ints) -> Floats:
    """The same by the time of the last sample, the latest first."""
    times = position["timestamp"][rows]
    return np.where(times == NEVER, -np.inf, times.astype(np.float64))


def most(keys: Floats, count: int) -> Ints:
    """The places of the ``count`` highest keys, highest first; of equals the first ones.

    Cost: O(keys), and sorting of ``count``.
    """
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    if count < len(keys):
        least = np.partition(keys, len(keys) - count)[len(keys) - count]
        above = np.flatnonzero(keys > least)
        level = np.flatnonzero(keys == least)[: count - len(above)]
        places = np.sort(np.concatenate([above, level]))
    else:
        places = np.arange(len(keys))
    return places[np.argsort(-keys[places], kind="stable")]
