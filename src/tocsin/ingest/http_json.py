"""JSON samples: ``{"samples": [{"metric", "labels", "timestamp", "value"}, …]}``, or one a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.errors import BadInputError, TimestampError, TooLargeError
from tocsin.ingest.identity import metric_of
from tocsin.ingest.moments import LATEST_S, iso_ns
from tocsin.samples import Metric, Samples, to_ns

__all__ = ["PROTOCOL", "Decoded", "Sample", "decode", "decode_lines"]

#: Under this name the samples are counted.
PROTOCOL: Final = "http"


class Sample(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One sample as a client writes it."""

    metric: str
    #: Epoch seconds, or ISO 8601 with zone.
    timestamp: float | str
    value: float
    labels: dict[str, str] = {}


class _Body(msgspec.Struct):
    samples: list[Sample]


_FAST: Final = msgspec.json.Decoder(_Body)
_LINE: Final = msgspec.json.Decoder(Sample)


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


def decode(body: bytes, most: int) -> Decoded:
    """Read a request's body; a bad sample is refused by itself.

    Errors: `BadInputError` when the body as a whole cannot be read; `TooLargeError` for more than
    ``most`` samples. Cost: about a microsecond per sample when all are well formed.
    """
    columns = _Columns()
    try:
        samples = _FAST.decode(body).samples
    except (msgspec.DecodeError, UnicodeDecodeError):
        items = _slowly(body)
        _limit(items, most)
        columns.add_all(_converted(items, columns.rejected))
    else:
        _limit(samples, most)
        columns.add_all(enumerate(samples))
    return columns.done()


def decode_lines(body: bytes, most: int) -> Decoded:
    """Read one sample a line (NDJSON); places are lines from 0, and empty ones are skipped.

    Errors: `TooLargeError` for more than ``most`` lines with something in them. Cost: about 1.5 µs
    per sample.
    """
    lines = [(place, line) for place, line in enumerate(body.split(b"\n")) if line.strip()]
    _limit(lines, most)
    columns = _Columns()
    columns.add_all(_of_lines(lines, columns.rejected))
    return columns.done()


def _of_lines(
    lines: list[tuple[int, bytes]], rejected: list[Rejection]
) -> Iterator[tuple[int, Sample]]:
    for place, line in lines:
        try:
            yield place, _LINE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield from _slow_line(place, line, rejected)


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
    if len(items) > most:
        raise TooLargeError(f"{len(items)} samples at once, more than {most}: send fewer")


def _slowly(body: bytes) -> list[Any]:
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
            rejected.append(Rejection(place, Reason.BAD_TYPE, _told(error)))
        except UnicodeEncodeError:
            told = "a key or text holds half a character"
            rejected.append(Rejection(place, Reason.BAD_TYPE, told))


def _told(error: msgspec.ValidationError) -> str:
    what, at, path = str(error).partition(" - at `$")
    where = path.strip("`.")
    return f"{where}: {what}" if at and where else what


@dataclass(slots=True)
class _Columns:
    """Samples on their way from objects into columns."""

    metrics: list[Metric] = field(default_factory=list)
    metric: list[int] = field(default_factory=list)
    times: list[float | str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    def add_all(self, samples: Iterable[tuple[int, Sample]]) -> None:
        # Keys keep the sender's order of labels, which is cheap; the engine sees that two of them
        # are one metric.
        known: dict[object, int] = {}
        for place, sample in samples:
            labels = sample.labels
            key = (sample.metric, *labels.items()) if labels else sample.metric
            index = known.get(key)
            if index is None:
                index = known[key] = self._add_metric(sample, place)
            if index < 0:
                if self.rejected[-1].index != place:
                    self._add_metric(sample, place)
                continue
            self.metric.append(index)
            self.times.append(sample.timestamp)
            self.values.append(sample.value)
            self.places.append(place)

    def _add_metric(self, sample: Sample, place: int) -> int:
        try:
            self.metrics.append(metric_of(sample.metric, sample.labels))
        except BadInputError as error:
            self.rejected.append(Rejection(place, Reason.BAD_METRIC, str(error)))
            return -1
        return len(self.metrics) - 1

    def done(self) -> Decoded:
        times, good = self._nanoseconds()
        metric = np.array(self.metric, dtype=np.int64)[good]
        values = np.array(self.values, dtype=np.float64)[good]
        places = np.array(self.places, dtype=np.int64)[good]
        batch = Batch(self.metrics, Samples(metric, times[good], values), PROTOCOL)
        return Decoded(batch, places, sorted(self.rejected, key=lambda r: r.index))

    def _nanoseconds(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Times, and which of them could be read."""
        texts = {i: time for i, time in enumerate(self.times) if isinstance(time, str)}
        seconds = np.array([0.0 if isinstance(t, str) else t for t in self.times], dtype=np.float64)
        good = np.isfinite(seconds) & (np.abs(seconds) < LATEST_S)
        for i in np.flatnonzero(~good).tolist():
            self._refuse_time(i, "not epoch seconds within the years up to 2261; is it in ms?")
        times = np.zeros(len(seconds), dtype=np.int64)
        times[good] = to_ns(seconds[good], unit="s")
        for i, text in texts.items():
            try:
                times[i] = iso_ns(text)
            except TimestampError as error:
                good[i] = False
                self._refuse_time(i, str(error))
        return times, good

    def _refuse_time(self, i: int, detail: str) -> None:
        self.rejected.append(Rejection(self.places[i], Reason.BAD_TIMESTAMP, detail))
