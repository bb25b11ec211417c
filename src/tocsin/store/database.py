"""Opening the database: who may, which kinds, and which schema."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from tocsin.errors import ConfigurationError, StartError, StoreError
from tocsin.store import schema

__all__ = ["database_file", "lock", "open_database", "told_as_store_error"]


def database_file(url: str) -> Path:
    """The file of a ``sqlite:///`` URL.

    Errors: `ConfigurationError` for a database that this version cannot vouch for.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(f"database: {_mask(url)!r} is not a database URL") from error
    if parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"database: {_hidden(parsed)}: this version stores to SQLite only; "
            "give sqlite:///path/to/tocsin.db"
        )
    if parsed.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "database: SQLite in memory would lose everything at the end; "
            "give sqlite:///path/to/tocsin.db"
        )
    return Path(str(parsed.database))


def _hidden(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _mask(url: str) -> str:
    return url if "@" not in url else "…@" + url.rpartition("@")[2]


@contextmanager
def lock(file: Path) -> Iterator[None]:
    """Hold the database for this process; a folder that is missing is made.

    Errors: `StartError` when another process holds it or the folder cannot be written.
    """
    beside = file.with_name(file.name + ".lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = beside.open("a+")
    except OSError as error:
        raise StartError(
            f"cannot write to {file.parent}: {error.strerror}; choose another folder with --data"
        ) from error
    with handle:
        if not _locked(handle):
            handle.seek(0)
            who = handle.read().strip() or "unknown"
            raise StartError(
                f"{file} is in use by another tocsin (process {who}); "
                "stop it, or choose another folder with --data"
            )
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


if sys.platform == "win32":
    import msvcrt

    def _locked(handle: IO[str]) -> bool:
        handle.seek(2**20)  # beyond the text, which stays readable to others
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(handle: IO[str]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def open_database(url: str, *, busy_s: float = 5.0) -> Engine:
    """An engine on a database with the present schema, made when it is empty.

    Errors: `ConfigurationError`, or `StartError` when it cannot be written, is damaged, or was
    made by a newer version.
    """
    file = database_file(url)
    engine = create_engine(url, connect_args={"timeout": busy_s})
    event.listen(engine, "connect", _pragmas)
    try:
        with engine.begin() as connection:
            _bring_up_to_date(connection, file)
    except DBAPIError as error:
        engine.dispose()
        raise StartError(f"cannot use the database {file}: {error.orig}") from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def _pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL syncs the log at every commit: what was acknowledged outlives a power cut. It is paid
    # once per group of batches, not once per sample.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _bring_up_to_date(connection: Connection, file: Path) -> None:
    """Make or check the schema. The one place where migrations belong."""
    if not inspect(connection).has_table(schema.version.name):
        schema.metadata.create_all(connection)
        connection.execute(schema.version.insert().values(version=schema.VERSION))
        return
    found = connection.execute(select(schema.version.c.version)).scalar_one()
    if found > schema.VERSION:
        raise StartError(
            f"{file} was made by a newer version of tocsin (schema {found}, this one knows "
            f"{schema.VERSION}): upgrade tocsin, or choose another folder with --data"
        )


@contextmanager
def told_as_store_error() -> Iterator[None]:
    """Turn the database's refusals into `StoreError`."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"the database refused: {error.orig}") from error
