"""Life cycle, scoring behind the commit, several snapshots a metric, outbox, annotations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Only SQLite: the first release had nothing else."""
    _rebuild_metric()
    _rebuild_sample()
    _rebuild_snapshot()
    _make_new_tables()
    op.drop_table("schema_version")


def _rebuild_metric() -> None:
    op.create_table(
        "new_metric",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
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
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("last_timestamp", sa.BigInteger),
        sa.Column("last_value", sa.Double),
        sa.Column("scored_seq", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("learns_after", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("anomaly_score", sa.Double),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.BigInteger),
        sa.UniqueConstraint("name", "labels", "generation"),
    )
    kept = (
        "id, uid, name, labels, title, generation, status, last_seq, last_timestamp, last_value, "
        "anomaly_score, created"
    )
    # Then, every sample was scored before it was stored.
    _move("metric", f"{kept}, scored_seq", f"{kept}, last_seq")


def _rebuild_sample() -> None:
    """The same without a foreign key, which every insert paid for."""
    results = ("raw_score", "likelihood", "anomaly_score", "alert_score")
    bands = ("expected", "lower", "upper")
    op.create_table(
        "new_sample",
        sa.Column("metric", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        *(sa.Column(name, sa.Double) for name in (*results, *bands)),
        sa.Column("event", sa.SmallInteger),
        sqlite_with_rowid=False,
    )
    _move("sample", "*", "*")


def _rebuild_snapshot() -> None:
    op.create_table(
        "new_snapshot",
        sa.Column(
            "metric",
            sa.BigInteger,
            sa.ForeignKey("metric.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("settings_hash", sa.Text, nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    # Nobody noted the settings: the empty hash fits none, so that the state is learnt anew.
    _move("snapshot", "metric, seq, settings_hash, made, state", "metric, seq, '', 0, state")


def _move(table: str, into: str, from_: str) -> None:
    """Fill ``new_…`` from the old table and put it in its place."""
    names = "" if into == "*" else f" ({into})"
    op.execute(f"INSERT INTO new_{table}{names} SELECT {from_} FROM {table}")
    op.drop_table(table)
    op.rename_table(f"new_{table}", table)


def _make_new_tables() -> None:
    for name in ("late", "held"):
        op.create_table(
            name,
            sa.Column("metric", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("timestamp", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("value", sa.Double, nullable=False),
            sa.Column("arrived", sa.BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "refusal",
        sa.Column("metric", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    _make_annotation()
    _make_delivery_tables()


def _make_annotation() -> None:
    op.create_table(
        "annotation",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("metric", sa.BigInteger, sa.ForeignKey("metric.id"), nullable=False),
        sa.Column("event", sa.BigInteger),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_index("annotation_metric_start", "annotation", ["metric", "start"])


def _make_delivery_tables() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("ranges", sa.LargeBinary, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
    )
    op.create_table(
        "subscriber",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "delivery",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("receipt", sa.Text, nullable=False),
    )
    op.create_index("delivery_at", "delivery", ["at"])
    op.create_table(
        "owner",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
