"""Graphite's plaintext protocol: ``name[;tag=value…] value timestamp``, one sample a line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.errors import BadInputError
from tocsin.ingest.columns import Columns
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.graphite.fields import fresh_metric, number, time_ns
from tocsin.ingest.known import Known
from tocsin.ingest.lines import LONGEST, Lines
from tocsin.ingest.moments import LATEST_S
from tocsin.ingest.room import Room
from tocsin.ingest.scans import graphite as scan
from tocsin.samples import Metric, Samples, to_ns

__all__ = ["PROTOCOL", "UDP", "Decoder", "Session"]

PROTOCOL: Final = "graphite"
UDP: Final = "graphite_udp"

_TOO_LONG: Final = Rejection(0, Reason.BAD_LINE, f"a line is longer than {LONGEST} bytes")
#: What N and -1 stand for: the time of arrival.
_NOW: Final = (b"N", b"-1")
#: Bytes of names that are remembered at most.
_MOST_BYTES: Final = 64 * 2**20


class Decoder:
    """Reads lines; remembers up to ``limit`` metrics, which changes nothing but the speed.

    One thread at a time. Memory: as of `Known`, and of names at most 64 MiB.
    """

    def __init__(self, limit: int) -> None:
        self._known = Known(limit)
        self._names = 0

    def decode(self, data: bytes, now: int, protocol: str = PROTOCOL) -> Decoded:
        """Read lines; a bad one is refused by itself, empty ones are skipped.

        ``now`` (ns) is what the timestamps ``-1`` and ``N`` mean. A rejection's place is its line's
        number from 0, those that are too long left out, which come last. Cost: half a microsecond
        a line of a metric that is known, 10 µs for one that is not and for a line that is not
        plain (`inf`, four words), and 40 µs each time.
        """
        if not data:
            return Columns(protocol).done()
        if self._names > _MOST_BYTES:
            self._known.forget()
            self._names = 0
        reading = _Reading(self._known, data, now)
        decoded = reading.done(protocol)
        self._names += reading.names
        return decoded

    def packets(self, packets: Iterable[bytes], now: int) -> Decoded:
        """Read datagrams, of which each holds whole lines, the last one with or without its end."""
        return self.decode(b"\n".join(packets), now, UDP)


class _Reading:
    """Some lines on their way into columns."""

    def __init__(self, known: Known, data: bytes, now: int) -> None:
        self._known, self._data, self._now = known, data, now
        lines = data.count(b"\n") + 1
        self._columns = room = Room.of(lines, spans=scan.SPANS, state=scan.STATE)
        self._rejected: list[Rejection] = []
        #: Bytes of names that were new.
        self.names = 0
        scan.scan(
            np.frombuffer(data, dtype=np.uint8),
            known.key,
            LONGEST,
            LATEST_S,
            now,
            *room.columns,
            room.state,
        )

    def done(self, protocol: str) -> Decoded:
        """Everything that was read."""
        columns, known = self._columns, self._known
        count, left, too_long = columns.state.tolist()
        rows = self._left(count) if left else np.arange(count)
        entries = known.entries(columns.hashes[rows], lambda i: self._metric(rows[i]))
        bad = known.bad(entries)
        if np.count_nonzero(bad):
            for i in np.flatnonzero(bad).tolist():
                self._refuse(rows[i], Reason.BAD_METRIC, str(known.metrics[entries[i]]))
            rows, entries = rows[~bad], entries[~bad]
        metrics, which = known.distinct(entries)
        # Copies: the rest of the room need not stay.
        samples = Samples(which, columns.times[rows], columns.values[rows])
        rejected = sorted(self._rejected, key=lambda one: one.index)
        return Decoded(Batch(metrics, samples, protocol), [*rejected, *[_TOO_LONG] * too_long])

    def _left(self, count: int) -> NDArray[np.int64]:
        """Read what is left to be; returns the rows that are samples."""
        columns = self._columns
        others = columns.flags[:count]
        inexact = np.flatnonzero(others & scan.VALUE)
        columns.values[inexact] = self._floats(inexact, 2)
        decimals = np.flatnonzero(others & scan.TIME)
        columns.times[decimals] = to_ns(self._floats(decimals, 4), unit="s")
        odd = np.flatnonzero(others & scan.LINE).tolist()
        refused = [row for row in odd if not self._exactly(row)]
        return np.delete(np.arange(count), refused)

    def _floats(self, rows: NDArray[np.int64], span: int) -> NDArray[np.float64]:
        """The numbers that begin and end where ``span`` says."""
        spans = self._columns.spans[rows, span : span + 2].tolist()
        return np.array([float(self._data[start:stop]) for start, stop in spans])

    def _exactly(self, row: int) -> bool:
        """Take a line by all rules; whether it is a sample."""
        at, stop = self._columns.spans[row, 2:4].tolist()
        parts = self._data[at:stop].split()
        if len(parts) != 3:
            told = f"{len(parts)} words instead of name, value and timestamp"
            return self._refuse(row, Reason.BAD_LINE, told)
        _, value, moment = parts
        try:
            # NaN and infinity are the engine's to refuse: it counts them under their metric.
            amount = number(value)
        except ValueError:
            return self._refuse(row, Reason.BAD_LINE, "the value is not a number")
        try:
            time = self._now if moment in _NOW else time_ns(number(moment), self._now)
        except BadInputError as error:
            return self._refuse(row, Reason.BAD_TIMESTAMP, str(error))
        except ValueError:
            return self._refuse(row, Reason.BAD_TIMESTAMP, "the time is not a number")
        self._columns.values[row], self._columns.times[row] = amount, time
        return True

    def _refuse(self, row: int, code: Reason, detail: str) -> bool:
        self._rejected.append(Rejection(int(self._columns.places[row]), code, detail))
        return False

    def _metric(self, row: int) -> Metric | str:
        """The metric of a row; or why there is none."""
        start, stop = self._columns.spans[row, :2].tolist()
        self.names += stop - start
        try:
            return fresh_metric(self._data[start:stop])
        except BadInputError as error:
            return str(error)


class Session:
    """One connection's lines."""

    #: Any bytes can be read on from.
    broken: str | None = None

    def __init__(self, decoder: Decoder) -> None:
        """``decoder``: may be that of other connections, too."""
        self._decoder = decoder
        self._lines = Lines()

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their line."""
        return len(self._lines.rest)

    def feed(self, data: bytes, now: int) -> Decoded:
        """What is complete with these bytes."""
        before = self._lines.too_long
        decoded = self._decoder.decode(self._lines.feed(data), now)
        decoded.rejected.extend([_TOO_LONG] * (self._lines.too_long - before))
        return decoded

    def end(self) -> list[Rejection]:
        """The connection is over: half a timestamp is a timestamp too, only a wrong one."""
        if self._lines.rest.strip():
            return [Rejection(0, Reason.BAD_LINE, "the last line has no end")]
        return []
