"""Any bytes as lines of InfluxDB."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from tocsin.ingest.influx import Decoder
from tocsin.samples import LATEST_NS, SECOND_NS

__all__ = ["SEEDS", "one"]

SEEDS: Final[list[bytes]] = [
    b"cpu,host=a,core=0 idle=98.25,procs=3i,up=true,value=7u 1700000000000000000\n",
    b'system,host=a uptime=12i,format="1 day,\n \\" 3:00" 1700000000000000000\r\n# comment\n',
    rb"m\,e\ a,t\=a\ g=v\,a\\l f\ i\=e\,ld=-1.5e-3 -5" + b"\n\n a value=f\na x=",
    b'a s="open\nb value=2 5\na,t x=1\na x=1,,y=2\na =1\na x=nan,y=1e999\n',
]

_NOW: Final = 1_700_000_000 * SECOND_NS
#: Stays from input to input, as it does in the service; small, so that it is emptied often.
_decoder: Final = Decoder(500)


def one(data: bytes) -> Hashable:
    """Decode; nothing is raised, and no more comes out than a sample for each three bytes."""
    told = _decoder.decode(data, _NOW)
    batch = told.batch
    assert len(batch) + len(told.rejected) <= (len(data) + 1) / 2
    assert len(batch.metrics) <= (len(data) + 1) / 2
    assert all(abs(time) < LATEST_NS for time in batch.samples.timestamp.tolist())
    assert all(0 <= index < len(batch.metrics) for index in batch.samples.metric.tolist())
    return len(batch), frozenset(refused.code for refused in told.rejected)
