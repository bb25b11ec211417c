"""A column of times, read strictly: every cell in one way, or not at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tocsin.errors import TimestampError
from tocsin.ingest.files.calendar import (
    CalendarColumn,
    days_of,
    full_year,
    in_range,
    read_calendar,
)
from tocsin.ingest.files.epoch import (
    PER_UNIT,
    UNIT_NAMES,
    EpochColumn,
    read_epochs,
    unit_at,
    units_of,
)
from tocsin.ingest.files.layout import Layout, Layouts, any_layout, iso_layout, pattern_layouts
from tocsin.ingest.files.refusals import clip
from tocsin.samples import LATEST_NS, SECOND_NS, Unit

__all__ = ["TimeColumn", "Times", "read_times", "time_share"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Days = tuple[Ints, Bools]

#: One way of writing must be that of so many of the readable times; the others are refused.
_MAJORITY: Final = 0.75

_EMPTY: Final = "empty time"
_NOT_A_TIME: Final = "not a time"
_NO_SUCH_TIME: Final = "no such time"
_OTHER_FORM: Final = "time in another format than the rest"
_OTHER_UNIT: Final = "time in another unit than the rest"
_TOO_FAR: Final = "time outside the years 1678 to 2261"


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A column and what is needed to speak of its cells: its name and the line of each row."""

    name: str
    cells: Any
    lines: Ints

    def text(self, row: int) -> str:
        """The cell, for messages."""
        return clip(str(self.cells[row].cast(pa.string()).as_py()))

    def at(self, row: int) -> str:
        """The cell and its line, for messages."""
        return f"{self.text(row)!r} (line {self.lines[row]})"


@dataclass(slots=True)
class Times:
    """Times as read: ``ns`` since 1970, on the clock of the reader's zone when ``civil``.

    ``refused`` gives the rows (rising) by reason; all others are good. ``form`` says how they were
    read; ``dated_only`` whether there is no time of day in them.
    """

    ns: Ints
    civil: bool
    form: str
    refused: dict[str, Ints] = field(default_factory=dict)
    dated_only: bool = False

    def good(self) -> Bools:
        """Where there is a time."""
        good = np.ones(len(self.ns), dtype=bool)
        for rows in self.refused.values():
            good[rows] = False
        return good


def read_times(column: TimeColumn, time_format: str | None) -> Times:
    """Read a column of text, numbers, dates or timestamps.

    The format is that of ``time_format`` or the one that the whole column bears out; cells that
    do not fit it are refused one by one.
    Errors: `TimestampError` when the column can be read in two ways (or in none).
    Cost: O(bytes), about 150 ns a cell; patterns that only Python reads some 10 µs a cell.
    """
    kind = column.cells.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_typed(column)
    if pa.types.is_large_string(kind):
        trimmed = pc.utf8_trim_whitespace(column.cells)
        return _from_text(TimeColumn(column.name, trimmed, column.lines), time_format)
    if time_format is not None and time_format not in PER_UNIT:
        text = pc.fill_null(column.cells.cast(pa.large_string()), "")
        return _from_text(TimeColumn(column.name, text, column.lines), time_format)
    return _from_epochs(column, read_epochs(column.cells), time_format)


def time_share(cells: Any, time_format: str | None) -> float:
    """The part of the cells with anything in them that look like times; 0 without such.

    Numbers count when their magnitude tells a unit, or the format says the unit.
    """
    cells = pc.utf8_trim_whitespace(cells.cast(pa.large_string()))
    filled = np.asarray(pc.not_equal(cells, "").to_numpy(zero_copy_only=False), dtype=bool)
    if not filled.any():
        return 0.0
    return float(np.count_nonzero(_looks(cells, time_format) & filled) / np.count_nonzero(filled))


def _looks(cells: Any, time_format: str | None) -> Bools:
    epochs = read_epochs(cells)
    if time_format in PER_UNIT:
        return epochs.good
    layouts = _layouts(time_format)
    if layouts is None:
        return np.array([_by_python(c.as_py(), str(time_format)) is not None for c in cells])
    taken = read_calendar(cells, layouts)
    looks = taken.sound & _some_order(taken)
    return looks if time_format else looks | (units_of(epochs) >= 0)


def _layouts(time_format: str | None) -> Layouts | None:
    if time_format is None:
        return any_layout
    return iso_layout if time_format == "iso" else pattern_layouts(time_format)


