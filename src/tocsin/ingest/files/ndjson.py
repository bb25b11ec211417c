"""JSON text as a table: an object a line, or one list of objects; ``labels`` may be an object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tocsin.errors import FileFormatError
from tocsin.ingest.files.refusals import Refusals
from tocsin.ingest.files.table import Table

__all__ = ["ENDINGS", "read_json"]

ENDINGS: Final = (".ndjson", ".jsonl", ".json")

_LABELS: Final = "labels"
#: Columns that one file may have: names of keys are anything.
_MOST: Final = 1_000


def read_json(data: bytes, refusals: Refusals) -> Table:
    """Read JSON text (as `load_text` gives it) into columns of text, numbers as they are written.

    A line that is no object is refused; a list in one, or an object that is not ``labels``, is
    left out with a notice. Errors: `FileFormatError`. Cost: some µs a cell.
    """
    columns: dict[str, dict[int, str]] = {}
    labels: dict[str, None] = {}
    left_out: dict[str, None] = {}
    lines: list[int] = []
    refused = 0
    for line, told in _objects(data, refusals):
        if not isinstance(told, dict):
            refused += 1
            if told is not None:
                refusals.add("not an object", line, "", str(told), "the line is no JSON object")
            continue
        cells = _cells(told, labels, left_out)
        for name, text in cells:
            columns.setdefault(name, {})[len(lines)] = text
        if len(columns) > _MOST:
            raise FileFormatError(f"line {line}: more than {_MOST:,} different keys")
        lines.append(line)
    if not lines:
        first = refusals.first()
        why = f"; line {first[0].line}: {first[0].reason}" if first else ""
        raise FileFormatError(f"there is no JSON object in it{why}")
    table = {name: _column(cells, len(lines)) for name, cells in columns.items()}
    notices = [f"key {name!r} is left out: it holds lists or objects" for name in left_out]
    return Table(
        table,
        np.array(lines, dtype=np.int64),
        len(lines) + refused,
        "JSON, an object a sample",
        notices,
        labels=[name for name in labels if name in table],
    )


def _objects(data: bytes, refusals: Refusals) -> Iterator[tuple[int, Any]]:
    """What each line holds; None: it was refused. A list's items have its line as theirs."""
    if data.lstrip().startswith(b"["):
        yield from enumerate(_list(data), 1)
        return
    for line, text in enumerate(data.split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            yield line, _parse(text)
        except (ValueError, RecursionError) as error:
            refusals.add("not JSON", line, "", text.decode(), f"the line is not JSON: {error}")
            yield line, None


def _list(data: bytes) -> list[Any]:
    try:
        told = _parse(data)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"not JSON: {error}") from error
    return told if isinstance(told, list) else [told]


def _parse(text: bytes) -> Any:
    # As they are written: what is a number is decided where all cells are looked at.
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


def _cells(
    told: dict[str, Any], labels: dict[str, None], left_out: dict[str, None]
) -> Iterator[tuple[str, str]]:
    for key, it in told.items():
        if key == _LABELS and isinstance(it, dict):
            for label, text in it.items():
                name = label if label not in told else f"{_LABELS}.{label}"
                if isinstance(text, str | bool):
                    labels[name] = None
                    yield name, _text(text)
                else:
                    left_out[name] = None
        elif isinstance(it, str | bool):
            yield key, _text(it)
        elif it is not None:
            left_out[key] = None


def _text(it: str | bool) -> str:
    text = it if isinstance(it, str) else str(it).lower()
    return text.encode("utf-8", "replace").decode()


def _column(cells: dict[int, str], rows: int) -> Any:
    return pa.array([cells.get(row, "") for row in range(rows)], pa.large_string())
