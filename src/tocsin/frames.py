"""Frames: pandas, Polars and pyarrow tables (through narwhals) and arrays, in and out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from tocsin.errors import BadInputError, TimestampError
from tocsin.samples import LATEST_NS, SECOND_NS, Metric, Unit, to_ns, zone

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Choice", "RawSeries", "build", "read_arrays", "read_frame"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_TIME_NAMES: Final = ("timestamp", "time", "datetime", "date", "ts")
_METRIC_NAMES: Final = ("metric", "metric_name")
_QUARTER: Final = 900 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Choice:
    """Which columns mean what, as far as the caller says; None means: find out."""

    time: str | None = None
    values: tuple[str, ...] = ()
    metric: str | None = None
    labels: tuple[str, ...] = ()
    unit: Unit | None = None
    timezone: str = "UTC"


@dataclass(slots=True)
class RawSeries:
    """One metric's rows as they came: times (ns, UTC) in any order, values of any kind."""

    metric: Metric
    timestamps: Ints
    values: Floats


@dataclass(slots=True)
class _Roles:
    time: str
    values: list[str]
    metric: str | None
    labels: list[str] = field(default_factory=list)


def read_frame(data: Any, choice: Choice, refused: Counter[str]) -> tuple[list[RawSeries], Any]:
    """The metrics in a frame, in order of first appearance, and what `build` makes alike.

    Rows without a usable time or metric are counted in ``refused`` by reason.
    Errors: `BadInputError` says which column to name; `TimestampError`. Cost: O(cells).
    """
    frame = _with_known_zones(_with_index(_eager(data), choice))
    roles = _roles(frame, choice)
    times, good = _times(frame[roles.time], choice, refused)
    groups = list(_groups(frame, roles, good, refused))
    columns = {name: _numbers(frame[name]) for name in roles.values}
    series = [
        RawSeries(_metric(key, name, roles), times[rows], columns[name][rows])
        for key, rows in groups
        for name in roles.values
    ]
    return series, frame.implementation


def read_arrays(
    timestamps: Any, values: Any, choice: Choice, refused: Counter[str]
) -> list[RawSeries]:
    """One metric from a column of times and one of values (named by ``choice.metric``).

    Errors: `BadInputError` when their lengths differ; `TimestampError`. Cost: O(n).
    """
    column = nw.from_native(timestamps, series_only=True, pass_through=True)
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"the values are not all numbers: {error}") from error
    if isinstance(column, nw.Series):
        times, good = _times(column, choice, refused)
    else:
        times, good = _moments(_array(column), choice, refused)
    if times.shape != numbers.shape or times.ndim != 1:
        raise BadInputError(
            f"times and values must be columns of equal length: {times.shape}, {numbers.shape}"
        )
    return [RawSeries(Metric.of(choice.metric or "value"), times[good], numbers[good])]


def build(columns: Mapping[str, NDArray[Any]], kind: Any) -> Any:
    """A frame of the library that `read_frame` named, or (None) a dict of these arrays.

    ``datetime64`` columns become times in UTC, not-a-number becomes null where there is one.
    """
    if kind is None:
        return dict(columns)
    return nw.from_dict({k: _column(k, v, kind) for k, v in columns.items()}).to_native()


def _column(name: str, values: NDArray[Any], kind: Any) -> nw.Series[Any]:
    if values.dtype.kind == "M":
        times = nw.new_series(name, values, nw.Datetime("ns"), backend=kind)
        return times.dt.replace_time_zone("UTC")
    if values.dtype.kind == "f":
        return nw.new_series(name, values, nw.Float64(), backend=kind).fill_nan(None)
    if values.dtype.kind == "O":
        return nw.new_series(name, values.tolist(), nw.String(), backend=kind)
    return nw.new_series(name, values, backend=kind)


def _eager(data: Any) -> nw.DataFrame[Any]:
    found = nw.from_native(data, allow_series=True, pass_through=True)
    if isinstance(found, nw.Series):
        found = found.alias(found.name or "value").to_frame()
    if isinstance(found, nw.LazyFrame):
        raise BadInputError("this frame is lazy: collect() it first")
    if not isinstance(found, nw.DataFrame):
        raise BadInputError(
            f"cannot scan a {type(data).__name__}: give a pandas, Polars or pyarrow frame, "
            "or two arrays: scan(timestamps, values)"
        )
    return found


