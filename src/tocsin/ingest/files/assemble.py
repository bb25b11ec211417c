"""From a file to its series, step by step, with what is to be said about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tocsin.errors import FileFormatError
from tocsin.ingest.files.civil import Moments
from tocsin.ingest.files.csvfile import read_csv
from tocsin.ingest.files.ndjson import ENDINGS as JSON
from tocsin.ingest.files.ndjson import read_json
from tocsin.ingest.files.numbers import EMPTY, REASONS, Numbers
from tocsin.ingest.files.options import ReadOptions
from tocsin.ingest.files.parquet import read_parquet
from tocsin.ingest.files.reading import FileReading, Series
from tocsin.ingest.files.refusals import Refusals
from tocsin.ingest.files.roles import Roles, assign_roles, check_one_clock
from tocsin.ingest.files.series import Builder, group_rows
from tocsin.ingest.files.table import Table
from tocsin.ingest.files.text import load_text
from tocsin.ingest.files.times import TimeColumn, Times, read_times

__all__ = ["read_series"]


def read_series(path: Path, options: ReadOptions) -> FileReading:
    """What `read_file` does, once it is known that pyarrow is there."""
    refusals = Refusals()
    table = _load(path, options, refusals)
    if table.labels and not options.label_columns:
        options = replace(options, label_columns=tuple(table.labels))
    roles = assign_roles(table, options)
    column = TimeColumn(roles.time, table.columns[roles.time], table.lines)
    times = read_times(column, options.time_format)
    if times.dated_only and not options.time_column:
        check_one_clock(table, roles)
    keys = _keys(table, roles)
    rows = _usable_rows(table, roles, column, times, keys, refusals)
    builder = Builder(times.ns, rows, group_rows(keys, table_rows(table)))
    moments = builder.use_zone(options.timezone) if times.civil else None
    _refuse_values(table, roles, rows, refusals)
    stem = _stem(path)
    series = list(builder.series(roles.numbers, roles.metric, roles.labels, stem))
    _need_series(series, refusals)
    return FileReading(
        path,
        table.rows,
        series,
        _guess(table, roles, times, stem, options),
        [
            *table.notices,
            *roles.notices,
            *_silent_columns(roles, rows),
            *_zone_notices(moments, options.timezone),
            *_count_notices(builder),
        ],
        refusals.first(),
        refusals.counts,
    )


def _load(path: Path, options: ReadOptions, refusals: Refusals) -> Table:
    if path.name.lower().endswith(".parquet"):
        return read_parquet(path)
    if path.name.lower().removesuffix(".gz").endswith(JSON):
        return read_json(load_text(path), refusals)
    return read_csv(load_text(path), options, refusals)


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".gz", ".csv", ".parquet", *JSON):
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
    return name


def table_rows(table: Table) -> int:
    """How many rows of the table can be looked at."""
    return len(table.lines)


def _keys(table: Table, roles: Roles) -> list[Any]:
    names = [*([roles.metric] if roles.metric else []), *roles.labels]
    return [
        pc.utf8_trim_whitespace(pc.fill_null(table.columns[name].cast(pa.large_string()), ""))
        for name in names
    ]


# Refusals


def _usable_rows(
    table: Table, roles: Roles, column: TimeColumn, times: Times, keys: list[Any],
    refusals: Refusals,
) -> NDArray[np.int64]:  # fmt: skip
    """The rows with a time and a metric; the others are refused."""
    for reason, rows in times.refused.items():
        shown = reason if reason.startswith("empty") else f"{reason}: {{text}}"
        refusals.add_rows(reason, rows, table.lines, roles.time, column.text, shown)
    good = times.good()
    if roles.metric:
        named = np.asarray(pc.not_equal(keys[0], "").to_numpy(zero_copy_only=False), dtype=bool)
        nameless = np.flatnonzero(good & ~named)
        reason = "empty metric name"
        refusals.add_rows(reason, nameless, table.lines, roles.metric, lambda row: "", reason)
        good &= named
    return np.flatnonzero(good)


def _refuse_values(table: Table, roles: Roles, rows: NDArray[np.int64], refusals: Refusals) -> None:
    """Refuse the cells that are no numbers; empty ones of wide files are only counted."""
    wide = len(roles.values) > 1
    for name in roles.values:
        state = roles.numbers[name].state[rows]
        if not state.any():
            continue
        cells = table.columns[name]
        for kind, (reason, shown) in REASONS.items():
            bad = rows[state == kind]
            if wide and kind == EMPTY:
                refusals.count(reason, len(bad))
            else:
                refusals.add_rows(reason, bad, table.lines, name, _texts(cells), shown)


def _texts(cells: Any) -> Any:
    def text(row: int) -> str:
        cell = cells[row].as_py()
        return "" if cell is None else str(cell)

    return text


def _need_series(series: list[Series], refusals: Refusals) -> None:
    if series:
        return
    first = refusals.first()
    example = ""
    if first:
        example = f"; line {first[0].line}, column {first[0].column!r}: {first[0].reason}"
    raise FileFormatError(f"not one sample can be read{example}")


# What is said about the file


def _guess(table: Table, roles: Roles, times: Times, stem: str, options: ReadOptions) -> str:
    zone = f", without zone: taken as {options.timezone}" if times.civil else ""
    return (
        f"{table.form}; time from {roles.time!r} ({times.form}{zone}); {_values_guess(roles)}; "
        f"{_name_guess(roles, stem)}."
    )


def _values_guess(roles: Roles) -> str:
    names = ", ".join(map(repr, roles.values[:6]))
    more = f" and {len(roles.values) - 6} more" if len(roles.values) > 6 else ""
    return f"values from {names}{more}"


def _name_guess(roles: Roles, stem: str) -> str:
    wide = len(roles.values) > 1
    if roles.metric:
        name = f"metric named by {roles.metric!r}" + (" and column" if wide else "")
    else:
        name = "one metric a column" if wide else f"metric {stem!r}"
    labels = f", labels from {', '.join(map(repr, roles.labels))}" if roles.labels else ""
    return name + labels


def _silent_columns(roles: Roles, rows: NDArray[np.int64]) -> list[str]:
    return [
        f"column {name!r} holds no number: no metric"
        for name, numbers in roles.numbers.items()
        if not _speaks(numbers, rows)
    ]


def _speaks(numbers: Numbers, rows: NDArray[np.int64]) -> bool:
    return bool(numbers.good[rows].any())


def _zone_notices(moments: Moments | None, timezone: str) -> list[str]:
    notices = []
    if moments and moments.skipped:
        notices.append(
            f"{_number(moments.skipped, 'time')} in an hour that the clocks of {timezone} "
            "skipped: read with the offset before the change"
        )
    if moments and moments.repeated:
        notices.append(
            f"{_number(moments.repeated, 'time')} in an hour that the clocks of {timezone} "
            f"showed twice: {moments.second} of them read as its second pass (after the times "
            "stepped back), the others as the first"
        )
    return notices


def _count_notices(builder: Builder) -> list[str]:
    counts = builder.counts
    said = {
        "out of order": f"{_number(counts['out of order'], 'row')} out of order: sorted",
        "duplicates": f"{_number(counts['duplicates'], 'duplicate')} dropped",
        "conflicts": (
            f"{_number(counts['conflicts'], 'conflict')} (a time that came before with another "
            "value): the first value is kept"
        ),
        "gaps": f"{_number(counts['gaps'], 'gap')} (intervals of more than 1.5 times the median)",
    }
    return [text for kind, text in said.items() if counts[kind]]


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
