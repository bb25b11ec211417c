"""Views for people who ask in SQL: made after every upgrade, by `tocsin.store.views`."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes."""