def _some_order(taken: CalendarColumn) -> Bools:
    some = np.zeros(len(taken.layout), dtype=bool)
    for index, layout in enumerate(taken.layouts):
        rows = np.flatnonzero(taken.layout == index)
        for order in _orders(layout):
            some[rows] |= _days(taken.date[rows], layout, order)[1]
    return some


# Typed columns (Parquet)


def _from_typed(column: TimeColumn) -> Times:
    kind = column.cells.type
    present = np.asarray(column.cells.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    if pa.types.is_date(kind):
        unit: Unit = "s"
        counts = column.cells.cast(pa.timestamp("s")).cast(pa.int64())
    else:
        unit = kind.unit
        counts = column.cells.cast(pa.int64())
    whole = counts.fill_null(0).to_numpy()
    ns, near = EpochColumn(whole, np.zeros_like(whole), present).ns(unit)
    civil = pa.types.is_date(kind) or kind.tz is None
    times = Times(ns, civil, str(kind), dated_only=bool(pa.types.is_date(kind)))
    _refuse(times, _EMPTY, ~present)
    _refuse(times, _TOO_FAR, present & ~near)
    return times


# Numbers


def _from_epochs(column: TimeColumn, epochs: EpochColumn, unit: Unit | None) -> Times:
    odd = np.zeros(len(epochs.whole), dtype=bool)
    if unit is None:
        unit, odd = _tell_unit(column, epochs)
    ns, near = epochs.ns(unit)
    times = Times(ns, False, f"{UNIT_NAMES[unit]} since 1970")
    _refuse_blank(times, column, epochs.good)
    _refuse(times, _OTHER_UNIT, odd)
    _refuse(times, _TOO_FAR, epochs.good & ~near & ~odd)
    return times


def _tell_unit(column: TimeColumn, epochs: EpochColumn) -> tuple[Unit, Bools]:
    units = units_of(epochs)
    total = int(np.count_nonzero(epochs.good))
    counts = np.bincount(units[units >= 0], minlength=len(PER_UNIT))
    best = int(counts.argmax())
    if total and counts[best] >= _MAJORITY * total:
        return unit_at(best), epochs.good & (units != best)
    raise TimestampError(_no_unit(column, epochs, units, best))


def _no_unit(column: TimeColumn, epochs: EpochColumn, units: NDArray[np.int8], best: int) -> str:
    advice = "say the unit with --time-format s, ms, us or ns"
    rows = np.flatnonzero(epochs.good)
    if not len(rows):
        return f"column {column.name!r} holds no time that can be read; {_ADVICE}"
    if not np.any(units >= 0):
        return (
            f"column {column.name!r}: {column.at(rows[0])} is a number that does not tell whether "
            f"it counts seconds, milli-, micro- or nanoseconds since 1970; {advice}"
        )
    one = np.flatnonzero(units == best)[0]
    other = np.flatnonzero(epochs.good & (units != best))[0]
    return (
        f"column {column.name!r} mixes units of time: {column.at(one)} and {column.at(other)}; "
        f"{advice}, or mend the file"
    )


# Text

_ADVICE: Final = (
    "give the format with --time-format: a strptime pattern such as '%d.%m.%Y %H:%M', or iso, "
    "s, ms, us, ns"
)


def _from_text(column: TimeColumn, time_format: str | None) -> Times:
    if time_format in PER_UNIT:
        return _from_epochs(column, read_epochs(column.cells), time_format)
    layouts = _layouts(time_format)
    if layouts is None:
        return _from_python(column, str(time_format))
    taken = read_calendar(column.cells, layouts)
    if time_format is None:
        return _from_either(column, taken, _epochs_at(column, np.flatnonzero(taken.layout < 0)))
    return _from_calendar(column, taken, time_format)


def _epochs_at(column: TimeColumn, rows: Ints) -> EpochColumn:
    """The numbers among these rows only."""
    epochs = EpochColumn.blank(len(column.cells))
    if len(rows):
        some = read_epochs(column.cells.take(pa.array(rows)))
        epochs.whole[rows], epochs.part[rows], epochs.good[rows] = some.whole, some.part, some.good
    return epochs


def _from_either(column: TimeColumn, taken: CalendarColumn, epochs: EpochColumn) -> Times:
    """Calendar times or numbers, whichever the column holds; not some of both."""
    dates = np.flatnonzero(taken.layout >= 0)
    numbers = np.flatnonzero(epochs.good)
    if len(dates) >= _MAJORITY * (len(dates) + len(numbers)) and len(dates):
        return _from_calendar(column, taken, None)
    if len(numbers) >= _MAJORITY * (len(dates) + len(numbers)):
        return _from_epochs(column, epochs, None)
    raise TimestampError(_mixed(column, dates[0], numbers[0]))


def _mixed(column: TimeColumn, one: int, other: int) -> str:
    return (
        f"column {column.name!r} mixes formats of time: {column.at(one)} and {column.at(other)}; "
        "say which one counts with --time-format, or mend the file"
    )


def _from_calendar(column: TimeColumn, taken: CalendarColumn, time_format: str | None) -> Times:
    family, chosen = _main_family(column, taken)
    layout = next(each for each in taken.layouts if each.family == family)
    order = _decide_order(column, taken, chosen, layout)
    (days, exists), aware = _days(taken.date, layout, order), layout.aware
    sound = chosen & taken.sound & exists
    ns, near = in_range(np.where(sound, days, 0), taken.clock, taken.offset)
    times = Times(ns, not aware, _form(family, order, time_format), dated_only=not family[1])
    if time_format not in (None, "iso"):
        times.dated_only = "H" not in layout.spans
    known = taken.layout >= 0
    _refuse_blank(times, column, known)
    _refuse(times, _OTHER_FORM, known & ~chosen)
    _refuse(times, _NO_SUCH_TIME, chosen & ~sound)
    _refuse(times, _TOO_FAR, sound & ~near)
    return times


def _main_family(column: TimeColumn, taken: CalendarColumn) -> tuple[tuple[str, str, str], Bools]:
    families, of = taken.family()
    if not families:
        example = column.at(0) if len(column.cells) else "nothing"
        raise TimestampError(
            f"column {column.name!r}: no time can be read in it, for example {example}; {_ADVICE}"
        )
    counts = np.bincount(of[of >= 0], minlength=len(families))
    best = int(counts.argmax())
    if counts[best] < _MAJORITY * counts.sum():
        other = np.flatnonzero((of >= 0) & (of != best))[0]
        raise TimestampError(_mixed(column, np.flatnonzero(of == best)[0], other))
    return families[best], np.asarray(of == best)


def _orders(layout: Layout) -> tuple[str, ...]:
    if not layout.open_order:
        return ("YMD",)
    short = layout.spans["n3"][1] - layout.spans["n3"][0] == 2
    return ("DMY", "MDY", "YMD") if short else ("DMY", "MDY")


def _days(date: NDArray[np.int16], layout: Layout, order: str) -> Days:
    wide = date.astype(np.int64)
    year, month, day = (wide[:, order.index(part)] for part in "YMD")
    if layout.open_order and len(_orders(layout)) == 3:
        year = full_year(year)
    return days_of(year, month, day)


def _decide_order(column: TimeColumn, taken: CalendarColumn, chosen: Bools, layout: Layout) -> str:
    """The one order of day, month and year that all dates of the column allow."""
    orders = _orders(layout)
    if len(orders) == 1:
        return orders[0]
    rows = np.flatnonzero(chosen & taken.sound)
    read = {order: _days(taken.date[rows], layout, order) for order in orders}
    dated = np.any([exists for _, exists in read.values()], axis=0)
    left = [order for order in orders if bool(np.all(read[order][1][dated]))]
    if not left:
        raise TimestampError(_contradiction(column, rows, read))
    for other in left[1:]:
        apart = np.flatnonzero((read[left[0]][0] != read[other][0]) & dated)
        if len(apart):
            row = int(rows[apart[0]])
            raise TimestampError(_ambiguous(column, taken, row, left))
    return left[0]


def _contradiction(column: TimeColumn, rows: Ints, read: dict[str, Days]) -> str:
    first, second = list(read.values())[:2]
    one = np.flatnonzero(first[1] & ~second[1])
    other = np.flatnonzero(second[1] & ~first[1])
    examples = [column.at(rows[found[0]]) for found in (one, other) if len(found)]
    return (
        f"column {column.name!r} has dates with the day first and dates with the month first: "
        f"{' and '.join(examples)}; mend the file, or say which one counts with --time-format"
    )


def _ambiguous(column: TimeColumn, taken: CalendarColumn, row: int, orders: list[str]) -> str:
    layout = taken.layouts[taken.layout[row]]
    readings = []
    for order in orders:
        days, exists = _days(taken.date[row : row + 1], layout, order)
        if exists[0]:
            date = np.datetime64(int(days[0]), "D").astype(dt.date)
            pattern = _pattern(column.text(row), layout, order)
            readings.append(f"{date:%d %B %Y} (--time-format '{pattern}')")
    return (
        f"column {column.name!r}: {column.at(row)} may be {' or '.join(readings)}, and no row of "
        "the file decides; say which with --time-format"
    )


def _pattern(text: str, layout: Layout, order: str) -> str:
    """The strptime pattern of a cell whose order of day, month and year is this."""
    short = layout.spans["n3"][1] - layout.spans["n3"][0] == 2
    dates = {"D": "%d", "M": "%m", "Y": "%y" if short else "%Y"}
    signs = {f"n{place}": dates[part] for place, part in enumerate(order, start=1)}
    hour = "%I" if "p" in layout.spans else "%H"
    signs |= {"H": hour, "M": "%M", "S": "%S", "f": "%f", "p": "%p", "z": "%z"}
    for name, (start, stop) in sorted(layout.spans.items(), key=lambda item: -item[1][0]):
        if name in signs:
            text = text[:start] + signs[name] + text[stop:]
    return text


_ORDER_NAMES: Final = {"D": "day", "M": "month", "Y": "year"}
_ISO_FAMILIES: Final = ("year-month-day", "yearmonthday")


def _form(family: tuple[str, str, str], order: str, time_format: str | None) -> str:
    date, clock, zone = family
    if time_format not in (None, "iso"):
        return f"format {time_format!r}"
    if date.startswith("n"):
        date = date[1].join(_ORDER_NAMES[part] for part in order)
    name = "ISO 8601" if date in _ISO_FAMILIES and "12" not in clock else date
    clock = "" if name == "ISO 8601" and clock else f", {clock or 'no time of day'}"
    return name + clock + (", with zone" if zone else "")


# Patterns that only Python reads


def _from_python(column: TimeColumn, pattern: str) -> Times:
    distinct = pc.dictionary_encode(column.cells)
    read = [_by_python(text, pattern) for text in distinct.dictionary.to_pylist()]
    known = np.array([moment is not None for moment in read], dtype=bool)
    zones = {moment.tzinfo is not None for moment in read if moment}
    if len(zones) > 1:
        raise TimestampError(f"column {column.name!r}: some times have a zone and some have none")
    if not zones:
        raise TimestampError(
            f"column {column.name!r}: no time reads as --time-format {pattern!r}, for example "
            f"{column.at(0)}"
        )
    ns = np.array([_plain_ns(moment) if moment else 0 for moment in read], dtype=object)
    near = np.array([abs(each) < LATEST_NS for each in ns], dtype=bool)
    codes = distinct.indices.to_numpy()
    times = Times(
        np.where(near, ns, 0).astype(np.int64)[codes], not zones.pop(), f"format {pattern!r}"
    )
    _refuse_blank(times, column, known[codes])
    _refuse(times, _TOO_FAR, (known & ~near)[codes])
    return times


def _by_python(text: str, pattern: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text, pattern)
    except ValueError as error:
        if "directive" in str(error) or "stray" in str(error):
            raise TimestampError(f"--time-format {pattern!r}: {error}") from error
        return None


def _plain_ns(moment: dt.datetime) -> int:
    offset = moment.utcoffset() or dt.timedelta()
    since = moment.replace(tzinfo=None) - offset - dt.datetime(1970, 1, 1)
    return (since.days * 86_400 + since.seconds) * SECOND_NS + since.microseconds * 1_000


# Refusals


def _refuse(times: Times, reason: str, where: Bools) -> None:
    rows = np.flatnonzero(where)
    if len(rows):
        times.refused[reason] = rows


def _refuse_blank(times: Times, column: TimeColumn, known: Bools) -> None:
    """Refuse what is no time at all: empty cells, and others."""
    unknown = np.flatnonzero(~known)
    if not len(unknown):
        return
    cells = column.cells.take(pa.array(unknown))
    blank = cells.is_null() if cells.null_count else pc.equal(cells.cast(pa.large_string()), "")
    empty = np.asarray(blank.to_numpy(zero_copy_only=False), dtype=bool)
    times.refused |= {
        reason: rows
        for reason, rows in ((_EMPTY, unknown[empty]), (_NOT_A_TIME, unknown[~empty]))
        if len(rows)
    }
