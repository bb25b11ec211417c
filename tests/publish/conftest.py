"""A `World` on every kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publish.world import World
from tocsin.store.database import open_database


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """On SQLite."""
    yield from _world(f"sqlite:///{tmp_path / 'tocsin.db'}")


@pytest.fixture
def any_world(database_url: str) -> Iterator[World]:
    """On SQLite and on PostgreSQL."""
    yield from _world(database_url)


def _world(url: str) -> Iterator[World]:
    database = open_database(url)
    try:
        yield World(database)
    finally:
        database.dispose()
