from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    Gauge,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
    SummaryDataPoint,
)

from tests.fuzz.otlp import SEEDS, one
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.otlp import (
    JSON,
    PROTOBUF,
    Choices,
    Decoder,
    Intervals,
    Points,
    answer,
    decode,
    parse,
)
from tocsin.samples import SECOND_NS

T = 1_700_000_000 * SECOND_NS
DELTA, CUMULATIVE = 1, 2
CHOICES = Choices()
Row = tuple[str, dict[str, str], int, float]


def keyed(labels: dict[str, Any]) -> list[KeyValue]:
    def text(of: Any) -> AnyValue:
        kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
        return AnyValue(**{kind[type(of)]: of})

    return [KeyValue(key=key, value=text(of)) for key, of in labels.items()]


def request_of(*metrics: Metric, **resource: str) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    one = request.resource_metrics.add()
    one.resource.attributes.extend(keyed(resource))
    one.scope_metrics.add().metrics.extend(metrics)
    return request


def told(
    *metrics: Metric, intervals: Intervals | None = None, choices: Choices = CHOICES, **of: str
) -> Points:
    return both(request_of(*metrics, **of), choices, intervals or Intervals())


def both(request: ExportMetricsServiceRequest, choices: Choices, intervals: Intervals) -> Points:
    """What is read over protobuf's classes, which the quick way reads as well."""
    points = decode(request, choices, intervals)
    # What was told before is told again, and so means the same.
    decoder = Decoder(1_000, choices, intervals)
    for _ in range(2):
        quick = decoder.decode(bytes(request.SerializeToString()))
        assert repr(rows(quick)) == repr(rows(points))
        assert quick.places == points.places
        assert quick.count == points.count
        assert quick.rejected == points.rejected
        assert counters(quick) == counters(points)
    return points


def rows(points: Points) -> list[Row]:
    samples, metrics = points.batch.samples, points.batch.metrics
    columns = zip(samples.metric, samples.timestamp, samples.value, strict=True)
    return [(metrics[m].name, dict(metrics[m].labels), int(t), float(v)) for m, t, v in columns]


def counters(points: Points) -> set[str]:
    return {points.batch.metrics[i].name for i in points.batch.counters}


def number(value: float, **more: Any) -> NumberDataPoint:
    kind = {"as_int": value} if isinstance(value, int) else {"as_double": value}
    return NumberDataPoint(**{"time_unix_nano": T, **kind, **more})


def gauge(*points: NumberDataPoint, name: str = "g") -> Metric:
    return Metric(name=name, gauge=Gauge(data_points=points))


def total(kind: int, monotonic: bool, *points: NumberDataPoint) -> Metric:
    return Metric(
        name="s",
        sum=Sum(data_points=points, aggregation_temporality=kind, is_monotonic=monotonic),  # type: ignore[arg-type]
    )


def histogram(kind: int, *points: Any, name: str = "h") -> Metric:
    metric = Metric(name=name)
    exponential = any(isinstance(point, ExponentialHistogramDataPoint) for point in points)
    data = metric.exponential_histogram if exponential else metric.histogram
    data.aggregation_temporality = kind  # type: ignore[assignment]
    data.data_points.extend(points)
    return metric


def test_gauges_are_stored_as_sent_with_attributes_as_labels() -> None:
    points = told(
        gauge(
            number(1.5, attributes=keyed({"a": "x", "n": 3, "b": True, "f": 0.5})),
            number(7, time_unix_nano=T + 1),
        )
    )
    labels = {"a": "x", "n": "3", "b": "true", "f": "0.5"}
    assert rows(points) == [("g", labels, T, 1.5), ("g", {}, T + 1, 7.0)]
    assert points.batch.counters == frozenset()
    assert points.batch.protocol == "otlp"
    assert points.places == [0, 1]
    assert points.count == 2


def test_values_that_are_no_text_become_json() -> None:
    point = number(1.0)
    attribute = point.attributes.add(key="list")
    attribute.value.array_value.values.extend([AnyValue(string_value="é"), AnyValue(int_value=2)])
    inner = point.attributes.add(key="map").value.kvlist_value.values.add(key="k")
    inner.value.bytes_value = b"\x00\xff"
    point.attributes.add(key="none")
    ((_, labels, _, _),) = rows(told(gauge(point)))
    assert labels == {"list": '["é", 2]', "map": '{"k": "AP8="}', "none": ""}


