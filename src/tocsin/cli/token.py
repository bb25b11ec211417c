"""``tocsin token …``: who may use the service; works while it runs, and while it does not."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from tocsin.errors import BadInputError, StartError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tocsin.config import Config

__all__ = ["app"]

app = App(name="token", help="Make, list and revoke tokens for the service, running or not.")

ConfigFile = Annotated[Path | None, Parameter(help="Configuration file (TOML).")]
Data = Annotated[Path | None, Parameter(help="Folder of the database. Default: ./tocsin-data")]
Database = Annotated[
    str | None,
    Parameter(help="sqlite:///path/to/file.db or postgresql+psycopg://user@host/database"),
]
Which = Annotated[
    Literal["ingest", "read", "admin"],
    Parameter(help="ingest: may only send samples; read: may only look; admin: everything."),
]
Days = Annotated[
    float | None, Parameter(help="How long it is good for. Default: until it is revoked.")
]


@app.command
def create(
    name: Annotated[str, Parameter(help="What it is for: prometheus, grafana, anna, …")],
    /,
    *,
    scope: Which,
    days: Days = None,
    config: ConfigFile = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Make a token and print it, this once."""
    if days is not None and not 0 < days <= 36_500:
        raise BadInputError("--days: must be more than 0, and at most 36,500")
    from tocsin.store.audits import Audits
    from tocsin.store.tokens import Tokens

    settings = _settings(config, data, database)
    with _opened(settings.url) as engine:
        tokens = Tokens(engine)
        _, secret = tokens.create(name, scope, _who(), days)
        Audits(engine).add(_who(), "token.create", name, {"scope": scope})
        lonely = settings.token is None and not any(t.scope == "admin" for t in tokens.all())
    print(secret)
    _say("Keep it now: it is not told again. Clients show it as: Authorization: Bearer …")
    if lonely:
        _say("From the first token on everybody needs one: make one with --scope admin too.")


@app.command(name="list")
def list_(*, config: ConfigFile = None, data: Data = None, database: Database = None) -> None:
    """List tokens: their names and what they are for, not their secrets."""
    from tocsin.samples import iso
    from tocsin.store.tokens import Tokens

    with _opened(_settings(config, data, database).url) as engine:
        found = Tokens(engine).all()
    table = Table()
    for title in ("id", "name", "scope", "created", "by", "expires", "last used"):
        table.add_column(title)
    for token in found:
        times = ["" if at is None else iso(at)[:19] for at in (token.expires, token.used)]
        shown = str(token.id), token.name, token.scope, iso(token.created)[:19], token.creator
        table.add_row(*(_plain(text) for text in (*shown, *times)))
    Console().print(table)


@app.command
def revoke(
    which: Annotated[str, Parameter(help="Its name or id.")],
    /,
    *,
    config: ConfigFile = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Let nobody in with a token any longer; a running service knows within a second."""
    from tocsin.store.audits import Audits
    from tocsin.store.tokens import Tokens

    with _opened(_settings(config, data, database).url) as engine:
        tokens = Tokens(engine)
        known = tokens.all()
        # A name may look like another token's id.
        found = [t for t in known if t.name == which] or [t for t in known if str(t.id) == which]
        if not found:
            raise BadInputError(f"there is no token {which!r}: see tocsin token list")
        tokens.revoke(found[0].id)
        Audits(engine).add(_who(), "token.revoke", found[0].name, {"scope": found[0].scope})
    _say(f"{found[0].name} is revoked")
    if len(known) == 1:
        _say("It was the last one: unless the configuration has one, this machine needs none now.")


def _settings(config: Path | None, data: Path | None, database: str | None) -> Config:
    from tocsin.config import load

    flags = {"data": None if data is None else str(data), "database": database}
    return load(config, os.environ, flags)


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    """The database; made or brought up to date first, unless the service has it in use."""
    from tocsin.store.database import lock, open_database

    with ExitStack() as stack:
        try:
            stack.enter_context(lock(url))
        except StartError:  # in use; and where it is not, opening it says what is wrong
            engine = open_database(url, upgrade=False)
        else:
            engine = open_database(url)
        stack.callback(engine.dispose)
        yield engine


def _who() -> str:
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError, ImportError):  # this user has no name
        return "command line"


def _plain(text: str) -> str:
    """Nothing in a name is an instruction to the table."""
    return text.replace("[", r"\[")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
