"""The quarantine's book: refused samples counted by metric and reason, with the last of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.verdicts import REASONS, Group, Verdict, refused

__all__ = ["refusal_rows"]


def refusal_rows(
    group: Group, verdict: NDArray[np.int8], position: NDArray[np.void], now: int
) -> list[Mapping[str, Any]]:
    """Rows of the table `refusal`, to be added to what is there.

    ``position``: of each metric row, "id" and whether it is "stored". Samples of metrics that are
    not are left out: there is nothing to count them under.
    Cost: O(samples) to find none, O(n log n) in the refused ones.
    """
    places = np.flatnonzero(refused(verdict) & (group.row >= 0))
    places = places[position["stored"][group.row[places]]]
    if not len(places):
        return []
    ids = position["id"]
    # Read backwards, the first of each kind is the last that came.
    places = places[::-1]
    kinds = np.stack([group.row[places], verdict[places]])
    _, last, counts = np.unique(kinds, axis=1, return_index=True, return_counts=True)
    return [
        _row(group, int(place), Verdict(int(verdict[place])), count, ids, now)
        for place, count in zip(places[last].tolist(), counts.tolist(), strict=True)
    ]


def _row(
    group: Group, place: int, verdict: Verdict, count: int, ids: NDArray[np.int64], now: int
) -> Mapping[str, Any]:
    return {
        "metric": int(ids[group.row[place]]),
        "reason": REASONS[verdict][0].value,
        "count": count,
        "at": now,
        "timestamp": int(group.timestamp[place]),
        # As text: no number column holds NaN or infinity.
        "value": repr(float(group.value[place])),
    }
