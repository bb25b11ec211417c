"""Scan: score whole series at once, from frames or arrays, with the code that streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.events import Event, EventFold
from tocsin.detect.objects import fleet_of
from tocsin.detect.result import EVENT_CODES, RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.errors import BadSampleError, ConfigurationError
from tocsin.frames import Choice, RawSeries, build, read_arrays, read_frame
from tocsin.samples import Metric, Unit, iso

__all__ = ["Progress", "ScanResult", "SeriesResult", "event_text", "scan", "scan_series"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Called now and then with the number of samples scored since the last call.
Progress = Callable[[int], None]

#: Samples scored between two calls of `Progress`: a fraction of a second.
_CHUNK: Final = 65_536
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


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What `scan` found, in frames of the kind that it was given.

    ``samples`` has a row per sample, grouped by metric and in order of time: metric, timestamp,
    value, raw_score, likelihood, anomaly_score, alert_score, expected, lower, upper, event.
    ``events`` has a row per event: metric, start, peak, end, value, expected, lower, upper (the
    last four at the peak), likelihood, anomaly_score, samples, open. Times are UTC; what is not
    known (yet) is null, or not-a-number where there is no null.
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
    scored = [_scan_raw(one, chosen, refused, progress) for one in series]
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
) -> SeriesResult:
    """Score one metric's samples (times in ns, UTC, rising; values finite) and fold its events.

    Errors: `BadSampleError` names the first sample that is neither. Memory: 64 bytes a sample.
    """
    _check(metric, timestamps, values)
    fleet, fold = fleet_of(settings, 1), EventFold()
    scored = np.empty(len(values), dtype=RESULT)
    events: list[Event] = []
    for start in range(0, len(values), _CHUNK):
        part = slice(start, start + _CHUNK)
        rows = np.zeros(len(values[part]), dtype=np.int64)
        scored[part] = fleet.update(rows, timestamps[part], values[part])
        for event in fold.feed(timestamps[part], values[part], scored[part]):
            if not events or events[-1] is not event:
                events.append(event)
        if progress:
            progress(len(rows))
    return SeriesResult(metric, timestamps, values, scored, events, fleet.readiness(0))


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


def _scan_raw(
    raw: RawSeries, settings: Settings, refused: Counter[str], progress: Progress | None
) -> SeriesResult:
    timestamps, values = _clean(raw, refused)
    return scan_series(raw.metric, timestamps, values, settings, progress)


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
    numbers = [name for name in RESULT.names or () if name != "event"]
    return {
        "metric": _metric_column([(one.metric, len(one.values)) for one in series]),
        "timestamp": times.view("datetime64[ns]"),
        "value": _joined([one.values for one in series], np.empty(0)),
        **{name: np.ascontiguousarray(scored[name]) for name in numbers},
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
    columns["open"] = np.array([event.open for event in events], dtype=np.bool_)
    return columns
