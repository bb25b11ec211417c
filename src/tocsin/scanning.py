"""Scan: score whole series at once, from frames or arrays, with the code that streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.events import Event, EventFold
from tocsin.detect.marks import Course, Wish
from tocsin.detect.objects import fleet_of
from tocsin.detect.result import EVENT_CODES, NUMBERS, RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.errors import BadSampleError, ConfigurationError
from tocsin.frames import Choice, RawSeries, build, read_arrays, read_frame
from tocsin.samples import Metric, Unit, iso

__all__ = [
    "TOGETHER",
    "Progress",
    "ScanResult",
    "SeriesResult",
    "event_text",
    "scan",
    "scan_all",
    "scan_series",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Called now and then with the number of samples scored since the last call.
Progress = Callable[[int], None]

#: Samples scored between two calls of `Progress`: a fraction of a second.
_CHUNK: Final = 65_536
#: Series that are scored at the same time.
TOGETHER: Final = 64
_STATES: Final = np.array([str(state) for state in EVENT_CODES], dtype=object)


@dataclass(slots=True)
class SeriesResult:
    """One metric's samples (times in ns, UTC), their scores (rows of `RESULT`) and its events."""

    metric: Metric
    timestamps: Ints
    values: Floats
    scored: NDArray[np.void]
    events: list[Event]
    readiness: Readiness
    #: Whether the values are counts.
    counter: bool = False

    @property
    def watched(self) -> Floats:
        """What was watched: the values, or the rates of a counter (first: not-a-number)."""
        rate: Floats = self.scored["rate"]
        return rate if self.counter else self.values


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What `scan` found, in frames of the kind that it was given.

    ``samples`` has a row per sample, grouped by metric and in order of time: metric, timestamp,
    value, rate, raw_score, likelihood, anomaly_score, alert_score, expected, lower, upper, event.
    ``events`` has a row per event: metric, start, peak, end, value, expected, lower, upper (the
    last four at the peak), likelihood, anomaly_score, samples, pattern, why (what it is, and the
    reason in a sentence), muted, because (what marks made of it), open. Of counters (``kind``)
    ``rate`` is what was watched, and an event's value, expectation and band are rates. Times are
    UTC; what is not known (yet) is null, or not-a-number where there is no null.
    """

    samples: Any
    events: Any
    #: Rows that were left out, by reason.
    refused: dict[str, int]


def scan(
    data: Any,
    values: Any = None,
    *,
    time: str | None = None,
    value: str | Sequence[str] | None = None,
    metric: str | None = None,
    labels: str | Sequence[str] = (),
    unit: Unit | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ScanResult:
    """Score every sample of a frame or of two arrays, as if it had arrived in order of time.

    Give a pandas, Polars or pyarrow frame: one value column, several (each is a metric), or a
    ``metric`` column and ``labels`` columns that say whose row it is. Columns that are not named
    are found by type and name. Or give arrays: ``scan(timestamps, values, metric="cpu")``.

    >>> import tocsin
    >>> result = tocsin.scan([0, 60, 120, 120], [1.0, 2.0, float("nan"), 3.0], unit="s")
    >>> result.samples["value"].tolist(), result.refused
    ([1.0, 2.0, 3.0], {'no value': 1})

    ``unit``: what numbers mean as times. ``settings``, or settings by name such as
    ``timezone="Europe/Berlin"``, which is also the zone of times that have none. Rows are sorted
    by time; rows without a finite value or a time, and all but the first of rows with the same
    metric and time, are left out and counted.

    Errors: `BadInputError` when columns must be named, `TimestampError`, `ConfigurationError`.
    Cost: O(n log n); bit-identical to `Detector.update` sample by sample.
    """
    chosen = _settings(settings, options)
    choice = Choice(time, _names(value), metric, _names(labels), unit, chosen.timezone)
    refused: Counter[str] = Counter()
    if values is None:
        series, kind = read_frame(data, choice, refused)
    else:
        series, kind = read_arrays(data, values, choice, refused), None
    clean = [(one.metric, *_clean(one, refused)) for one in series]
    scored = list(scan_all(clean, chosen, progress))
    return ScanResult(
        samples=build(_sample_columns(scored), kind),
        events=build(_event_columns(scored), kind),
        refused=dict(refused),
    )


def scan_series(
    metric: Metric,
    timestamps: Ints,
    values: Floats,
    settings: Settings,
    progress: Progress | None = None,
    wishes: Sequence[Wish] = (),
) -> SeriesResult:
    """Score one metric's samples (times in ns, UTC, rising; values finite) and fold its events.

    ``wishes``: what is to be marked, as if somebody had done so as soon as it was over.
    Errors: `BadSampleError` names the first sample that is neither. Memory: 136 bytes a sample.
    """
    return next(scan_all([(metric, timestamps, values)], settings, progress, lambda _: wishes))


def scan_all(
    series: Sequence[tuple[Metric, Ints, Floats]],
    settings: Settings,
    progress: Progress | None = None,
    wishes: Callable[[Metric], Sequence[Wish]] = lambda _: (),
) -> Iterator[SeriesResult]:
    """The same for many, `TOGETHER` at a time by all cores; in the order given.

    Errors: as `scan_series`, before any of those together is scored.
    """
    for start in range(0, len(series), TOGETHER):
        some = series[start : start + TOGETHER]
        for one in some:
            _check(*one)
        for result in _scan_together(some, settings, progress):
            _mark(result, wishes(result.metric), settings)
            yield result


def _mark(one: SeriesResult, wishes: Sequence[Wish], settings: Settings) -> None:
    """Tell a series' events as they are with these marks."""
    if wishes:
        seq = np.arange(1, len(one.values) + 1)
        course = Course(seq, one.timestamps, one.values, one.scored)
        made = [course.mark(wish, one.events, settings) for wish in wishes]
        one.events = course.told([mark for mark in made if mark], settings.timezone)


