"""Lines of a followed file: the first one is the header of a CSV file, or no header at all."""

from __future__ import annotations

from collections.abc import Hashable

from tocsin.config import Follow
from tocsin.errors import BadInputError
from tocsin.ingest.follow.rows import decode

SEEDS = [
    b"time,value\n1700000000,1.5\n2024-01-01T00:00:00,2\n",
    b'"ts",metric,host,v\n1,"a,b",x,\n2024-07-01 00:00:00.5+02:00,c,y,1e3\n',
    b'\xef\xbb\xbftime,a,b\r\n1,2,3\r\n"1,2\n',
]
TOKENS = [b",", b'"', b"\n", b"time", b"1e999", b"nan", b"-05:00", b"Z", b"\xff", b"\x00"]


def one(data: bytes) -> Hashable:
    """Lines are read or refused; no line gives more samples than it has cells."""
    header, *lines = data.split(b"\n")
    follow = Follow(path="a.csv", timezone="Europe/Berlin")
    try:
        decoded = decode(lines, header, follow)
    except BadInputError as error:
        return str(error)[:12]
    cells = data.count(b",") + len(lines)
    assert len(decoded.batch) + len(decoded.rejected) <= cells
    as_json = decode(lines, None, follow)
    assert len(as_json.batch) + len(as_json.rejected) <= len(lines)
    return min(len(decoded.batch), 5), frozenset(r.code for r in decoded.rejected)
