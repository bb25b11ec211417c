"""Running the migrations within this process."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from tocsin.store import sqlite
from tocsin.store.revisions import HEAD, REVISIONS, revision, stamp
from tocsin.store.views import drop_views, make_views

__all__ = ["migrate"]


def migrate(engine: Engine, to: str = HEAD) -> None:
    """Bring a database to a revision, in one transaction. Cost: may copy every table.

    Errors: SQLAlchemy's; nothing was changed then.
    """
    own = sqlite.for_upgrade(engine) if engine.dialect.name == "sqlite" else engine
    config = Config()
    here = Path(__file__).parent
    config.set_main_option("script_location", str(here).replace("%", "%%"))
    try:
        with own.begin() as connection:
            # The first release knew nothing of Alembic.
            stamp(connection, revision(connection) or REVISIONS[0])
            config.attributes["connection"] = connection
            drop_views(connection)
            command.upgrade(config, to)
            if to == HEAD:
                make_views(connection)
    finally:
        if own is not engine:
            own.dispose()
