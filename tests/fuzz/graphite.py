"""Graphite's plaintext, as lines, datagrams, and a stream that comes in pieces."""

from __future__ import annotations

from collections.abc import Hashable

from tocsin.ingest.graphite.plaintext import Session, decode_packets

SEEDS = [
    b"a.b 1 1700000000\n",
    b"a.b;k=v;j=w -2.5e3 1700000000.25\r\n\nc nan N\n",
    b"c 3 -1\nd inf 1700000000000\ne 1_0 1\n",
    "grüße;ö=ä 1 1700000000\n".encode(),
    b"half a line",
]
TOKENS = [b"\n", b" ", b";", b"=", b"N", b"-1", b"nan", b"1e308", b"1e999", b"\xff", b"\x00", b"_"]
NOW = 1_800_000_000_000_000_000


def one(data: bytes) -> Hashable:
    """Every line is read or refused, whatever the packets."""
    lines = [line for line in data.split(b"\n") if line.split()]
    decoded = decode_packets([data], NOW)
    assert len(decoded.batch) + len(decoded.rejected) == len(lines)
    session = Session()
    cut = len(data) // 2
    parts = [session.feed(piece, NOW) for piece in (data[:cut], data[cut:] + b"\n")]
    assert sum(len(part.batch) for part in parts) == len(decoded.batch)
    assert session.pending == 0
    reasons = frozenset(r.code for r in decoded.rejected)
    return min(len(decoded.batch), 4), reasons
