"""Compressed bodies: the first byte says how, the rest is unpacked within a bound."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Hashable

import cramjam

from tocsin.errors import BadInputError
from tocsin.ingest.bodies import inflate

_KINDS = ("identity", "gzip", "deflate", "zstd", "snappy")
_TEXT = b"a.b 1 1700000000\n" * 20
MOST = 4_096
SEEDS = [
    b"\x00" + _TEXT,
    b"\x01" + gzip.compress(_TEXT),
    b"\x01" + gzip.compress(_TEXT) + gzip.compress(b"more"),
    b"\x01" + gzip.compress(b"x" * 100_000),
    b"\x02" + zlib.compress(_TEXT),
    b"\x03" + bytes(cramjam.zstd.compress(_TEXT)),
    b"\x04" + bytes(cramjam.snappy.compress_raw(_TEXT)),
    b"\x04" + bytes(cramjam.snappy.compress_raw(b"x" * 10_000)),
]
TOKENS = [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xff" * 5]


def one(data: bytes) -> Hashable:
    """What comes out is bounded, or it is refused."""
    kind = _KINDS[data[0] % len(_KINDS)] if data else "gzip"
    try:
        told = inflate(data[1:], kind, MOST)
    except BadInputError as error:
        return kind, type(error).__name__, str(error)[:40]
    assert len(told) <= MOST
    return kind, len(told).bit_length()
