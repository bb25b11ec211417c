"""Requests into samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Metric as OtlpMetric,
)

from tocsin.engine.batch import Reason
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.columns import Columns
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.identity import metric_of
from tocsin.ingest.otlp.attributes import Labels, chosen, labels_of
from tocsin.ingest.otlp.buckets import Buckets, Explicit, Exponential, quantiles
from tocsin.ingest.otlp.intervals import Intervals
from tocsin.samples import LATEST_NS, SECOND_NS, Metric

__all__ = ["PROTOCOL", "Choices", "Points", "Walk", "decode"]

#: Under this name the samples are counted.
PROTOCOL: Final = "otlp"

_DELTA: Final = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_CUMULATIVE: Final = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_SILENT: Final = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
Histogram = HistogramDataPoint | ExponentialHistogramDataPoint


@dataclass(frozen=True, slots=True)
class Choices:
    """What of a request becomes metrics and labels."""

    #: Patterns of the resource's attributes that are labels.
    resource_labels: Sequence[str] = ("service.name",)
    #: Of histograms; rising.
    quantiles: Sequence[float] = (0.5, 0.95, 0.99)
    #: The most samples of a request.
    most: int = 2**31

    @property
    def most_parts(self) -> int:
        """The most resources, scopes, metrics, points and attributes together."""
        return 20 * self.most


@dataclass(frozen=True, slots=True)
class Points(Decoded):
    """Decoded samples, and of each the number of its data point in the request (from 0).

    Rejections name data points, too.
    """

    places: list[int]
    #: How many data points there were.
    count: int


def decode(request: ExportMetricsServiceRequest, choices: Choices, intervals: Intervals) -> Points:
    """The samples of a request; a bad data point is refused by itself.

    - Gauges and cumulative sums are stored as sent; monotonic sums are declared as counters.
    - Deltas become rates per second over their interval, which is how counters are watched, too.
    - Histograms become ``.count`` and ``.sum`` (as sums do), and quantiles ``.p50``… of what came
      since the point before (``intervals`` remembers it), or of the interval for deltas.
    - Summaries become ``.count``, ``.sum`` and the quantiles that were sent.
    - Points without a recorded value are silence. Scopes and exemplars are not looked at.

    Errors: `TooLargeError`. Cost: about 10 µs a number, 50 µs a histogram.
    """
    walk = Walk(choices, intervals)
    walk.read(request)
    return walk.points()


class _BadPointError(Exception):
    def __init__(self, code: Reason, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Walk:
    """On the way through a request: where it is, and what has been found."""

    def __init__(self, choices: Choices, intervals: Intervals) -> None:
        self.columns = Columns(PROTOCOL)
        self.places: list[int] = []
        self.place = -1
        self._choices, self._intervals = choices, intervals
        self._suffixes = [_suffix(part) for part in choices.quantiles]
        self._parts = 0
        #: The resource that is being read, and the metric's name.
        self._resource: Labels = ()
        self._name = ""

    def points(self) -> Points:
        """What has been found."""
        told = self.columns.done()
        return Points(told.batch, told.rejected, self.places, self.place + 1)

    def one(self, metric: OtlpMetric, resource: Labels, place: int) -> None:
        """Read one metric; ``place``: the number of its first data point.

        Errors: `TooLargeError`.
        """
        self._resource, self.place = resource, place - 1
        self._metric(metric)

    def read(self, request: ExportMetricsServiceRequest) -> None:
        """Read everything. Errors: `TooLargeError`."""
        self._met(len(request.resource_metrics))
        for resource in request.resource_metrics:
            attributes = resource.resource.attributes
            self._met(len(attributes) + len(resource.scope_metrics))
            self._resource = chosen(attributes, self._choices.resource_labels)
            for scope in resource.scope_metrics:
                self._met(len(scope.metrics))
                for metric in scope.metrics:
                    self._metric(metric)

    def _met(self, parts: int) -> None:
        """Count what has to be looked at, and is not bounded by the samples that it makes."""
        self._parts += parts
        if self._parts > self._choices.most_parts:
            raise TooLargeError(
                f"more than {self._choices.most_parts} points and attributes at once: "
                "send smaller batches"
            )

    def _metric(self, metric: OtlpMetric) -> None:
        self._name = metric.name
        kind = metric.WhichOneof("data")
        if kind == "gauge":
            self._each(metric.gauge.data_points, self._gauge)
        elif kind == "sum":
            self._sums(metric)
        elif kind == "histogram":
            self._histograms(metric.histogram)
        elif kind == "exponential_histogram":
            self._histograms(metric.exponential_histogram)
        elif kind == "summary":
            self._each(metric.summary.data_points, self._summary)

    def _sums(self, metric: OtlpMetric) -> None:
        total = metric.sum
        delta = _is_delta(total.aggregation_temporality)
        counter = total.is_monotonic

        def take(point: NumberDataPoint, labels: Labels) -> None:
            if delta is None:
                raise _BadPointError(Reason.BAD_TYPE, "a sum is neither cumulative nor delta")
            self._total("", labels, point, _number(point), delta=delta, counter=counter)

        self._each(total.data_points, take)

    def _histograms(self, histogram: Any) -> None:
        delta = _is_delta(histogram.aggregation_temporality)

        def take(point: Histogram, labels: Labels) -> None:
            if delta is None:
                raise _BadPointError(Reason.BAD_TYPE, "a histogram is neither cumulative nor delta")
            self._histogram(point, labels, delta)

        self._each(histogram.data_points, take)

    def _each(self, points: Sequence[Any], take: Callable[[Any, Labels], None]) -> None:
        self._met(len(points))
        for point in points:
            self.place += 1
            if point.flags & _SILENT:
                continue
            try:
                if not 0 < point.time_unix_nano < LATEST_NS:
                    raise _BadPointError(Reason.BAD_TIMESTAMP, "its time is missing or beyond 2261")
                self._met(len(point.attributes))
                take(point, labels_of(point.attributes))
            except _BadPointError as error:
                self.columns.refuse(self.place, error.code, f"{self._name[:80]}: {error.detail}")
            if len(self.places) + len(self.columns.rejected) > self._choices.most:
                raise TooLargeError(
                    f"more than {self._choices.most} samples at once: send smaller batches"
                )

    def _gauge(self, point: NumberDataPoint, labels: Labels) -> None:
        self._add("", labels, point, _number(point))

    def _histogram(self, point: Histogram, labels: Labels, delta: bool) -> None:
        buckets = _buckets(point)
        self._total(".count", labels, point, float(point.count), delta=delta, counter=True)
        if point.HasField("sum"):
            self._total(".sum", labels, point, point.sum, delta=delta, counter=True)
        if buckets is None or not self._suffixes:
            return
        if not delta:
            key = (self._resource, self._name, labels)
            start, time = point.start_time_unix_nano, point.time_unix_nano
            buckets = self._intervals.since(key, start, time, buckets)
        if buckets is not None:
            self._quantiles(point, labels, buckets)

    def _quantiles(self, point: Histogram, labels: Labels, buckets: Buckets) -> None:
        least = point.min if point.HasField("min") else -math.inf
        most = point.max if point.HasField("max") else math.inf
        found = quantiles(buckets, self._choices.quantiles, least, most) or []
        for suffix, value in zip(self._suffixes, found, strict=False):
            self._add(suffix, labels, point, value)

    def _summary(self, point: SummaryDataPoint, labels: Labels) -> None:
        self._add(".count", labels, point, float(point.count), counter=True)
        self._add(".sum", labels, point, point.sum, counter=True)
        for one in point.quantile_values:
            if not 0 <= one.quantile <= 1:
                raise _BadPointError(Reason.BAD_TYPE, f"a quantile of {one.quantile:g}")
            self._add(_suffix(one.quantile), labels, point, one.value)

    def _total(
        self, suffix: str, labels: Labels, point: Point, value: float, *, delta: bool, counter: bool
    ) -> None:
        """A total as it is; what came in an interval as a rate per second."""
        if delta:
            lasted = point.time_unix_nano - point.start_time_unix_nano
            if not point.start_time_unix_nano or lasted <= 0:
                raise _BadPointError(
                    Reason.BAD_TIMESTAMP, "a delta needs a start that is before its time"
                )
            value, counter = value * SECOND_NS / lasted, False
        self._add(suffix, labels, point, value, counter=counter)

    def _add(
        self, suffix: str, labels: Labels, point: Point, value: float, *, counter: bool = False
    ) -> None:
        name = self._name + suffix

        def make() -> Metric:
            return metric_of(name, dict((*self._resource, *labels)))

        key = (self._resource, name, labels)
        index = self.columns.index_of(key, make, counter=counter)
        if isinstance(index, str):
            raise _BadPointError(Reason.BAD_METRIC, index)
        self.columns.add(self.place, index, point.time_unix_nano, value)
        self.places.append(self.place)


def _is_delta(temporality: int) -> bool | None:
    """None: neither delta nor cumulative."""
    return temporality == _DELTA if temporality in (_DELTA, _CUMULATIVE) else None


def _number(point: NumberDataPoint) -> float:
    kind = point.WhichOneof("value")
    if kind is None:
        raise _BadPointError(Reason.BAD_TYPE, "a data point without a value")
    return float(getattr(point, kind))


def _suffix(part: float) -> str:
    """How a quantile's metric is called: ``.p99``; the outermost ones: ``.min`` and ``.max``."""
    return {0.0: ".min", 1.0: ".max"}.get(part) or f".p{round(100 * part, 6):g}"


def _buckets(point: Histogram) -> Buckets | None:
    try:
        if isinstance(point, ExponentialHistogramDataPoint):
            return Exponential(
                point.scale,
                point.zero_count,
                point.zero_threshold,
                _by_index(point.positive),
                _by_index(point.negative),
            )
        if not point.bucket_counts:
            return None
        return Explicit(tuple(point.explicit_bounds), tuple(point.bucket_counts))
    except BadInputError as error:
        raise _BadPointError(Reason.BAD_TYPE, str(error)) from None


def _by_index(buckets: ExponentialHistogramDataPoint.Buckets) -> dict[int, int]:
    return {i: count for i, count in enumerate(buckets.bucket_counts, buckets.offset) if count}
