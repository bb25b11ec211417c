"""Incidents, what became of them, calendars, and rules about alarms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Only new tables."""
    _make_incident()
    _make_incident_event()
    _make_incident_note()
    _make_calendar()
    op.create_table(
        "rule_set",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("rules", sa.Text),
    )


def _make_incident() -> None:
    op.create_table(
        "incident",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("state", "severity", "title")),
        sa.Column("group", sa.Text, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("resolved", sa.BigInteger),
        sa.Column("snoozed_until", sa.BigInteger),
        sa.Column("assignee", sa.Text),
        sa.Column("evidence", sa.Double, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("first_metric", sa.BigInteger, nullable=False),
        sa.Column("metrics", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("bonds", sa.Text, nullable=False),
        sa.Column("routes", sa.Text),
        sa.Column("told", sa.Text),
        sa.Column("closed", sa.BigInteger),
    )
    op.create_index("incident_opened", "incident", ["opened", "id"])
    op.create_index("incident_state", "incident", ["state", "evidence", "id"])
    op.create_index("incident_group", "incident", ["group", "opened"])


def _make_incident_event() -> None:
    op.create_table(
        "incident_event",
        sa.Column("event", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("incident", sa.BigInteger, nullable=False),
        sa.Column("metric", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("decades", sa.Double, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
    )
    op.create_index("incident_event_incident", "incident_event", ["incident", "start"])


def _make_incident_note() -> None:
    op.create_table(
        "incident_note",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("incident", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "author", "text")),
    )
    op.create_index("incident_note_incident", "incident_note", ["incident", "id"])


def _make_calendar() -> None:
    op.create_table(
        "calendar",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("match", sa.Text, nullable=False),
        sa.Column("start", sa.BigInteger),
        sa.Column("end", sa.BigInteger),
        sa.Column("weekly", sa.Text),
        sa.Column("timezone", sa.Text, nullable=False),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("alarm", "learn")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("text", "author")),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
