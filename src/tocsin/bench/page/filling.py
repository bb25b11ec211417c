"""Filling a service: very many metrics, and one with very many samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from tocsin.engine.batch import Batch
from tocsin.errors import StartError
from tocsin.ingest.remote import ServiceSink, body_of
from tocsin.samples import SECOND_NS, Metric, Samples

__all__ = ["LONG", "Feed", "fill"]

#: The metric with very many samples, a second apart.
LONG: Final = Metric.of("checkout.latency", {"host": "web-1", "service": "shop"})
_REQUEST: Final = 10_000
_DAY_S: Final = 86_400

Tell = Callable[[str], None]


class Feed:
    """The long metric's samples: its past, and then one more whenever it is asked for."""

    def __init__(self, url: str) -> None:
        self._sink = ServiceSink(url)
        self._rng = np.random.default_rng(5)
        self._at = 0

    def close(self) -> None:
        """Close its connections."""
        self._sink.close()

    def past(self, samples: int, tell: Tell) -> None:
        """So many samples up to now: a daily course, noise, and now and then a burst."""
        now = int(time.time())
        seconds = np.arange(now - samples, now)
        level = 100 + 30 * np.sin(2 * np.pi * seconds / _DAY_S)
        values = level + 5 * self._rng.normal(size=samples)
        values[self._rng.random(samples) < 1e-5] += 200
        for first in range(0, samples, _REQUEST):
            tell(f"{first:,} of {samples:,} samples of one metric")
            rows = slice(first, first + _REQUEST)
            self._send([LONG], seconds[rows] * SECOND_NS, values[rows].round(3))
        self._at = now

    def next(self, value: float) -> None:
        """One sample more; it is stored and scored when this returns."""
        self._at = max(self._at + 1, int(time.time()))
        self._send([LONG], np.array([self._at * SECOND_NS]), np.array([value]))

    def _send(self, metrics: list[Metric], times: Any, values: Any) -> None:
        column = np.zeros(len(times), dtype=np.int64)
        _checked(self._sink, Batch(metrics, Samples(column, times, values), "bench"))


def fill(url: str, metrics: int, tell: Tell) -> None:
    """So many metrics with two samples each."""
    sink = ServiceSink(url)
    try:
        for number, batch in enumerate(_batches(metrics)):
            tell(f"{number * _REQUEST // 2:,} of {metrics:,} metrics")
            _checked(sink, batch)
    finally:
        sink.close()


def _batches(count: int) -> Iterator[Batch]:
    rng, now = np.random.default_rng(6), int(time.time()) * SECOND_NS
    each = _REQUEST // 2
    for first in range(0, count, each):
        some = [_named(number) for number in range(first, min(first + each, count))]
        column = np.repeat(np.arange(len(some)), 2)
        times = now + np.tile(np.array([-60, 0]) * SECOND_NS, len(some))
        yield Batch(some, Samples(column, times, rng.normal(size=2 * len(some)).round(3)), "bench")


def _named(number: int) -> Metric:
    host, kind = divmod(number, 50)
    labels = {"host": f"host-{host:05d}", "service": f"service-{host % 400:03d}"}
    return Metric.of(f"node.metric_{kind:02d}", labels)


def _checked(sink: ServiceSink, batch: Batch) -> None:
    receipt = sink.send_body(body_of(batch))
    if receipt.rejected:
        raise StartError(f"the service refused a sample: {receipt.rejected[0].reason}")
