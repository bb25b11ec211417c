"""Any bytes as OTLP's requests: JSON when they begin as such, else protobuf."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any, Final

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tocsin.errors import BadInputError
from tocsin.ingest.otlp import JSON, Choices, Decoder, Intervals, Points, decode, parse
from tocsin.samples import LATEST_NS

__all__ = ["SEEDS", "TOKENS", "one"]

_TIMES: Final = {"timeUnixNano": "1700000000000000000", "startTimeUnixNano": "1690000000000000000"}
_LABELS: Final = [
    {"key": "a", "value": {"stringValue": "b"}},
    {"key": "c", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"boolValue": True}]}}},
]
_METRICS: Final[list[dict[str, Any]]] = [
    {"name": "g", "gauge": {"dataPoints": [{**_TIMES, "asDouble": 1.5, "attributes": _LABELS}]}},
    {
        "name": "s",
        "sum": {
            "dataPoints": [{**_TIMES, "asInt": "7"}, {"flags": 1}],
            "aggregationTemporality": 1,
            "isMonotonic": True,
        },
    },
    {
        "name": "h",
        "histogram": {
            "dataPoints": [
                {
                    **_TIMES,
                    "count": "6",
                    "sum": 12.0,
                    "bucketCounts": ["1", "2", "3"],
                    "explicitBounds": [1.0, 2.0],
                    "max": 9.0,
                }
            ],
            "aggregationTemporality": 2,
        },
    },
    {
        "name": "e",
        "exponentialHistogram": {
            "dataPoints": [
                {
                    **_TIMES,
                    "count": "5",
                    "scale": 3,
                    "zeroCount": "1",
                    "positive": {"offset": -2, "bucketCounts": ["1", "2"]},
                    "negative": {"offset": 4, "bucketCounts": ["1"]},
                }
            ],
            "aggregationTemporality": 1,
        },
    },
    {
        "name": "y",
        "summary": {
            "dataPoints": [
                {
                    **_TIMES,
                    "count": "2",
                    "sum": 3,
                    "quantileValues": [{"quantile": 0.5, "value": 1}],
                }
            ]
        },
    },
]


def _body(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}


def _protobuf(body: dict[str, Any]) -> bytes:
    message = ParseDict(body, ExportMetricsServiceRequest())
    return bytes(message.SerializeToString())


SEEDS: Final[list[bytes]] = [
    *(_protobuf(_body([metric])) for metric in _METRICS),
    _protobuf(_body(_METRICS)),
    *(json.dumps(_body([metric])).encode() for metric in _METRICS),
]
TOKENS: Final[list[bytes]] = [b'"flags":1', b"NaN", b"Infinity", b"null", b"[]", b"{}", b'"-1"']

_CHOICES: Final = Choices(quantiles=(0.0, 0.5, 1.0))
#: Stays from input to input, as it does in the service; small, so that it forgets often.
_intervals: Final = Intervals(2_000)
_decoder: Final = Decoder(500, _CHOICES, _intervals)


def one(data: bytes) -> Hashable:
    """Read and decode; only declared errors, no more samples than bytes could bring."""
    try:
        points = _read(data)
    except BadInputError as error:
        return str(error)[:60]
    samples = points.batch.samples
    assert len(points.places) == len(samples)
    # The smallest data point takes ten bytes, and makes two samples and its quantiles.
    assert len(samples) <= len(data)
    assert points.count <= len(data)
    assert all(0 < time < LATEST_NS for time in samples.timestamp.tolist())
    assert all(0 <= place < points.count for place in points.places)
    assert all(0 <= one.index < points.count for one in points.rejected)
    codes = frozenset(one.code for one in points.rejected)
    return len(samples), points.count, codes


def _read(data: bytes) -> Points:
    if data.startswith(b"{"):
        return decode(parse(data, JSON), _CHOICES, _intervals)
    return _decoder.decode(data)
