"""Graphite's plaintext, as lines, datagrams, and a stream that comes in pieces."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from tests.ingest.graphite import naive
from tests.ingest.graphite.naive import told
from tocsin.ingest.graphite.plaintext import Decoder, Session

SEEDS = [
    b"a.b 1 1700000000\n",
    b"a.b;k=v;j=w -2.5e3 1700000000.25\r\n\nc nan N\n",
    b"c 3 -1\nd inf 1700000000000\ne 1_0 1\n",
    "grüße;ö=ä 1 1700000000\n".encode(),
    b"half a line",
]
TOKENS = [
    b"\n",
    b" ",
    b";",
    b"=",
    b"N",
    b"-1",
    b"nan",
    b"1e308",
    b"1e999",
    b"\xff",
    b"\x00",
    b"_",
    b"\x0b",
    b".",
]
NOW = 1_800_000_000_000_000_000


#: Stays from input to input, as it does in the service; small, so that it is emptied often.
_decoder: Final = Decoder(200)


def one(data: bytes) -> Hashable:
    """Every line is read or refused as the slow way does, whatever the packets."""
    lines = [line for line in data.split(b"\n") if line.split()]
    decoded = _decoder.packets([data], NOW)
    assert told(decoded) == told(naive.packets([data], NOW))
    assert len(decoded.batch) + len(decoded.rejected) == len(lines)
    session, slow = Session(_decoder), naive.Session()
    cut = len(data) // 2
    for piece in (data[:cut], data[cut:] + b"\n"):
        assert told(session.feed(piece, NOW)) == told(slow.feed(piece, NOW))
    assert session.pending == 0
    reasons = frozenset(r.code for r in decoded.rejected)
    return min(len(decoded.batch), 4), reasons
