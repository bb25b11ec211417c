"""Fleets of many metrics: threads, growth, a memory budget, and whole fleets as files."""

from __future__ import annotations

import os
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import Fleet, Settings
from tocsin.detect import fleet as fleet_module
from tocsin.detect import memory as memory_module
from tocsin.detect.memory import Memory, reserved
from tocsin.detect.parallel import in_parallel, parts_of
from tocsin.detect.result import RESULT
from tocsin.detect.saved import VERSION
from tocsin.errors import OutputError, StateError

SECOND = 1_000_000_000
KINDS: list[dict[str, Any]] = [
    {},
    {"kind": "counter"},
    {"likelihood": "gaussian", "timezone": "Europe/Berlin"},
    {"model": "htm", "htm": "small"},
]
EVERY = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind) or "default")


def mixed(count: int, metrics: int, seed: int = 1, first: int = 0) -> tuple[Any, Any, Any]:
    """Samples of these metrics in any mix, some of them with many more than others."""
    rng = np.random.default_rng(seed)
    metric = np.minimum(rng.geometric(min(1.0, 3 / metrics), count), metrics) - 1
    times = np.arange(first + 1, first + count + 1, dtype=np.int64) * SECOND
    return metric, times, rng.normal(size=count).round(2)


def states(fleet: Fleet) -> bytes:
    """All states as they lie in memory."""
    rows: bytes = fleet._rows[: len(fleet)].tobytes()
    return rows


def test_results_have_no_gaps_between_their_fields() -> None:
    """Numpy copies fields, and leaves anything in a gap: equal rows would not be equal bytes."""
    fields: Any = RESULT.fields
    assert sum(kind.itemsize for kind, *_ in fields.values()) == RESULT.itemsize


# Threads


@EVERY
@pytest.mark.parametrize("sort", [False, True])
def test_threads_give_the_same_bits(
    kind: dict[str, Any], sort: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_module, "_PART", 100)
    count = 600 if kind.get("model") else 20_000
    columns = mixed(count, 40)
    if sort:
        order = np.argsort(columns[0], kind="stable")
        columns = columns[0][order], columns[1][order], columns[2][order]
    one = Fleet(Settings(**kind), 40, threads=1)
    many = Fleet(Settings(**kind), 40, threads=5)
    for piece in np.array_split(np.arange(count), 3):
        told = [fleet.update(*(column[piece] for column in columns)) for fleet in (one, many)]
        assert told[0].tobytes() == told[1].tobytes()
    assert states(one) == states(many)


def test_raw_scores_are_judged_by_threads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "_SLOW_PART", 10)
    metric, times, values = mixed(3_000, 7)
    raw = np.abs(values)
    fleets = [Fleet(Settings(model="a.B"), 7, threads=threads) for threads in (1, 3)]
    told = [fleet.judge(metric, times, values, raw) for fleet in fleets]
    assert told[0].tobytes() == told[1].tobytes()
    assert (told[0]["raw_score"] == raw).all()


def test_large_batches_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(metrics=100, threads=2)
    who: list[str] = []
    score = Fleet._score

    def noting(self: Fleet, metric: Any, *rest: Any) -> None:
        who.append(threading.current_thread().name)
        score(self, metric, *rest)

    monkeypatch.setattr(Fleet, "_score", noting)
    fleet.update(*mixed(1_000, 100))
    assert who == [threading.current_thread().name]
    fleet.update(*mixed(50_000, 100, first=1_000))
    assert len(who) > 4


@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=30), parts=st.integers(1, 40))
def test_parts_hold_whole_metrics_and_all_samples(counts: list[int], parts: int) -> None:
    metric = np.repeat(np.arange(len(counts)), counts)
    if not len(metric):
        return
    found = parts_of(metric, parts)
    assert len(found) <= parts
    assert np.concatenate([metric[part] for part in found]).tolist() == metric.tolist()
    for before, after in pairwise(found):
        assert before.stop == after.start
        assert metric[before.stop - 1] != metric[after.start]


