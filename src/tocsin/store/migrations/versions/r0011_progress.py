"""How far metrics are in a table of its own; on SQLite, a metric's id is its row's number."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MOVED = ("last_seq", "last_timestamp", "last_value", "anomaly_score", "scored_seq")


def upgrade() -> None:
    """Columns that every sample changes move out of `metric`."""
    op.create_table(
        "progress",
        sa.Column("metric", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_timestamp", sa.BigInteger),
        sa.Column("last_value", sa.Double),
        sa.Column("anomaly_score", sa.Double),
        sa.Column("scored_seq", sa.BigInteger, nullable=False, server_default="0"),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:
        # It moves with every commit: room on the same page spares the index.
        op.execute("ALTER TABLE progress SET (fillfactor = 50)")
        op.execute("ALTER TABLE metric RESET (fillfactor)")
    names = ", ".join(_MOVED)
    op.execute(f"INSERT INTO progress (metric, {names}) SELECT id, {names} FROM metric")
    if sqlite:
        _rebuild_metric()
    else:
        for name in _MOVED:
            op.drop_column("metric", name)


def _rebuild_metric() -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("uid", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("deadline", sa.BigInteger),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("settings", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("likelihood", sa.Text),
        sa.Column("learns_after", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.BigInteger),
        sa.Column("counter", sa.Boolean, nullable=False, server_default=sa.false()),
    ]
    names = ", ".join(column.name for column in columns)
    unique = sa.UniqueConstraint("name", "labels", "generation")
    op.create_table("new_metric", *columns, unique)
    op.execute(f"INSERT INTO new_metric ({names}) SELECT {names} FROM metric ORDER BY id")
    op.drop_table("metric")
    op.rename_table("new_metric", "metric")
