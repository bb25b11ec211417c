"""Request bodies made in advance, in which only times and values change: senders must be cheap."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["PROTOCOLS", "Body", "Stream", "Wire", "labels_of"]

Floats = NDArray[np.float64]

#: Metrics of one machine.
_EACH: Final = 100
#: Milliseconds since 1970 have six groups of seven bits from 2004 until 2109.
_GROUPS: Final = 6


def labels_of(number: int) -> dict[str, str]:
    """Labels of a metric as the exporters of very many machines have them."""
    machine, metric = divmod(number, _EACH)
    return {
        "__name__": f"node_bench_{metric:02d}_value",
        "cluster": f"eu-{machine % 4}",
        "instance": f"node-{machine:05d}:9100",
        "job": "node",
    }


class Body(Protocol):
    """The request of some metrics, one sample each, again and again."""

    def at(self, moment_ms: int, values: Floats) -> bytes:
        """Its bytes for this time and these values."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """How a protocol is sent over HTTP: path, headers, and bodies."""

    path: str
    headers: Mapping[str, str]
    body: Callable[[Sequence[int]], Body]


@dataclass(frozen=True, slots=True)
class Stream:
    """How a protocol is sent over TCP, where nothing is answered: to which listener, and bodies."""

    listener: str
    body: Callable[[Sequence[int]], Body]


class _RemoteWrite:
    """``prometheus.WriteRequest`` (1.0): the bytes of times and values stand where they stood."""

    def __init__(self, numbers: Sequence[int]) -> None:
        from cramjam import snappy

        self._compress: Callable[[Any], Any] = snappy.compress_raw
        out, self._places = bytearray(), np.empty(len(numbers), dtype=np.int64)
        for i, number in enumerate(numbers):
            labels = b"".join(_pair(name, text) for name, text in labels_of(number).items())
            # Field 2, its length; then value and time.
            sample = struct.pack("<BBBd", 0x12, 9 + 1 + _GROUPS, 0x09, 0.0) + b"\x10" + bytes(6)
            out += b"\x0a" + _varint(len(labels) + len(sample)) + labels
            self._places[i] = len(out) + 3
            out += sample
        self._data: NDArray[np.uint8] = np.frombuffer(out, dtype=np.uint8)
        self._columns = self._places[:, np.newaxis] + np.arange(8 + 1 + _GROUPS)

    def at(self, moment_ms: int, values: Floats) -> bytes:
        """Snappy's block format, as Prometheus sends it."""
        patch = np.empty((len(values), 8 + 1 + _GROUPS), dtype=np.uint8)
        patch[:, :8] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
        patch[:, 8:] = np.frombuffer(b"\x10" + _varint(moment_ms), dtype=np.uint8)
        self._data[self._columns] = patch
        return bytes(self._compress(self._data))


class _Influx:
    """InfluxDB's line protocol, times in milliseconds."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._heads = []
        for number in numbers:
            labels = labels_of(number)
            name = labels.pop("__name__")
            tags = ",".join(f"{tag}={text}" for tag, text in labels.items())
            self._heads.append(f"{name},{tags} value=")

    def at(self, moment_ms: int, values: Floats) -> bytes:
        """One line a metric."""
        end = f" {moment_ms}\n"
        told = values.tolist()
        return "".join([f"{h}{v!r}{end}" for h, v in zip(self._heads, told, strict=True)]).encode()


class _Graphite:
    """Graphite's lines, labels as tags, times in whole seconds."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._heads = []
        for number in numbers:
            labels = labels_of(number)
            name = labels.pop("__name__")
            tags = ";".join(f"{tag}={text}" for tag, text in labels.items())
            self._heads.append(f"{name};{tags} ")

    def at(self, moment_ms: int, values: Floats) -> bytes:
        """One line a metric."""
        end = f" {moment_ms // 1_000}\n"
        told = values.tolist()
        return "".join([f"{h}{v!r}{end}" for h, v in zip(self._heads, told, strict=True)]).encode()


