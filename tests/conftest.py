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


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data that is not part of the project: benchmarks' series and labels."""
    named = os.environ.get("TOCSIN_SHARED")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference data: set TOCSIN_SHARED to its folder, or put it at {folder}")
    return folder
