"""Named subscribers: how far each has confirmed, kept where the results are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, delete, func, select, update

from tocsin.errors import BadInputError
from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["PRUNED", "Subscriber", "Subscribers", "confirmed_by_all", "note_position"]

#: Nobody's name: the row that says up to where the outbox was pruned.
PRUNED: Final = ""
_LONGEST: Final = 200


class Subscriber(NamedTuple):
    """A stored position: everything up to it has been confirmed."""

    name: str
    position: int
    #: When it was last confirmed (ns).
    updated: int


class Subscribers:
    """The stored positions; any thread may use it. Every method: errors `StoreError`."""

    def __init__(self, database: Engine, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()

    def register(self, name: str, position: int) -> int:
        """Where ``name`` goes on from: its stored position, or ``position`` if it is new.

        Errors: `BadInputError` for a name that is empty or longer than 200 characters.
        """
        if not 0 < len(name) <= _LONGEST:
            raise BadInputError(f"a subscriber needs a name of 1 to {_LONGEST} characters")
        with self._lock, told_as_store_error(), self._database.begin() as connection:
            stored = _position(connection, name)
            if stored is None:
                note_position(connection, name, position, self._clock())
            return position if stored is None else stored

    def confirm(self, name: str, position: int) -> bool:
        """Note that ``name`` has everything up to ``position``; never goes back.

        False: there is no such subscriber (any more).
        """
        now = self._clock()
        with self._lock, told_as_store_error(), self._database.begin() as connection:
            moved = connection.execute(_FORWARD, {"who": name, "to": position, "now": now}).rowcount
            return bool(moved) or _position(connection, name) is not None

    def forget(self, name: str) -> bool:
        """Keep nothing for ``name`` any longer; False: there is no such subscriber."""
        with self._lock, told_as_store_error(), self._database.begin() as connection:
            gone = delete(schema.subscriber).where(_C.name == name, _C.name != PRUNED)
            return bool(connection.execute(gone).rowcount)

    def find(self, name: str) -> Subscriber | None:
        """One subscriber, or None."""
        return next((one for one in self.all() if one.name == name), None)

    def all(self) -> list[Subscriber]:
        """All of them by name."""
        with told_as_store_error(), self._database.connect() as connection:
            return [Subscriber(*row) for row in connection.execute(_ALL)]


def confirmed_by_all(connection: Connection) -> int | None:
    """What every subscriber has confirmed; None: there are no subscribers."""
    return connection.execute(_LEAST).scalar()


def note_position(connection: Connection, name: str, position: int, now: int) -> None:
    """Set a position, forwards only."""
    said = {"who": name, "to": position, "now": now}
    if not connection.execute(_FORWARD, said).rowcount and _position(connection, name) is None:
        row = {"name": name, "position": position, "updated": now}
        connection.execute(schema.subscriber.insert(), row)


def _position(connection: Connection, name: str) -> int | None:
    return connection.execute(_WHERE, {"who": name}).scalar()


_C = schema.subscriber.c
_ALL = select(_C.name, _C.position, _C.updated).where(_C.name != PRUNED).order_by(_C.name)
_LEAST = select(func.min(_C.position)).where(_C.name != PRUNED)
_WHERE = select(_C.position).where(_C.name == bindparam("who"))
_FORWARD = (
    update(schema.subscriber)
    .where(_C.name == bindparam("who"), _C.position <= bindparam("to"))
    .values(position=bindparam("to"), updated=bindparam("now"))
)
