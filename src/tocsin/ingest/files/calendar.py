"""Dates and clocks in cells of text, read in whole columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.files.layout import Layout, Layouts
from tocsin.ingest.files.shapes import Shape, shapes
from tocsin.samples import LATEST_NS, SECOND_NS

__all__ = ["DAY_NS", "CalendarColumn", "days_of", "in_range", "read_calendar"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Cells = NDArray[np.uint8]

DAY_NS: Final = 86_400 * SECOND_NS
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WEEKDAYS: Final = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip


@dataclass(slots=True)
class CalendarColumn:
    """What stands in the cells of a column of times.

    ``date`` (rows × 3) holds year, month, day, or three numbers whose order is open; ``clock`` ns
    since midnight; ``offset`` seconds east of Greenwich where the cell says so. ``layout`` indexes
    ``layouts`` and is -1 where the cell has no shape of a time; ``sound`` is false where it has,
    and clock, zone or a name in it do not exist.
    """

    date: NDArray[np.int16]
    clock: Ints
    offset: NDArray[np.int32]
    layout: NDArray[np.int16]
    sound: Bools
    layouts: list[Layout]

    def family(self) -> tuple[list[tuple[str, str, str]], NDArray[np.int16]]:
        """The families of layouts in this column, and each row's index into them (or -1)."""
        families = list(dict.fromkeys(layout.family for layout in self.layouts))
        of = [families.index(layout.family) for layout in self.layouts]
        return families, np.array([*of, -1], dtype=np.int16)[self.layout]


def read_calendar(column: Any, find: Layouts) -> CalendarColumn:
    """Take the cells of a trimmed large_string array apart. Cost: O(bytes)."""
    rows = len(column)
    taken = CalendarColumn(
        np.zeros((rows, 3), dtype=np.int16),
        np.zeros(rows, dtype=np.int64),
        np.zeros(rows, dtype=np.int32),
        np.full(rows, -1, dtype=np.int16),
        np.zeros(rows, dtype=bool),
        [],
    )
    known: dict[str, int] = {}
    for shape in shapes(column):
        if shape.text not in known:
            known[shape.text] = _learn(taken.layouts, find(shape.text))
        if known[shape.text] >= 0:
            _take(taken, shape, known[shape.text])
    return taken


def _learn(layouts: list[Layout], layout: Layout | None) -> int:
    if layout is None:
        return -1
    layouts.append(layout)
    return len(layouts) - 1


def _take(taken: CalendarColumn, shape: Shape, index: int) -> None:
    layout, cells = taken.layouts[index], shape.cells
    sound = _literals_hold(layout, cells)
    date, date_sound = _date(layout, cells)
    clock, clock_sound = _clock(layout, cells)
    offset, zone_sound = _offset(layout, cells)
    taken.date[shape.rows] = date
    taken.clock[shape.rows] = clock
    taken.offset[shape.rows] = offset
    taken.layout[shape.rows] = index
    taken.sound[shape.rows] = sound & date_sound & clock_sound & zone_sound


def _number(cells: Cells, span: tuple[int, int] | None) -> Ints:
    total = np.zeros(len(cells), dtype=np.int64)
    for place in range(*(span or (0, 0))):
        total = total * 10 + (cells[:, place].astype(np.int64) - ord("0"))
    return total


def _reads(cells: Cells, span: tuple[int, int], text: str) -> Bools:
    """Where these letters stand in the span, in upper or lower case."""
    if span[1] - span[0] != len(text):
        return np.zeros(len(cells), dtype=bool)
    wanted = np.frombuffer(text.encode(), dtype=np.uint8)
    return np.asarray(((cells[:, span[0] : span[1]] | 0x20) == wanted).all(axis=1))


def _names(cells: Cells, span: tuple[int, int], names: tuple[str, ...]) -> Ints:
    """1, 2, 3, … where a name or its first three letters stand in the span, 0 elsewhere."""
    found = np.zeros(len(cells), dtype=np.int64)
    for number, name in enumerate(names, start=1):
        for text in {name, name[:3]}:
            found[_reads(cells, span, text)] = number
    return found


