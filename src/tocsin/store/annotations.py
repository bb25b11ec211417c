"""What people said about a stretch of a metric's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, delete, select, update

from tocsin.store import schema
from tocsin.store.commits import Writer
from tocsin.store.database import told_as_store_error

__all__ = ["Annotations"]

Row = Mapping[Any, Any]


class Annotations:
    """Rows of `annotation`. Every method: errors `StoreError`.

    Reading: any thread. Writing: the writer's thread.
    """

    def __init__(self, engine: Engine, writer: Writer) -> None:
        self._engine = engine
        self._writer = writer

    def of(
        self,
        metric: int,
        *,
        start: int | None = None,
        end: int | None = None,
        after: int = 0,
        limit: int = 1_000,
    ) -> Sequence[Row]:
        """Those that touch ``start`` … ``end``, by id, with an id above ``after``.

        Marks that were taken back are not among them.
        """
        c = schema.annotation.c
        query = select(schema.annotation).where(c.metric == metric, c.id > after)
        query = query.where(c.until_seq.is_(None))
        if start is not None:
            query = query.where(c.end >= start)
        if end is not None:
            query = query.where(c.start < end)
        return self._all(query.order_by(c.id).limit(limit))

    def acting(self, metric: int | None = None) -> Sequence[Row]:
        """Marks of a metric, or of all, by id; also those that were taken back.

        Samples from before that may still wait to be scored.
        """
        c = schema.annotation.c
        query = select(schema.annotation).where(c.signature.is_not(None))
        if metric is not None:
            query = query.where(c.metric == metric)
        return self._all(query.order_by(c.id))

    def get(self, annotation: int) -> Row | None:
        """One, or None; a mark that was taken back is gone."""
        c = schema.annotation.c
        found = self._all(
            select(schema.annotation).where(c.id == annotation, c.until_seq.is_(None))
        )
        return found[0] if found else None

    def add(self, **columns: Any) -> int:
        """Store a new one (all columns but ``id``); returns its id."""
        adding = schema.annotation.insert().values(columns).returning(schema.annotation.c.id)
        return int(self._writer.write(lambda connection: connection.execute(adding).scalar_one()))

    def change(self, annotation: int, **columns: Any) -> bool:
        """Set columns of one; whether it is there."""
        changing = update(schema.annotation).where(schema.annotation.c.id == annotation)
        changing = changing.values(columns)
        return self._writer.write(lambda connection: connection.execute(changing).rowcount > 0)

    def remove(self, annotation: int) -> bool:
        """Delete one; whether it was there."""
        removing = delete(schema.annotation).where(schema.annotation.c.id == annotation)
        return self._writer.write(lambda connection: connection.execute(removing).rowcount > 0)

    def _all(self, query: Any) -> Sequence[Row]:
        with told_as_store_error(), self._engine.connect() as connection:
            return connection.execute(query).mappings().all()
