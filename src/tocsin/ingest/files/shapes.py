"""Cells grouped by shape: where digits, letters and signs stand.

Nearly all times of a column share very few shapes, and cells of one shape are a matrix of bytes,
on which NumPy does what a parser would do cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shape", "shape_of", "shapes"]

_BLOCK: Final = 65_536
_WIDEST: Final = 64
_ROUNDS: Final = 16


def _classes() -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    for byte in range(256):
        if chr(byte).isascii() and chr(byte).isalnum():
            table[byte] = ord("0") if chr(byte).isdigit() else ord("A")
    table[128:] = ord("?")
    table[[9, 0]] = ord(" ")
    return table


_CLASS: Final = _classes()


@dataclass(frozen=True, slots=True)
class Shape:
    """Cells that look alike: ``text`` with every digit a 0 and every letter an A.

    ``rows`` are their positions in the column, ``cells`` their bytes (rows × length).
    """

    text: str
    rows: NDArray[np.int64]
    cells: NDArray[np.uint8]


def shape_of(text: bytes) -> str:
    """The shape of one text, one character a byte.

    >>> shape_of(b"12 May, 9:30")
    '00 AAA, 0:00'
    """
    return _CLASS[np.frombuffer(text, dtype=np.uint8)].tobytes().decode()


def shapes(column: Any) -> Iterator[Shape]:
    """Group the cells of a large_string array without nulls by shape.

    Empty cells and cells of more than 64 bytes are left out. A shape may come more than once
    (the column is worked on in blocks, so that memory stays bounded). Cost: O(bytes) per shape.
    """
    buffers = column.buffers()
    if not len(column) or buffers[2] is None:
        return
    offsets = np.frombuffer(buffers[1], dtype=np.int64)[column.offset :][: len(column) + 1]
    data = np.frombuffer(buffers[2], dtype=np.uint8)
    for start in range(0, len(column), _BLOCK):
        yield from _block(start, offsets[start : start + _BLOCK + 1], data)


def _block(start: int, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> Iterator[Shape]:
    lengths = np.diff(offsets)
    for length in np.unique(lengths).tolist():
        if 0 < length <= _WIDEST:
            rows = np.flatnonzero(lengths == length)
            cells = data[offsets[rows][:, None] + np.arange(length)]
            yield from _same_length(rows + start, cells)


def _same_length(rows: NDArray[np.int64], cells: NDArray[np.uint8]) -> Iterator[Shape]:
    classes = _CLASS[cells]
    for _ in range(_ROUNDS):
        alike = (classes == classes[0]).all(axis=1)
        yield Shape(classes[0].tobytes().decode(), rows[alike], cells[alike])
        if alike.all():
            return
        rows, cells, classes = rows[~alike], cells[~alike], classes[~alike]
    # Many shapes: sorting them once is cheaper than a round for each.
    texts, place = np.unique(
        np.ascontiguousarray(classes).view(f"S{classes.shape[1]}").ravel(), return_inverse=True
    )
    order = np.argsort(place, kind="stable")
    for text, chosen in zip(texts, np.split(order, np.bincount(place).cumsum()[:-1]), strict=True):
        yield Shape(text.decode(), rows[chosen], cells[chosen])
