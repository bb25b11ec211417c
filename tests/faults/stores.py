"""The databases of the campaigns, and what can happen to them."""

from __future__ import annotations

import os
import pwd
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.postgres import USER, Server

__all__ = [
    "LONG",
    "PostgresStore",
    "SmallDisk",
    "SqliteStore",
    "Store",
    "small_disk",
    "stores",
    "wait_until",
]

#: Whether campaigns run at full length.
LONG = os.environ.get("TOCSIN_FAULTS") == "long"
_BOTH = ("sqlite", "postgresql")


def stores(*short: str) -> pytest.MarkDecorator:
    """Run a campaign on both databases; where it is short, on these."""
    return pytest.mark.parametrize("store", _BOTH if LONG else short, indirect=True)


class Store(Protocol):
    """A database that a service runs on, and that can be taken away from it."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    def gone(self) -> AbstractContextManager[None]:
        """Within this context nobody can write."""


class SqliteStore:
    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "tocsin.db"
        self.url = f"sqlite:///{self.file}"

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Another process (this one) holds it for itself."""
        other = sqlite3.connect(self.file, isolation_level=None, timeout=60)
        try:
            other.execute("begin exclusive")
            yield
            other.execute("rollback")
        finally:
            other.close()


class PostgresStore:
    name = "postgresql"

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.new_database()

    @property
    def database(self) -> str:
        return self.url.partition("@/")[2].partition("?")[0]

    @contextmanager
    def gone(self) -> Iterator[None]:
        """The server stops as if its machine had died, and is started again."""
        self.server.stop("immediate")
        try:
            yield
        finally:
            self.server.start()

    def put_tables_on(self, folder: Path) -> None:
        """Keep this database's tables (but not the server's log) in ``folder``."""
        place = folder / "tablespace"
        place.mkdir()
        owner = pwd.getpwnam(USER)
        os.chown(place, owner.pw_uid, owner.pw_gid)
        self.server.sql(f"CREATE TABLESPACE {self.database}_small LOCATION '{place}'")
        self.server.sql(f"ALTER DATABASE {self.database} SET TABLESPACE {self.database}_small")

    def drop(self) -> None:
        self.server.drop_database(self.url)


class SmallDisk:
    """A file system of a few megabytes, which can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                while _written(file.fileno(), size):
                    pass

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)


def _written(handle: int, size: int) -> bool:
    try:
        return os.write(handle, bytes(size)) > 0
    except OSError:
        return False


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """A small file system; skips where this user may not mount one."""
    # Where the database server, which is another user, may look, too.
    folder = Path(tempfile.mkdtemp(prefix="tocsin-disk-"))
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
        told = done.stderr.strip()
    except FileNotFoundError:
        told = "there is no program named mount"
    if told or not os.path.ismount(folder):
        folder.rmdir()
        pytest.skip(f"a small file system cannot be mounted here: {told}")
    folder.chmod(0o755)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def wait_until(what: str, seconds: float, true: Callable[[], object]) -> None:
    """Wait until ``true()`` holds. Errors: `AssertionError` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
