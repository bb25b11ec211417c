"""OpenTelemetry's metrics, as OTLP brings them over HTTP: protobuf or JSON."""

from tocsin.ingest.otlp.decode import PROTOCOL, Choices, Points, decode
from tocsin.ingest.otlp.intervals import Intervals
from tocsin.ingest.otlp.messages import JSON, PROTOBUF, answer, failure, parse
from tocsin.ingest.otlp.quick import Decoder

__all__ = [
    "JSON",
    "PROTOBUF",
    "PROTOCOL",
    "Choices",
    "Decoder",
    "Intervals",
    "Points",
    "answer",
    "decode",
    "failure",
    "parse",
]
