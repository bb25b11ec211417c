"""What the database is told: rows of tables from what is in memory."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.events import Changed
from tocsin.engine.lanes import Lanes
from tocsin.engine.registry import Registry
from tocsin.store.commits import PositionColumns

__all__ = ["event_row", "new_metric_rows", "positions_of", "ranges_of"]

Ints = NDArray[np.int64]


def new_metric_rows(registry: Registry, lanes: Lanes, rows: Ints, now: int) -> list[dict[str, Any]]:
    """Rows of the table `metric` for those that the database does not know yet."""
    new = rows[~registry.position["stored"][rows]]
    told = registry.new_rows(new, now)
    watched = (registry.position["lane"][new] >= 0).tolist()
    for row, monitored, columns in zip(new.tolist(), watched, told, strict=True):
        settings = lanes.settings(row) if monitored else None
        columns["model"] = settings.model if settings else None
        columns["likelihood"] = settings.likelihood if settings else None
    return told


def positions_of(records: NDArray[np.void]) -> PositionColumns | None:
    """Columns of the table `progress` that moved on, from the registry's records."""
    if not len(records):
        return None
    return PositionColumns(
        id=records["id"].copy(),
        last_seq=records["seq"].copy(),
        last_timestamp=records["timestamp"].copy(),
        last_value=records["value"].copy(),
        anomaly_score=records["score"].copy(),
        scored_seq=records["scored_seq"].copy(),
    )


def event_row(metric_id: int, changed: Changed) -> dict[str, Any]:
    """A row of the table `event`; NULL for no finite number, as JSON has none."""
    event = changed.event

    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "id": changed.id,
        "metric": metric_id,
        "start": event.start,
        "peak": event.peak,
        "end": event.end,
        "open": event.open,
        "value": event.value,
        "expected": known(event.expected),
        "lower": known(event.lower),
        "upper": known(event.upper),
        "anomaly_score": known(event.anomaly_score),
        "likelihood": known(event.likelihood),
        "samples": event.samples,
        "pattern": event.pattern or None,
        "why": event.why or None,
        "views": json.dumps(event.views, allow_nan=False) if event.views else None,
        "muted": event.muted or None,
        "because": event.because or None,
    }


def ranges_of(ids: Ints, seq: Ints) -> Ints:
    """Runs of neighbouring seqs of one metric: rows of (metric id, first seq, last seq)."""
    if not len(ids):
        return np.empty((0, 3), dtype=np.int64)
    starts = np.concatenate([[True], (ids[1:] != ids[:-1]) | (seq[1:] != seq[:-1] + 1)])
    first = np.flatnonzero(starts)
    last = np.concatenate([first[1:], [len(ids)]]) - 1
    return np.stack([ids[first], seq[first], seq[last]], axis=1)
