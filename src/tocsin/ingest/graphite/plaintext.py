"""Graphite's plaintext protocol: ``name[;tag=value…] value timestamp``, one sample a line."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from tocsin.engine.batch import Reason, Rejection
from tocsin.errors import BadInputError
from tocsin.ingest.columns import Columns
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.graphite.fields import metric, number, time_ns
from tocsin.ingest.lines import LONGEST, Lines

__all__ = ["PROTOCOL", "UDP", "Session", "decode", "decode_packets"]

PROTOCOL: Final = "graphite"
UDP: Final = "graphite_udp"

_TOO_LONG: Final = f"a line is longer than {LONGEST} bytes"
#: What N and -1 stand for: the time of arrival.
_NOW: Final = (b"N", b"-1")


def decode(lines: Iterable[bytes], now: int, protocol: str = PROTOCOL) -> Decoded:
    """Read lines; a bad one is refused by itself, empty ones are skipped.

    ``now`` (ns) is what the timestamps ``-1`` and ``N`` mean. Cost: about 2 µs a line.
    """
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
        # NaN and infinity are the engine's to refuse: it counts them under their metric.
        amount = number(value)
    except ValueError:
        columns.refuse(place, Reason.BAD_LINE, "the value is not a number")
        return
    try:
        time = now if moment in _NOW else time_ns(number(moment), now)
    except BadInputError as error:
        columns.refuse(place, Reason.BAD_TIMESTAMP, str(error))
    except ValueError:
        columns.refuse(place, Reason.BAD_TIMESTAMP, "the time is not a number")
    else:
        columns.add(place, columns.index_of(name, partial(metric, name)), time, amount)


def decode_packets(packets: Iterable[bytes], now: int) -> Decoded:
    """Read datagrams, of which each holds whole lines, the last one with or without its end."""
    lines: list[bytes] = []
    too_long = 0
    for packet in packets:
        for line in packet.split(b"\n"):
            if len(line) <= LONGEST:
                lines.append(line)
            else:
                too_long += 1
    decoded = decode(lines, now, UDP)
    decoded.rejected.extend([Rejection(0, Reason.BAD_LINE, _TOO_LONG)] * too_long)
    return decoded


class Session:
    """One connection's lines."""

    #: Any bytes can be read on from.
    broken: str | None = None

    def __init__(self) -> None:
        self._lines = Lines()

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their line."""
        return len(self._lines.rest)

    def feed(self, data: bytes, now: int) -> Decoded:
        """What is complete with these bytes."""
        before = self._lines.too_long
        decoded = decode(self._lines.feed(data), now)
        longer = self._lines.too_long - before
        decoded.rejected.extend([Rejection(0, Reason.BAD_LINE, _TOO_LONG)] * longer)
        return decoded

    def end(self) -> list[Rejection]:
        """The connection is over: half a timestamp is a timestamp too, only a wrong one."""
        if self._lines.rest.strip():
            return [Rejection(0, Reason.BAD_LINE, "the last line has no end")]
        return []
