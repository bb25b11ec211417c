"""What Tocsin says about itself, in Prometheus' form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tocsin.engine.batch import Receipt, Rejection

__all__ = ["Telemetry"]

_COMMIT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Gauges = Callable[[], dict[str, float]]


class Telemetry:
    """Counters of one running service; its own registry, so that there may be several."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.accepted = Counter(
            "tocsin_samples_accepted", "Samples stored", ["protocol"], registry=registry
        )
        self.duplicates = Counter(
            "tocsin_samples_duplicate", "Samples already known", ["protocol"], registry=registry
        )
        self.rejected = Counter(
            "tocsin_samples_rejected", "Samples refused", ["protocol", "reason"], registry=registry
        )
        self.scored = Counter("tocsin_samples_scored", "Samples scored", registry=registry)
        self.events = Counter("tocsin_events", "Events begun", registry=registry)
        self.commit_failures = Counter(
            "tocsin_commit_failures", "Commits that the database refused", registry=registry
        )
        self.commit_seconds = Histogram(
            "tocsin_commit_seconds",
            "Seconds from taking a group of batches to its commit",
            buckets=_COMMIT_BUCKETS,
            registry=registry,
        )
        self.snapshots = Counter("tocsin_snapshots", "States of metrics saved", registry=registry)
        #: Totals for the last line at the end.
        self.total_accepted = 0
        self.total_scored = 0
        self.total_events = 0

    def received(self, protocol: str, receipt: Receipt) -> None:
        """Count a batch's receipt."""
        self.total_accepted += receipt.accepted
        self.accepted.labels(protocol).inc(receipt.accepted)
        self.duplicates.labels(protocol).inc(receipt.duplicates)
        self.refused(protocol, receipt.rejected)

    def refused(self, protocol: str, rejected: Iterable[Rejection]) -> None:
        """Count refused samples by reason."""
        for rejection in rejected:
            self.rejected.labels(protocol, rejection.code.value).inc()

    def committed(self, scored: int, events: int, seconds: float) -> None:
        """Count one commit."""
        self.total_scored += scored
        self.total_events += events
        self.scored.inc(scored)
        self.events.inc(events)
        self.commit_seconds.observe(seconds)

    def watch(self, queue: Callable[[], int], metrics: Gauges) -> None:
        """Read these when somebody asks: samples that wait, and metrics by status."""
        self._registry.register(_Live(queue, metrics))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Live(Collector):
    def __init__(self, queue: Callable[[], int], metrics: Gauges) -> None:
        self._queue = queue
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "tocsin_queue_samples", "Samples that wait to be stored", value=self._queue()
        )
        family = GaugeMetricFamily("tocsin_metrics", "Metrics by status", labels=["status"])
        for status, count in self._metrics().items():
            family.add_metric([status], count)
        yield family
