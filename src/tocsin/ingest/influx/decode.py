"""Bodies of lines into samples."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.influx.lines import BadLineError, Line, parse
from tocsin.ingest.influx.series import Series
from tocsin.ingest.influx.values import BadFieldError, number
from tocsin.ingest.known import Known
from tocsin.ingest.room import Room
from tocsin.ingest.scans import influx as scan
from tocsin.samples import LATEST_NS, SECOND_NS, Metric, Samples

__all__ = ["PRECISIONS", "PROTOCOL", "Decoder"]

#: Under this name the samples are counted.
PROTOCOL: Final = "influxdb"

#: Nanoseconds of a timestamp's unit, by InfluxDB's names for them (1.x: also n, u, m and h).
PRECISIONS: Final[dict[str, int]] = {
    "": 1,
    "n": 1,
    "ns": 1,
    "u": 1_000,
    "us": 1_000,
    "µ": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3_600 * SECOND_NS,
}

#: The most digits of a time, and how much of a bad line is told.
_DIGITS: Final = 19
_TOLD: Final = 80


class Decoder:
    """Reads bodies; remembers up to ``limit`` metrics, which changes nothing but the speed.

    One thread at a time.
    """

    def __init__(self, limit: int) -> None:
        self._known = Known(limit)

    def decode(self, body: bytes, now: int, *, precision: str = "", most: int = 2**31) -> Decoded:
        """Read lines; each numeric field is a sample of the metric ``measurement.field``.

        The field ``value`` is the metric ``measurement``; tags are labels. ``now`` (ns) stands for
        a missing timestamp.

        A rejection's place is its line's number from 0: a line that cannot be read, or a field
        that cannot; strings are rejected as `Reason.NOT_NUMERIC`, which nobody needs to hear of.
        Errors: `BadInputError` for an unknown precision, `TooLargeError` for more than ``most``
        fields. Cost: 0.5 µs a sample of a metric that is known, about 10 µs for one that is not,
        and for each line in which something is escaped, quoted or wrong.
        """
        unit = PRECISIONS.get(precision)
        if unit is None:
            known = ", ".join(filter(None, PRECISIONS))
            raise BadInputError(f"precision={precision[:20]!r}: must be one of {known}")
        reading = _Reading(self._known, body, now, unit, most)
        reading.read()
        return reading.done()


class _Reading:
    """One body on its way into columns."""

    def __init__(self, known: Known, body: bytes, now: int, unit: int, most: int) -> None:
        self._known, self._body, self._now, self._unit, self._most = known, body, now, unit, most
        # A field has at least three bytes with what separates it.
        fields = min(len(body) // 3 + 1, most)
        self._columns = Room.of(fields, spans=scan.SPANS, state=3, flags=np.bool_)
        self._rejected: list[Rejection] = []
        #: Key and name of the samples of lines that were read by all rules, by place in columns.
        self._exact: dict[int, tuple[bytes, bytes]] = {}
        #: The series that was asked for last.
        self._key, self._series = b"", Series(b"")

    def read(self) -> None:
        data, state = np.frombuffer(self._body, dtype=np.uint8), self._columns.state
        while not self._quickly(data):
            at = int(state[scan.AT])
            end = self._exactly(at, int(state[scan.PLACE]))
            self._check(int(state[scan.COUNT]))
            state[scan.AT] = end + 1
            state[scan.PLACE] += 1
        self._check(int(state[scan.COUNT]))

    def _check(self, count: int) -> None:
        if count + len(self._rejected) > self._most:
            raise TooLargeError(f"more than {self._most} fields at once: send fewer lines")

    def _quickly(self, data: NDArray[np.uint8]) -> bool:
        """Read on to a line that is not plain; whether there is none."""
        columns = self._columns
        outcome = scan.scan(
            data,
            self._known.key,
            self._unit,
            LATEST_NS,
            self._now,
            *columns.columns,
            columns.state,
        )
        if outcome == scan.TOO_MANY:
            self._check(self._most + 1)
        return outcome == 1

    def _exactly(self, at: int, place: int) -> int:
        """Take one line by all rules; returns where it ends."""
        try:
            line = parse(self._body, at)
        except BadLineError as error:
            self._refuse_line(place, Reason.BAD_LINE, at, error.end, error.detail)
            return error.end
        if isinstance(line, int):
            return line
        try:
            time = self._time(line.moment)
        except ValueError:
            self._refuse_line(place, Reason.BAD_TIMESTAMP, at, line.end, "bad timestamp")
            return line.end
        self._take(line, place, time, at)
        return line.end

    def _take(self, line: Line, place: int, time: int, at: int) -> None:
        columns = self._columns
        for name, text in line.fields:
            try:
                value = number(text)
            except BadFieldError as error:
                told = f"field {name[:_TOLD].decode(errors='replace')!r} {error.detail}"
                self._rejected.append(Rejection(place, error.code, told))
                continue
            n = int(columns.state[scan.COUNT])
            self._check(n + 1)
            # No key that is read quickly holds a newline.
            self._known.hash_of(b"\n".join((line.key, name)), columns.hashes[n])
            self._exact[n] = line.key, name
            columns.spans[n, :2] = at, line.end
            columns.times[n], columns.values[n], columns.flags[n] = time, value, False
            columns.places[n] = place
            columns.state[scan.COUNT] += 1

    def _time(self, moment: bytes) -> int:
        if not moment:
            return self._now
        digits = moment.removeprefix(b"-")
        if not digits.isdigit() or len(digits) > _DIGITS:
            raise ValueError
        time = int(moment) * self._unit
        if abs(time) >= LATEST_NS:
            raise ValueError
        return time

    def _refuse_line(self, place: int, code: Reason, at: int, end: int, detail: str) -> None:
        told = self._body[at : min(end, at + _TOLD)].decode(errors="replace")
        self._rejected.append(Rejection(place, code, f"unable to parse '{told}': {detail}"))

    def done(self) -> Decoded:
        """Everything that was read."""
        columns, known = self._columns, self._known
        count = int(columns.state[scan.COUNT])
        values = columns.values[:count]
        for i in np.flatnonzero(columns.flags[:count]).tolist():
            start, stop = columns.spans[i, 6:].tolist()
            values[i] = float(self._body[start:stop])
        entries = known.entries(columns.hashes[:count], self._metric)
        times = columns.times[:count]
        bad = known.bad(entries)
        if bad.any():
            for i in np.flatnonzero(bad).tolist():
                at, end = columns.spans[i, :2].tolist()
                why = str(known.metrics[entries[i]])
                self._refuse_line(int(columns.places[i]), Reason.BAD_METRIC, at, end, why)
            entries, times, values = entries[~bad], times[~bad], values[~bad]
        metrics, which = known.distinct(entries)
        # A copy: the rest of the room need not stay.
        samples = Samples(which, times.copy(), values.copy())
        rejected = sorted(self._rejected, key=lambda one: one.index)
        return Decoded(Batch(metrics, samples, PROTOCOL), rejected)

    def _metric(self, i: int) -> Metric | str:
        """The metric of a sample; or why there is none."""
        exact = self._exact.get(i)
        if exact is None:
            start, stop, name, end = self._columns.spans[i, 2:6].tolist()
            exact = self._body[start:stop], self._body[name:end]
        key, field = exact
        if key != self._key:
            self._key, self._series = key, Series(key)
        return self._series.metric(field)