def test_chosen_attributes_of_the_resource_are_labels_and_points_go_before() -> None:
    choices = Choices(resource_labels=["service.name", "k8s.*.name", "shared"])
    resource = {"service.name": "web", "k8s.pod.name": "p", "k8s.pod.uid": "u", "shared": "r"}
    metric = gauge(number(1.0, attributes=keyed({"shared": "p"})))
    points = decode(request_of(metric, **resource), choices, Intervals())
    ((_, labels, _, _),) = rows(points)
    assert labels == {"service.name": "web", "k8s.pod.name": "p", "shared": "p"}


@pytest.mark.parametrize("monotonic", [True, False])
def test_cumulative_sums_are_stored_as_sent(monotonic: bool) -> None:
    points = told(total(CUMULATIVE, monotonic, number(5), number(9, time_unix_nano=T + 1)))
    assert [value for *_, value in rows(points)] == [5.0, 9.0]
    assert counters(points) == ({"s"} if monotonic else set())


def test_delta_sums_become_rates() -> None:
    point = number(30, start_time_unix_nano=T - 60 * SECOND_NS)
    points = told(total(DELTA, True, point))
    assert rows(points) == [("s", {}, T, 0.5)]
    assert counters(points) == set()


def test_the_count_and_sum_of_a_cumulative_histogram_are_counters() -> None:
    def point(time: int, *counts: int) -> HistogramDataPoint:
        return HistogramDataPoint(
            start_time_unix_nano=1,
            time_unix_nano=time,
            count=sum(counts),
            sum=float(sum(counts)),
            bucket_counts=counts,
            explicit_bounds=[10.0, 20.0],
        )

    intervals = Intervals()
    first = told(histogram(CUMULATIVE, point(T, 100, 0, 0)), intervals=intervals)
    assert rows(first) == [("h.count", {}, T, 100.0), ("h.sum", {}, T, 100.0)]
    assert counters(first) == {"h.count", "h.sum"}
    for _ in range(2):
        again = told(histogram(CUMULATIVE, point(T + 5, 100, 10, 0)), intervals=intervals)
        assert [(name, value) for name, _, _, value in rows(again)] == [
            ("h.count", 110.0),
            ("h.sum", 110.0),
            ("h.p50", 15.0),
            ("h.p95", pytest.approx(19.5)),
            ("h.p99", pytest.approx(19.9)),
        ]
        assert again.places == [0] * 5


def test_a_delta_histogram_has_rates_and_quantiles_of_its_interval() -> None:
    point = ExponentialHistogramDataPoint(
        start_time_unix_nano=T - 10 * SECOND_NS, time_unix_nano=T, count=20, sum=100.0, scale=0
    )
    point.positive.offset = 2
    point.positive.bucket_counts.extend([20])
    points = told(histogram(DELTA, point), choices=Choices(quantiles=(0.0, 0.5, 0.999, 1.0)))
    assert [(name, value) for name, _, _, value in rows(points)] == [
        ("h.count", 2.0),
        ("h.sum", 10.0),
        ("h.min", 4.0),
        ("h.p50", pytest.approx(math.sqrt(32))),
        ("h.p99.9", pytest.approx(8, rel=1e-3)),
        ("h.max", pytest.approx(8)),
    ]
    assert counters(points) == set()


def test_summaries_have_the_quantiles_that_were_sent() -> None:
    point = SummaryDataPoint(time_unix_nano=T, count=3, sum=6.0)
    for part, value in ((0.0, 1.0), (0.5, 2.0), (0.99, 3.0)):
        point.quantile_values.add(quantile=part, value=value)
    metric = Metric(name="y")
    metric.summary.data_points.append(point)
    points = told(metric)
    assert [(name, value) for name, _, _, value in rows(points)] == [
        ("y.count", 3.0), ("y.sum", 6.0), ("y.min", 1.0), ("y.p50", 2.0), ("y.p99", 3.0),
    ]  # fmt: skip
    assert counters(points) == {"y.count", "y.sum"}


def test_a_point_without_a_recorded_value_is_silence() -> None:
    points = told(
        gauge(number(1.0, flags=1)),
        histogram(CUMULATIVE, HistogramDataPoint(time_unix_nano=T, flags=1)),
    )
    assert rows(points) == []
    assert points.rejected == []
    assert points.count == 2


