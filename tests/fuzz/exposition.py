"""The text that Prometheus targets show: any bytes."""

from __future__ import annotations

from tocsin.errors import BadInputError
from tocsin.ingest.exposition import decode

__all__ = ["SEEDS", "one"]

#: The first byte chooses the format.
SEEDS: list[bytes] = [
    b'\x00# TYPE a counter\na{b="c"} 1 1395066363000\nplain 1e3\n',
    b'\x00# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    b"\x01# TYPE a counter\na_total 1 # {} 0.5\na_created 1.5\n# EOF\n",
]


def one(data: bytes) -> None:
    """Only declared errors, and no more samples than the bytes can hold."""
    kind = "application/openmetrics-text" if data[:1] == b"\x01" else "text/plain"
    try:
        decoded = decode(data[1:], kind, 10**18, {"job": "a", "instance": "b"})
    except BadInputError:
        return
    # A name, a space and a digit.
    assert 3 * (len(decoded.batch) + len(decoded.rejected)) <= len(data)
