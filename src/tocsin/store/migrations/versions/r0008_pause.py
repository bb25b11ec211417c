"""When metrics are heard of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Only a new table."""
    op.create_table(
        "pause",
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("saved", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.LargeBinary, nullable=False),
    )
