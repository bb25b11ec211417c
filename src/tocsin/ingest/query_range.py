"""History from a Prometheus API (Prometheus, VictoriaMetrics, Mimir, Thanos): ``query_range``."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx
import msgspec
import numpy as np

from tocsin import __version__
from tocsin.engine.batch import Batch, Receipt
from tocsin.errors import BadInputError, StoreError, TooLargeError
from tocsin.ingest.identity import metric_of
from tocsin.ingest.loading import BATCH_ROWS, Sink
from tocsin.ingest.remote_write.counters import Families, Type
from tocsin.samples import SECOND_NS, Metric, Samples

__all__ = ["PROTOCOL", "Api", "Fetch", "Fetched", "Query", "decode", "duration_ms", "milliseconds"]

#: Under this name the samples are counted.
PROTOCOL: Final = "query_range"

#: Prometheus answers 11,000 points of a series at most.
_MOST_POINTS: Final = 10_000
_FIRST_POINTS: Final = 200
#: Samples that one answer should have, and the bytes that it may have.
_SAMPLES: Final = 200_000
_MOST_BYTES: Final = 256 * 2**20
_TIMEOUT_S: Final = 150.0
_FIRST_S: Final = 0.2
_LAST_S: Final = 10.0
#: Answers after which the same request may succeed.
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Answers to questions that ask for too much at once.
_TOO_MUCH: Final = re.compile(r"11,000 points|too many (samples|points|series)|limit", re.I)
_FAMILIES: Final = 1_000_000
#: A batch's position is the place of its answer's first point in the grid of the query and, in
#: these lowest bits, how many samples of that answer have been sent.
_SENT_BITS: Final = 32

_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_TYPES: Final = {
    "counter": Type.COUNTER,
    "gauge": Type.GAUGE,
    "histogram": Type.HISTOGRAM,
    "gaugehistogram": Type.GAUGE_HISTOGRAM,
    "summary": Type.SUMMARY,
    "info": Type.INFO,
    "stateset": Type.STATE_SET,
}


def duration_ms(text: str) -> int:
    """Milliseconds of a duration such as 15s, 1m, 1.5h or 60 (seconds).

    >>> duration_ms("1m"), duration_ms("0.5")
    (60000, 500)

    Errors: `BadInputError`.
    """
    found = _DURATION.fullmatch(text.strip())
    length = round(float(found[1]) * _UNITS[found[2] or "s"]) if found else 0
    if length < 1:
        raise BadInputError(f"{text!r} is not a duration: give one such as 15s, 1m, 1h or 1d")
    return length


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; times in milliseconds since 1970."""

    url: str
    query: str
    start: int
    end: int
    step: int
    #: What to call the metrics; may hold {name}.
    template: str = "{name}"
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def points(self) -> int:
        """How many points a series has at most."""
        return max(0, (self.end - self.start) // self.step + 1)

    @property
    def source(self) -> str:
        """A name for what fetching this sends. The end is left out: a later one goes on there."""
        how = (__version__, self.url, self.query, self.start, self.step, self.template)
        told = repr((how, sorted(self.labels.items())))
        return f"query_range:{hashlib.blake2b(told.encode(), digest_size=12).hexdigest()}"

    def metric(self, labels: Mapping[str, str]) -> Metric:
        """What to call a series. Errors: `BadInputError`."""
        left = {label: value for label, value in labels.items() if value}
        try:
            name = self.template.format_map({"name": left.pop("__name__", "")})
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise BadInputError(f"--metric {self.template!r}: may hold {{name}} only") from error
        if not name.strip():
            raise BadInputError(
                f"the results of {self.query!r} have no name: give them one with --metric NAME"
            )
        return metric_of(name, {**left, **self.labels})


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 - as it is told
    result: list[_Series]


class _Answer(msgspec.Struct):
    data: _Data


class _Kind(msgspec.Struct):
    type: str = "unknown"


class _Metadata(msgspec.Struct):
    data: dict[str, list[_Kind]]


_READ: Final = msgspec.json.Decoder(_Answer)
_READ_METADATA: Final = msgspec.json.Decoder(_Metadata)


def decode(body: bytes, query: Query, families: Families) -> Batch:
    """The samples of an answer in the order of time.

    Errors: `BadInputError` when it is not the answer to a range query, or a series has no name.
    Cost: about half a microsecond a sample.
    """
    try:
        data = _READ.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"{query.url} does not answer as Prometheus does: {error}") from error
    if data.resultType != "matrix":
        raise BadInputError(f"{query.url} answered with a {data.resultType}, not with a matrix")
    metrics = [query.metric(series.metric) for series in data.result]
    try:
        moments, values = _columns(data.result)
    except (ValueError, OverflowError) as error:
        raise BadInputError(f"{query.url} answered with what is no sample: {error}") from error
    which = np.repeat(np.arange(len(metrics)), [len(series.values) for series in data.result])
    order = np.argsort(moments, kind="stable")
    counters = frozenset(
        i
        for i, series in enumerate(data.result)
        if families.counts(series.metric.get("__name__", ""))
    )
    samples = Samples(which[order], moments[order], values[order])
    return Batch(metrics, samples, PROTOCOL, counters=counters)


def _columns(result: Sequence[_Series]) -> tuple[Any, Any]:
    seconds = np.array([at for series in result for at, _ in series.values], dtype=np.float64)
    values = np.array([float(told) for series in result for _, told in series.values])
    if len(seconds) and not (np.abs(seconds) < 9e9).all():
        raise ValueError("a time beyond the year 2255")
    # They are milliseconds, which a float of seconds tells exactly enough.
    return np.rint(seconds * 1_000).astype(np.int64) * 1_000_000, values.astype(np.float64)


