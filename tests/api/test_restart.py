from __future__ import annotations

import random
import signal
import socket
import sqlite3
import threading
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.running import Service, running
from tests.signals import as_samples, assert_same_bits, assert_same_events, calm_then_spike

VALUES = calm_then_spike(700, 60)


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_restart_goes_on_where_it_was(tmp_path: Path, with_signal: int) -> None:
    # The first stop is in the middle of the event.
    cuts = [0, 702, 730, len(VALUES)]
    for low, high in pairwise(cuts):
        with running(tmp_path / "data") as service:
            service.post(as_samples("m", VALUES[low:high], low))
            repeated = service.post(as_samples("m", VALUES[:high]))
            assert repeated == {"accepted": 0, "duplicates": high, "rejected": []}
            code, out, err = service.stop(with_signal)
        assert code == 0
        assert f"{high - low} samples stored" in out
        assert out.count("\n") == 1
        assert err == ""
    with running(tmp_path / "data") as service:
        assert_same_bits(service.samples("m"), VALUES)
        assert_same_events(service.get("events")["events"], VALUES)


def test_a_clean_stop_saves_every_state(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        service.post(as_samples("a", VALUES[:50]) + as_samples("b", VALUES[:30]))
        service.stop()
    with sqlite3.connect(tmp_path / "data" / "tocsin.db") as database:
        saved = database.execute("select metric, seq from snapshot order by metric").fetchall()
    database.close()
    assert saved == [(1, 50), (2, 30)]


def test_killing_loses_nothing_and_changes_no_score(tmp_path: Path) -> None:
    """Killed at random moments while samples arrive; the sender repeats what was not answered."""
    values = calm_then_spike(1_500, 100, seed=3)
    acknowledged = 0
    moments = random.Random(5)
    kills = 4
    for life in range(kills + 1):
        # Short rounds of snapshots, so that kills also meet them.
        with running(tmp_path / "data", TOCSIN_SNAPSHOT_S="0.05") as service:
            if life < kills:
                threading.Timer(moments.uniform(0.05, 0.6), service.process.kill).start()
            acknowledged = _send(service, values, acknowledged, to_the_end=life == kills)
            if life == kills:
                assert acknowledged == len(values)
                assert_same_bits(service.samples("killed"), values)
                again = service.post(as_samples("killed", values))
                assert again["duplicates"] == len(values)
                assert_same_events(service.get("events")["events"], values)


def _send(service: Service, values: list[float], start: int, *, to_the_end: bool) -> int:
    """Send small requests from ``start`` until the end or the kill; how many were acknowledged."""
    done = start
    while done < len(values):
        part = values[done : done + 7]
        try:
            answer = service.post(as_samples("killed", part, done))
        except httpx.HTTPError:
            assert not to_the_end
            return done
        assert answer["accepted"] + answer["duplicates"] == len(part)
        assert answer["rejected"] == []
        done += len(part)
        # Leaves something for the next life.
        time.sleep(0 if to_the_end else 0.004)
    return done


def test_lines_sent_just_before_a_stop_are_stored(tmp_path: Path) -> None:
    lines = b"".join(b"g.last %d %d\n" % (i, 1_700_000_000 + i) for i in range(20_000))
    with running(tmp_path / "data") as service:
        with socket.create_connection(service.graphite) as connection:
            connection.sendall(lines)
            code, out, _ = service.stop()
        assert code == 0
        assert "20,000 samples stored" in out


def test_a_state_that_cannot_be_used_is_learnt_anew(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        service.post(as_samples("m", VALUES[:702]))
        service.stop()
    with sqlite3.connect(tmp_path / "data" / "tocsin.db") as database:
        database.execute("update snapshot set state = x'00112233'")
    database.close()
    with running(tmp_path / "data") as service:
        service.post(as_samples("m", VALUES[702:], 702))
        assert_same_bits(service.samples("m"), VALUES)
        assert_same_events(service.get("events")["events"], VALUES)
        _, _, err = service.stop()
    assert "states_passed_over" in err


def test_an_open_stream_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service, service.client.stream("GET", "/api/v1/stream") as s:
        lines = s.iter_lines()
        assert next(lines) == ": welcome"
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert "event: dropped" in list(lines)
        assert service.process.wait(30) == 0
        assert time.monotonic() - began < 8


def test_a_database_that_is_held_by_others_gives_503_and_then_goes_on(tmp_path: Path) -> None:
    with running(tmp_path / "data", TOCSIN_BUSY_S="0.2", TOCSIN_ANSWER_S="1") as service:
        service.post(as_samples("m", VALUES[:300]))
        other = sqlite3.connect(tmp_path / "data" / "tocsin.db", isolation_level=None)
        other.execute("begin immediate")
        body = {"samples": as_samples("m", VALUES[300:], 300)}
        refused = service.client.post("/api/v1/samples", json=body)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert service.client.get("/healthz").status_code == 503
        other.execute("rollback")
        other.close()
        told = service.client.post("/api/v1/samples", json=body).json()
        assert told == {**told, "accepted": 0, "duplicates": 465, "rejected": []}
        assert service.client.get("/healthz").status_code == 200
        assert_same_bits(service.samples("m"), VALUES)


def test_this_machine_is_watched(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--watch-host", "--watch-interval", "0.5") as service:
        deadline = time.monotonic() + 60
        while len(found := service.get("metrics")["metrics"]) < 8 or found[0]["samples"] < 3:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        last = {m["name"]: m["last_value"] for m in found}
        assert 0 <= last["host.cpu.percent"] <= 100
        assert 0 < last["host.memory.used_percent"] <= 100
        assert last["host.processes"] >= 2
        told = [s["timestamp"] for s in service.samples("host.processes")]
        assert all(t[19:] in ("Z", ".5Z") for t in told)
        times = [datetime.fromisoformat(t) for t in told]
        assert times == sorted(set(times))
