"""``tocsin db …``: looking after the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from tocsin.errors import StartError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tocsin.store.checks import Checked

__all__ = ["app"]

app = App(name="db", help="Look after the database: bring it up to date, check it, measure it.")

#: Exit code when something is wrong with the database.
WRONG: Final = 1

ConfigFile = Annotated[Path | None, Parameter(help="Configuration file (TOML).")]
Data = Annotated[Path | None, Parameter(help="Folder of the database. Default: ./tocsin-data")]
Database = Annotated[
    str | None,
    Parameter(help="sqlite:///path/to/file.db or postgresql+psycopg://user@host/database"),
]


@app.command
def upgrade(*, config: ConfigFile = None, data: Data = None, database: Database = None) -> None:
    """Bring the database to this version's schema; all data is kept.

    ``tocsin up`` does the same when it starts. On SQLite the tables may be copied: there must be
    as much room on the disk as the database takes. Nothing else may be using it.
    """
    from tocsin.store.database import lock, open_database, place
    from tocsin.store.revisions import HEAD

    url = _url(config, data, database)
    _must_exist(url)
    with lock(url):
        open_database(url).dispose()
    Console().print(f"{place(url)} has schema {HEAD}", soft_wrap=True, highlight=False)


@app.command
def check(*, config: ConfigFile = None, data: Data = None, database: Database = None) -> int:
    """Check that the database is whole and that what is in it fits together.

    Reads everything; the service may go on running meanwhile. Exit code 1 when something is
    wrong.
    """
    from tocsin.store.checks import check_database

    console = Console()
    wrong = 0
    with _opened(_url(config, data, database)) as engine:
        for checked in check_database(engine):
            wrong += checked.wrong
            console.print(_line(checked), highlight=False, soft_wrap=True, markup=False)
    return WRONG if wrong else 0


@app.command
def stats(*, config: ConfigFile = None, data: Data = None, database: Database = None) -> None:
    """Say how many rows every table has, and how much room it takes."""
    from tocsin.store.sizes import table_sizes

    table = Table()
    table.add_column("table")
    table.add_column("rows", justify="right")
    table.add_column("MiB", justify="right")
    with _opened(_url(config, data, database)) as engine:
        for size in table_sizes(engine):
            mib = "" if size.bytes is None else f"{size.bytes / 2**20:,.1f}"
            table.add_row(size.table, f"{size.rows:,}", mib)
    Console().print(table)


def _line(checked: Checked) -> str:
    if checked.skipped:
        return f"not checked: {checked.what}: {checked.skipped}"
    if not checked.wrong:
        return f"ok: {checked.what}"
    more = ", …" if checked.wrong > len(checked.places) else ""
    return f"WRONG ({checked.wrong:,}): {checked.what}: {'; '.join(checked.places)}{more}"


def _url(config: Path | None, data: Path | None, database: str | None) -> str:
    from tocsin.config import load

    flags = {"data": None if data is None else str(data), "database": database}
    return load(config, os.environ, flags).url


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    """The database as it is: not made, and not changed."""
    from tocsin.store.database import open_database

    _must_exist(url)
    engine = open_database(url, upgrade=False)
    try:
        yield engine
    finally:
        engine.dispose()


def _must_exist(url: str) -> None:
    from tocsin.store.database import database_file

    file = database_file(url)
    if file is not None and not file.exists():
        raise StartError(f"there is no database at {file}: say where it is with --data")
