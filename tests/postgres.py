"""A real PostgreSQL server for tests, started from the binaries of this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

#: Trades safety for speed: for tests in which neither server nor machine dies.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
USER = "postgres"


def binaries() -> Path:
    """The folder of ``initdb``; without one, fails under CI and skips elsewhere."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    on_path = shutil.which("initdb")
    for folder in [*debian[::-1], *([Path(on_path).parent] if on_path else [])]:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    reason = "no PostgreSQL here: no initdb in /usr/lib/postgresql/*/bin or on the PATH"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Server:
    """One server on a UNIX socket in a folder of its own; any number of databases."""

    def __init__(self, *settings: str) -> None:
        self._bin = binaries()
        # Short: the name of a UNIX socket may have about 100 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
        # The server refuses to run as root.
        self._user = USER if os.geteuid() == 0 else None
        if self._user:
            os.chown(self.folder, pwd.getpwnam(USER).pw_uid, -1)
        self._settings = settings
        self._run("initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        told = ["listen_addresses=''", f"unix_socket_directories='{self.folder}'", *self._settings]
        options = " ".join(f"-c {setting}" for setting in told)
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: "fast", or "immediate" as if the machine had died."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def remove(self) -> None:
        """Stop it and delete everything."""
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{USER}@/{name}?host={self.folder}"

    def drop_database(self, url: str) -> None:
        """Delete a database, whoever is still connected."""
        name = url.partition("@/")[2].partition("?")[0]
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def sql(self, statement: str) -> None:
        """Run a statement outside of every test's database."""
        import psycopg

        where = f"host={self.folder} user={USER} dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, "-D", self.folder / "data", *arguments],
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


@pytest.fixture(name="postgres_server", scope="session")
def postgres_server_fixture() -> Iterator[Server]:
    """One server for all tests."""
    server = Server(*FAST)
    yield server
    server.remove()


@pytest.fixture(name="postgres_url")
def postgres_url_fixture(postgres_server: Server) -> Iterator[str]:
    """The URL of a database of the test's own."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(name="database_url", params=["sqlite", "postgresql"])
def database_url_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tocsin.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
