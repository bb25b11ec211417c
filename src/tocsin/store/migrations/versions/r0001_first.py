"""The first release: metric, sample, snapshot, event; SQLite only.

Its databases are recognised by their table ``schema_version``; none is made any more.
"""

from __future__ import annotations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: a database is at least this."""
