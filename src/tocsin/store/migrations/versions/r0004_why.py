"""Events say what they are and why, and whether they were muted; labels that act."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Only new columns: nothing is rewritten."""
    for name in ("pattern", "why", "views", "muted", "because"):
        op.add_column("event", sa.Column(name, sa.Text))
    op.add_column("annotation", sa.Column("signature", sa.Text))
    op.add_column("annotation", sa.Column("since_seq", sa.BigInteger))
    op.add_column("annotation", sa.Column("until_seq", sa.BigInteger))