def test_an_error_in_a_thread_is_raised_when_all_have_ended() -> None:
    done: list[int] = []

    def work(part: slice) -> None:
        if part.start == 3:
            raise ValueError("three")
        done.append(part.start)

    with pytest.raises(ValueError, match="three"):
        in_parallel(work, [slice(i, i + 1) for i in range(20)], 4)
    assert len(done) <= 19


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    fleet = Fleet(metrics=100, threads=2)
    fleet.update(*mixed(20_000, 100))
    child = os.fork()
    if not child:
        fleet.update(*mixed(20_000, 100, first=20_000))
        os._exit(0)
    for _ in range(600):
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        threading.Event().wait(0.1)
    else:
        os.kill(child, 9)
    assert (ended, code) == (child, 0)


# Growth


def test_growing_moves_nothing_after_the_first_time() -> None:
    fleet = Fleet()
    fleet.add(10)
    place = fleet._rows.ctypes.data
    for _ in range(20):
        fleet.add(1_000)
    metric = np.array([0, 9, 20_009])
    fleet.update(metric, np.full(3, SECOND), np.ones(3))
    assert fleet._rows.ctypes.data == place
    assert [fleet.seen(k) for k in (0, 8, 9, 20_009)] == [1, 0, 1, 1]


def test_where_addresses_are_few_it_grows_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of the system (``ulimit -v``), or a system that reserves none."""
    tried: list[int] = []

    def refused(layout: Any, room: int) -> None:
        tried.append(room)

    monkeypatch.setattr(memory_module, "_mapped", refused)
    rows = reserved(np.dtype([("x", "f8")]), 1_000, most=50_000)
    assert len(rows) == 2_000
    assert not tried or (tried[0] == 50_000 and tried == sorted(tried, reverse=True))
    fleet = Fleet()
    for count in (1, 5, 40, 1_000):
        fleet.add(count)
        fleet.update(np.array([0, len(fleet) - 1]), np.arange(2) + count * SECOND, np.ones(2))
    assert fleet.seen(0) == 5


def test_as_many_as_there_may_be_and_more() -> None:
    fleet = Fleet(most=5)
    for _ in range(12):
        fleet.add()
    fleet.update(np.arange(12), np.full(12, SECOND), np.ones(12))
    assert fleet.seen(11) == 1


# A budget


@EVERY
def test_states_within_a_budget_are_the_same(kind: dict[str, Any], tmp_path: Path) -> None:
    metrics, rounds = 40, 30
    free = Fleet(Settings(**kind), metrics)
    memory = Memory(12 * free.row_bytes, tmp_path / "states")
    tight = [Fleet(Settings(**kind), memory=memory) for _ in range(2)]
    for fleet in tight:
        fleet.add(metrics)
    rng = np.random.default_rng(4)
    for at in range(1, rounds + 1):
        which = np.sort(rng.choice(metrics, 6, replace=False))
        times, values = np.full(6, at * SECOND), rng.normal(size=6)
        told = [fleet.update(which, times, values).tobytes() for fleet in (free, *tight)]
        assert told[0] == told[1] == told[2]
        assert memory.bytes <= memory.budget
    assert memory.released > metrics
    assert memory.returned > metrics
    for metric in range(metrics):
        assert tight[0].to_bytes(metric) == tight[1].to_bytes(metric) == free.to_bytes(metric)


def test_a_fleet_under_a_budget_grows(tmp_path: Path) -> None:
    memory = Memory(4 * Fleet().row_bytes, tmp_path)
    fleet, free = Fleet(memory=memory), Fleet()
    for at in range(1, 60):
        fleet.add(1)
        free.add(1)
        rows, times = np.arange(at), np.full(at, at * SECOND, dtype=np.int64)
        values = np.arange(at, dtype=np.float64)
        ours, theirs = fleet.update(rows, times, values), free.update(rows, times, values)
        assert ours.tobytes() == theirs.tobytes()
    assert states(fleet) == states(free)
    fleet.clear(3)
    assert fleet.seen(3) == 0
    fleet.load(3, free.to_bytes(3))
    assert states(fleet) == states(free)


# Files


@EVERY
@given(metrics=st.integers(0, 5), count=st.integers(0, 300))
@settings(max_examples=4)
def test_a_fleet_goes_on_from_its_file(
    kind: dict[str, Any], metrics: int, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fleet") / "fleet.tocsin"
    fleet = Fleet(Settings(**kind), metrics)
    if metrics:
        fleet.update(*mixed(count, metrics))
    fleet.save(path)
    written = path.read_bytes()
    again = Fleet.open(path)
    assert (len(again), again.settings) == (metrics, fleet.settings)
    assert states(again) == states(fleet)
    for one in (fleet, again):
        one.add(2)
    columns = mixed(200, metrics + 2, seed=2, first=count)
    assert again.update(*columns).tobytes() == fleet.update(*columns).tobytes()
    assert states(again) == states(fleet)
    assert path.read_bytes() == written
    again.save(path)
    assert states(Fleet.open(path, check=False)) == states(fleet)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_rows_lie_in_the_file_as_in_memory(tmp_path: Path) -> None:
    fleet = Fleet(metrics=300)
    fleet.update(*mixed(3_000, 300))
    fleet.save(tmp_path / "f")
    data = (tmp_path / "f").read_bytes()
    assert data.index(states(fleet)) % 4096 == 0


def test_an_opened_fleet_may_have_a_budget(tmp_path: Path) -> None:
    fleet = Fleet(metrics=50)
    fleet.update(*mixed(1_000, 50))
    fleet.save(tmp_path / "f")
    memory = Memory(10 * fleet.row_bytes, tmp_path / "states")
    again = Fleet.open(tmp_path / "f", memory=memory)
    columns = mixed(1_000, 50, seed=3, first=1_000)
    assert again.update(*columns).tobytes() == fleet.update(*columns).tobytes()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    fleet = Fleet(metrics=200)
    fleet.update(*mixed(2_000, 200))
    path = tmp_path_factory.mktemp("good") / "f"
    fleet.save(path)
    return path.read_bytes()


@given(data=st.data())
@settings(max_examples=60)
def test_damage_is_found(
    good: bytes, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bad") / "f"
    used = len(good) - 4096 + 500  # the head's padding says nothing
    at = data.draw(st.integers(0, used - 1))
    at = at if at < 500 else at + 4096 - 500
    how = data.draw(st.sampled_from(["bit", "short", "long"]))
    if how == "bit":
        bad = bytearray(good)
        bad[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        bad = bytearray(good[:at] if how == "short" else good + b"x")
    end = good.index(b"}") + 1 + 4
    if how == "bit" and end <= at < 4096:
        return
    path.write_bytes(bad)
    with pytest.raises(StateError):
        Fleet.open(path)


def test_files_that_cannot_be_used_are_told(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f"
    with pytest.raises(StateError, match="cannot be read"):
        Fleet.open(path)
    path.write_bytes(b"")
    with pytest.raises(StateError, match="cannot be read"):
        Fleet.open(path)
    path.write_bytes(b"timestamp,value\n" * 1_000)
    with pytest.raises(StateError, match="not a saved fleet"):
        Fleet.open(path)
    path.write_bytes(good[:7] + bytes([VERSION + 1]) + good[8:])
    with pytest.raises(StateError, match="newer than this Tocsin"):
        Fleet.open(path)
    with pytest.raises(OutputError, match="cannot be written"):
        Fleet().save(tmp_path / "nowhere" / "f")


def test_a_file_of_another_version_of_the_model_is_refused(
    good: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from tocsin.detect import saved
    from tocsin.detect.kernels import kernel_of

    (tmp_path / "f").write_bytes(good)
    now = replace(kernel_of(Settings()), revision=99)
    monkeypatch.setattr(saved, "kernel_of", lambda _settings: now)
    with pytest.raises(StateError, match="another version of the model"):
        Fleet.open(tmp_path / "f")
