"""JSON samples: ``{"samples": [{"metric", "labels", "timestamp", "value"}, …]}``, or one a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.errors import BadInputError, TimestampError, TooLargeError
from tocsin.ingest.identity import metric_of
from tocsin.ingest.known import Known
from tocsin.ingest.moments import LATEST_S, iso_ns
from tocsin.ingest.room import Room
from tocsin.ingest.scans import json_samples as scan
from tocsin.samples import Metric, Samples, to_ns

__all__ = ["PROTOCOL", "Decoded", "Decoder", "Sample", "decode", "decode_lines"]

#: Under this name the samples are counted.
PROTOCOL: Final = "http"

#: No sample has fewer bytes, with what separates it.
_SHORTEST: Final = 36


class Sample(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One sample as a client writes it."""

    metric: str
    #: Epoch seconds, or ISO 8601 with zone.
    timestamp: float | str
    value: float
    labels: dict[str, str] = {}


class _Body(msgspec.Struct):
    samples: list[Sample]


_BODY: Final = msgspec.json.Decoder(_Body)
_LINE: Final = msgspec.json.Decoder(Sample)
_TEXT: Final = msgspec.json.Decoder(str)
_LABELS: Final = msgspec.json.Decoder(dict[str, str])
_NUMBER: Final = msgspec.json.Decoder(float)
#: What these raise for what is no JSON, or JSON of another kind.
_BAD: Final = (msgspec.DecodeError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body's good samples, where they stood in it, and the others."""

    batch: Batch
    places: NDArray[np.int64]
    rejected: list[Rejection]

    def merged(self, receipt: Receipt) -> Receipt:
        """The engine's receipt together with what was refused before, by place in the body."""
        refused = [Rejection(int(self.places[r.index]), r.code, r.detail) for r in receipt.rejected]
        rejected = sorted([*self.rejected, *refused], key=lambda r: r.index)
        return replace(receipt, rejected=rejected)


class Decoder:
    """Reads bodies; remembers up to ``limit`` metrics, which changes nothing but the speed.

    One thread at a time.
    """

    def __init__(self, limit: int) -> None:
        self._known = Known(limit)

    def decode(self, body: bytes, most: int) -> Decoded:
        """Read a request's body; a bad sample is refused by itself.

        Errors: `BadInputError` when the body as a whole cannot be read; `TooLargeError` for more
        than ``most`` samples. Cost: half a microsecond a sample of a metric that is known when all
        are well formed; ten times as much else.
        """
        columns = _room(min(len(body) // _SHORTEST + 1, most))
        if self._quickly(body, columns):
            count = int(columns.state[scan.COUNT])
            columns.places[:count] = np.arange(count)
            try:
                return _Reading(self._known, body, columns).done()
            except _BAD:  # within a string or number that was not looked into
                pass
        return self._exactly(body, most)

    def decode_lines(self, body: bytes, most: int) -> Decoded:
        """Read one sample a line (NDJSON); places are lines from 0, and empty ones are skipped.

        Errors: `TooLargeError` for more than ``most`` lines with something in them. Cost: as of
        `decode`, line by line.
        """
        reading = _Reading(self._known, body, _room(min(len(body) // _SHORTEST + 1, most)))
        try:
            return reading.lines(most)
        except _BAD:
            slow = _Reading(self._known, body, _room(min(len(body) // _SHORTEST + 1, most)))
            return slow.lines(most, quick=False)

    def _quickly(self, body: bytes, columns: Room) -> bool:
        return bool(
            scan.scan_body(
                np.frombuffer(body, dtype=np.uint8),
                self._known.key,
                *columns.columns[:-1],
                columns.state,
            )
        )

    def _exactly(self, body: bytes, most: int) -> Decoded:
        rejected: list[Rejection] = []
        samples: Iterator[tuple[int, Sample]]
        try:
            told = _BODY.decode(body).samples
        except _BAD:
            items = _items(body)
            _limit(items, most)
            samples, count = _converted(items, rejected), len(items)
        else:
            _limit(told, most)
            samples, count = iter(enumerate(told)), len(told)
        reading = _Reading(self._known, body, _room(count))
        for place, sample in samples:
            reading.add(place, sample)
        return reading.done(rejected)


def decode(body: bytes, most: int) -> Decoded:
    """As `Decoder.decode`, remembering nothing."""
    return Decoder(0).decode(body, most)


def decode_lines(body: bytes, most: int) -> Decoded:
    """As `Decoder.decode_lines`, remembering nothing."""
    return Decoder(0).decode_lines(body, most)


def _room(count: int) -> Room:
    """Room for so many samples; their times are seconds."""
    return Room.of(count, spans=scan.SPANS, state=3, times=np.float64)


class _Reading:
    """One body on its way into columns."""

    def __init__(self, known: Known, body: bytes, columns: Room) -> None:
        self._known, self._body, self._columns = known, body, columns
        #: Samples that were read as objects, by place in the columns.
        self._exact: dict[int, Sample] = {}

    def add(self, place: int, sample: Sample) -> None:
        """Take a sample that was read as an object."""
        columns = self._columns
        n = int(columns.state[scan.COUNT])
        # Unlike UTF-8, this holds half characters too, which are for `metric_of` to refuse.
        told = repr((sample.metric, *sample.labels.items()))
        self._known.hash_of(told.encode(errors="backslashreplace"), columns.hashes[n])
        self._exact[n] = sample
        text = isinstance(sample.timestamp, str)
        columns.times[n] = 0.0 if text else sample.timestamp
        columns.values[n] = sample.value
        columns.flags[n] = scan.TEXT if text else 0
        columns.places[n] = place
        columns.state[scan.COUNT] += 1

    def lines(self, most: int, *, quick: bool = True) -> Decoded:
        """Read a sample a line."""
        columns, rejected = self._columns, list[Rejection]()
        data, state = np.frombuffer(self._body, dtype=np.uint8), columns.state
        while not (quick and self._scan(data)) and state[scan.AT] < len(data):
            at, place = int(state[scan.AT]), int(state[scan.PLACE])
            end = self._body.find(b"\n", at)
            end = len(data) if end < 0 else end
            if self._body[at:end].strip():
                _limit_count(int(state[scan.COUNT]) + len(rejected) + 1, most)
                self._line(place, self._body[at:end], rejected)
            state[scan.AT], state[scan.PLACE] = end + 1, place + 1
        _limit_count(int(state[scan.COUNT]) + len(rejected), most)
        return self.done(rejected)

    def _scan(self, data: NDArray[np.uint8]) -> bool:
        columns = self._columns
        return bool(
            scan.scan_lines(
                data,
                self._known.key,
                *columns.columns,
                columns.state,
            )
        )

    def _line(self, place: int, line: bytes, rejected: list[Rejection]) -> None:
        try:
            self.add(place, _LINE.decode(line))
        except _BAD:
            for _, sample in _slow_line(place, line, rejected):
                self.add(place, sample)

    def done(self, rejected: Sequence[Rejection] = ()) -> Decoded:
        """Everything that was read. Errors: `_BAD` for a string or number that is none."""
        columns, known = self._columns, self._known
        count = int(columns.state[scan.COUNT])
        told = list(rejected)
        values = self._numbers(columns.values[:count], scan.VALUE, 6)
        seconds = self._numbers(columns.times[:count], scan.TIME, 4)
        entries = known.entries(columns.hashes[:count], self._metric)
        bad = known.bad(entries)
        places = columns.places[:count]
        for i in np.flatnonzero(bad).tolist():
            why = str(known.metrics[entries[i]])
            told.append(Rejection(int(places[i]), Reason.BAD_METRIC, why))
        times, good = self._nanoseconds(seconds, ~bad, told)
        metrics, which = known.distinct(entries[good])
        batch = Batch(metrics, Samples(which, times[good], values[good]), PROTOCOL)
        return Decoded(batch, places[good], sorted(told, key=lambda r: r.index))

    def _numbers(self, numbers: NDArray[np.float64], kind: int, span: int) -> NDArray[np.float64]:
        """With those read that were left to be."""
        for i in np.flatnonzero(self._columns.flags[: len(numbers)] & kind).tolist():
            numbers[i] = _NUMBER.decode(self._told(i, span))
        return numbers

    def _told(self, i: int, span: int) -> bytes:
        start, stop = self._columns.spans[i, span : span + 2].tolist()
        return self._body[start:stop]

    def _metric(self, i: int) -> Metric | str:
        """The metric of a sample; or why there is none."""
        sample = self._exact.get(i)
        if sample is not None:
            name, labels = sample.metric, sample.labels
        else:
            name = _TEXT.decode(self._told(i, 0))
            told = self._told(i, 2)
            labels = _LABELS.decode(told) if told else {}
        try:
            return metric_of(name, labels)
        except BadInputError as error:
            return str(error)

    def _nanoseconds(
        self, seconds: NDArray[np.float64], wanted: NDArray[np.bool_], rejected: list[Rejection]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Times, and which of those that are wanted could be read."""
        good = wanted & np.isfinite(seconds) & (np.abs(seconds) < LATEST_S)
        places = self._columns.places
        for i in np.flatnonzero(wanted & ~good).tolist():
            told = "not epoch seconds within the years up to 2261; is it in ms?"
            rejected.append(Rejection(int(places[i]), Reason.BAD_TIMESTAMP, told))
        times = np.zeros(len(seconds), dtype=np.int64)
        times[good] = to_ns(seconds[good], unit="s")
        texts = (self._columns.flags[: len(seconds)] & scan.TEXT).astype(np.bool_)
        for i in np.flatnonzero(texts).tolist():
            text = self._time(i)
            try:
                times[i] = iso_ns(text)
            except TimestampError as error:
                if good[i]:
                    good[i] = False
                    rejected.append(Rejection(int(places[i]), Reason.BAD_TIMESTAMP, str(error)))
        return times, good

    def _time(self, i: int) -> str:
        sample = self._exact.get(i)
        return _TEXT.decode(self._told(i, 4)) if sample is None else str(sample.timestamp)


def _slow_line(place: int, line: bytes, rejected: list[Rejection]) -> Iterator[tuple[int, Sample]]:
    """What is wrong with a line; or its sample, where only NaN or Infinity was."""
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        rejected.append(Rejection(place, Reason.BAD_TYPE, f"the line is not JSON: {error}"))
        return
    found: list[Rejection] = []
    for _, sample in _converted([item], found):
        yield place, sample
    rejected.extend(Rejection(place, one.code, one.detail) for one in found)


def _limit(items: Sequence[object], most: int) -> None:
    _limit_count(len(items), most)


def _limit_count(count: int, most: int) -> None:
    if count > most:
        raise TooLargeError(f"{count} samples at once, more than {most}: send fewer")


def _items(body: bytes) -> list[Any]:
    """Read item by item what the fast way refused as a whole; NaN and Infinity are JSON here."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the body is not JSON: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("samples"), list):
        raise BadInputError('the body must be {"samples": [{"metric", "timestamp", "value"}, …]}')
    items: list[Any] = told["samples"]
    return items


def _converted(items: list[Any], rejected: list[Rejection]) -> Iterator[tuple[int, Sample]]:
    for place, item in enumerate(items):
        try:
            yield place, msgspec.convert(item, Sample)
        except msgspec.ValidationError as error:
            rejected.append(Rejection(place, Reason.BAD_TYPE, _why(error)))
        except UnicodeEncodeError:
            told = "a key or text holds half a character"
            rejected.append(Rejection(place, Reason.BAD_TYPE, told))


def _why(error: msgspec.ValidationError) -> str:
    what, at, path = str(error).partition(" - at `$")
    where = path.strip("`.")
    return f"{where}: {what}" if at and where else what