class _Json:
    """``POST /api/v1/samples``."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._samples: list[dict[str, Any]] = []
        for number in numbers:
            labels = labels_of(number)
            self._samples.append({"metric": labels.pop("__name__"), "labels": labels})

    def at(self, moment_ms: int, values: Floats) -> bytes:
        """All samples in one document."""
        for sample, value in zip(self._samples, values.tolist(), strict=True):
            sample["timestamp"], sample["value"] = moment_ms / 1_000, value
        return msgspec.json.encode({"samples": self._samples})


class _Lines(_Json):
    """The same, one sample a line (NDJSON)."""

    def at(self, moment_ms: int, values: Floats) -> bytes:
        """One line a metric."""
        for sample, value in zip(self._samples, values.tolist(), strict=True):
            sample["timestamp"], sample["value"] = moment_ms / 1_000, value
        return msgspec.json.Encoder().encode_lines(self._samples)


class _Otlp:
    """``ExportMetricsServiceRequest``: gauges of one data point each, a resource a machine."""

    def __init__(self, numbers: Sequence[int]) -> None:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
        )

        self._request = ExportMetricsServiceRequest()
        self._points: list[Any] = []
        machine, metrics = -1, None
        for number in numbers:
            labels = labels_of(number)
            if metrics is None or number // _EACH != machine:
                machine = number // _EACH
                resource = self._request.resource_metrics.add()
                service = resource.resource.attributes.add(key="service.name")
                service.value.string_value = labels["job"]
                metrics = resource.scope_metrics.add().metrics
            del labels["job"]
            point = metrics.add(name=labels.pop("__name__")).gauge.data_points.add()
            for key, text in labels.items():
                point.attributes.add(key=key).value.string_value = text
            self._points.append(point)

    def at(self, moment_ms: int, values: Floats) -> bytes:
        """Protobuf."""
        for point, value in zip(self._points, values.tolist(), strict=True):
            point.time_unix_nano, point.as_double = moment_ms * 1_000_000, value
        return bytes(self._request.SerializeToString())


class _Collectd:
    """What collectd's write_http plugin posts: value lists of one gauge each."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._lists: list[dict[str, Any]] = []
        for number in numbers:
            labels = labels_of(number)
            told = {"dstypes": ["gauge"], "dsnames": ["value"], "interval": 60.0}
            names = {"plugin": labels["__name__"], "plugin_instance": labels["cluster"]}
            kind = {"type": "gauge", "type_instance": labels["job"]}
            self._lists.append({**told, "host": labels["instance"], **names, **kind})

    def at(self, moment_ms: int, values: Floats) -> bytes:
        """All value lists in one document."""
        for one, value in zip(self._lists, values.tolist(), strict=True):
            one["time"], one["values"] = moment_ms / 1_000, [value]
        return msgspec.json.encode(self._lists)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _pair(name: str, text: str) -> bytes:
    """A ``Label`` as field 1 of a series."""
    told = b"".join(
        bytes([tag]) + _varint(len(it)) + it
        for tag, it in ((0x0A, name.encode()), (0x12, text.encode()))
    )
    return b"\x0a" + _varint(len(told)) + told


#: What can be sent, by name.
PROTOCOLS: Final[Mapping[str, Wire | Stream]] = {
    "remote_write": Wire(
        "/api/v1/write",
        {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
        _RemoteWrite,
    ),
    "influx": Wire("/write?precision=ms", {"Content-Type": "text/plain"}, _Influx),
    "json": Wire("/api/v1/samples", {"Content-Type": "application/json"}, _Json),
    "ndjson": Wire("/api/v1/samples", {"Content-Type": "application/x-ndjson"}, _Lines),
    "otlp": Wire("/v1/metrics", {"Content-Type": "application/x-protobuf"}, _Otlp),
    "graphite": Stream("graphite", _Graphite),
    "collectd": Wire("/api/v1/collectd", {"Content-Type": "application/json"}, _Collectd),
}
