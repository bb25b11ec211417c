"""Everything that is stored of one metric, as it stood at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Table, func, select

from tocsin.store import schema
from tocsin.store.bulk import RESULTS, UNSCORED
from tocsin.store.database import told_as_store_error
from tocsin.store.queries import WHOLE_METRIC

__all__ = ["Whole", "reading"]

_CHUNK: Final = 20_000
_NAMES: Final = ("seq", "timestamp", "value", *RESULTS, "event")


@contextmanager
def reading(engine: Engine, uid: str) -> Iterator[Whole | None]:
    """One metric in one transaction, so that all parts belong together; None: there is none.

    What is written meanwhile is not seen. Errors: `StoreError`.
    """
    c = schema.metric.c
    with told_as_store_error(), _at_one_moment(engine) as connection:
        query = WHOLE_METRIC.where(c.uid == uid, c.deleted.is_(None))
        row = connection.execute(query).mappings().one_or_none()
        yield None if row is None else Whole(connection, row)


@contextmanager
def _at_one_moment(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        else:
            # The driver begins a transaction for writing only.
            connection.exec_driver_sql("BEGIN")
        yield connection
        connection.rollback()


class Whole:
    """A metric's row and all that hangs on it. Every method: errors `StoreError`."""

    def __init__(self, connection: Connection, row: Mapping[Any, Any]) -> None:
        self._connection = connection
        #: The row of the table `metric`, with how far it is.
        self.row = row
        self._id = row["id"]

    def first_seq(self) -> int:
        """The oldest sample's seq; one past the last when there is none."""
        c = schema.sample.c
        found = self._connection.execute(select(func.min(c.seq)).where(c.metric == self._id))
        return int(found.scalar() or self.row["last_seq"] + 1)

    def samples(self, dtype: np.dtype[np.void]) -> Iterator[NDArray[np.void]]:
        """Chunks of all samples in order, as rows of ``dtype``: the table's columns by name.

        NULL becomes NaN, event NULL -1.
        """
        c = schema.sample.c
        columns = [
            c[name] if name != "event" else func.coalesce(c.event, UNSCORED) for name in _NAMES
        ]
        query = select(*columns).where(c.metric == self._id).order_by(c.seq)
        found = self._connection.execute(query, execution_options={"yield_per": _CHUNK})
        for rows in found.partitions():
            chunk = np.empty(len(rows), dtype)
            for name, values in zip(_NAMES, zip(*rows, strict=True), strict=True):
                # float(None) is refused: None becomes NaN by way of an array of objects.
                held = np.array(values, dtype=object)
                chunk[name] = held.astype(dtype[name])
            yield chunk

    def newest_state(self) -> Mapping[Any, Any] | None:
        """The newest row of the table `snapshot`, if there is one."""
        c = schema.snapshot.c
        query = select(schema.snapshot).where(c.metric == self._id).order_by(c.seq.desc()).limit(1)
        return self._connection.execute(query).mappings().one_or_none()

    def events(self) -> list[dict[str, Any]]:
        """Rows of the table `event`, but for ``metric``, oldest first."""
        return self._rows(schema.event)

    def annotations(self) -> list[dict[str, Any]]:
        """Rows of the table `annotation`, but for ``metric``, oldest first."""
        return self._rows(schema.annotation)

    def _rows(self, table: Table) -> list[dict[str, Any]]:
        columns = [column for column in table.c if column.name != "metric"]
        query = select(*columns).where(table.c.metric == self._id).order_by(table.c.id)
        return [dict(row) for row in self._connection.execute(query).mappings()]
