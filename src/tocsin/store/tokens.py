"""Tokens: who may use the service, and for what. Secrets are told once and kept nowhere."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, get_args

from sqlalchemy import Engine, delete, func, select, update

from tocsin.errors import ActionRefusedError, BadInputError
from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["RESERVED", "SCOPES", "Scope", "Token", "Tokens", "digest"]

Scope = Literal["ingest", "read", "admin"]
#: "ingest" may only send samples, "read" may only look, "admin" may do everything.
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
#: Names that stand for others than tokens of the database.
RESERVED: Final = ("configuration", "local")
#: How many tokens there may be.
_MOST: Final = 1_000
_LONGEST: Final = 100
#: What every secret begins with, so that people and scanners know one when they see it.
_PREFIX: Final = "tocsin_"
_BYTES: Final = 32


class Token(NamedTuple):
    """A token as it is stored; times in ns, None: never."""

    id: int
    name: str
    scope: Scope
    hash: str
    created: int
    creator: str
    expires: int | None
    used: int | None

    def live(self, now: int) -> bool:
        """Whether it still lets anybody in."""
        return self.expires is None or now < self.expires


def digest(secret: str) -> str:
    """What is kept of a secret. A slow hash would add nothing: there is no guessing 256 bits."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


class Tokens:
    """The stored tokens; any thread or process may use it. Every method: errors `StoreError`."""

    def __init__(self, database: Engine, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock

    def all(self, after: int = 0, limit: int = _MOST) -> list[Token]:
        """Tokens in the order in which they were made, with ids above ``after``."""
        query = select(schema.token).where(_C.id > after).order_by(_C.id).limit(limit)
        with told_as_store_error(), self._database.connect() as connection:
            return [Token(*row) for row in connection.execute(query)]

    def create(
        self, name: str, scope: Scope, creator: str, days: float | None = None
    ) -> tuple[Token, str]:
        """A new token and its secret; ``days``: how long it is good for (None: for ever).

        Errors: `BadInputError` for a name that cannot be one; `ActionRefusedError` when the name
        is taken, or there are a thousand tokens already.
        """
        _check_name(name)
        now, secret = self._clock(), _PREFIX + secrets.token_urlsafe(_BYTES)
        row = {
            "name": name,
            "scope": scope,
            "hash": digest(secret),
            "created": now,
            "creator": creator,
            "expires": None if days is None else now + round(days * _DAY_NS),
        }
        with told_as_store_error(), self._database.begin() as connection:
            if connection.execute(select(_C.id).where(_C.name == name)).first():
                raise ActionRefusedError(f"there is a token {name!r} already: revoke it first")
            if connection.execute(select(func.count()).select_from(schema.token)).scalar() == _MOST:
                raise ActionRefusedError(f"there are {_MOST:,} tokens: revoke some first")
            made = connection.execute(schema.token.insert().values(row)).inserted_primary_key
            assert made is not None
        return Token(id=int(made[0]), used=None, **row), secret  # type: ignore[arg-type]

    def revoke(self, number: int) -> Token | None:
        """Let nobody in with it any longer; None: there is no such token."""
        query = select(schema.token).where(_C.id == number)
        with told_as_store_error(), self._database.begin() as connection:
            found = connection.execute(query).first()
            connection.execute(delete(schema.token).where(_C.id == number))
        return None if found is None else Token(*found)

    def note_use(self, used: Mapping[int, int]) -> None:
        """Remember when tokens (by id) were last shown."""
        with told_as_store_error(), self._database.begin() as connection:
            for number, at in used.items():
                noting = update(schema.token).where(_C.id == number).values(used=at)
                connection.execute(noting)


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _LONGEST or name != name.strip() or not name.isprintable():
        raise BadInputError(f"name: 1 to {_LONGEST} printable characters, no space at the ends")
    if name.lower() in RESERVED:
        raise BadInputError(f"name: {name!r} is not to be had: it stands for somebody else")


_C = schema.token.c
_DAY_NS: Final = 86_400 * 10**9