class Api:
    """A Prometheus API at ``url``; every repetition is told to ``notice``."""

    def __init__(
        self, url: str, *, token: str | None = None, notice: Callable[[str], None] = lambda _: None
    ) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._url = url.rstrip("/")
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT_S, follow_redirects=True)
        self._notice = notice
        self._reached = False

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def range(self, query: str, start: int, end: int, step: int) -> bytes:
        """The body of an answer. Times in ms.

        Errors: `StoreError` when it was never reached, `BadInputError` when it refuses;
        `TooLargeError` when it would answer a question for less.
        """
        form = {"query": query, "start": _s(start), "end": _s(end), "step": _s(step)}
        pause = _FIRST_S
        while True:
            try:
                return self._ask("/api/v1/query_range", form)
            except httpx.TransportError as error:
                if not self._reached:
                    raise StoreError(f"cannot reach {self._url}: {error}") from error
                self._notice(str(error) or type(error).__name__)
            except _LaterError as later:
                self._notice(str(later))
            time.sleep(pause)
            pause = min(2 * pause, _LAST_S)

    def families(self) -> Families:
        """The types of all families that it knows; none where it does not tell them."""
        families = Families(_FAMILIES)
        try:
            answer = self._client.get(f"{self._url}/api/v1/metadata")
            told = _READ_METADATA.decode(answer.content).data
        except (httpx.TransportError, msgspec.DecodeError, UnicodeDecodeError):
            return families
        for family, kinds in told.items():
            types = {_TYPES.get(kind.type, Type.UNKNOWN) for kind in kinds}
            if len(types) == 1:
                families.tell(family, types.pop())
        return families

    def _ask(self, path: str, form: Mapping[str, str]) -> bytes:
        body = bytearray()
        with self._client.stream("POST", self._url + path, data=form) as answer:
            self._reached = True
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise TooLargeError(f"{self._url} answered with more than {_MOST_BYTES} bytes")
        if answer.status_code == 200:
            return bytes(body)
        told = body.decode(errors="replace")[:300]
        if answer.status_code in _AGAIN and not _TOO_MUCH.search(told):
            raise _LaterError(f"{answer.status_code} {answer.reason_phrase}")
        detail = f"{self._url} refuses the query: {answer.status_code}: {told}"
        raise (TooLargeError if _TOO_MUCH.search(told) else BadInputError)(detail)


class _LaterError(Exception):
    """The same request may succeed later."""


def _s(ms: int) -> str:
    return f"{ms // 1_000}.{ms % 1_000:03d}"


@dataclass(slots=True)
class Fetched:
    """What became of the samples of a query."""

    samples: int = 0
    #: Points (of all series) that an earlier run has dealt with.
    before: int = 0
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def count(self, receipt: Receipt) -> None:
        """Add a batch's receipt."""
        self.accepted += receipt.accepted
        self.duplicates += receipt.duplicates
        self.late += receipt.late
        self.refused.update(str(rejection.code) for rejection in receipt.rejected)


@dataclass(slots=True)
class Fetch:
    """Fetches a query piece by piece in the order of time, and sends each on.

    The next piece is asked for when the one before is stored; a fetch that was cut off goes on
    there. What is asked for at once follows how many series there are.
    """

    api: Api
    sink: Sink
    rows: int = BATCH_ROWS
    again: bool = False

    def run(self, query: Query, fetched: Fetched, progress: Callable[[int, int], None]) -> None:
        """Fetch all; ``fetched`` is kept up to date, ``progress`` told points done and samples.

        Errors: what the API and the sink raise; what was stored by then is in ``fetched``.
        """
        families = self.api.families()
        position = 0 if self.again else self.sink.position(query.source)
        # The answer that the last batch was of is asked for again, and its batches are news to the
        # book, which goes by their positions: what they have in common is a duplicate.
        place, sent = position >> _SENT_BITS, position & ((1 << _SENT_BITS) - 1)
        fetched.before = min(place, query.points)
        progress(fetched.before, 0)
        points = _FIRST_POINTS
        while place < query.points:
            count = min(points, query.points - place)
            try:
                batch = self._piece(query, families, place, count)
            except TooLargeError:
                if count == 1:
                    raise
                points = count // 2
                continue
            for one in self._parts(query, batch, (place << _SENT_BITS) + sent):
                fetched.samples += len(one)
                fetched.count(self.sink.send(one))
            place, sent = place + count, 0
            progress(place, fetched.samples)
            each = max(1, len(batch) // count)
            points = max(1, min(_MOST_POINTS, _SAMPLES // each, 2 * points))

    def _piece(self, query: Query, families: Families, place: int, count: int) -> Batch:
        start = query.start + place * query.step
        end = start + (count - 1) * query.step
        return decode(self.api.range(query.query, start, end, query.step), query, families)

    def _parts(self, query: Query, batch: Batch, position: int) -> Iterator[Batch]:
        """The piece in batches that come after this position."""
        source = None if self.again else query.source
        samples = batch.samples
        for start in range(0, len(batch), self.rows):
            which = slice(start, start + self.rows)
            part = Samples(samples.metric[which], samples.timestamp[which], samples.value[which])
            yield replace(
                batch,
                samples=part,
                source=source,
                position=position + start + len(part),
                sender=query.source,
                bulk=True,
            )


def milliseconds(ns: int) -> int:
    """Nanoseconds as milliseconds, rounded down."""
    return ns * 1_000 // SECOND_NS
