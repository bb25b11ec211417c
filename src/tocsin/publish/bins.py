"""Bins: a long course in few points that keep its extremes, for charts."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["binned"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: A silence of so many usual intervals is shown as a gap.
_GAP: Final = 8.0
_SECOND: Final = 1e9
_SHOWN: Final = ("expected", "lower", "upper")


def binned(
    timestamps: Ints, values: Floats, scored: NDArray[np.void], points: int
) -> dict[str, list[Any]]:
    """Columns t (seconds since 1970), min, max, expected, lower, upper, score; None: not known.

    One point a sample where there are at most ``points``, else one a bin of time: its lowest and
    highest value, its last expectation and band, its highest anomaly score. A long silence is a
    point of None. ``timestamps``: ns, rising; ``scored``: rows of `RESULT`. Cost: O(samples).
    """
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return {name: [] for name in ("t", "min", "max", *_SHOWN, "score")}
    times, seen, rows = timestamps[known], values[known], scored[known]
    starts = _starts(times, points)
    last = np.append(starts[1:], len(times)) - 1
    columns: dict[str, Floats] = {
        "t": times[starts] / _SECOND,
        "min": np.minimum.reduceat(seen, starts),
        "max": np.maximum.reduceat(seen, starts),
        **{name: np.where(np.isfinite(rows[name]), rows[name], np.nan)[last] for name in _SHOWN},
        "score": np.fmax.reduceat(rows["anomaly_score"], starts),
    }
    gaps = _gaps(times, starts)
    for name, column in columns.items():
        between = 0.5 * (columns["t"][gaps - 1] + columns["t"][gaps]) if name == "t" else np.nan
        columns[name] = np.insert(column, gaps, between)
    return {name: _told(column) for name, column in columns.items()}


def _starts(times: Ints, points: int) -> NDArray[np.intp]:
    """Where each bin begins."""
    if len(times) <= points:
        return np.arange(len(times))
    since = (times - times[0]).astype(np.float64)
    bins = (since / max(since[-1], 1.0) * (points - 1)).astype(np.int64)
    return np.flatnonzero(np.diff(bins, prepend=-1))


def _gaps(times: Ints, starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Bins before which nothing came for far longer than usual."""
    steps = np.diff(times)
    if not len(steps):
        return np.empty(0, dtype=np.intp)
    long = steps[starts[1:] - 1] > _GAP * float(np.median(steps))
    return np.flatnonzero(long) + 1


def _told(column: Floats) -> list[Any]:
    return [float(it) if ok else None for it, ok in zip(column, np.isfinite(column), strict=True)]