def _literals_hold(layout: Layout, cells: Cells) -> Bools:
    hold = np.ones(len(cells), dtype=bool)
    for place, byte in layout.literals:
        here = cells[:, place]
        letter = ord("a") <= byte <= ord("z")
        hold &= ((here | 0x20) == byte) if letter else (here == byte)
    joint = layout.spans.get("T")
    if joint and joint[1] - joint[0] == 1:
        hold &= np.isin(cells[:, joint[0]], np.frombuffer(b"Tt :\t", dtype=np.uint8))
    if "a" in layout.spans:
        hold &= _names(cells, layout.spans["a"], _WEEKDAYS) > 0
    return hold


def _date(layout: Layout, cells: Cells) -> tuple[Ints, Bools]:
    spans = layout.spans
    sound = np.ones(len(cells), dtype=bool)
    if layout.open_order:
        return np.stack([_number(cells, spans[n]) for n in ("n1", "n2", "n3")], axis=1), sound
    year = _number(cells, spans["Y"]) if "Y" in spans else full_year(_number(cells, spans["y"]))
    if "B" in spans:
        month = _names(cells, spans["B"], _MONTHS)
        sound = month > 0
    else:
        month = _number(cells, spans["m"])
    return np.stack([year, month, _number(cells, spans["d"])], axis=1), sound


def full_year(short: Ints) -> Ints:
    """Years of two digits as POSIX reads them: 69 to 99 are 19xx, 00 to 68 are 20xx."""
    return np.asarray(short + np.where(short >= 69, 1900, 2000))


def _clock(layout: Layout, cells: Cells) -> tuple[Ints, Bools]:
    spans = layout.spans
    hour, minute, second = (_number(cells, spans.get(part)) for part in "HMS")
    if "p" in spans:
        hour, sound = _hour_of_12(hour, cells, spans["p"])
    else:
        sound = (hour <= 23) | ((hour == 24) & (minute == 0) & (second == 0))
    start, stop = spans.get("f", (0, 0))
    fraction = _number(cells, (start, stop)) * 10 ** (9 - (stop - start))
    sound = sound & (minute <= 59) & (second <= 59) & ((hour < 24) | (fraction == 0))
    return (hour * 3600 + minute * 60 + second) * SECOND_NS + fraction, sound


def _hour_of_12(hour: Ints, cells: Cells, span: tuple[int, int]) -> tuple[Ints, Bools]:
    morning, afternoon = _reads(cells, span, "am"), _reads(cells, span, "pm")
    sound = (morning | afternoon) & (hour >= 1) & (hour <= 12)
    return hour % 12 + np.where(afternoon, 12, 0), sound


def _offset(layout: Layout, cells: Cells) -> tuple[Ints, Bools]:
    if not layout.aware:
        return np.zeros(len(cells), dtype=np.int64), np.ones(len(cells), dtype=bool)
    start, stop = layout.spans["z"]
    if stop - start == 1:
        return np.zeros(len(cells), dtype=np.int64), _reads(cells, (start, stop), "z")
    sign = cells[:, start]
    if bool(np.any((sign != ord("+")) & (sign != ord("-")))):
        named = _reads(cells, (start, stop), "utc") | _reads(cells, (start, stop), "gmt")
        return np.zeros(len(cells), dtype=np.int64), named
    hours = _number(cells, (start + 1, start + 3))
    minutes = _number(cells, (stop - 2, stop)) if stop - start > 3 else np.zeros_like(hours)
    seconds = hours * 3600 + minutes * 60
    return np.where(sign == ord("-"), -seconds, seconds), (hours <= 15) & (minutes <= 59)


def days_of(year: Ints, month: Ints, day: Ints) -> tuple[Ints, Bools]:
    """Days since 1970 and whether the date exists. Cost: O(n)."""
    exists = (month >= 1) & (month <= 12) & (day >= 1)
    months = (year - 1970) * 12 + np.where(exists, month, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return first + day - 1, exists & (day <= after - first)


def in_range(days: Ints, clock: Ints, offset: NDArray[np.int32]) -> tuple[Ints, Bools]:
    """Nanoseconds since 1970 (UTC) and whether they lie before 2262; 0 where they do not."""
    near = np.abs(days) <= LATEST_NS // DAY_NS
    ns = np.where(near, days, 0) * DAY_NS
    # Not within a day of the edge, so that adding clock and offset cannot overflow.
    ns = ns + np.where(near, clock - offset.astype(np.int64) * SECOND_NS, 0)
    good = near & (ns < LATEST_NS) & (ns > -LATEST_NS)
    return np.where(good, ns, 0), good
