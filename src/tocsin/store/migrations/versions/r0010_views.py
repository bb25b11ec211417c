"""Views for people who ask in SQL: made after every upgrade, by `tocsin.store.views`."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes."""
