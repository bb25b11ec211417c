"""Databases as they are after a long time with many metrics, made in seconds: to measure reading.

Nothing is scored: scores, bands and events are made up, as they are of a fleet that is well but for
some of its metrics.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import RESULT
from tocsin.engine.registry import labels_json, uid_of
from tocsin.samples import SECOND_NS, Metric
from tocsin.store.commits import Commit, PositionColumns, SampleColumns, Writer
from tocsin.store.database import claim

__all__ = ["LONG", "Amounts", "Made", "fill"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: The metric with the long course.
LONG: Final = Metric.of("shop.orders", {"dc": "eu-1", "service": "checkout"})

_STEP_NS: Final = 60 * SECOND_NS
#: Metrics and samples of one commit.
_METRICS: Final = 20_000
_SAMPLES: Final = 50_000
_PARTS: Final = ("cpu", "memory", "disk", "network", "http", "queue", "cache", "db", "jvm", "fs")
_WHAT: Final = ("used", "free", "rate", "errors", "latency", "p99", "wait", "count", "size", "age")


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much there is to be."""

    metrics: int = 1_000_000
    #: Samples of each metric, of the ``busy`` ones, and of `LONG`.
    each: int = 2
    busy: int = 1_000
    busy_each: int = 240
    long: int = 1_000_000
    #: Events of the last week, of busy metrics.
    events: int = 5_000


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: the uid of `LONG`, and a busy metric's; and how long it took."""

    long: str
    busy: str
    seconds: float


def fill(url: str, amounts: Amounts | None = None, *, now: int | None = None) -> Made:
    """Fill an empty database. The metrics are stored and not monitored, so that a start is quick.

    ``now``: the time of the last samples (ns; default: this minute). Same amounts, same content
    but for that. Cost: about 10 µs a metric and 4 µs a sample into SQLite. Errors: `StoreError`,
    `StartError`.
    """
    some, began = amounts or Amounts(), time.perf_counter()
    end = (time.time_ns() if now is None else now) // _STEP_NS * _STEP_NS
    with claim(url) as database:
        writer, random = Writer(database), np.random.default_rng(7)
        for position, what in enumerate(_commits(some, end, random), 1):
            writer.commit(Commit(position=position, at=end, **what))
    busy = metric_of(some.metrics - 1)
    return Made(uid_of(LONG, 1), uid_of(busy, 1), time.perf_counter() - began)


def metric_of(number: int) -> Metric:
    """The metric with this number: a hundred on each host.

    >>> str(metric_of(1234))
    'node.network.latency{dc="eu-2",host="web-00012",job="node"}'
    """
    host, which = divmod(number, 100)
    name = f"node.{_PARTS[which // 10]}.{_WHAT[which % 10]}"
    return Metric.of(name, {"dc": f"eu-{host % 5}", "host": f"web-{host:05d}", "job": "node"})


def _commits(some: Amounts, end: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """What is to be written, in order. The busy ones are the last of the metrics."""
    quiet = some.metrics - some.busy
    for first in range(0, some.metrics, _METRICS):
        numbers = np.arange(first, min(first + _METRICS, some.metrics))
        rows = [_row(int(n) + 2, metric_of(int(n)), end) for n in numbers]
        counts = np.where(numbers < quiet, some.each, some.busy_each)
        yield {"metrics": rows} | _samples(numbers + 2, counts, end, random)
    yield {"metrics": [_row(1, LONG, end)]}
    for last in range(0, some.long, _SAMPLES):
        seq = np.arange(last + 1, min(last + _SAMPLES, some.long) + 1)
        yield _long(seq, some.long, end, random)
    if some.events:
        yield {"events": _events(some, end, random)}


def _row(number: int, metric: Metric, now: int) -> dict[str, Any]:
    return {
        "id": number,
        "uid": uid_of(metric, 1),
        "name": metric.name,
        "labels": labels_json(metric),
        "title": str(metric),
        "generation": 1,
        "status": "unmonitored",
        "reason": "asked",
        "created": now,
    }


def _samples(ids: Ints, counts: Ints, end: int, random: np.random.Generator) -> dict[str, Any]:
    """The last ``counts`` samples of each of these metrics, one a minute."""
    metric = np.repeat(ids, counts)
    seq = np.arange(len(metric)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    times = end - (np.repeat(counts, counts) - seq) * _STEP_NS
    value = 50.0 + random.normal(size=len(metric))
    return _written(SampleColumns(metric, seq, times, value, _scored(value, 50.0, random)))


def _long(seq: Ints, count: int, end: int, random: np.random.Generator) -> dict[str, Any]:
    """A stretch of a course with days and weeks, and a spike now and then."""
    times = end - (count - seq) * _STEP_NS
    day = np.sin(times / (86_400 * SECOND_NS) * 2 * np.pi)
    usual = 200.0 + 80.0 * day + 30.0 * np.sin(times / (7 * 86_400 * SECOND_NS) * 2 * np.pi)
    value = usual + random.normal(size=len(seq)) * 6.0
    value[random.random(len(seq)) < 1e-4] *= 3.0
    scored = _scored(value, usual, random)
    return _written(SampleColumns(np.ones(len(seq), np.int64), seq, times, value, scored))


def _scored(
    value: Floats, expected: Floats | float, random: np.random.Generator
) -> NDArray[np.void]:
    """Results as of a model that knows what is usual."""
    scored = np.zeros(len(value), RESULT)
    scored["rate"] = np.nan
    likelihood = random.random(len(value))
    scored["raw_score"], scored["likelihood"] = -np.log10(1 - likelihood), likelihood
    scored["anomaly_score"] = np.minimum(scored["raw_score"] / 10.0, 1.0)
    scored["expected"] = expected
    width = 4.0 * np.std(value - expected)
    scored["lower"], scored["upper"] = expected - width, expected + width
    return scored


def _written(samples: SampleColumns) -> dict[str, Any]:
    """With the positions that these samples leave their metrics at."""
    last = np.flatnonzero(np.diff(samples.metric, append=-1))
    positions = PositionColumns(
        id=samples.metric[last],
        last_seq=samples.seq[last],
        last_timestamp=samples.timestamp[last],
        last_value=samples.value[last],
        anomaly_score=samples.scored["anomaly_score"][last],
        scored_seq=samples.seq[last],
    )
    return {"samples": samples, "positions": positions}


def _events(some: Amounts, end: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """Events that are over, within the last week."""
    metrics = random.integers(some.metrics - some.busy, some.metrics, some.events) + 2
    begins = end - random.integers(0, 7 * 86_400 * SECOND_NS, some.events)
    lasting = random.integers(1, 30, some.events) * _STEP_NS
    score = 0.4 + 0.5 * random.random(some.events)
    rows = zip(
        metrics.tolist(), np.sort(begins).tolist(), lasting.tolist(), score.tolist(), strict=True
    )
    return [
        {
            "id": number,
            "metric": metric,
            "start": start,
            "peak": start,
            "end": min(start + lasts, end),
            "open": False,
            "value": 90.0,
            "expected": 50.0,
            "lower": 46.0,
            "upper": 54.0,
            "anomaly_score": height,
            "likelihood": 1.0 - 10.0 ** (-10.0 * height),
            "samples": lasts // _STEP_NS,
            "pattern": "spike",
            "why": "spike: 1.8 times higher than expected (90 against 50)",
            "views": '{"value":5.0}',
            "muted": None,
            "because": None,
        }
        for number, (metric, start, lasts, height) in enumerate(rows, 1)
    ]
