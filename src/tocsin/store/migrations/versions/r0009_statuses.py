"""From when on calendars keep samples from being learnt; the history of statuses."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New columns, empty; a new table, where each metric begins with its present status."""
    op.add_column("calendar", sa.Column("since", sa.BigInteger))
    op.add_column("calendar", sa.Column("until", sa.BigInteger))
    op.create_table(
        "status_change",
        sa.Column("metric", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("detail", sa.Text),
        sqlite_with_rowid=False,
    )
    # What was before is not known; it stands like this now.
    now = time.time_ns()
    op.execute(
        "INSERT INTO status_change (metric, at, status, reason, detail) "
        f"SELECT id, {now}, status, reason, detail FROM metric WHERE deleted IS NULL"
    )