def _scan_together(
    series: Sequence[tuple[Metric, Ints, Floats]], settings: Settings, progress: Progress | None
) -> list[SeriesResult]:
    fleet = fleet_of(settings, len(series))
    found = [_empty(*one, settings) for one in series]
    folds = [EventFold(timezone=settings.timezone) for _ in series]
    piece = max(1, _CHUNK // len(series))
    for start in range(0, max(len(one.values) for one in found), piece):
        part = slice(start, start + piece)
        times = [one.timestamps[part] for one in found]
        counts = [len(column) for column in times]
        rows = np.repeat(np.arange(len(found)), counts)
        values = np.concatenate([one.values[part] for one in found])
        scored = fleet.update(rows, np.concatenate(times), values)
        ends = np.cumsum(counts).tolist()
        for one, fold, count, end in zip(found, folds, counts, ends, strict=True):
            one.scored[part] = scored[end - count : end]
            _fold(one, fold, part)
        if progress:
            progress(len(rows))
    for row, one in enumerate(found):
        one.readiness = fleet.readiness(row)
    return found


def _empty(metric: Metric, timestamps: Ints, values: Floats, settings: Settings) -> SeriesResult:
    scored, nothing = np.zeros(len(values), dtype=RESULT), Readiness(0, 0)
    counter = settings.kind == "counter"
    return SeriesResult(metric, timestamps, values, scored, [], nothing, counter)


def _fold(one: SeriesResult, fold: EventFold, part: slice) -> None:
    """Add the events that a piece of a series starts."""
    for event in fold.feed(one.timestamps[part], one.values[part], one.scored[part]):
        if not one.events or one.events[-1] is not event:
            one.events.append(event)


def event_text(scored: NDArray[np.void]) -> NDArray[np.object_]:
    """The event state of each scored row as text (see `EventState`), '' for most."""
    found: NDArray[np.object_] = _STATES[scored["event"]]
    return found


def _settings(settings: Settings | None, options: dict[str, Any]) -> Settings:
    if settings is not None and options:
        name = next(iter(options))
        raise ConfigurationError(f"give settings=… or {name}=…, not both")
    return settings or Settings.of(options)


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


def _check(metric: Metric, timestamps: Ints, values: Floats) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    late = np.flatnonzero(timestamps[1:] <= timestamps[:-1]) + 1
    if not len(bad) and not len(late):
        return
    row = int(min([*bad[:1], *late[:1]]))
    raise BadSampleError(
        f"{metric}: sample {row} ({values[row]} at {iso(int(timestamps[row]))}) is not finite or "
        "not later than the one before",
        row=row,
    )


def _clean(raw: RawSeries, refused: Counter[str]) -> tuple[Ints, Floats]:
    """Finite values in order of time, the first of those with the same time."""
    finite = np.isfinite(raw.values)
    missing = int(np.count_nonzero(np.isnan(raw.values)))
    _add(refused, "no value", missing)
    _add(refused, "not finite", len(finite) - int(np.count_nonzero(finite)) - missing)
    timestamps, values = raw.timestamps[finite], raw.values[finite]
    unique, first = np.unique(timestamps, return_index=True)
    _add(refused, "duplicate", len(timestamps) - len(unique))
    return unique, values[first]


def _add(refused: Counter[str], reason: str, count: int) -> None:
    if count:
        refused[reason] += count


def _joined(parts: Sequence[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else empty


def _sample_columns(series: Sequence[SeriesResult]) -> dict[str, NDArray[Any]]:
    times = _joined([one.timestamps for one in series], np.empty(0, dtype=np.int64))
    scored = _joined([one.scored for one in series], np.empty(0, dtype=RESULT))
    return {
        "metric": _metric_column([(one.metric, len(one.values)) for one in series]),
        "timestamp": times.view("datetime64[ns]"),
        "value": _joined([one.values for one in series], np.empty(0)),
        **{name: np.ascontiguousarray(scored[name]) for name in NUMBERS},
        "event": event_text(scored),
    }


def _metric_column(counts: Sequence[tuple[Metric, int]]) -> NDArray[np.object_]:
    names = np.array([str(metric) for metric, _ in counts], dtype=object)
    return np.repeat(names, [count for _, count in counts])


def _event_columns(series: Sequence[SeriesResult]) -> dict[str, NDArray[Any]]:
    events = [event for one in series for event in one.events]
    columns: dict[str, NDArray[Any]] = {
        "metric": _metric_column([(one.metric, len(one.events)) for one in series])
    }
    for name in ("start", "peak", "end"):
        times = np.array([getattr(event, name) for event in events], dtype=np.int64)
        columns[name] = times.view("datetime64[ns]")
    for name in ("value", "expected", "lower", "upper", "likelihood", "anomaly_score"):
        columns[name] = np.array([getattr(event, name) for event in events], dtype=np.float64)
    columns["samples"] = np.array([event.samples for event in events], dtype=np.int64)
    for name in ("pattern", "why", "muted", "because"):
        columns[name] = np.array([getattr(event, name) for event in events], dtype=object)
    columns["open"] = np.array([event.open for event in events], dtype=np.bool_)
    return columns
