"""Counters: which metrics were declared as such, and the rates that were watched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is copied on either kind of database."""
    declared = sa.Column("counter", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("metric", declared)
    op.add_column("sample", sa.Column("rate", sa.Double))
