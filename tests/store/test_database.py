from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.postgres import Server
from tests.running import run_up
from tests.store.making import a_metric
from tocsin.errors import ConfigurationError, OwnerLostError, StartError, StoreError
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import claim, database_file, lock, open_database, place
from tocsin.store.queries import Reader
from tocsin.store.revisions import HEAD


def test_commits_to_sqlite_are_synced(tmp_path: Path) -> None:
    with claim(f"sqlite:///{tmp_path / 'tocsin.db'}") as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("pragma foreign_keys").scalar() == 1


def test_one_process_holds_a_database(database_url: str) -> None:
    with claim(database_url):
        with (
            pytest.raises(StartError, match=r"in use by another tocsin .*process"),
            claim(database_url),
        ):
            raise AssertionError("claimed twice")
        open_database(database_url).dispose()  # others may read
    with claim(database_url) as engine:
        assert Reader(engine).metrics(None, 0, 1) == []


def test_another_name_for_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "tocsin.db")
    there, link = (f"sqlite:///{tmp_path / name}" for name in ("tocsin.db", "link.db"))
    with claim(there), pytest.raises(StartError, match="in use"), claim(link):
        raise AssertionError("claimed twice")


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    with lock(f"sqlite:///{tmp_path / 'new' / 'tocsin.db'}"):
        assert (tmp_path / "new" / "tocsin.db.lock").exists()


@pytest.mark.parametrize("url", ["nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:"])
def test_databases_that_cannot_be_vouched_for_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite:///|is not a database URL"):
        database_file(url)


def test_passwords_are_not_shown() -> None:
    url = "postgresql://tocsin:secret@nowhere.invalid/db"
    assert place(url) == "postgresql+psycopg://tocsin:***@nowhere.invalid/db"
    with pytest.raises(ConfigurationError, match="database") as refused:
        place("postgresql+psycopg2://tocsin:secret@h/db")
    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://u@/db?host={tmp_path}"
    with pytest.raises(StartError, match="cannot use the database"), claim(url):
        raise AssertionError("claimed nothing")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "tocsin.db").write_bytes(b"not a database" * 1_000)
    with pytest.raises(StartError, match="not a database"):
        open_database(f"sqlite:///{tmp_path / 'tocsin.db'}")


def test_a_newer_schema_is_refused(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StartError, match=f"newer version.*9999.*{HEAD}"):
        open_database(database_url)


def test_an_empty_database_is_not_filled_by_looking(database_url: str) -> None:
    with pytest.raises(StartError, match="never stored"):
        open_database(database_url, upgrade=False)
    open_database(database_url).dispose()
    open_database(database_url, upgrade=False).dispose()


def test_a_database_that_is_locked_refuses_for_now(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    with claim(url, busy_s=0.05) as engine, open_database(url).connect() as other:
        writer = Writer(engine)
        other.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked") as refused:
            writer.commit(Commit(1, metrics=[a_metric(1)]))
        assert not refused.value.lasting
        other.rollback()
        writer.commit(Commit(1, metrics=[a_metric(1)]), again=True)


def test_a_server_that_dies_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer goes on, and the lock is held again; whoever took over meanwhile wins."""
    monkeypatch.setattr("tocsin.store.postgresql._RENEW_S", 0.05)
    server = Server("fsync=off")  # the machine does not die
    try:
        url = server.new_database()
        with claim(url) as engine:
            writer = Writer(engine)
            writer.commit(Commit(1, metrics=[a_metric(1)]))
            server.stop("immediate")
            with pytest.raises(StoreError) as refused:
                writer.commit(Commit(2, metrics=[a_metric(2)]))
            assert not refused.value.lasting
            server.start()
            writer.commit(Commit(2, metrics=[a_metric(2)]), again=True)
            _until_locked(url)
            assert len(Reader(engine).metrics(None, 0, 10)) == 2
    finally:
        server.remove()


def _until_locked(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with lock(url):
                time.sleep(0.05)
        except StartError:
            return
    raise AssertionError("the lock was not taken again")


def test_a_new_owner_waits_for_the_commit_under_way(postgres_url: str) -> None:
    """Else it would read positions that the old owner is just moving."""
    from tocsin.store.database import take_over

    with claim(postgres_url) as engine:
        writer, taken = Writer(engine), threading.Event()

        def other() -> None:
            take_over(engine)
            taken.set()

        taking = threading.Thread(target=other)

        def work(_: object) -> None:
            taking.start()
            assert not taken.wait(0.3)

        writer.write(work)
        taking.join(10)
        with pytest.raises(OwnerLostError):
            writer.write(lambda _: None)


def test_a_repeated_commit_waits_for_its_first_try(postgres_url: str) -> None:
    """The connection was lost, and the server is still at it."""
    again = Commit(5, metrics=[a_metric(1)])
    with claim(postgres_url) as engine:
        first, second = Writer(engine), Writer(engine)
        repeating = threading.Thread(target=lambda: second.commit(again, again=True))

        def work(connection: Connection) -> None:
            first._commit(connection, again, False)
            repeating.start()
            repeating.join(0.3)
            assert repeating.is_alive()

        first.write(work)
        repeating.join(10)
        assert not repeating.is_alive()
        assert len(Reader(engine).metrics(None, 0, 9)) == 1


def test_a_second_service_refuses_to_start(postgres_url: str, tmp_path: Path) -> None:
    with claim(postgres_url):
        done = run_up(
            "--database", postgres_url, "--http", "off", "--graphite", "off", cwd=tmp_path
        )
    assert done.returncode == 2
    assert "in use by another tocsin (process" in done.stderr
    assert "Traceback" not in done.stderr
