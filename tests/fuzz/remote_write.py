"""Remote write's decoders on any bytes."""

from __future__ import annotations

from typing import Any

from tocsin.errors import BadInputError
from tocsin.ingest.remote_write import v1, v2

__all__ = ["SEEDS", "one"]

_MOST = 1_000
_DECODERS: list[Any] = [v1.Decoder(500), v2.Decoder(500)]
for _decoder in _DECODERS:
    _decoder.decode(b"", _MOST)  # compiled before anybody looks at the clock

#: The first byte chooses the version.
SEEDS: list[bytes] = [
    b"\x00"
    b"\x0a\x2f\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01a"
    b"\x12\x10\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\x80\xb0\xdb\xb8\xb2\x31\x1a\x00",
    b"\x00\x0a\x04\x0a\x02\x0a\x00\x1a\x06\x08\x01\x12\x02up",
    b"\x01\x22\x00\x22\x08__name__\x22\x02up\x2a\x18\x0a\x02\x01\x02"
    b"\x12\x0e\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\x80\xb0\xdb\x08\x2a\x02\x08\x01",
    b"\x01\x2a\x04\x08\x01\x08\x02",
]


def one(data: bytes) -> None:
    """Only declared errors, and no more samples than the bytes can hold."""
    version, body = data[:1] == b"\x01", data[1:]
    try:
        content = _DECODERS[version].decode(body, _MOST)
    except BadInputError:
        return
    count = len(content.batch) + len(content.rejected) + content.markers
    assert count <= min(_MOST + content.markers, len(body) // 2)
    assert content.histograms + content.exemplars <= len(body) // 2
    assert all(0 <= i < len(content.batch.metrics) for i in content.batch.counters)
    if len(content.batch):
        assert content.batch.samples.metric.min() >= 0
        assert content.batch.samples.metric.max() < len(content.batch.metrics)
