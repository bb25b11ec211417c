"""How every benchmark prints its table and writes its figures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tocsin.errors import OutputError

__all__ = ["print_table", "saying", "write_json"]

#: A table that goes to a file or a pipe is as wide as it needs to be.
_PIPED_WIDTH: Final = 140


#: Where progress is no live line: seconds between two lines of it.
_BETWEEN_LINES: Final = 10.0


@contextmanager
def saying(first: str, errors: Console | None = None) -> Iterator[Callable[[str], None]]:
    """What is going on, on standard error: a live line on a terminal, else a line now and then."""
    console = errors or Console(stderr=True)
    if console.is_terminal:
        with console.status(first) as status:
            yield status.update
        return
    told = -_BETWEEN_LINES

    def say(text: str) -> None:
        nonlocal told
        if time.monotonic() - told >= _BETWEEN_LINES:
            told = time.monotonic()
            console.print(text, highlight=False)

    yield say


def print_table(table: Table, piped_width: int = _PIPED_WIDTH) -> None:
    """Print to standard output; a terminal's own width holds there."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=piped_width)
    console.print(table)


def write_json(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write figures to a file. Errors: `OutputError`."""
    try:
        path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