BAD: list[tuple[Metric, str]] = [
    (gauge(NumberDataPoint(time_unix_nano=T)), "bad_type"),
    (gauge(number(1.0, time_unix_nano=0)), "bad_timestamp"),
    (gauge(number(1.0, time_unix_nano=2**64 - 1)), "bad_timestamp"),
    (gauge(number(1.0), name=""), "bad_metric"),
    (gauge(number(1.0), name="x" * 3_000), "bad_metric"),
    (gauge(number(1.0, attributes=keyed({"": "x"}))), "bad_metric"),
    (total(0, True, number(1)), "bad_type"),
    (total(7, True, number(1)), "bad_type"),
    (total(DELTA, True, number(1)), "bad_timestamp"),
    (total(DELTA, True, number(1, start_time_unix_nano=T)), "bad_timestamp"),
    (histogram(0, HistogramDataPoint(time_unix_nano=T)), "bad_type"),
    (histogram(2, HistogramDataPoint(time_unix_nano=T, bucket_counts=[1, 2])), "bad_type"),
    (histogram(2, ExponentialHistogramDataPoint(time_unix_nano=T, scale=99)), "bad_type"),
]


def test_a_bad_point_is_refused_by_itself() -> None:
    metrics = [metric for bad, _ in BAD for metric in (bad, gauge(number(2.0)))]
    points = told(*metrics)
    assert len(points.batch) == len(BAD)
    assert [(r.index, r.code.value) for r in points.rejected] == [
        (2 * i, code) for i, (_, code) in enumerate(BAD)
    ]


def test_more_samples_than_allowed_are_refused() -> None:
    metric = gauge(*[number(1.0)] * 4)
    assert len(told(metric, choices=Choices(most=4)).batch) == 4
    with pytest.raises(TooLargeError, match="more than 3 samples"):
        told(metric, choices=Choices(most=3))


def test_more_than_can_be_looked_at_is_refused() -> None:
    silent = gauge(*[number(1.0, flags=1)] * 90)
    choices = Choices(most=5)
    assert len(told(silent, choices=choices).batch) == 0
    for many in (
        request_of(silent, silent),
        request_of(*[Metric()] * 101),
        request_of(gauge(number(1.0, attributes=keyed({f"k{i}": "v" for i in range(101)})))),
        ExportMetricsServiceRequest.FromString(b"\x0a\x00" * 101),
    ):
        with pytest.raises(TooLargeError, match="more than 100 points and attributes"):
            decode(many, choices, Intervals())
    with pytest.raises(TooLargeError, match="more than 100 objects"):
        parse(b'{"resourceMetrics": [' + b"{}," * 100 + b"{}]}", JSON, choices.most_parts)


def test_an_attribute_that_no_label_can_hold_refuses_its_point() -> None:
    point = number(1.0)
    values = point.attributes.add(key="k").value.array_value.values
    for _ in range(20_000):
        values.add()
    points = told(gauge(point, number(2.0)))
    assert [one.code.value for one in points.rejected] == ["bad_metric"]
    assert len(points.batch) == 1


numbers = st.builds(
    number,
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1),
    time_unix_nano=st.integers(1, 2**62),
    attributes=st.dictionaries(
        st.text("abc.", min_size=1, max_size=5),
        st.text("ab é", max_size=5) | st.booleans() | st.integers(-5, 2**60),
        max_size=3,
    ).map(keyed),
)
gauges = st.builds(
    lambda name, points: gauge(*points, name=name),
    st.text("abc._/", min_size=1, max_size=10),
    st.lists(numbers, max_size=5),
)


@given(st.lists(gauges, max_size=5))
def test_what_is_written_is_read_in_both_encodings(metrics: list[Metric]) -> None:
    request = request_of(*metrics)
    # OTLP's JSON has enumerations as numbers.
    text = json.dumps(MessageToDict(request, use_integers_for_enums=True)).encode()
    sent = [
        (metric.name, point.time_unix_nano, float(point.as_double or point.as_int))
        for metric in metrics
        for point in metric.gauge.data_points
    ]
    for body, encoding in ((request.SerializeToString(), PROTOBUF), (text, JSON)):
        read = parse(body, encoding)
        assert read == request
        found = rows(decode(read, Choices(), Intervals()))
        assert [(name, time, value) for name, _, time, value in found] == sent


