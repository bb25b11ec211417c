"""StatsD's messages, added up and flushed."""

from __future__ import annotations

from collections.abc import Hashable

from tocsin.ingest.statsd.aggregator import Aggregator

SEEDS = [
    b"a.b:1|c\na.b:2|c|@0.1|#env:test,flag",
    b"g:5|g\ng:+3|g\ng:-1.5|g",
    b"t:320|ms|@0.5\nt:1:2:3|h\nd:4|d|c:abc",
    b"u:somebody|s\nu:somebody:else|s\n_e{5,4}:title|text\n_sc|name|0",
    b"a;k=v:1|c|T1700000000\nb:nan|g\n:1|c\nx:1|m",
]
TOKENS = [
    b"\n",
    b":",
    b"|",
    b"|c",
    b"|g",
    b"|ms",
    b"|s",
    b"|@",
    b"|#",
    b",",
    b";",
    b"+",
    b"-",
    b"1e308",
]
NOW = 1_800_000_000_000_000_000


def one(data: bytes) -> Hashable:
    """Lines are taken or refused by place; a flush tells no more than what they can add up to."""
    aggregator = Aggregator()
    lines = [line for line in data.split(b"\n") if line.strip()]
    rejected = aggregator.take(data)
    assert len({r.index for r in rejected}) == len(rejected) <= len(lines)
    batch = aggregator.flush(NOW)
    assert len(batch) <= 7 * (len(lines) - len(rejected) + data.count(b":"))
    assert len(set(batch.metrics)) >= len(batch.metrics) // 7
    assert len(aggregator.flush(NOW + 1)) <= len(batch)
    return min(len(batch), 9), frozenset(r.code for r in rejected)
