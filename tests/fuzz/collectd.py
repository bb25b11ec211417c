"""Any bytes as value lists of collectd."""

from __future__ import annotations

from collections.abc import Hashable

from tocsin.errors import BadInputError
from tocsin.ingest.collectd import decode
from tocsin.samples import LATEST_NS

__all__ = ["SEEDS", "TOKENS", "one"]

SEEDS = [
    b'[{"values":[1901474177],"dstypes":["counter"],"dsnames":["value"],"time":1280959128.123,'
    b'"interval":10.000,"host":"box","plugin":"cpu","plugin_instance":"0","type":"cpu",'
    b'"type_instance":"idle","meta":{"network:received":true}}]',
    b'[{"values":[1,-2],"dstypes":["derive","absolute"],"dsnames":["rx","tx"],"time":1280959128,'
    b'"interval":10,"host":"","plugin":"interface","type":"if_octets"},null,5]',
    b'[{"values":[null,NaN],"dstypes":["gauge","x"],"dsnames":["a","b"],"time":1e300,'
    b'"host":"h","plugin":"p","type":"t"}]',
    b"[]",
]
TOKENS = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"1e999", b"\\ud800", b'"absolute"']
MOST = 1_000


def one(data: bytes) -> Hashable:
    """Values are read or refused by their value list, or the body as a whole is."""
    try:
        decoded = decode(data, MOST)
    except BadInputError as error:
        return type(error).__name__, str(error)[:24]
    batch, places = decoded.batch, decoded.places.tolist()
    assert len(places) == len(batch)
    assert places == sorted(places)
    assert len(batch) + len(decoded.rejected) <= len(data)
    assert all(0 <= place < len(data) for place in places)
    assert all(abs(time) < LATEST_NS for time in batch.samples.timestamp.tolist())
    assert all(0 <= index < len(batch.metrics) for index in batch.counters)
    return len(batch), frozenset((r.code, r.detail[:20]) for r in decoded.rejected)
