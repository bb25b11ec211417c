"""The campaigns' length, their databases, and a line about each at the end.

Short by default; ``TOCSIN_FAULTS=long`` (``make faults``) runs them at full length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Report
from tests.faults.stores import LONG, PostgresStore, SqliteStore, Store
from tests.postgres import Server

_reports: list[Report] = []


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether campaigns run at full length."""
    return LONG


@pytest.fixture(scope="session")
def sturdy_server() -> Iterator[Server]:
    """A PostgreSQL that keeps what it has confirmed, also when it is stopped at once."""
    server = Server()
    yield server
    server.remove()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "database")


@pytest.fixture
def postgres_store(sturdy_server: Server) -> Iterator[PostgresStore]:
    store = PostgresStore(sturdy_server)
    yield store
    store.drop()


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    """The database that `stores` says."""
    kind = "sqlite_store" if request.param == "sqlite" else "postgres_store"
    found: Store = request.getfixturevalue(kind)
    return found


@pytest.fixture
def reported() -> Callable[[Report], None]:
    """Have a campaign's line printed at the end of the run."""
    return _reports.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _reports:
        terminalreporter.section("faults")
    for report in _reports:
        terminalreporter.write_line(str(report))
