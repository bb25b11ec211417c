from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.running import environment, run_up, running

FREE = {"TOCSIN_HTTP": "127.0.0.1:0", "TOCSIN_GRAPHITE": "127.0.0.1:0"}


def refused(*arguments: str, cwd: Path, **variables: str) -> str:
    """The one line with which it refuses to start; nothing may have been made."""
    before = sorted(cwd.rglob("*"))
    ended = run_up(*arguments, cwd=cwd, **(FREE | variables))
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert sorted(cwd.rglob("*")) == before
    return ended.stderr


def test_it_starts_and_stops(tmp_path: Path) -> None:
    """As a user does it: Python, and nothing imported before."""
    command = [sys.executable, "-W", "error", "-m", "tocsin", "up", "--data", str(tmp_path)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment() | FREE, **pipes) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("tocsin is ready: page http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out == "tocsin has stopped: 0 samples stored, 0 scored, 0 events; 0 states saved\n"


@pytest.mark.parametrize("option", ["http", "graphite"])
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = refused(f"--{option}", address, cwd=tmp_path)
    assert address in told
    assert f"--{option}" in told


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = refused("--data", str(tmp_path / "file" / "data"), cwd=tmp_path)
    assert str(tmp_path / "file" / "data") in told
    assert "--data" in told


def test_a_folder_in_use_is_told(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        told = refused("--data", str(tmp_path / "data"), cwd=tmp_path)
        assert f"process {service.process.pid}" in told


def test_a_wrong_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text("max_metric = 3\n")
    told = refused("--config", "tocsin.toml", cwd=tmp_path)
    assert "'max_metric'" in told
    assert "did you mean 'max_metrics'?" in told
    assert "queue_samples" in told


def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    assert "nope.toml" in refused("--config", "nope.toml", cwd=tmp_path)


def test_others_need_a_token(tmp_path: Path) -> None:
    told = refused("--http", "0.0.0.0:0", cwd=tmp_path)
    assert "TOCSIN_TOKEN" in told
    told = refused("--graphite", "0.0.0.0:0", cwd=tmp_path, TOCSIN_TOKEN="12345678")
    assert "insecure" in told
    assert "12345678" not in told


def test_other_databases_are_refused(tmp_path: Path) -> None:
    told = refused("--database", "mysql://me:secret@host/db", cwd=tmp_path)
    assert "sqlite:///" in told
    assert "postgresql+psycopg://" in told
    assert "secret" not in told
    assert "memory" in refused("--database", "sqlite://", cwd=tmp_path)


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = refused("--database", "postgresql+psycopg://me:secret@127.0.0.1:9/db", cwd=tmp_path)
    assert "127.0.0.1" in told
    assert "secret" not in told


def test_a_database_of_a_newer_tocsin_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.stop()
    with sqlite3.connect(tmp_path / "tocsin.db") as database:
        database.execute("update alembic_version set version_num = '0099'")
    database.close()
    ended = run_up("--data", str(tmp_path), cwd=tmp_path, **FREE)
    assert ended.returncode == 2
    assert "99" in ended.stderr
    assert "upgrade" in ended.stderr


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "tocsin.db").write_bytes(b"not a database at all" * 100)
    ended = run_up("--data", str(tmp_path), cwd=tmp_path, **FREE)
    assert ended.returncode == 2
    assert "tocsin.db" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_another_sqlite_file_is_used(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other' / 'mine.db'}"
    with running(tmp_path / "unused", "--database", url) as service:
        assert service.stop()[0] == 0
    assert (tmp_path / "other" / "mine.db").exists()
    assert not (tmp_path / "unused").exists()
