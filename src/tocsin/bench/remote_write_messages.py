"""Remote write's messages as classes of Google's protobuf library, made without its compiler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["V1", "V2"]

#: Types and labels of fields, as descriptors number them.
_DOUBLE, _INT64, _UINT32, _STRING, _MESSAGE = 1, 3, 13, 9, 11
_ONE, _MANY = 1, 3

Field = tuple[str, int, int, int, str]


def _message(file: Any, name: str, fields: Sequence[Field]) -> None:
    told = file.message_type.add(name=name)
    for field, number, kind, label, of in fields:
        told.field.add(
            name=field,
            number=number,
            type=kind,
            label=label,
            type_name=f".{file.package}.{of}" if of else None,
        )


def _classes(package: str, messages: dict[str, Sequence[Field]]) -> dict[str, Any]:
    file: Any = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3"
    )
    for name, fields in messages.items():
        _message(file, name, fields)
    pool: Any = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }


_SAMPLE: Sequence[Field] = [
    ("value", 1, _DOUBLE, _ONE, ""),
    ("timestamp", 2, _INT64, _ONE, ""),
]
_HISTOGRAM: Sequence[Field] = [("sum", 3, _DOUBLE, _ONE, ""), ("timestamp", 15, _INT64, _ONE, "")]

#: Classes of 1.0 by their name: "WriteRequest", "TimeSeries", …
V1: Final = _classes(
    "prometheus",
    {
        "Label": [("name", 1, _STRING, _ONE, ""), ("value", 2, _STRING, _ONE, "")],
        "Sample": _SAMPLE,
        "Exemplar": [
            ("labels", 1, _MESSAGE, _MANY, "Label"),
            ("value", 2, _DOUBLE, _ONE, ""),
            ("timestamp", 3, _INT64, _ONE, ""),
        ],
        "Histogram": _HISTOGRAM,
        "TimeSeries": [
            ("labels", 1, _MESSAGE, _MANY, "Label"),
            ("samples", 2, _MESSAGE, _MANY, "Sample"),
            ("exemplars", 3, _MESSAGE, _MANY, "Exemplar"),
            ("histograms", 4, _MESSAGE, _MANY, "Histogram"),
        ],
        "MetricMetadata": [
            ("type", 1, _UINT32, _ONE, ""),
            ("metric_family_name", 2, _STRING, _ONE, ""),
            ("help", 4, _STRING, _ONE, ""),
            ("unit", 5, _STRING, _ONE, ""),
        ],
        "WriteRequest": [
            ("timeseries", 1, _MESSAGE, _MANY, "TimeSeries"),
            ("metadata", 3, _MESSAGE, _MANY, "MetricMetadata"),
        ],
    },
)

#: Classes of 2.0: "Request", "TimeSeries", …
V2: Final = _classes(
    "io.prometheus.write.v2",
    {
        "Sample": [*_SAMPLE, ("start_timestamp", 3, _INT64, _ONE, "")],
        "Exemplar": [
            ("labels_refs", 1, _UINT32, _MANY, ""),
            ("value", 2, _DOUBLE, _ONE, ""),
            ("timestamp", 3, _INT64, _ONE, ""),
        ],
        "Histogram": _HISTOGRAM,
        "Metadata": [
            ("type", 1, _UINT32, _ONE, ""),
            ("help_ref", 3, _UINT32, _ONE, ""),
            ("unit_ref", 4, _UINT32, _ONE, ""),
        ],
        "TimeSeries": [
            ("labels_refs", 1, _UINT32, _MANY, ""),
            ("samples", 2, _MESSAGE, _MANY, "Sample"),
            ("histograms", 3, _MESSAGE, _MANY, "Histogram"),
            ("exemplars", 4, _MESSAGE, _MANY, "Exemplar"),
            ("metadata", 5, _MESSAGE, _ONE, "Metadata"),
        ],
        "Request": [
            ("symbols", 4, _STRING, _MANY, ""),
            ("timeseries", 5, _MESSAGE, _MANY, "TimeSeries"),
        ],
    },
)
