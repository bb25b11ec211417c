"""Decoders alone, each beside a reference decoder that does the same work, in one run.

Both turn the same bodies, which hold every metric again and again, into metrics, times and values.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from prometheus_client import parser

from tocsin.bench.remote_write_messages import V1, V2
from tocsin.ingest import http_json, influx, otlp, rereading
from tocsin.ingest.graphite import pickles, plaintext
from tocsin.ingest.remote_write import v1, v2
from tocsin.samples import SECOND_NS

__all__ = ["CONTESTS", "Contest", "Figures", "Plan", "measure"]

_AT_MS: Final = 1_700_000_000_000
_MOST: Final = 1_000_000

#: Decodes a body and says how many samples it held.
Decode = Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    metrics: int = 50_000
    #: Samples of one body.
    request: int = 2_000
    #: Each decoder reads all bodies so many times; the best counts.
    passes: int = 3


@dataclass(frozen=True, slots=True)
class Contest:
    """A protocol: its bodies, our decoder, and another one."""

    protocol: str
    bodies: Sequence[bytes]
    ours: Decode
    reference: str
    other: Decode


@dataclass(frozen=True, slots=True)
class Figures:
    """Samples per second of one core, and bytes of a sample."""

    protocol: str
    bytes: float
    ours: float
    reference: str
    other: float

    @property
    def ratio(self) -> float:
        """How many times as fast as the reference."""
        return self.ours / self.other

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"ratio": self.ratio}


def measure(plan: Plan, tell: Callable[[str], None]) -> Iterator[Figures]:
    """Measure one protocol after the other. Memory: the bodies of one protocol."""
    for make in CONTESTS:
        tell("making bodies")
        contest = make(plan)
        tell(contest.protocol)
        size = sum(map(len, contest.bodies)) / plan.metrics
        ours = _speed(contest.ours, contest.bodies, plan)
        other = _speed(contest.other, contest.bodies, plan)
        yield Figures(contest.protocol, size, ours, contest.reference, other)


def _speed(decode: Decode, bodies: Sequence[bytes], plan: Plan) -> float:
    """Samples per second of CPU, when everything has been seen before."""
    best = float("inf")
    for number in range(plan.passes + 1):
        began = time.thread_time()
        count = sum(decode(body) for body in bodies)
        if count != plan.metrics:
            raise AssertionError(f"{count} samples, not {plan.metrics}")
        if number:
            best = min(best, time.thread_time() - began)
    return plan.metrics / best


def _labels(i: int) -> dict[str, str]:
    """Labels as machines in a cluster have them."""
    return {
        "__name__": f"node_cpu_{i % 50}_seconds_total",
        "cluster": "prod-eu-west-1",
        "container": "exporter",
        "cpu": str(i % 64),
        "endpoint": "metrics",
        "instance": f"10.0.{i % 250}.{i % 13}:9100",
        "job": "node",
        "mode": "idle",
        "namespace": "monitoring",
        "pod": f"node-exporter-{i:06x}",
    }


def _requests(plan: Plan) -> Iterator[tuple[range, list[float]]]:
    rng = np.random.default_rng(1)
    for low in range(0, plan.metrics, plan.request):
        which = range(low, min(low + plan.request, plan.metrics))
        yield which, rng.normal(size=len(which)).tolist()


def _remote_write_1(plan: Plan) -> Contest:
    bodies = []
    for which, values in _requests(plan):
        request = V1["WriteRequest"]()
        for i, value in zip(which, values, strict=True):
            series = request.timeseries.add()
            for name, text in _labels(i).items():
                series.labels.add(name=name, value=text)
            series.samples.add(value=value, timestamp=_AT_MS)
        bodies.append(request.SerializeToString())
    decoder, known = v1.Decoder(2 * plan.metrics), dict[Any, int]()

    def classes(body: bytes) -> int:
        columns = []
        for series in V1["WriteRequest"].FromString(body).timeseries:
            key = tuple((label.name, label.value) for label in series.labels)
            metric = known.setdefault(key, len(known))
            columns += [(metric, one.timestamp, one.value) for one in series.samples]
        return len(columns)

    def ours(body: bytes) -> int:
        return len(decoder.decode(body, _MOST).batch)

    return Contest("remote write 1.0", bodies, ours, "protobuf's classes", classes)


def _remote_write_2(plan: Plan) -> Contest:
    bodies = [_request_2(which, values) for which, values in _requests(plan)]
    decoder, known = v2.Decoder(2 * plan.metrics), dict[Any, int]()

    def classes(body: bytes) -> int:
        request, columns = V2["Request"].FromString(body), []
        symbols = list(request.symbols)
        for series in request.timeseries:
            key = tuple(symbols[ref] for ref in series.labels_refs)
            metric = known.setdefault(key, len(known))
            columns += [(metric, one.timestamp, one.value) for one in series.samples]
        return len(columns)

    def ours(body: bytes) -> int:
        return len(decoder.decode(body, _MOST).batch)

    return Contest("remote write 2.0", bodies, ours, "protobuf's classes", classes)


def _request_2(which: range, values: list[float]) -> bytes:
    request, symbols = V2["Request"](), {"": 0}
    for i, value in zip(which, values, strict=True):
        series = request.timeseries.add()
        for pair in _labels(i).items():
            series.labels_refs.extend(symbols.setdefault(text, len(symbols)) for text in pair)
        series.samples.add(value=value, timestamp=_AT_MS)
        series.metadata.type = 1
    request.symbols.extend(symbols)
    return bytes(request.SerializeToString())


def _text(plan: Plan) -> Contest:
    bodies = []
    for which, values in _requests(plan):
        lines = []
        for i, value in zip(which, values, strict=True):
            labels = _labels(i)
            name = labels.pop("__name__")
            inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
            lines.append(f"{name}{{{inside}}} {value!r}\n")
        bodies.append("".join(lines).encode())

    def alone(body: bytes) -> int:
        families = parser.text_string_to_metric_families(body.decode())
        return sum(len(family.samples) for family in families)

    readers = {body: rereading.Reader({}) for body in bodies}

    def ours(body: bytes) -> int:
        return len(readers[body].decode(body, "text/plain", SECOND_NS).batch)

    return Contest("Prometheus text", bodies, ours, "prometheus_client's parser alone", alone)


def _json(plan: Plan) -> Contest:
    bodies = []
    for which, values in _requests(plan):
        samples = []
        for i, value in zip(which, values, strict=True):
            labels = _labels(i)
            told = {"metric": labels.pop("__name__"), "timestamp": _AT_MS / 1_000, "value": value}
            samples.append({**told, "labels": labels})
        bodies.append(msgspec.json.encode({"samples": samples}))

    def alone(body: bytes) -> int:
        return len(msgspec.json.decode(body)["samples"])

    decoder = http_json.Decoder(2 * plan.metrics)

    def ours(body: bytes) -> int:
        return len(decoder.decode(body, _MOST).batch)

    return Contest("JSON", bodies, ours, "msgspec alone, to dicts", alone)


def _influx(plan: Plan) -> Contest:
    bodies = []
    for which, values in _requests(plan):
        lines = []
        for i, value in zip(which, values, strict=True):
            labels = _labels(i)
            name = labels.pop("__name__")
            tags = ",".join(f"{label}={text}" for label, text in labels.items())
            lines.append(f"{name},{tags} value={value!r} {_AT_MS}\n")
        bodies.append("".join(lines).encode())
    decoder = influx.Decoder(2 * plan.metrics)

    def split(body: bytes) -> int:
        columns = []
        for line in body.decode().splitlines():
            name, fields, moment = line.split(" ")
            columns.append((name, float(fields.partition("=")[2]), int(moment)))
        return len(columns)

    def ours(body: bytes) -> int:
        return len(decoder.decode(body, SECOND_NS, precision="ms").batch)

    return Contest("InfluxDB lines", bodies, ours, "str.split and float alone", split)


def _otlp(plan: Plan) -> Contest:
    bodies = []
    for which, values in _requests(plan):
        request = ExportMetricsServiceRequest()
        metrics = request.resource_metrics.add().scope_metrics.add().metrics
        for i, value in zip(which, values, strict=True):
            labels = _labels(i)
            point = metrics.add(name=labels.pop("__name__")).gauge.data_points.add()
            point.time_unix_nano, point.as_double = 1_000_000 * _AT_MS, value
            for label, text in labels.items():
                point.attributes.add(key=label).value.string_value = text
        bodies.append(bytes(request.SerializeToString()))
    decoder = otlp.Decoder(2 * plan.metrics, otlp.Choices(), otlp.Intervals())
    known = dict[Any, int]()

    def classes(body: bytes) -> int:
        columns = []
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (one for scope in resource.scope_metrics for one in scope.metrics):
                for point in metric.gauge.data_points:
                    labels = ((one.key, one.value.string_value) for one in point.attributes)
                    key = known.setdefault((metric.name, *labels), len(known))
                    columns.append((key, point.time_unix_nano, point.as_double))
        return len(columns)

    def ours(body: bytes) -> int:
        return len(decoder.decode(body).batch)

    return Contest("OTLP", bodies, ours, "Google's protobuf classes", classes)


def _graphite(plan: Plan) -> Contest:
    bodies = [
        "".join(
            f"servers.host{i % 1_000:03d}.cpu{i // 1_000}.idle {value!r} {_AT_MS // 1_000}\n"
            for i, value in zip(which, values, strict=True)
        ).encode()
        for which, values in _requests(plan)
    ]

    def split(body: bytes) -> int:
        columns = []
        for line in body.decode().splitlines():
            name, value, moment = line.split()
            columns.append((name, float(value), float(moment)))
        return len(columns)

    decoder = plaintext.Decoder(2 * plan.metrics)

    def ours(body: bytes) -> int:
        return len(decoder.decode(body, SECOND_NS).batch)

    return Contest("Graphite lines", bodies, ours, "str.split and float alone", split)


def _pickles(plan: Plan) -> Contest:
    bodies = [
        pickle.dumps(
            [
                (f"servers.host{i % 1_000:03d}.cpu{i // 1_000}.idle", (_AT_MS // 1_000, value))
                for i, value in zip(which, values, strict=True)
            ],
            protocol=2,
        )
        for which, values in _requests(plan)
    ]

    decoder = pickles.Decoder(2 * plan.metrics)

    def alone(body: bytes) -> int:
        # Bodies of our own making: what comes from others is never read like this.
        return len(pickle.loads(body))

    def ours(body: bytes) -> int:
        return len(decoder.decode(body, SECOND_NS).batch)

    return Contest("Graphite pickles", bodies, ours, "pickle.loads alone, in C", alone)


#: Each makes the contest of one protocol; a new protocol adds its own.
CONTESTS: Final[list[Callable[[Plan], Contest]]] = [
    _remote_write_1,
    _remote_write_2,
    _text,
    _json,
    _influx,
    _otlp,
    _graphite,
    _pickles,
]
