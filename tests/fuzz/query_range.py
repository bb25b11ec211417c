"""Answers to range queries: any bytes."""

from __future__ import annotations

from tocsin.errors import BadInputError
from tocsin.ingest.query_range import Query, decode
from tocsin.ingest.remote_write.counters import Families

__all__ = ["SEEDS", "one"]

_QUERY = Query("http://a", "up", 0, 1_000, 1_000)
_FAMILIES = Families(10)

SEEDS: list[bytes] = [
    b'{"status":"success","data":{"resultType":"matrix","result":'
    b'[{"metric":{"__name__":"up","job":"a"},"values":[[1,"1"],[2.5,"NaN"]]}]}}',
    b'{"data":{"resultType":"vector","result":[]}}',
]


def one(data: bytes) -> None:
    """Only declared errors, and no more samples than the bytes can hold."""
    try:
        batch = decode(data, _QUERY, _FAMILIES)
    except BadInputError:
        return
    assert 5 * len(batch) <= len(data)
