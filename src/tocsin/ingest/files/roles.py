"""Which column is what: time, values, the metric's name, labels."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import FileFormatError
from tocsin.ingest.files.epoch import PER_UNIT, read_epochs
from tocsin.ingest.files.numbers import Numbers, read_numbers
from tocsin.ingest.files.options import ReadOptions
from tocsin.ingest.files.refusals import clip
from tocsin.ingest.files.table import Table
from tocsin.ingest.files.times import time_share

__all__ = ["Roles", "assign_roles", "check_one_clock"]

_SAMPLE: Final = 300
_TIME_NAME: Final = re.compile(
    r"(date|time|datetime|timestamp|ts|t|epoch|clock|when|dt|unix ?time(stamp)?|epoch ?time"
    r"|time ?stamp|(event|sample|log|utc|local|created|recorded) ?(time|date|at|timestamp)"
    r"|date ?time)( ?(utc|gmt|local|s|sec|secs|seconds|ms|us|ns|millis|micros|nanos))?"
)
_METRIC_NAMES: Final = (
    "metric", "metric name", "metricname", "series", "series name", "series id", "measurement",
    "variable", "sensor", "sensor id", "tag", "name", "field", "item", "item id", "key",
    "parameter", "unique id",
)  # fmt: skip
_KEY_NAME: Final = re.compile(r"(.* )?(id|uid|uuid|key)")
_COUNTER_NAME: Final = re.compile(r"column \d+|index|id|row|rows?( ?(id|no|number|num))?|no|nr|#|")
_TIME_OF_DAY: Final = r"^\s*[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?[AaPp][Mm])?\s*$"
_FLAGS: Final = {"true", "false", "yes", "no"}
_FEW: Final = 20  # rows up to which any text may be a label
_DAWN, _DUSK = 946_684_800, 4_102_444_800  # 2000 and 2100 in epoch seconds


@dataclass(slots=True)
class Roles:
    """The columns by role; ``numbers`` holds the value columns as read."""

    time: str
    values: list[str]
    metric: str | None
    labels: list[str]
    numbers: dict[str, Numbers]
    notices: list[str] = field(default_factory=list)


def assign_roles(table: Table, options: ReadOptions) -> Roles:
    """Take the roles that options give and guess the others, from names and from all cells.

    Errors: `FileFormatError` when an option names a column that is not there, when there is no
    time or no number, and when two columns could be the time.
    """
    _check_named(table, options)
    given = {*_keys_given(options), options.time_column}
    numbers = {
        name: _read_values(name, cells)
        for name, cells in table.columns.items()
        if name in options.value_columns or (name not in given and not _tells_time(cells, options))
    }
    time = options.time_column or _guess_time(table, numbers, options)
    numbers.pop(time, None)
    keys = _guess_keys(table, numbers, time, options)
    values = list(options.value_columns) or _guess_values(table, numbers, {time, *keys})
    metric = options.metric_column or _guess_metric(keys)
    labels = list(options.label_columns) or [name for name in keys if name != metric]
    roles = Roles(time, values, metric, labels, {name: numbers[name] for name in values})
    roles.notices = _left_out(table, roles, options)
    return roles


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9#]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()).strip()


def _typed_time(cells: Any) -> bool:
    return bool(pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type))


def _tells_time(cells: Any, options: ReadOptions) -> bool:
    """Whether a column holds times by its type or by its text; numbers may mean anything."""
    if not pa.types.is_large_string(cells.type):
        return _typed_time(cells)
    sample = _sample(cells)
    return read_numbers(sample).share() < 0.5 <= time_share(sample, options.time_format)


def _read_values(name: str, cells: Any) -> Numbers:
    if _typed_time(cells):
        raise FileFormatError(f"column {name!r} holds times ({cells.type}), no values")
    return read_numbers(cells)


def _keys_given(options: ReadOptions) -> set[str]:
    return {*options.label_columns, *([options.metric_column] if options.metric_column else [])}


def _check_named(table: Table, options: ReadOptions) -> None:
    for name in options.named:
        if name not in table.columns:
            near = difflib.get_close_matches(name, list(table.columns), n=1, cutoff=0.5)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise FileFormatError(
                f"there is no column {name!r}; {meant}the columns are {_listed(table)}"
            )
    twice = {name for name in options.named if options.named.count(name) > 1}
    if twice:
        raise FileFormatError(f"column {min(twice)!r} is given more than one role")


def _listed(table: Table) -> str:
    names = list(table.columns)
    return ", ".join(map(repr, names[:20])) + (f" and {len(names) - 20} more" if names[20:] else "")


# Time


def _guess_time(table: Table, numbers: dict[str, Numbers], options: ReadOptions) -> str:
    taken = {*options.value_columns, *_keys_given(options)}
    free = [name for name in table.columns if name not in taken]
    sure = [name for name in free if _is_time(name, table, numbers, options)]
    found = sure or [
        name for name in free if name in numbers and _may_be_epoch(table.columns[name], options)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise FileFormatError(
            f"{len(found)} columns may be the time: {', '.join(map(repr, found))}; "
            "say which with --time-column"
        )
    raise FileFormatError(_no_time(table, free))


def _no_time(table: Table, free: list[str]) -> str:
    for name in free:
        if _TIME_NAME.fullmatch(_plain(name)):
            cells = _sample(table.columns[name])
            example = clip(str(cells[0].as_py())) if len(cells) else ""
            return (
                f"no column of times: {name!r} holds for example {example!r}, which is no time "
                "that is understood; give --time-column, and --time-format (a strptime pattern, "
                "iso, s, ms, us or ns)"
            )
    return f"no column of times among {_listed(table)}; say which it is with --time-column"


def _is_time(name: str, table: Table, numbers: dict[str, Numbers], options: ReadOptions) -> bool:
    """By type, by what its text reads as, and for numbers by name and magnitude."""
    if name not in numbers:
        return True
    named = _TIME_NAME.fullmatch(_plain(name)) is not None
    return named and time_share(_sample(table.columns[name]), options.time_format) >= 0.5


def _may_be_epoch(cells: Any, options: ReadOptions) -> bool:
    """Whether an unnamed column of numbers never goes back and lies in 2000 to 2100 throughout."""
    if options.time_format not in (None, *PER_UNIT):
        return False
    text = pa.types.is_large_string(cells.type)
    epochs = read_epochs(pc.utf8_trim_whitespace(cells) if text else cells)
    if not epochs.good.all() or np.any(np.diff(epochs.whole) < 0):
        return False
    if options.time_format:
        return bool(np.any(np.diff(epochs.whole) > 0))
    return any(
        bool(np.all((epochs.whole >= _DAWN * per) & (epochs.whole < _DUSK * per)))
        for per in (1, 10**3, 10**6, 10**9)
    )


def _sample(cells: Any) -> Any:
    """Up to 300 cells with something in them, from all over the column."""
    filled = cells.drop_null()
    if pa.types.is_large_string(filled.type):
        filled = filled.filter(pc.not_equal(filled, ""))
    places = np.unique(np.linspace(0, max(len(filled) - 1, 0), _SAMPLE).astype(np.int64))
    return filled.take(pa.array(places if len(filled) else places[:0]))


def check_one_clock(table: Table, roles: Roles) -> None:
    """Refuse a file whose dates have their time of day in another column.

    Errors: `FileFormatError`, naming both columns.
    """
    for name, cells in table.columns.items():
        if name in roles.values or name == roles.time or not pa.types.is_large_string(cells.type):
            continue
        found = pc.match_substring_regex(_sample(cells), _TIME_OF_DAY)
        if len(found) and pc.sum(found).as_py() >= len(found) / 2:
            raise FileFormatError(
                f"column {roles.time!r} holds dates and column {name!r} a time of day: join them "
                "in one column, or name another with --time-column"
            )


# Keys: the metric's name and labels


def _guess_keys(
    table: Table, numbers: dict[str, Numbers], time: str, options: ReadOptions
) -> list[str]:
    if options.label_columns and options.metric_column:
        return []
    taken = {time, *options.value_columns, *_keys_given(options)}
    return [
        name
        for name in table.columns
        if name not in taken and name in numbers and _is_key(name, table, numbers[name])
    ]


def _is_key(name: str, table: Table, numbers: Numbers) -> bool:
    cells, plain = table.columns[name], _plain(name)
    if numbers.share() >= 0.5:
        named = plain in _METRIC_NAMES or _KEY_NAME.fullmatch(plain)
        whole = numbers.values[numbers.good] % 1 == 0
        return bool(named) and bool(whole.all()) and _few(cells)
    sample = _sample(cells)
    if not len(sample) or _is_flag(sample):
        return False
    return plain in _METRIC_NAMES or _few(cells)


def _is_flag(sample: Any) -> bool:
    """Whether these are yes and no: a state that changes, and so nothing that names a series."""
    return {text.lower() for text in pc.unique(sample).to_pylist()} <= _FLAGS


def _few(cells: Any) -> bool:
    return len(cells) <= _FEW or pc.count_distinct(cells).as_py() * 2 <= len(cells)


def _guess_metric(keys: list[str]) -> str | None:
    plain = {_plain(name): name for name in reversed(keys)}
    return next((plain[name] for name in _METRIC_NAMES if name in plain), None)


# Values


def _guess_values(table: Table, numbers: dict[str, Numbers], taken: set[str]) -> list[str]:
    free = [name for name in numbers if name not in taken]
    values = [name for name in free if numbers[name].share() >= 0.5]
    values = values or [name for name in free if numbers[name].good.any()]
    values = [name for name in values if not _counts_rows(name, numbers[name])] or values
    if values:
        return values
    raise FileFormatError(
        f"no column of numbers among {_listed(table)}{_why_not(table, list(numbers))}"
    )


def _why_not(table: Table, free: list[str]) -> str:
    if not free:
        return ""
    sample = _sample(table.columns[free[0]])
    example = f"holds for example {clip(str(sample[0].as_py()))!r}" if len(sample) else "is empty"
    return f": {free[0]!r} {example}"


def _counts_rows(name: str, numbers: Numbers) -> bool:
    """Whether this is the row number that data frames write beside the data."""
    if len(numbers.values) < 2 or not _COUNTER_NAME.fullmatch(_plain(name)):
        return False
    start = numbers.values[0]
    counted = np.arange(len(numbers.values)) + start
    return bool(start in (0.0, 1.0)) and np.array_equal(numbers.values, counted)


def _left_out(table: Table, roles: Roles, options: ReadOptions) -> list[str]:
    used = {roles.time, roles.metric, *roles.values, *roles.labels}
    unused = [name for name in table.columns if name not in used]
    if not unused or options.value_columns:
        return []
    shown = ", ".join(map(repr, unused[:10])) + (" and more" if len(unused) > 10 else "")
    return [
        f"left out {shown}: neither time nor numbers nor labels; "
        "--value-column and --label-column say otherwise"
    ]
