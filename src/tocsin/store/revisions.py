"""Which revision of the schema a database has; read without loading Alembic."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, inspect, select

__all__ = ["HEAD", "REVISIONS", "revision", "stamp"]

#: Every released revision of the schema, in order; each has a file in `migrations.versions`.
REVISIONS: Final = (
    *("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010"),
    "0011",
)
#: The one that `schema` describes.
HEAD: Final = REVISIONS[-1]

#: Where Alembic notes the revision.
_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
#: Where the first release noted its own, which was always 1.
_FIRST_RELEASE: Final = "schema_version"


def revision(connection: Connection) -> str | None:
    """The revision of a database; None when it is empty."""
    tables = inspect(connection)
    if tables.has_table(_version.name):
        return connection.execute(select(_version.c.version_num)).scalar()
    return REVISIONS[0] if tables.has_table(_FIRST_RELEASE) else None


def stamp(connection: Connection, as_revision: str = HEAD) -> None:
    """Note that the database has this revision."""
    _version.create(connection, checkfirst=True)
    connection.execute(delete(_version))
    connection.execute(_version.insert().values(version_num=as_revision))
