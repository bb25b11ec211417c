"""Rows and columns to store in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import RESULT
from tocsin.store.bulk import RESULTS
from tocsin.store.commits import PositionColumns, SampleColumns

#: 2026-01-31T23:59:00Z: a minute later it is another month.
MONTHS_END = 1_769_903_940 * 10**9
MINUTE = 60 * 10**9


def a_metric(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "uid": f"u{number}",
        "name": f"m{number}",
        "labels": "{}",
        "title": f"m{number}",
        "generation": 1,
        "status": "active",
        "created": 1,
    } | more


def results(count: int, event: int = 0, **columns: Any) -> NDArray[np.void]:
    scored = np.zeros(count, RESULT)
    for name in RESULTS:
        scored[name] = columns.get(name, np.nan)
    scored["event"] = event
    return scored


def samples(
    metric: int, times: Sequence[int], first: int = 1, scored: NDArray[np.void] | None = None
) -> SampleColumns:
    """Samples whose value is their seq."""
    count = len(times)
    seq = np.arange(first, first + count)
    return SampleColumns(
        np.full(count, metric),
        seq,
        np.array(times, np.int64),
        seq.astype(float),
        results(count) if scored is None else scored,
    )


def joined(*parts: SampleColumns) -> SampleColumns:
    names = ("metric", "seq", "timestamp", "value", "scored")
    return SampleColumns(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def position(metric: int, seq: int, timestamp: int, **more: Any) -> PositionColumns:
    def one(value: Any, kind: type) -> NDArray[Any]:
        return np.array([value], kind)

    return PositionColumns(
        one(metric, np.int64),
        one(seq, np.int64),
        one(timestamp, np.int64),
        one(more.get("value", float(seq)), np.float64),
        one(more.get("anomaly_score", np.nan), np.float64),
        one(more.get("scored_seq", seq), np.int64),
    )


def an_event(number: int, metric: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "metric": metric,
        "start": 10,
        "peak": 10,
        "end": 20,
        "open": True,
        "value": 1.5,
        "expected": None,
        "lower": None,
        "upper": 2.0,
        "anomaly_score": 0.5,
        "likelihood": 0.999,
        "samples": 2,
    } | more


def a_state(metric: int, seq: int, state: bytes = b"s", of: str = "h") -> dict[str, Any]:
    return {"metric": metric, "seq": seq, "settings_hash": of, "made": 1, "state": state}
