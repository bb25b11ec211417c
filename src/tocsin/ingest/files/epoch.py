"""Times that are numbers: seconds, milli-, micro- or nanoseconds since 1970."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.ingest.files.numbers import read_numbers
from tocsin.ingest.files.shapes import Shape, shapes
from tocsin.samples import LATEST_NS, SECOND_NS, Unit

__all__ = ["PER_UNIT", "UNIT_NAMES", "EpochColumn", "read_epochs", "units_of"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PER_UNIT: Final[dict[Unit, int]] = {"s": SECOND_NS, "ms": 1_000_000, "us": 1_000, "ns": 1}
UNIT_NAMES: Final[dict[Unit, str]] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
_UNITS: Final[tuple[Unit, ...]] = ("s", "ms", "us", "ns")
#: A number counts this unit when it lies in 1973 to 2286 then; no two of these overlap.
_WINDOWS: Final = ((10**8, 10**10), (10**11, 10**13), (10**14, 10**16), (10**17, LATEST_NS))
_FORM: Final = re.compile(r"(?P<sign>[-+])?(?P<whole>0{1,19})(?:\.(?P<part>0*))?")
_PARTS: Final = 10**9


@dataclass(slots=True)
class EpochColumn:
    """Numbers as ``whole`` + ``part``/1e9, exact; ``good`` where a cell is a number."""

    whole: Ints
    part: Ints
    good: Bools

    @classmethod
    def blank(cls, rows: int) -> EpochColumn:
        """A column without any number yet."""
        whole, part = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
        return cls(whole, part, np.zeros(rows, dtype=bool))

    def ns(self, unit: Unit) -> tuple[Ints, Bools]:
        """Nanoseconds since 1970 (UTC) and whether they lie before 2262; 0 where they do not."""
        per = PER_UNIT[unit]
        near = self.good & (np.abs(self.whole) < LATEST_NS // per)
        whole = np.where(near, self.whole, 0)
        return whole * per + np.where(near, self.part // (_PARTS // per), 0), near


def units_of(numbers: EpochColumn) -> NDArray[np.int8]:
    """The unit that each number's magnitude tells, as an index into s, ms, us, ns; else -1."""
    units = np.full(len(numbers.whole), -1, dtype=np.int8)
    for index, (low, high) in enumerate(_WINDOWS):
        units[numbers.good & (numbers.whole >= low) & (numbers.whole < high)] = index
    return units


def unit_at(index: int) -> Unit:
    """The unit behind an index of `units_of`."""
    return _UNITS[index]


def read_epochs(column: Any) -> EpochColumn:
    """Read numbers exactly, out of a trimmed large_string array or a numeric one.

    Text such as ``1443197361.1`` keeps all nine decimals; binary floats and scientific notation
    are exact to the microsecond of the unit, which is what they hold. Cost: O(bytes).
    """
    rows = len(column)
    if pa.types.is_integer(column.type):
        good = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        whole = column.cast(pa.int64(), safe=False).fill_null(0).to_numpy()
        if pa.types.is_uint64(column.type):
            good &= whole >= 0
        return EpochColumn(whole, np.zeros(rows, dtype=np.int64), good)
    taken = EpochColumn.blank(rows)
    if pa.types.is_large_string(column.type):
        for shape in shapes(column):
            _take_digits(taken, shape)
    rest = np.flatnonzero(~taken.good)
    if len(rest):
        _take_floats(taken, rest, column.take(pa.array(rest)))
    return taken


def _take_digits(taken: EpochColumn, shape: Shape) -> None:
    found = _FORM.fullmatch(shape.text)
    if not found:
        return
    whole, sound = _whole(shape.cells, *found.span("whole"))
    part = np.zeros_like(whole)
    if found["part"]:
        start, stop = found.span("part")
        for place in range(start, start + 9):
            digit = shape.cells[:, place].astype(np.int64) - ord("0") if place < stop else 0
            part = part * 10 + digit
    if found["sign"]:
        negative = shape.cells[:, 0] == ord("-")
        whole, part = _negated(whole, part, negative)
    taken.whole[shape.rows], taken.part[shape.rows] = whole, part
    taken.good[shape.rows] = sound


def _whole(cells: NDArray[np.uint8], start: int, stop: int) -> tuple[Ints, Bools]:
    total = np.zeros(len(cells), dtype=np.int64)
    for place in range(start, min(stop, start + 18)):
        total = total * 10 + (cells[:, place].astype(np.int64) - ord("0"))
    if stop - start < 19:
        return total, np.ones(len(cells), dtype=bool)
    fits = total < LATEST_NS // 10
    last = cells[:, start + 18].astype(np.int64) - ord("0")
    # What does not fit is a number too, only one beyond all times: the largest stands for it.
    return np.where(fits, np.where(fits, total, 0) * 10 + last, LATEST_NS), np.ones_like(fits)


def _negated(whole: Ints, part: Ints, negative: Bools) -> tuple[Ints, Ints]:
    borrow = negative & (part > 0)
    return (
        np.where(negative, -whole - borrow, whole),
        np.where(borrow, _PARTS - part, part),
    )


def _take_floats(taken: EpochColumn, rows: Ints, cells: Any) -> None:
    numbers = read_numbers(cells)
    values = np.where(numbers.good, numbers.values, 0.0)
    near = np.abs(values) < LATEST_NS
    whole = np.floor(np.where(near, values, 0.0))
    micros = np.rint((np.where(near, values, 0.0) - whole) * 1e6).astype(np.int64)
    taken.whole[rows] = np.where(near, whole.astype(np.int64) + micros // 1_000_000, LATEST_NS)
    taken.part[rows] = micros % 1_000_000 * 1_000
    taken.good[rows] = numbers.good
