from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tocsin.store.database import claim


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    """An empty database, once of each kind."""
    with claim(database_url) as engine:
        yield engine
