"""Opening the database: which kinds, which schema, and who may write."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tocsin.errors import ConfigurationError, StartError, StoreError
from tocsin.store import schema, sqlite
from tocsin.store.revisions import HEAD, REVISIONS, revision, stamp
from tocsin.store.views import make_views

__all__ = [
    "claim",
    "database_file",
    "lock",
    "open_database",
    "place",
    "take_over",
    "told_as_store_error",
]

_KINDS: Final = "give sqlite:///path/to/tocsin.db or postgresql+psycopg://user@host/database"


def _parsed(url: str) -> URL:
    """The URL of a database of a kind that is known. Errors: `ConfigurationError`."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(f"database: {_mask(url)!r} is not a database URL") from error
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(f"database: {_hidden(parsed)}: not a known kind; {_KINDS}")
    sqlite.file_of(parsed)
    return parsed


def database_file(url: str) -> Path | None:
    """The file of a ``sqlite:///`` URL; None for a server. Errors: `ConfigurationError`."""
    parsed = _parsed(url)
    return sqlite.file_of(parsed) if parsed.get_backend_name() == "sqlite" else None


def place(url: str) -> str:
    """Where the database is, as may be shown to people: no password. Errors as above."""
    return str(database_file(url) or _hidden(_parsed(url)))


def _hidden(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _mask(url: str) -> str:
    return url if "@" not in url else "…@" + url.rpartition("@")[2]


def lock(url: str) -> AbstractContextManager[object]:
    """Hold the database for this process while the context lasts.

    Errors: `StartError` when another process holds it, or it cannot be reached.
    """
    file = database_file(url)
    if file is not None:
        return sqlite.lock_file(file)
    from tocsin.store.postgresql import lock_server

    return lock_server(_parsed(url))


@contextmanager
def claim(url: str, *, busy_s: float = 5.0) -> Iterator[Engine]:
    """The database, locked, with the present schema, owned by this start; closed at the end.

    Errors: as `lock` and `open_database`.
    """
    with lock(url):
        engine = open_database(url, busy_s=busy_s)
        try:
            with _told_as_start_error(place(url)):
                take_over(engine)
            yield engine
        finally:
            engine.dispose()


def open_database(url: str, *, busy_s: float = 5.0, upgrade: bool = True) -> Engine:
    """An engine on a database with the present schema, made when it is empty.

    An older schema is brought up to date first (the data is kept), or with ``upgrade`` false
    refused. Errors: `ConfigurationError`, or `StartError` when it cannot be used, is damaged, or
    was made by a newer version.
    """
    parsed, where = _parsed(url), place(url)
    engine = _engine(parsed, busy_s)
    try:
        with _told_as_start_error(where):
            _bring_up_to_date(engine, where, upgrade)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _engine(url: URL, busy_s: float) -> Engine:
    if url.get_backend_name() == "sqlite":
        return sqlite.connect(url, busy_s)
    from tocsin.store import postgresql

    return postgresql.connect(url, busy_s)


def _bring_up_to_date(engine: Engine, where: str, upgrade: bool) -> None:
    with engine.begin() as connection:
        found = revision(connection)
        if found is None and upgrade:
            _create(connection)
            return
    if found is None:
        raise StartError(f"{where} is empty: tocsin has never stored to it")
    if found == HEAD:
        return
    if found not in REVISIONS:
        raise StartError(
            f"{where} was made by a newer version of tocsin (schema {found}, this one knows "
            f"{HEAD}): upgrade tocsin, or choose another database"
        )
    if not upgrade:
        raise StartError(
            f"{where} has an older schema ({found}, this tocsin has {HEAD}): "
            "bring it up to date with `tocsin db upgrade`"
        )
    from tocsin.store.migrations.run import migrate

    migrate(engine)


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        from tocsin.store import postgresql

        postgresql.create_tables(connection)
    else:
        schema.metadata.create_all(connection)
    make_views(connection)
    stamp(connection)


def take_over(engine: Engine) -> int:
    """Make this the newest start; whoever wrote before is refused from now on.

    Returns its number. Errors: `StoreError`.
    """
    c = schema.owner.c
    who = f"process {os.getpid()} on {socket.gethostname()}"
    with told_as_store_error(), engine.begin() as connection:
        last = connection.execute(select(c.epoch).with_for_update()).scalar()
        told = {"epoch": (last or 0) + 1, "who": who, "since": time.time_ns()}
        if last is None:
            connection.execute(schema.owner.insert().values(id=1, **told))
        else:
            connection.execute(schema.owner.update().values(told))
        return int(told["epoch"])


@contextmanager
def _told_as_start_error(where: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StartError(f"cannot use the database {where}: {error.orig}") from error
    except StoreError as error:
        raise StartError(f"cannot use the database {where}: {error}") from error


@contextmanager
def told_as_store_error() -> Iterator[None]:
    """Turn the database's refusals into `StoreError`."""
    try:
        yield
    except DBAPIError as error:
        lasting = isinstance(error, DataError | IntegrityError | ProgrammingError)
        raise StoreError(f"the database refused: {error.orig}", lasting=lasting) from error
    except (PoolTimeoutError, DisconnectionError) as error:
        raise StoreError(f"the database cannot be reached: {error}") from error
