"""A Parquet file as a table; its rows count as lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tocsin.errors import FileFormatError
from tocsin.ingest.files.table import Table, column_names

__all__ = ["read_parquet"]


def read_parquet(path: Path) -> Table:
    """Read a Parquet file; numbers, times and dates keep their type, all else becomes text.

    Columns that hold lists, structures or bytes are left out with a notice.
    Errors: `FileFormatError` when the file is not Parquet, damaged, empty or cannot be read.
    """
    table = _load(path)
    if not table.num_rows:
        raise FileFormatError("there is no row of data")
    names, notices = column_names(table.column_names)
    columns: dict[str, Any] = {}
    for name, column in zip(names, table.columns, strict=True):
        plain = _plain(column)
        if plain is None:
            notices.append(f"column {name!r} is left out: it holds {column.type}")
        else:
            columns[name] = plain
    lines = np.arange(1, table.num_rows + 1, dtype=np.int64)
    return Table(columns, lines, table.num_rows, "Parquet", notices)


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as source:
            if not source.read(1):
                raise FileFormatError("the file is empty")
            source.seek(0)
            return pq.read_table(source)
    except pa.ArrowException as error:
        raise FileFormatError(f"not a Parquet file, or damaged: {error}") from error
    except OSError as error:
        why = error.strerror or f"not a Parquet file, or damaged: {error}"
        raise FileFormatError(f"cannot be read: {why}") from error


def _plain(column: Any) -> Any:
    """The column as one array of a type that the rest of the reader knows; else None."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    whole = pa.concat_arrays(column.chunks)
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return whole
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return whole.cast(pa.float64(), safe=False)
    if pa.types.is_boolean(kind) or pa.types.is_time(kind) or _is_text(kind):
        return pc.fill_null(whole.cast(pa.large_string()), "")
    return None


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind)) or bool(
        hasattr(pa.types, "is_string_view") and pa.types.is_string_view(kind)
    )
