"""CSV text as a table of text columns, with the line of every row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tocsin.errors import FileFormatError
from tocsin.ingest.files.dialect import Dialect, sniff
from tocsin.ingest.files.lines import row_lines
from tocsin.ingest.files.options import ReadOptions
from tocsin.ingest.files.refusals import Refusals
from tocsin.ingest.files.table import Table, column_names

__all__ = ["read_csv"]

_BLOCK: Final = 1 << 28
_WRONG_WIDTH: Final = "wrong number of cells"
_OPEN_QUOTE: Final = "quote that does not close"
_MOST_OPEN_QUOTES: Final = 10_000


@dataclass(slots=True)
class _Rows:
    """Rows of the right width as columns, their lines, and the others."""

    columns: list[Any]
    lines: NDArray[np.int64]
    #: (kind of refusal, line, text, reason); blank rows are not among them
    refused: list[tuple[str, int, str, str]] = field(default_factory=list)


def read_csv(data: bytes, options: ReadOptions, refusals: Refusals) -> Table:
    """Read CSV text (as `load_text` gives it) into columns of text.

    A row with too many or too few cells is refused with its line, and so is a line with a quote
    that does not close; the rest goes on.
    Errors: `FileFormatError` when there is no row of data. Cost: O(bytes); quotes that do not
    pair make it some 20 times slower.
    """
    dialect = sniff(data, options)
    rows = _read_fast(data, dialect) or _read_slowly(data, dialect)
    for kind, line, text, reason in rows.refused:
        refusals.add(kind, line, "", text, reason)
    header = dialect.header is not None
    cells = dialect.header or [f"column_{i}" for i in range(1, dialect.width + 1)]
    names, notices = column_names(cells)
    lines = rows.lines[1:] if header else rows.lines
    columns = [column.slice(1) if header else column for column in rows.columns]
    _need_rows(lines, rows, dialect)
    table = dict(zip(names, columns, strict=True))
    return Table(table, lines, len(lines) + len(rows.refused), str(dialect), notices)


def _need_rows(lines: NDArray[np.int64], rows: _Rows, dialect: Dialect) -> None:
    if len(lines):
        return
    if rows.refused:
        _, line, _, reason = rows.refused[0]
        raise FileFormatError(f"no row of data can be read; line {line}: {reason}")
    raise FileFormatError(
        f"there is a header ({', '.join(map(repr, dialect.header or []))}) and no row of data"
    )


def _reason(found: int, dialect: Dialect) -> str:
    where = "the header has" if dialect.header else "the other rows have"
    return f"{found} cell{'s' * (found != 1)} where {where} {dialect.width}"


# The usual way: pyarrow's parser, and lines told by counting quotes


def _read_fast(data: bytes, dialect: Dialect) -> _Rows | None:
    """None when pyarrow and the count of lines disagree, or a wrong row has several lines."""
    lines = row_lines(data, dialect.delimiter)
    if lines is None:
        return None
    odd: list[tuple[int, int, str]] = []
    try:
        table = _parse(data, dialect, odd)
    except pa.ArrowInvalid:
        return None
    if table.num_rows + len(odd) != len(lines) or any("\n" in text for _, _, text in odd):
        return None
    refused = [
        (_WRONG_WIDTH, int(lines[number - 1]), text, _reason(found, dialect))
        for number, found, text in odd
        if text.strip()
    ]
    kept = np.delete(lines, [number - 1 for number, _, _ in odd])
    return _Rows([_whole(column) for column in table.columns], kept, refused)


def _parse(data: bytes, dialect: Dialect, odd: list[tuple[int, int, str]]) -> Any:
    def note(row: Any) -> str:
        odd.append((row.number, row.actual_columns, row.text))
        return "skip"

    names = [str(position) for position in range(dialect.width)]
    return pa_csv.read_csv(
        pa.BufferReader(data),
        # Threads would take the row numbers away.
        read_options=pa_csv.ReadOptions(
            use_threads=False, column_names=names, block_size=min(len(data) + 1, _BLOCK)
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=note
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()),
            strings_can_be_null=False,
            check_utf8=False,
        ),
    )


def _whole(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


# The careful way: row by row

_END: Final = "\0end"


def _read_slowly(data: bytes, dialect: Dialect) -> _Rows:
    texts = data.decode().split("\n")
    rows: list[list[str]] = []
    lines: list[int] = []
    read = _Rows([], np.empty(0, dtype=np.int64))
    for line, row in _walk(texts, dialect, read):
        if len(row) == dialect.width:
            rows.append(row)
            lines.append(line)
        elif any(cell.strip() for cell in row):
            text = texts[line - 1]
            read.refused.append((_WRONG_WIDTH, line, text, _reason(len(row), dialect)))
    read.columns = [
        pa.array([row[place] for row in rows], pa.large_string()) for place in range(dialect.width)
    ]
    read.lines = np.array(lines, dtype=np.int64)
    return read


def _walk(texts: list[str], dialect: Dialect, read: _Rows) -> Iterator[tuple[int, list[str]]]:
    """Rows with their lines; a line whose quote swallows other rows is refused and left out."""
    start = 0
    while start < len(texts):
        first = start
        for first, after, row in _parse_from(texts, start, dialect.delimiter):
            if row is None or (after - first > 1 and not _sound(texts[first:after], dialect)):
                break
            if row:
                yield first + 1, row
        else:
            return
        reason = "a quote is opened on this line and not closed"
        read.refused.append((_OPEN_QUOTE, first + 1, texts[first], reason))
        if len(read.refused) > _MOST_OPEN_QUOTES:
            raise FileFormatError(f"line {first + 1}: the quotes of this file do not pair")
        start = first + 1


def _sound(texts: list[str], dialect: Dialect) -> bool:
    """Whether these lines are one row of the right width, each quote around a whole cell."""
    lines = (text + "\n" for text in texts)
    try:
        rows = list(csv.reader(lines, delimiter=dialect.delimiter, strict=True))
    except csv.Error:
        return False
    return [len(row) for row in rows] == [dialect.width]


def _parse_from(
    texts: list[str], start: int, delimiter: str
) -> Iterator[tuple[int, int, list[str] | None]]:
    """(first line, line after, row) from a line on, all from 0; row None: a quote stays open."""
    ended = chain((text + "\n" for text in islice(texts, start, None)), [_END])
    reader = csv.reader(ended, delimiter=delimiter)
    first = start
    try:
        for row in reader:
            if row == [_END]:
                return
            if row and row[-1].endswith(_END):
                yield first, first + 1, None
                return
            yield first, start + reader.line_num, row
            first = start + reader.line_num
    except csv.Error:  # a cell too long to be one
        yield first, first + 1, None
