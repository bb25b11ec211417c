"""JSON bodies."""

from __future__ import annotations

from collections.abc import Hashable

from tocsin.errors import BadInputError
from tocsin.ingest.http_json import Decoder

SEEDS = [
    b'{"samples": [{"metric": "a", "timestamp": 1700000000.5, "value": 2}]}',
    b'{"samples": [{"metric": "a", "labels": {"k": "v"}, "timestamp": "2023-11-14T22:13:20Z",'
    b' "value": -1e3}, {"metric": "", "timestamp": 1, "value": 1}, 5, null]}',
    b'{"samples": [{"metric": "a\\u0000", "timestamp": NaN, "value": Infinity}]}',
    b'{"samples": []}',
    b'{"metric": "a", "timestamp": 1, "value": 2}\n\n{"metric": "b", "timestamp": "x"}\nnull',
]
TOKENS = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"1e999", b"\\ud800", b'"value"']
MOST = 1_000
#: Stays from input to input, as it does in the service; small, so that it forgets often.
_decoder = Decoder(500)


def one(data: bytes) -> Hashable:
    """Samples are read or refused by place, or the body as a whole is."""
    _lines(data)
    try:
        decoded = _decoder.decode(data, MOST)
    except BadInputError as error:
        return type(error).__name__, str(error)[:24]
    places = [*decoded.places.tolist(), *(r.index for r in decoded.rejected)]
    assert sorted(places) == list(range(len(places)))
    assert len(places) <= len(data)
    return len(decoded.batch), frozenset((r.code, r.detail[:20]) for r in decoded.rejected)


def _lines(data: bytes) -> None:
    if data.count(b"\n") < MOST:
        decoded = _decoder.decode_lines(data, MOST)
        lines = [line for line in data.split(b"\n") if line.strip()]
        assert len(decoded.places) + len(decoded.rejected) == len(lines)
