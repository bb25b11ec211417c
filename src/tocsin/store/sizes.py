"""How much is stored, table by table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["Size", "table_sizes"]


class Size(NamedTuple):
    """A table: rows, and bytes with its indexes (None: this database cannot tell)."""

    table: str
    rows: int
    bytes: int | None


def table_sizes(engine: Engine) -> list[Size]:
    """Every table, largest first. Cost: reads every table. Errors: `StoreError`."""
    with told_as_store_error(), engine.connect() as connection:
        counts = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in schema.metadata.tables.items()
        }
        sizes = _bytes(connection)
    found = [Size(name, rows, sizes.get(name)) for name, rows in counts.items()]
    return sorted(found, key=lambda size: (-(size.bytes or 0), -size.rows))


def _bytes(connection: Connection) -> Mapping[str, int]:
    try:
        rows = connection.execute(text(_BYTES[connection.dialect.name])).all()
    except DBAPIError:  # an SQLite that was built without this
        connection.rollback()
        return {}
    return {row.name: row.bytes for row in rows}


_BYTES: Final = {
    "sqlite": """
        SELECT m.tbl_name AS name, sum(d.pgsize) AS bytes
        FROM dbstat d JOIN sqlite_master m ON m.name = d.name
        WHERE d.aggregate = 1 GROUP BY m.tbl_name""",
    "postgresql": """
        SELECT coalesce(p.relname, c.relname) AS name,
               sum(pg_total_relation_size(c.oid))::bigint AS bytes
        FROM pg_class c
        LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
        LEFT JOIN pg_class p ON p.oid = i.inhparent
        WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
        GROUP BY 1""",
}