def test_json_may_have_what_protobuf_has_not() -> None:
    body = {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {
                        "unknown": {"x": [1]},
                        "metrics": [
                            {
                                "name": "n",
                                "gauge": {
                                    "dataPoints": [
                                        {
                                            "timeUnixNano": str(T),
                                            "asInt": "12",
                                            "exemplars": [
                                                {"traceId": "5b8efff798038103d269b633813fc60c"}
                                            ],
                                        },
                                        {"timeUnixNano": T + 1, "asDouble": "NaN"},
                                    ]
                                },
                            }
                        ],
                    }
                ]
            }
        ]
    }
    found = rows(decode(parse(json.dumps(body).encode(), JSON), Choices(), Intervals()))
    assert found[0][3] == 12.0
    assert math.isnan(found[1][3])


@pytest.mark.parametrize("body", [b"", b"[]", b"3", b'"x"', b"{", b"[" * 100_000, b"\xff", b"null"])
def test_what_is_no_json_request_is_told(body: bytes) -> None:
    with pytest.raises(BadInputError, match="no ExportMetricsServiceRequest"):
        parse(body, JSON)


def test_answers_say_how_many_points_were_refused() -> None:
    response = ExportMetricsServiceResponse.FromString(answer(PROTOBUF, 3, "why"))
    assert response.partial_success.rejected_data_points == 3
    assert response.partial_success.error_message == "why"
    assert answer(PROTOBUF, 0, "") == b""
    assert json.loads(answer(JSON, 0, "")) == {}
    assert json.loads(answer(JSON, 3, "why")) == {
        "partialSuccess": {"rejectedDataPoints": "3", "errorMessage": "why"}
    }


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    one(body)


@given(st.sampled_from(SEEDS), st.integers(0, 400), st.integers(0, 400), st.binary(max_size=10))
def test_damaged_requests_break_nothing(seed: bytes, start: int, end: int, other: bytes) -> None:
    one(seed[:start] + other + seed[end:])


VALUES = st.floats() | st.integers(-(2**63), 2**63 - 1)
TIMES = st.sampled_from([T, T + 1, 0, 2**63, 9_214_646_400 * SECOND_NS])
LABELS = st.dictionaries(st.sampled_from("abü"), st.text(max_size=3) | st.booleans(), max_size=3)


@st.composite
def any_number(draw: st.DrawFn) -> NumberDataPoint:
    point = number(draw(VALUES), time_unix_nano=draw(TIMES), start_time_unix_nano=draw(TIMES))
    point.attributes.extend(keyed(draw(LABELS)))
    point.flags = draw(st.sampled_from([0, 0, 1, 2, 3]))
    if draw(st.integers(0, 5)) == 0:
        point.ClearField("value")
    if draw(st.booleans()):
        point.exemplars.add(as_double=1.0)
    return point


@st.composite
def whole_metrics(draw: st.DrawFn) -> Metric:
    points = draw(st.lists(any_number(), max_size=3))
    name = draw(st.sampled_from(["m", "n", "", "\x00"]))
    kind = draw(st.integers(0, 4))
    metric = Metric(name=name, description="d" * draw(st.integers(0, 200)), unit="s")
    if kind == 0:
        metric.histogram.aggregation_temporality = CUMULATIVE  # type: ignore[assignment]
        metric.histogram.data_points.add(time_unix_nano=T, count=3, sum=1.5)
    elif kind < 3:
        # A name that is both would be one metric, declared by whichever came first.
        metric.name += "g" if name else ""
        metric.gauge.data_points.extend(points)
    else:
        metric.sum.data_points.extend(points)
        metric.sum.aggregation_temporality = draw(st.integers(0, 3))  # type: ignore[assignment]
        metric.sum.is_monotonic = True
    return metric


@given(st.lists(st.tuples(st.text(max_size=2), st.lists(whole_metrics(), max_size=3)), max_size=3))
def test_the_quick_way_reads_the_same(resources: list[tuple[str, list[Metric]]]) -> None:
    request = ExportMetricsServiceRequest()
    for name, metrics in resources:
        one = request.resource_metrics.add()
        one.resource.attributes.extend(keyed({"service.name": name, "host.name": "other"}))
        one.scope_metrics.add().metrics.extend(metrics)
        one.scope_metrics.add().metrics.extend(metrics[:1])
    both(request, CHOICES, Intervals())


def test_a_damaged_text_of_a_new_metric_is_told() -> None:
    body = bytes(request_of(gauge(number(1.0), name="xyz")).SerializeToString())
    decoder = Decoder(10, CHOICES, Intervals())
    assert len(decoder.decode(body).batch) == 1
    with pytest.raises(BadInputError):
        decoder.decode(body.replace(b"xyz", b"x\xffz"))
