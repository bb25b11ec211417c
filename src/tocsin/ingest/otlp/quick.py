"""Requests in protobuf into samples: numbers without objects, the rest as `decode` does."""

from __future__ import annotations

from typing import Final

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as OtlpMetric
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.identity import metric_of
from tocsin.ingest.known import Known
from tocsin.ingest.otlp.attributes import Labels, chosen, labels_of
from tocsin.ingest.otlp.decode import PROTOCOL, Choices, Points, Walk, decode
from tocsin.ingest.otlp.intervals import Intervals
from tocsin.ingest.otlp.messages import PROTOBUF, parse
from tocsin.ingest.room import Room
from tocsin.ingest.scans import otlp as scan
from tocsin.samples import LATEST_NS, Metric, Samples

__all__ = ["Decoder"]

#: How much of a metric's name is told.
_TOLD: Final = 80


class Decoder:
    """Reads requests in protobuf; remembers up to ``limit`` metrics, and ``intervals``.

    One thread at a time.
    """

    def __init__(self, limit: int, choices: Choices, intervals: Intervals) -> None:
        self._known = Known(limit)
        self._choices, self._intervals = choices, intervals

    def decode(self, body: bytes) -> Points:
        """What `decode.decode` makes of the request in a body.

        Texts that are not looked at, such as descriptions, need not be UTF-8.
        Errors: `BadInputError`, `TooLargeError`. Cost: half a microsecond a number of a metric that
        is known; 10 µs one that is not, 50 µs a histogram.
        """
        # A point that makes a sample has a time and a value of nine bytes each.
        points = min(len(body) // 18 + 1, self._choices.most)
        room = Room.of(points, spans=scan.SPANS, state=4, flags=np.bool_)
        odds = np.empty((min(len(body) // 4 + 1, self._choices.most), scan.ODDS), dtype=np.int64)
        plain = scan.scan(
            np.frombuffer(body, dtype=np.uint8),
            self._known.key,
            LATEST_NS,
            self._choices.most_parts,
            *room.columns,
            odds,
            room.state,
        )
        if plain:
            try:
                reading = _Reading(self._known, body, room, odds, self._choices, self._intervals)
                return reading.points()
            except (DecodeError, UnicodeDecodeError):
                pass  # what was not looked into is damaged: how, is for others to tell
        return decode(parse(body, PROTOBUF), self._choices, self._intervals)


class _Reading:
    """One request on its way from columns into points."""

    def __init__(
        self,
        known: Known,
        body: bytes,
        columns: Room,
        odds: NDArray[np.int64],
        choices: Choices,
        intervals: Intervals,
    ) -> None:
        self._known, self._body, self._columns, self._odds = known, body, columns, odds
        self._choices, self._walk = choices, Walk(choices, intervals)
        #: The resource that was read last: where it stands, and its labels.
        self._resource: tuple[int, Labels] = (-1, ())

    def points(self) -> Points:
        """Everything. Errors: `DecodeError`, `UnicodeDecodeError`, `TooLargeError`."""
        columns, known = self._columns, self._known
        count = int(columns.state[scan.COUNT])
        entries = known.entries(columns.hashes[:count], self._metric)
        bad = known.bad(entries)
        rejected = [
            self._bad(i, str(known.metrics[entries[i]])) for i in np.flatnonzero(bad).tolist()
        ]
        metrics, which = known.distinct(entries[~bad])
        good = np.flatnonzero(~bad)
        numbers = frozenset(which[columns.flags[good]].tolist())
        samples = Samples(which, columns.times[good], columns.values[good])
        batch = Batch(metrics, samples, PROTOCOL, counters=numbers)
        rest = self._odd()
        total = len(batch) + len(rejected) + len(rest.batch) + len(rest.rejected)
        if total > self._choices.most:
            raise TooLargeError(
                f"more than {self._choices.most} samples at once: send smaller batches"
            )
        points = Points(
            batch, rejected, columns.places[good].tolist(), int(columns.state[scan.PLACE])
        )
        return _joined(points, rest) if len(rest.batch) or rest.rejected else points

    def _bad(self, i: int, why: str) -> Rejection:
        place = int(self._columns.places[i])
        return Rejection(place, Reason.BAD_METRIC, f"{self._name(i)[:_TOLD]}: {why}")

    def _odd(self) -> Points:
        """The metrics that are no numbers, or whose numbers are not in order."""
        walk, columns = self._walk, self._columns
        for row in self._odds[: int(columns.state[scan.ODD])].tolist():
            resource, resource_end, start, stop, place = row
            labels = self._labels(resource, resource_end)
            walk.one(OtlpMetric.FromString(self._body[start:stop]), labels, place)
        return walk.points()

    def _metric(self, i: int) -> Metric | str:
        """The metric of a sample; or why there is none."""
        resource, resource_end, _, _, start, stop = self._columns.spans[i].tolist()
        labels = self._labels(resource, resource_end)
        point = NumberDataPoint.FromString(self._body[start:stop])
        try:
            return metric_of(self._name(i), dict((*labels, *labels_of(point.attributes))))
        except BadInputError as error:
            return str(error)

    def _name(self, i: int) -> str:
        start, stop = self._columns.spans[i, 2:4].tolist()
        return self._body[start:stop].decode()

    def _labels(self, start: int, stop: int) -> Labels:
        if self._resource[0] != start:
            resource = Resource.FromString(self._body[start:stop])
            self._resource = start, chosen(resource.attributes, self._choices.resource_labels)
        return self._resource[1]


def _joined(numbers: Points, rest: Points) -> Points:
    """Both, in the order of their data points."""
    one, other = numbers.batch, rest.batch
    places = np.array([*numbers.places, *rest.places], dtype=np.int64)
    order = np.argsort(places, kind="stable")
    more = len(one.metrics)
    samples = Samples(
        np.concatenate([one.samples.metric, other.samples.metric + more])[order],
        np.concatenate([one.samples.timestamp, other.samples.timestamp])[order],
        np.concatenate([one.samples.value, other.samples.value])[order],
    )
    counters = one.counters | {more + index for index in other.counters}
    batch = Batch([*one.metrics, *other.metrics], samples, PROTOCOL, counters=counters)
    rejected = sorted([*numbers.rejected, *rest.rejected], key=lambda refused: refused.index)
    return Points(batch, rejected, places[order].tolist(), numbers.count)
