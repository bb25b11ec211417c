"""Graphite's plaintext line by line in plain Python: slow, and obviously right."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from tocsin.engine.batch import Reason, Rejection
from tocsin.errors import BadInputError
from tocsin.ingest.columns import Columns
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.graphite.fields import metric, number, time_ns

__all__ = ["Session", "decode", "packets", "told"]

LONGEST: Final = 4_096
TOO_LONG: Final = "a line is longer than 4096 bytes"


def told(decoded: Decoded) -> tuple[object, ...]:
    """All that a decoder says, to the last bit."""
    batch = decoded.batch
    columns = (batch.samples.metric, batch.samples.timestamp, batch.samples.value)
    return (
        batch.protocol,
        batch.metrics,
        batch.counters,
        [(column.dtype, column.tobytes()) for column in columns],
        decoded.rejected,
    )


def resolved(decoded: Decoded) -> tuple[object, ...]:
    """The same, whatever the numbers of the metrics."""
    batch = decoded.batch
    metrics = [batch.metrics[i] for i in batch.samples.metric.tolist()]
    columns = (batch.samples.timestamp.tobytes(), batch.samples.value.tobytes())
    return (batch.protocol, metrics, batch.counters, columns, decoded.rejected)


def decode(lines: Iterable[bytes], now: int, protocol: str) -> Decoded:
    columns = Columns(protocol)
    for place, line in enumerate(lines):
        parts = line.split()
        if len(parts) == 3:
            _add(columns, place, parts, now)
        elif parts:
            told = f"{len(parts)} words instead of name, value and timestamp"
            columns.refuse(place, Reason.BAD_LINE, told)
    return columns.done()


def _add(columns: Columns, place: int, parts: list[bytes], now: int) -> None:
    name, value, moment = parts
    try:
        amount = number(value)
    except ValueError:
        columns.refuse(place, Reason.BAD_LINE, "the value is not a number")
        return
    try:
        time = now if moment in (b"N", b"-1") else time_ns(number(moment), now)
    except BadInputError as error:
        columns.refuse(place, Reason.BAD_TIMESTAMP, str(error))
    except ValueError:
        columns.refuse(place, Reason.BAD_TIMESTAMP, "the time is not a number")
    else:
        columns.add(place, columns.index_of(name, partial(metric, name)), time, amount)


def packets(told: Iterable[bytes], now: int) -> Decoded:
    lines = [line for packet in told for line in packet.split(b"\n")]
    return _short(lines, now, "graphite_udp", 0)


def _short(lines: list[bytes], now: int, protocol: str, before: int) -> Decoded:
    """Those that are not too long; ``before``: how many others there were already."""
    good = [line for line in lines if len(line) <= LONGEST]
    decoded = decode(good, now, protocol)
    too_long = len(lines) - len(good) + before
    decoded.rejected.extend([Rejection(0, Reason.BAD_LINE, TOO_LONG)] * too_long)
    return decoded


class Session:
    def __init__(self) -> None:
        self.rest, self.skipping = b"", False

    def feed(self, data: bytes, now: int) -> Decoded:
        *whole, rest = (self.rest + data).split(b"\n")
        if self.skipping and whole:
            del whole[0]
            self.skipping = False
        begun = 0
        if self.skipping or len(rest) > LONGEST:
            begun += not self.skipping
            self.skipping, rest = True, b""
        self.rest = rest
        return _short(whole, now, "graphite", begun)
