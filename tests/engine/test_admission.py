from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config import Config
from tocsin.engine.admission import Gate, Newcomers
from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.engine.engine import Engine
from tocsin.errors import StoreError
from tocsin.filters import Filters
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.store.database import open_database

START = 1_700_000_000 * SECOND_NS
RULES: list[dict[str, Any]] = [
    {"match": "keep.*", "drop_labels": ["pod"]},
    {"match": "bad.*", "rename": {"from": ".*", "to": ""}},
    {"match": "old.*", "rename": {"from": r"^old\.", "to": "new."}},
    {"match": "drop.*", "action": "drop"},
]


def batch(names: Sequence[str], which: Sequence[int], sender: str = "", **more: Any) -> Batch:
    samples = Samples(
        np.array(which, dtype=np.int64),
        START + SECOND_NS * np.arange(len(which), dtype=np.int64),
        np.arange(len(which), dtype=np.float64),
    )
    return Batch([Metric.of(name) for name in names], samples, "test", sender=sender, **more)


@pytest.fixture(name="engine")
def engine_fixture(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    database = open_database(f"sqlite:///{tmp_path / 'tocsin.db'}")
    engine = Engine(database, Config(**request.param))
    engine.start()
    yield engine
    engine.stop()
    database.dispose()


def test_without_rules_a_batch_is_not_looked_at() -> None:
    given_ = batch(["a"], [0, 0])
    passed = Gate(Filters.of([]), 10).pass_(given_)
    assert passed.batch is given_
    receipt = Receipt(2, 0)
    assert passed.receipt(receipt) is receipt


@given(st.lists(st.integers(0, 4), max_size=30))
def test_samples_keep_their_places(which: list[int]) -> None:
    names = ["keep.a", "bad.b", "old.c", "drop.d", "other"]
    passed = Gate(Filters.of(RULES), 10).pass_(batch(names, which))
    left = [place for place, metric in enumerate(which) if metric not in (1, 3)]
    assert passed.batch.samples.value.tolist() == left
    told = [str(passed.batch.metrics[i]) for i in passed.batch.samples.metric]
    assert told == [names[which[place]].replace("old", "new") for place in left]
    refused = [Rejection(i, Reason.LATE, "") for i in range(len(left))]
    receipt = passed.receipt(Receipt(7, 8, refused, 9))
    assert receipt.filtered == which.count(3)
    assert (receipt.accepted, receipt.duplicates, receipt.late) == (7, 8, 9)
    assert [r.index for r in receipt.rejected] == [i for i, m in enumerate(which) if m != 3]
    for one in receipt.rejected:
        assert one.code is (Reason.BAD_METRIC if which[one.index] == 1 else Reason.LATE)


def test_a_verdict_is_found_once_and_they_are_bounded() -> None:
    class Counting(Filters):
        asked = 0

        def apply(self, protocol: str, metric: Metric) -> Metric | None:
            self.asked += 1
            return super().apply(protocol, metric)

    filters = Counting(list(Filters.of(RULES)))
    gate = Gate(filters, 1)
    for _ in range(5):
        gate.pass_(batch(["keep.a", "drop.a"], [0, 1]))
    assert filters.asked == 2
    for number in range(30_000):
        gate.pass_(batch([f"drop.{number}"], [0]))
    assert len(gate._known) <= 10_000


def test_the_answer_comes_with_the_engines_or_its_error() -> None:
    passed = Gate(Filters.of(RULES), 10).pass_(batch(["drop.a", "b"], [0, 1]))
    good, bad, gone = Future[Receipt](), Future[Receipt](), Future[Receipt]()
    promised = [passed.promised(inner) for inner in (good, bad, gone)]
    promised[2].cancel()
    good.set_result(Receipt(1, 0))
    bad.set_exception(StoreError("away"))
    gone.set_result(Receipt(1, 0))
    assert promised[0].result(0) == Receipt(1, 0, filtered=1)
    with pytest.raises(StoreError):
        promised[1].result(0)
    assert promised[2].cancelled()


@pytest.mark.parametrize("engine", [{"intake": RULES}], indirect=True)
def test_rules_hold_for_whatever_is_submitted(engine: Engine) -> None:
    names = ["keep.a", "bad.b", "old.c", "drop.d"]
    receipt = engine.submit(batch(names, [0, 1, 2, 3, 3, 0])).result(120)
    assert (receipt.accepted, receipt.filtered) == (3, 2)
    assert [(r.index, r.code) for r in receipt.rejected] == [(1, Reason.BAD_METRIC)]
    assert engine.submit(batch(["drop.e"], [0, 0])).result(120) == Receipt(0, 0, filtered=2)
    assert [m.name for m in engine.registry.metrics] == ["keep.a", "new.c"]
    told = engine.telemetry.text()
    assert b'rejected_total{protocol="test",reason="filtered"} 4.0' in told
    assert b'rejected_total{protocol="test",reason="bad_metric"} 1.0' in told


@pytest.mark.parametrize("engine", [{"intake": RULES}], indirect=True)
def test_metrics_that_become_one_are_one(engine: Engine) -> None:
    pods = [Metric.of("keep.a", {"pod": str(pod)}) for pod in range(3)]
    given_ = batch(["x"] * 3, [0, 1, 2])
    merged = Batch(pods, given_.samples, "test")
    assert engine.submit(merged).result(120).accepted == 3
    assert engine.registry.metrics == [Metric.of("keep.a")]
    assert engine.registry.position["seq"].tolist() == [3]


@pytest.mark.parametrize("engine", [{"intake": RULES}], indirect=True)
def test_a_sender_that_counts_is_answered_the_same_again(engine: Engine) -> None:
    counted = batch(["drop.a", "b", "bad.c"], [0, 1, 2, 1], source="s", position=5)
    first = engine.submit(counted).result(120)
    assert (first.accepted, first.filtered, len(first.rejected)) == (2, 1, 1)
    assert engine.submit(counted).result(120) == first
    nothing = batch(["drop.a"], [0], source="s", position=6)
    assert engine.submit(nothing).result(120).filtered == 1
    row = engine.intake.delivery("s")
    assert row is not None
    assert row["position"] == 6


@pytest.mark.parametrize("engine", [{"max_new_metrics_per_hour": 3}], indirect=True)
def test_new_metrics_are_limited_per_sender_and_the_others_go_on(engine: Engine) -> None:
    assert engine.submit(batch(["a", "b"], [0, 1], "one")).result(120).accepted == 2
    receipt = engine.submit(batch(["a", "c", "d", "e"], [0, 1, 2, 3, 0, 3], "one")).result(120)
    # "a" goes on; "c" was the third one.
    assert [(r.index, r.code) for r in receipt.rejected] == [
        (2, Reason.TOO_MANY_NEW),
        (3, Reason.TOO_MANY_NEW),
        (5, Reason.TOO_MANY_NEW),
    ]
    assert (receipt.accepted, receipt.duplicates) == (2, 1)
    assert engine.submit(batch(["d", "e"], [0, 1], "two")).result(120).accepted == 2
    assert engine.submit(batch(["d"], [0, 0, 0], "one")).result(120).accepted == 2
    assert b'protocol="test",reason="too_many_new"} 3.0' in engine.telemetry.text()


def test_newcomers_come_back_with_time_and_senders_are_bounded() -> None:
    newcomers, hour = Newcomers(2, senders=3), 3_600 * SECOND_NS
    assert [newcomers.take("a", 0) for _ in range(3)] == [True, True, False]
    assert not newcomers.take("a", hour // 2 - 1)
    assert newcomers.take("a", hour // 2 + 1)
    assert not newcomers.take("a", 0)  # a clock that was set back
    assert [newcomers.take("a", 100 * hour) for _ in range(3)] == [True, True, False]
    for sender in "bcd":
        assert newcomers.take(sender, 100 * hour)
    assert len(newcomers._left) == 3
