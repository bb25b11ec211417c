"""Reading what came in beside the samples: refused and late ones, and the book of deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Engine, Select, bindparam, select

from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["Intake"]

Row = Mapping[Any, Any]

#: How many times are asked for at once.
_TIMES: Final = 500


class Intake:
    """Queries; any thread may use it. Every method: errors `StoreError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def refusals(self, metric: int) -> Sequence[Row]:
        """Rows of `refusal` of a metric, by reason."""
        c = schema.refusal.c
        return self._all(select(schema.refusal).where(c.metric == metric).order_by(c.reason))

    def late(self, metric: int, *, after: int | None, limit: int) -> Sequence[Row]:
        """Samples that came too late to be scored, beyond the time ``after``, oldest first."""
        c = schema.late.c
        query = select(schema.late).where(c.metric == metric).order_by(c.timestamp).limit(limit)
        return self._all(query if after is None else query.where(c.timestamp > after))

    def late_at(self, metric: int, times: Sequence[int]) -> dict[int, float]:
        """The values of late samples at these times; missing: there is none.

        Cost: O(log rows) per time.
        """
        found: dict[int, float] = {}
        with told_as_store_error(), self._engine.connect() as connection:
            for start in range(0, len(times), _TIMES):
                part = times[start : start + _TIMES]
                for row in connection.execute(_LATE_AT, {"metric": metric, "times": part}):
                    found[row.timestamp] = row.value
        return found

    def delivery(self, source: str) -> Row | None:
        """How far a sender that counts has been taken, and its last receipt."""
        found = self._all(select(schema.delivery).where(schema.delivery.c.source == source))
        return found[0] if found else None

    def deliveries(self, most: int) -> Sequence[Row]:
        """Source, position and time of the ``most`` last ones, oldest first."""
        c = schema.delivery.c
        query = select(c.source, c.position, c.at).order_by(c.at.desc()).limit(most)
        return self._all(query)[::-1]

    def _all(self, query: Select[Any]) -> Sequence[Row]:
        with told_as_store_error(), self._engine.connect() as connection:
            return connection.execute(query).mappings().all()


_LATE_AT = select(schema.late.c.timestamp, schema.late.c.value).where(
    schema.late.c.metric == bindparam("metric"),
    schema.late.c.timestamp.in_(bindparam("times", expanding=True)),
)
