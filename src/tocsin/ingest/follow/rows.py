"""Lines of a followed file as samples: CSV with a header, or JSON with one sample a line."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from tocsin.config import Follow
from tocsin.engine.batch import Reason
from tocsin.errors import BadInputError, TimestampError
from tocsin.ingest.columns import Columns
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.graphite.fields import number
from tocsin.ingest.http_json import decode_lines
from tocsin.ingest.loading import Naming
from tocsin.ingest.moments import iso_ns, seconds_ns
from tocsin.samples import Metric, zone

__all__ = ["PROTOCOL", "decode", "is_csv"]

PROTOCOL: Final = "follow"

_TIMES: Final = ("timestamp", "time", "datetime", "date", "ts")
_METRICS: Final = ("metric", "name")
_JSON: Final = (".ndjson", ".jsonl", ".json")
_ANY: Final = 2**31


def is_csv(follow: Follow) -> bool:
    """Whether the file is CSV, by what is said of it or else by its name."""
    if follow.format is not None:
        return follow.format == "csv"
    return Path(follow.path).suffix.lower() not in _JSON


def decode(lines: Sequence[bytes], header: bytes | None, follow: Follow) -> Decoded:
    """Samples of whole lines, the bad ones by their place; ``header``: of CSV, the first line.

    Errors: `BadInputError` when the header lacks a column that ``follow`` names.
    Cost: some µs a sample.
    """
    naming = Naming(follow.metric, follow.labels)
    if header is None:
        return _json(lines, naming, Path(follow.path))
    roles = _roles(_cells(header, follow.delimiter), follow)
    columns = Columns(PROTOCOL)
    for place, line in enumerate(lines):
        if line.strip():
            _row(columns, place, line, roles, naming, follow)
    return columns.done()


def _json(lines: Sequence[bytes], naming: Naming, path: Path) -> Decoded:
    decoded = decode_lines(b"\n".join(lines), _ANY)
    metrics = [naming.of(metric, path) for metric in decoded.batch.metrics]
    return Decoded(replace(decoded.batch, metrics=metrics, protocol=PROTOCOL), decoded.rejected)


@dataclass(frozen=True, slots=True)
class _Roles:
    """Which column is what, by place."""

    width: int
    time: int
    values: tuple[int, ...]
    metric: int | None
    labels: tuple[int, ...]
    names: tuple[str, ...]


def _roles(names: list[str], follow: Follow) -> _Roles:
    places = {name.strip(): place for place, name in enumerate(names)}
    lower = {name.lower(): place for name, place in places.items()}

    def of(name: str) -> int:
        if name not in places:
            told = ", ".join(map(repr, list(places)[:20]))
            raise BadInputError(f"{follow.path}: there is no column {name!r} among {told}")
        return places[name]

    def guess(names: tuple[str, ...]) -> int | None:
        return next((lower[name] for name in names if name in lower), None)

    time = of(follow.time_column) if follow.time_column else guess(_TIMES) or 0
    metric = of(follow.metric_column) if follow.metric_column else guess(_METRICS)
    labels = tuple(map(of, follow.label_columns))
    values = tuple(map(of, follow.value_columns)) or tuple(
        place for place in range(len(names)) if place not in (time, metric, *labels)
    )
    return _Roles(len(names), time, values, metric, labels, tuple(name.strip() for name in names))


def _cells(line: bytes, delimiter: str) -> list[str]:
    """Errors: `BadInputError` for what is no text or no row."""
    try:
        text = line.decode("utf-8-sig").removesuffix("\r")
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except UnicodeDecodeError:
        raise BadInputError("the row is not UTF-8") from None
    except csv.Error as error:
        raise BadInputError(f"the row cannot be read: {error}") from None


def _row(
    columns: Columns, place: int, line: bytes, roles: _Roles, naming: Naming, follow: Follow
) -> None:
    try:
        cells = _cells(line, follow.delimiter)
        if len(cells) != roles.width:
            raise BadInputError(f"{len(cells)} cells where the header has {roles.width}")
    except BadInputError as error:
        columns.refuse(place, Reason.BAD_LINE, str(error))
        return
    try:
        time = _time(cells[roles.time].strip(), follow.timezone)
    except TimestampError as error:
        columns.refuse(place, Reason.BAD_TIMESTAMP, str(error))
        return
    labels = tuple((roles.names[at], cells[at].strip()) for at in roles.labels)
    for at in roles.values:
        _cell(columns, place, cells, at, time, labels, roles, naming, follow)


def _cell(
    columns: Columns,
    place: int,
    cells: list[str],
    at: int,
    time: int,
    labels: tuple[tuple[str, str], ...],
    roles: _Roles,
    naming: Naming,
    follow: Follow,
) -> None:
    text = cells[at].strip()
    if not text:
        return  # nothing was measured
    try:
        value = number(text)
    except ValueError:
        told = f"column {roles.names[at]!r}: {text[:40]!r} is not a number"
        columns.refuse(place, Reason.BAD_LINE, told)
        return
    name = _name(cells, at, roles, follow)
    make = partial(_metric, name, labels, naming, Path(follow.path))
    columns.add(place, columns.index_of((name, labels), make), time, value)


def _name(cells: list[str], at: int, roles: _Roles, follow: Follow) -> str:
    """As `tocsin load` names metrics: by the metric's column, the value's column, or the file."""
    several = len(roles.values) > 1
    if roles.metric is not None:
        named = cells[roles.metric].strip()
        return f"{named}.{roles.names[at]}" if several else named
    return roles.names[at] if several else Path(follow.path).name.partition(".")[0]


def _metric(name: str, labels: tuple[tuple[str, str], ...], naming: Naming, path: Path) -> Metric:
    if not name:
        raise BadInputError("the metric's name is empty")
    return naming.of(Metric.of(name, {key: value for key, value in labels if value}), path)


def _time(text: str, timezone: str) -> int:
    """Epoch seconds, or ISO 8601; without a zone in ``timezone``. Errors: `TimestampError`."""
    try:
        seconds = number(text)
    except ValueError:
        return iso_ns(_zoned(text, timezone))
    return seconds_ns(seconds)


def _zoned(text: str, timezone: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(text.split(".")[0].split(",")[0])
    except ValueError:
        return text
    if moment.tzinfo is not None or text[-1:] in "Zz" or "+" in text or text.count("-") > 2:
        return text
    offset = moment.replace(tzinfo=zone(timezone)).isoformat()[19:]
    return (text if "T" in text or " " in text else f"{text}T00:00:00") + offset
