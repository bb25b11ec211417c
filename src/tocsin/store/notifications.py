"""Messages to people: which are to be sent, and what became of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, delete, func, or_, select, update

from tocsin.store import schema
from tocsin.store.commits import Writer
from tocsin.store.database import told_as_store_error

__all__ = ["LASTING", "Counts", "Notifications"]

Row = Mapping[Any, Any]

#: What becomes of a message in the end.
LASTING: Final = ("sent", "dead", "skipped")


class Counts(NamedTuple):
    """Of one channel: messages that wait, those given up, and when the last one was taken (ns).

    ``since``: since when the first of those that wait has waited (ns).
    """

    pending: int = 0
    dead: int = 0
    last_sent: int | None = None
    since: int | None = None


class Notifications:
    """Reads and notes; any thread may use it. Every method: errors `StoreError`."""

    def __init__(self, database: Engine, writer: Writer | None = None) -> None:
        """``writer``: of the start that owns the database; default: one made now."""
        self._database = database
        self.writer = writer or Writer(database)

    def due(self, channel: str, now: int, limit: int) -> Sequence[Row]:
        """Messages of a channel to be sent by ``now``, oldest first.

        Those of one incident come in their order: one waits until all before it are settled.
        """
        return self._all(_DUE.limit(limit), channel=channel, now=now)

    def next_due(self, channel: str) -> int | None:
        """When the next message of a channel is to be tried (ns); None: none waits."""
        with told_as_store_error(), self._database.connect() as connection:
            return connection.execute(_NEXT, {"channel": channel}).scalar()

    def is_newest(self, row: Row) -> bool:
        """Whether its channel has no newer message of the same incident."""
        with told_as_store_error(), self._database.connect() as connection:
            told = {"channel": row["channel"], "incident": row["incident"], "id": row["id"]}
            return connection.execute(_NEWER, told).scalar() is None

    def firing(self, channel: str) -> Sequence[Row]:
        """The last message that a channel took of each incident that is not resolved."""
        return self._all(_FIRING, channel=channel)

    def settle(self, message: int, status: str, now: int, error: str | None = None) -> None:
        """Note what became of a message: "sent", "dead" or "skipped"."""
        values: dict[str, Any] = {"status": status, "error": error}
        if status == "sent":
            values["sent"] = now
        self._change(message, attempts=_C.attempts + 1, **values)

    def postpone(self, message: int, due: int, error: str) -> None:
        """Note that a try failed, and when the next one is."""
        self._change(message, attempts=_C.attempts + 1, due=due, error=error)

    def retry(self, message: int, now: int) -> Row | None:
        """Try a message that was given up once more; None: there is none with this id.

        A message of another status is left as it is.
        """
        again = (
            update(schema.notification)
            .where(_C.id == message, _C.status == "dead")
            .values(status="pending", due=now, retried=now, attempts=0)
        )
        self.writer.write(lambda connection: connection.execute(again))
        found = self._all(select(schema.notification).where(_C.id == message))
        return found[0] if found else None

    def page(
        self, *, status: str | None, channel: str | None, before: int | None, limit: int
    ) -> Sequence[Row]:
        """Messages, newest first; ``before``: the id of the last one already seen."""
        query = select(schema.notification).order_by(_C.id.desc()).limit(limit)
        for column, wanted in ((_C.status, status), (_C.channel, channel)):
            if wanted is not None:
                query = query.where(column == wanted)
        return self._all(query if before is None else query.where(_C.id < before))

    def of_incident(self, incident: int, limit: int) -> Sequence[Row]:
        """The messages of an incident, oldest first; of very many, the newest."""
        query = select(schema.notification).where(_C.incident == incident)
        return self._all(query.order_by(_C.id.desc()).limit(limit))[::-1]

    def counts(self) -> dict[str, Counts]:
        """By channel."""
        found: dict[str, Counts] = {}
        for row in self._all(_COUNTS):
            told = found.get(row["channel"], Counts())
            if row["status"] == "sent":
                told = told._replace(last_sent=row["sent"])
            elif row["status"] == "pending":
                told = told._replace(pending=row["n"], since=row["since"])
            elif row["status"] == "dead":
                told = told._replace(dead=row["n"])
            found[row["channel"]] = told
        return found

    def give_up_others(self, channels: Collection[str], error: str) -> int:
        """Give up messages that wait for channels other than these; says how many."""
        work = (
            update(schema.notification)
            .where(_C.status == "pending", _C.channel.not_in(channels))
            .values(status="dead", error=error)
        )
        return self.writer.write(lambda connection: connection.execute(work).rowcount)

    def forget(self, before: int, limit: int) -> int:
        """Delete messages made before (ns) that are settled and whose incident is over."""
        going = (
            select(_C.id)
            .where(_C.created < before, _C.status.in_(LASTING), _C.incident.not_in(_UNRESOLVED))
            .order_by(_C.id)
            .limit(limit)
        )
        gone = delete(schema.notification).where(_C.id.in_(going))
        return self.writer.write(lambda connection: connection.execute(gone).rowcount)

    def to_remind(
        self, connection: Connection, channel: str, since: int, now: int
    ) -> Sequence[Row]:
        """Incidents that are open and not put off, and of which a channel was last told before.

        With ``number``: how many reminders it has had. Locks them. ``since``, ``now``: ns.
        """
        told = {"channel": channel, "since": since, "now": now}
        return connection.execute(_TO_REMIND, told).mappings().all()

    def _change(self, message: int, **values: Any) -> None:
        work = update(schema.notification).where(_C.id == message, _C.status == "pending")
        self.writer.write(lambda connection: connection.execute(work.values(values)))

    def _all(self, query: Any, **told: Any) -> Sequence[Row]:
        with told_as_store_error(), self._database.connect() as connection:
            return connection.execute(query, told).mappings().all()


_C = schema.notification.c
_I = schema.incident.c
_MINE = (_C.channel == bindparam("channel"), _C.status == "pending")
_OLDER = schema.notification.alias()
_DUE = (
    select(schema.notification)
    .where(*_MINE, _C.due <= bindparam("now"))
    .where(
        ~select(_OLDER.c.id)
        .where(
            _OLDER.c.channel == _C.channel,
            _OLDER.c.incident == _C.incident,
            _OLDER.c.status == "pending",
            _OLDER.c.id < _C.id,
        )
        .exists()
    )
    .order_by(_C.id)
)
_NEXT = select(func.min(_C.due)).where(*_MINE)
_NEWER = (
    select(_C.id)
    .where(
        _C.channel == bindparam("channel"),
        _C.incident == bindparam("incident"),
        _C.id > bindparam("id"),
    )
    .limit(1)
)
_LATER = schema.notification.alias()
_FIRING = (
    select(schema.notification)
    .where(
        _C.channel == bindparam("channel"),
        _C.status == "sent",
        _C.change != "resolved",
        ~select(_LATER.c.id)
        .where(
            _LATER.c.channel == _C.channel,
            _LATER.c.incident == _C.incident,
            _LATER.c.id > _C.id,
            or_(_LATER.c.status == "sent", _LATER.c.change == "resolved"),
        )
        .exists(),
    )
    .order_by(_C.id)
)
_COUNTS = select(
    _C.channel,
    _C.status,
    func.count().label("n"),
    func.max(_C.sent).label("sent"),
    func.min(func.coalesce(_C.retried, _C.created)).label("since"),
).group_by(_C.channel, _C.status)
_UNRESOLVED = select(_I.id).where(_I.state != "resolved")
_TOLD = (
    select(
        _C.incident,
        func.max(_C.created).label("at"),
        func.max(_C.number).label("number"),
    )
    .where(_C.channel == bindparam("channel"))
    .group_by(_C.incident)
    .subquery()
)
_TO_REMIND = (
    select(schema.incident, _TOLD.c.number)
    .join(_TOLD, _TOLD.c.incident == _I.id)
    .where(
        _I.state == "open",
        or_(_I.snoozed_until.is_(None), _I.snoozed_until <= bindparam("now")),
        _TOLD.c.at <= bindparam("since"),
    )
    .with_for_update(of=schema.incident)
)
