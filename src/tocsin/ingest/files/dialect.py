"""How a CSV text is written: what separates its cells, and whether its first row is a header."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from tocsin.errors import FileFormatError
from tocsin.ingest.files.numbers import read_numbers
from tocsin.ingest.files.options import ReadOptions
from tocsin.ingest.files.times import time_share

__all__ = ["Dialect", "sniff"]

_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE_BYTES: Final = 65_536
_SAMPLE_ROWS: Final = 200

Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """Separator, the header's cells (None: no header), and the number of cells in a row."""

    delimiter: str
    header: list[str] | None
    width: int

    def __str__(self) -> str:
        name = _DELIMITERS.get(self.delimiter, repr(self.delimiter))
        return f"{name}-separated {'with' if self.header else 'without'} a header"


def sniff(data: bytes, options: ReadOptions) -> Dialect:
    """Find out how a text is written, from its first 200 rows.

    Errors: `FileFormatError` for a separator that is not one character.
    """
    delimiter = options.delimiter or _tell_delimiter(data, options)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\n\r':
        raise FileFormatError(f"delimiter {delimiter!r}: give one character, such as ',' or ';'")
    rows = _sample(data, delimiter)
    if _has_header(rows, options):
        return Dialect(delimiter, rows[0], len(rows[0]))
    return Dialect(delimiter, None, _usual_width(rows))


def _sample(data: bytes, delimiter: str) -> Rows:
    text = data[:_SAMPLE_BYTES]
    if len(data) > _SAMPLE_BYTES and b"\n" in text:
        text = text[: text.rindex(b"\n")]
    rows: Rows = []
    try:
        for row in csv.reader(io.StringIO(text.decode(errors="replace")), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:  # a cell without end; what was read so far will do
        pass
    return rows or [[""]]


def _usual_width(rows: Rows) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0]


def _tell_delimiter(data: bytes, options: ReadOptions) -> str:
    """The separator that gives a column of times, else the one that gives the steadiest rows."""

    def merit(delimiter: str) -> tuple[bool, float, int]:
        rows = _sample(data, delimiter)
        width = _usual_width(rows)
        steady = sum(len(row) == width for row in rows) / len(rows)
        timed = width > 1 and bool(_timed_columns(rows, width, options))
        return timed, steady if width > 1 else 0.0, width

    return max(_DELIMITERS, key=merit)


def _column(rows: Rows, index: int) -> list[str]:
    return [row[index] for row in rows if index < len(row)]


def _timed_columns(rows: Rows, width: int, options: ReadOptions) -> list[int]:
    return [
        index
        for index in range(min(width, _SAMPLE_ROWS))
        if _time_share(_column(rows, index), options) >= 0.5
    ]


def _time_share(cells: list[str], options: ReadOptions) -> float:
    return time_share(pa.array(cells, pa.large_string()), options.time_format)


def _number_share(cells: list[str]) -> float:
    return read_numbers(pa.array(cells, pa.large_string())).share()


def _has_header(rows: Rows, options: ReadOptions) -> bool:
    """A first row is a header when options name its cells, or it lacks the time of the others."""
    first, rest = rows[0], rows[1:]
    if options.header is not None:
        return options.header
    if {cell.strip() for cell in first} & set(options.named):
        return True
    timed = _timed_columns(rest or rows, len(first), options)
    if timed:
        return not any(_time_share([first[index]], options) for index in timed)
    return not any(_number_share([cell]) for cell in first)