def _with_index(frame: nw.DataFrame[Any], choice: Choice) -> nw.DataFrame[Any]:
    """Pandas often keeps the times in the index: make them a column."""
    index: Any = nw.maybe_get_index(frame)
    if choice.time in frame.columns or getattr(getattr(index, "dtype", None), "kind", "") != "M":
        return frame
    named = index.rename(index.name or "timestamp")
    moved = frame.to_native().set_axis(named, axis=0).reset_index()
    return nw.from_native(moved, eager_only=True)


def _with_known_zones(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Pandas times in zones whose names narwhals cannot read (America/New_York), in UTC."""
    unread = [name for name, kind in frame.schema.items() if kind == nw.Unknown]
    native = frame.to_native()
    zoned = [name for name in unread if getattr(native[name].dtype, "tz", None) is not None]
    if not zoned:
        return frame
    moved = native.assign(**{name: native[name].dt.tz_convert("UTC") for name in zoned})
    return nw.from_native(moved, eager_only=True)


def _roles(frame: nw.DataFrame[Any], choice: Choice) -> _Roles:
    schema = dict(frame.schema)
    named = [choice.time, choice.metric, *choice.labels, *choice.values]
    for name in named:
        if name is not None and name not in schema:
            raise BadInputError(f"no column {name!r}; the columns are {_listed(schema)}")
    time = choice.time or _time_column(schema)
    metric = choice.metric or _one_named(schema, _METRIC_NAMES)
    keys = {time, metric, *choice.labels}
    values = list(choice.values) or _value_columns(schema, keys)
    return _Roles(time, values, metric, list(choice.labels))


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names)


def _one_named(schema: Mapping[str, Any], names: Sequence[str]) -> str | None:
    found = [column for column in schema if str(column).casefold() in names]
    return found[0] if len(found) == 1 else None


def _time_column(schema: Mapping[str, Any]) -> str:
    temporal = {name: kind for name, kind in schema.items() if kind.is_temporal()}
    if len(temporal) == 1:
        return next(iter(temporal))
    found = _one_named(temporal or schema, _TIME_NAMES)
    if found is None:
        raise BadInputError(f"which column is the time? Say time=…, one of {_listed(schema)}")
    return found


def _value_columns(schema: Mapping[str, Any], keys: set[str | None]) -> list[str]:
    rest = {name: kind for name, kind in schema.items() if name not in keys}
    text = [name for name, kind in rest.items() if not kind.is_numeric()]
    if text:
        raise BadInputError(
            f"column {text[0]!r} holds no numbers: name it with metric=… or labels=[…], or say "
            "which columns hold the values with value=…"
        )
    if not rest:
        raise BadInputError(f"no column of numbers beside {_listed(k for k in keys if k)}")
    return list(rest)


def _numbers(column: nw.Series[Any]) -> Floats:
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        raise BadInputError(
            f"column {column.name!r} holds {column.dtype}, not numbers: convert it first"
        )
    return np.asarray(column.cast(nw.Float64()).to_numpy(), dtype=np.float64)


def _metric(key: tuple[Any, ...], column: str, roles: _Roles) -> Metric:
    labels = {
        name: str(value)
        for name, value in zip(roles.labels, key[-len(roles.labels) :], strict=False)
        if not _absent(value)
    }
    if roles.metric is None:
        return Metric.of(str(column), labels)
    name = str(key[0]) if len(roles.values) == 1 else f"{key[0]}.{column}"
    return Metric.of(name, labels)


def _absent(value: Any) -> bool:
    return value is None or value != value or value == ""


def _groups(
    frame: nw.DataFrame[Any], roles: _Roles, good: Bools, refused: Counter[str]
) -> Iterator[tuple[tuple[Any, ...], Ints]]:
    """Each metric's key and its rows, in order of first appearance."""
    keys = [roles.metric, *roles.labels] if roles.metric else roles.labels
    if not keys:
        yield (), np.flatnonzero(good)
        return
    known: dict[tuple[Any, ...], int] = {}
    columns = zip(*(frame[key].to_list() for key in keys), strict=True)
    codes = np.array([known.setdefault(key, len(known)) for key in columns], dtype=np.int64)
    order = np.flatnonzero(good)
    order = order[np.argsort(codes[order], kind="stable")]
    parts = np.split(order, np.searchsorted(codes[order], np.arange(1, len(known))))
    for key, rows in zip(known, parts, strict=False):
        if roles.metric and _absent(key[0]):
            refused["no metric"] += len(rows)
        elif len(rows):
            yield key, rows


def _times(column: nw.Series[Any], choice: Choice, refused: Counter[str]) -> tuple[Ints, Bools]:
    """Times (ns, UTC) of a frame's column, and which rows have one."""
    kind = column.dtype
    if kind == nw.Date:
        column, kind = column.cast(nw.Datetime("us")), nw.Datetime("us")
    if isinstance(kind, nw.Datetime):
        civil = kind.time_zone is None
        if not civil:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        times, good = _moments(column.to_numpy(), choice, refused)
        return _from_civil(times, good, choice.timezone, refused) if civil else (times, good)
    if kind.is_numeric() or kind == nw.Object:
        return _moments(column.to_numpy(), choice, refused)
    raise TimestampError(
        f"column {column.name!r} holds {kind}, not times: convert it first, for example with "
        "to_datetime()"
    )


def _array(timestamps: Any) -> NDArray[Any]:
    given: NDArray[Any] = np.asarray(timestamps)
    return given if given.size else given.astype("datetime64[ns]")


def _moments(given: NDArray[Any], choice: Choice, refused: Counter[str]) -> tuple[Ints, Bools]:
    """Times (ns, UTC) from an array of any kind, and which rows have one."""
    good, reach = _present(given), np.ones(given.shape, dtype=np.bool_)
    if given.dtype.kind == "M":
        seconds = given.astype("datetime64[s]").astype(np.int64)
        reach = ~good | (np.abs(seconds) < LATEST_NS // SECOND_NS)
    _count(refused, "no time", ~good)
    _count(refused, "time beyond the year 2261", ~reach)
    good = good & reach
    times = np.zeros(given.shape, dtype=np.int64)
    if good.any():
        times[good] = to_ns(given[good], unit=choice.unit, timezone=choice.timezone)
    return times, good


def _present(given: NDArray[Any]) -> Bools:
    good: Bools = np.ones(given.shape, dtype=np.bool_)
    if given.dtype.kind == "M":
        good = ~np.isnat(given)
    elif given.dtype.kind == "f":
        good = np.isfinite(given)
    elif given.dtype.kind == "O":
        flags = [not _absent(moment) for moment in given.ravel()]
        good = np.array(flags, dtype=np.bool_).reshape(given.shape)
    return good


def _from_civil(
    times: Ints, good: Bools, timezone: str, refused: Counter[str]
) -> tuple[Ints, Bools]:
    """Civil times of a zone as UTC; the hours that a clock change skips or repeats are refused.

    Cost: O(n), plus two look-ups of the zone per quarter of an hour touched.
    """
    where = zone(timezone)
    if where is dt.UTC or not len(times):
        return times, good
    quarters, place = np.unique(times // _QUARTER, return_inverse=True)
    before, after = (
        np.array([_offset(where, int(q) * 900, fold) for q in quarters], dtype=np.int64)[place]
        for fold in (0, 1)
    )
    _count(refused, f"time that the clocks of {timezone} repeat", good & (before > after))
    _count(refused, f"time that the clocks of {timezone} skip", good & (before < after))
    return times - before, good & (before == after)


def _offset(where: dt.tzinfo, second: int, fold: int) -> int:
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=second)
    offset = moment.replace(tzinfo=where, fold=fold).utcoffset() or dt.timedelta()
    return int(offset.total_seconds()) * SECOND_NS


def _count(refused: Counter[str], reason: str, rows: Bools) -> None:
    if rows.any():
        refused[reason] += int(np.count_nonzero(rows))
