"""What one panel of a picture shows: a metric's values over time, and what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Panel", "panel_of", "thinned"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Panel:
    """Columns of equal length, times rising; not-a-number: not known."""

    title: str
    #: Nanoseconds since 1970 (UTC).
    time: Ints
    value: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    #: Whether each sample belongs to an event.
    odd: NDArray[np.bool_]
    #: Start and end of events (ns).
    events: Sequence[tuple[int, int]]
    #: Whether its event began first in its incident.
    first: bool = False


def panel_of(
    title: str,
    samples: Sequence[Mapping[Any, Any]],
    events: Sequence[tuple[int, int]],
    *,
    first: bool = False,
) -> Panel:
    """From rows of the table `sample`, oldest first; of counters the rates are shown."""
    numbers = {
        name: np.array([row[name] for row in samples], dtype=np.float64)
        for name in ("value", "rate", "expected", "lower", "upper")
    }
    if np.isfinite(numbers["rate"]).any():
        numbers["value"] = numbers["rate"]
    # Codes above 0: the sample belongs to an event, or is one of the quiet ones before its end.
    codes = np.array([row["event"] or 0 for row in samples], dtype=np.int64)
    return Panel(
        title,
        np.array([row["timestamp"] for row in samples], dtype=np.int64),
        numbers["value"],
        numbers["expected"],
        numbers["lower"],
        numbers["upper"],
        (codes == 1) | (codes == 2),
        events,
        first,
    )


def thinned(time: Ints, value: Floats, buckets: int) -> NDArray[np.intp]:
    """Places of samples to draw: all, or of each bucket of time the lowest and the highest.

    Cost: O(samples).
    """
    known = np.flatnonzero(np.isfinite(value))
    if len(known) <= 2 * buckets:
        return known
    t = time[known].astype(np.float64)
    bucket = ((t - t[0]) / max(t[-1] - t[0], 1.0) * (buckets - 1)).astype(np.int64)
    begins = np.flatnonzero(np.r_[True, np.diff(bucket) > 0])
    kept = []
    for start, stop in zip(begins, [*begins[1:], len(known)], strict=True):
        part = value[known[start:stop]]
        kept += [start + int(np.argmin(part)), start + int(np.argmax(part))]
    chosen: NDArray[np.intp] = known[np.unique(kept)]
    return chosen
