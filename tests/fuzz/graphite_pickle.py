"""Carbon's pickles: a message by itself, and as a stream that comes in pieces."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Hashable
from typing import Final

from tests.ingest.graphite.naive import resolved
from tocsin.ingest.graphite.pickles import LONGEST, Decoder, Session, decode

_POINTS = [("a.b;k=v", (1_700_000_000, 1.5)), ("a.b", (-1, 2)), (b"c", ("1700000000", "3"))]
SEEDS = [
    *(pickle.dumps(_POINTS[: 3 if protocol > 2 else 2], protocol) for protocol in range(6)),
    pickle.dumps([["a", [1, 2.5]], ("b", (2**70, None)), ("c", (True, 1))], 4),
    b"(lp0\n(S'a.b'\np1\n(I1700000000\nF2.5\ntp2\ntp3\na.",
    b"cos\nsystem\n(S'true'\ntR.",
    b"]q\x00h\x00a.",
]
TOKENS = [
    bytes([code]) for code in b"(.]lae)tN\x88\x89ILFJKMG\x8a\x8bSTUVX\x8c\x8dBC\x8epqr\x94ghjcR"
]
#: Stays from input to input, as it does in the service; small, so that it is emptied often.
_decoder: Final = Decoder(200)
NOW = 1_800_000_000_000_000_000


def one(data: bytes) -> Hashable:
    """A message is read or refused as the slow way does; a stream gives no more than it holds."""
    decoded = decode(data, NOW)
    assert resolved(_decoder.decode(data, NOW)) == resolved(decoded)
    told = len(decoded.batch) + len(decoded.rejected)
    assert told <= max(1, len(data))
    assert len(decoded.batch.metrics) <= len(decoded.batch)
    if data[:1] >= b"\xf0":
        _stream(data)
    reasons = frozenset((r.code, r.detail[:8]) for r in decoded.rejected)
    return min(len(decoded.batch), 4), min(len(decoded.rejected), 4), reasons


def _stream(data: bytes) -> None:
    framed = struct.pack(">I", len(data) - 1) + data[1:]
    whole, parts = Session(_decoder), Session(_decoder)
    first = whole.feed(framed + data, NOW)
    cut = data[0] & 7
    second = [parts.feed(piece, NOW) for piece in (framed[:cut], framed[cut:] + data)]
    assert sum(len(one.batch) for one in second) == len(first.batch)
    assert whole.pending == parts.pending <= LONGEST
    assert whole.broken == parts.broken
