"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

from tests.postgres import database_url_fixture as database_url_fixture
from tests.postgres import postgres_server_fixture as postgres_server_fixture
from tests.postgres import postgres_url_fixture as postgres_url_fixture

# The first example may compile a kernel, and machines are noisy: no deadline by the clock.
hypothesis.settings.register_profile("tocsin", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tocsin")


# A shell that runs this in the background lets nobody interrupt it, nor what it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


#: Files that take long: begun first, so that none of them is what everybody waits for at the end.
_LONG = (
    "tests/bench/variants/test_run.py",
    "tests/bench/test_traces.py",
    "tests/bench/test_engine.py",
    "tests/bench/test_serve.py",
    "tests/bench/labelled/test_run.py",
    "tests/bench/page/test_page.py",
    "tests/clients/test_prometheus.py",
    "tests/api/test_described.py",
    "tests/api/test_restart.py",
    "tests/engine/test_foreign.py",
    "tests/engine/test_actions.py",
    "tests/engine/test_contract.py",
    "tests/fuzz/test_fuzz.py",
    "tests/detect/test_fleet_states.py",
    "tests/detect/test_policy.py",
    "tests/cli/test_scan.py",
    "tests/web/test_every_view.py",
    "tests/web/test_metric.py",
    "tests/faults/",
    "tests/web/",
    "tests/clients/",
    "tests/api/",
    "tests/bench/",
    "tests/alert/",
    "tests/ingest/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((i for i, one in enumerate(_LONG) if item.nodeid.startswith(one)), len(_LONG))

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data that is not part of the project: benchmarks' series and labels."""
    named = os.environ.get("TOCSIN_SHARED")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference data: set TOCSIN_SHARED to its folder, or put it at {folder}")
    return folder
