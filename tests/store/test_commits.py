from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Table, select

from tests.store.making import (
    MINUTE,
    MONTHS_END,
    a_metric,
    a_state,
    an_event,
    joined,
    position,
    results,
    samples,
)
from tocsin.errors import OwnerLostError, StoreError
from tocsin.store import schema
from tocsin.store.bulk import COLUMNS, RESULTS
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import take_over
from tocsin.store.resume import Resume

REPEATED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


def rows_of(database: Engine, table: Table) -> list[dict[str, Any]]:
    with database.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key)).mappings()
        return [dict(row) for row in found]


def stored(database: Engine, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows_of(database, schema.sample)]


def test_a_commit_is_all_or_nothing(database: Engine) -> None:
    writer = Writer(database)
    twice = joined(samples(1, [10, 20]), samples(1, [10]))
    whole = Commit(1, 5, metrics=[a_metric(1)], samples=twice, events=[an_event(1)])
    with pytest.raises(StoreError) as refused:
        writer.commit(whole)
    assert refused.value.lasting
    for table in (schema.metric, schema.sample, schema.event, schema.outbox):
        assert rows_of(database, table) == []
    whole.samples = samples(1, [10, 20])
    writer.commit(whole)
    assert stored(database, "metric", "seq", "timestamp", "value") == [
        (1, 1, 10, 1.0),
        (1, 2, 20, 2.0),
    ]


def test_what_is_not_known_is_null(database: Engine) -> None:
    codes = results(4, raw_score=[1.0, np.nan, np.nan, 4.0], upper=np.nan)
    codes["event"] = [0, -1, schema.WAITING, 3]
    Writer(database).commit(
        Commit(metrics=[a_metric(1)], samples=samples(1, [10, 20, 30, 40], scored=codes))
    )
    assert stored(database, "raw_score", "upper", "event") == [
        (1.0, None, 0),
        (None, None, None),
        (None, None, -2),
        (4.0, None, 3),
    ]


# SQLite does not keep the sign of zero.
number = st.floats(allow_infinity=False, allow_subnormal=True).map(lambda x: x + 0.0)
#: Far off, and in several months.
moment = st.one_of(
    st.integers(1, 10**15),
    st.integers(0, 20).map(lambda i: MONTHS_END + i * 10**15),
    st.integers(2**62, 2**63 - 1),
)


@REPEATED
@given(st.data())
def test_every_bit_comes_back(database: Engine, data: st.DataObject) -> None:
    """Any numbers, any pattern of NULLs, any times."""
    times = sorted(data.draw(st.sets(moment, min_size=1, max_size=20)))
    first = len(rows_of(database, schema.sample)) + 1
    scored = results(len(times))
    for name in RESULTS:
        scored[name] = [data.draw(number) for _ in times]
    scored["event"] = [data.draw(st.integers(-2, 4)) for _ in times]
    new = samples(1, times, first, scored)
    new.value[:] = [data.draw(number.filter(lambda x: x == x)) for _ in times]
    Writer(database).commit(Commit(samples=new))
    with database.connect() as connection:
        mine = select(schema.sample).where(schema.sample.c.seq >= first)
        found = connection.execute(mine.order_by(schema.sample.c.seq)).all()
    columns = {name: [getattr(row, name) for row in found] for name in COLUMNS}
    assert columns["timestamp"] == times
    assert np.array(columns["value"]).tobytes() == new.value.tobytes()
    for name in RESULTS:
        np.testing.assert_array_equal(np.array(columns[name], float), scored[name])
    assert [-1 if code is None else code for code in columns["event"]] == scored["event"].tolist()


def test_results_reach_samples_that_waited_for_them(database: Engine) -> None:
    times = [MONTHS_END + i * MINUTE for i in range(6)]
    waiting = samples(1, times, scored=results(6, event=schema.WAITING))
    writer = Writer(database)
    writer.commit(Commit(metrics=[a_metric(1)], samples=waiting))
    scored = results(4, likelihood=[0.25, np.nan, 0.5, 0.75])
    scored["event"] = [0, 0, 1, 2]
    known = samples(1, times[:4], scored=scored)
    writer.commit(Commit(scored=known, positions=position(1, 6, times[-1], scored_seq=4)))
    writer.commit(Commit(scored=known))  # a second time on the same connection
    assert stored(database, "seq", "value", "likelihood", "event") == [
        (1, 1.0, 0.25, 0),
        (2, 2.0, None, 0),
        (3, 3.0, 0.5, 1),
        (4, 4.0, 0.75, 2),
        (5, 5.0, None, -2),
        (6, 6.0, None, -2),
    ]
    (progress,) = rows_of(database, schema.progress)
    assert (progress["last_seq"], progress["scored_seq"]) == (6, 4)


def test_no_rows_are_no_rows(database: Engine) -> None:
    none = samples(1, [])
    Writer(database).commit(Commit(1, samples=none, scored=none, ranges=np.empty((0, 3), np.int64)))
    assert stored(database, "seq") == []


def test_positions_and_statuses(database: Engine) -> None:
    writer = Writer(database)
    writer.commit(Commit(metrics=[a_metric(n) for n in (1, 2, 3)]))
    error = {"status": "error", "reason": "model_raised", "detail": "ZeroDivisionError"}
    writer.commit(
        Commit(
            positions=position(2, 7, 99, value=1.5, anomaly_score=0.25),
            statuses=[{"id": 3, "deadline": 5, "failures": 2} | error],
        )
    )
    writer.commit(Commit(positions=position(1, 8, 100, value=-0.0)))
    one, two, three = rows_of(database, schema.progress)
    assert (one["last_seq"], one["anomaly_score"], one["scored_seq"]) == (8, None, 8)
    assert (two["last_timestamp"], two["last_value"], two["anomaly_score"]) == (99, 1.5, 0.25)
    assert (three["last_seq"], three["last_timestamp"], three["scored_seq"]) == (0, None, 0)
    one, two, three = rows_of(database, schema.metric)
    assert one["status"] == two["status"] == "active"
    assert {key: three[key] for key in error} == error
    assert (three["deadline"], three["failures"]) == (5, 2)
    writer.commit(Commit(changes=[{"id": 3, "scored_seq": 1, "last_seq": 2, "detail": "d"}]))
    writer.commit(Commit(changes=[{"id": 3, "last_value": 0.5}]))
    three = rows_of(database, schema.progress)[2]
    assert (three["last_seq"], three["scored_seq"], three["last_value"]) == (2, 1, 0.5)
    assert rows_of(database, schema.metric)[2]["detail"] == "d"
    writer.change_metric(3, settings='{"model":"views"}', learns_after=4)
    assert rows_of(database, schema.metric)[2]["learns_after"] == 4


def test_texts_that_no_database_takes_stop_nothing(database: Engine) -> None:
    row = {"id": 1, "status": "error", "reason": "x", "deadline": None, "failures": 1}
    Writer(database).commit(
        Commit(
            metrics=[a_metric(1, name="é\0")],
            statuses=[row | {"detail": "a\0b \ud800 \U0001f600 ü"}],
            changes=[{"id": 1, "model": "\udfff"}],
        )
    )
    (metric,) = rows_of(database, schema.metric)
    assert metric["detail"] == "a\ufffdb \ufffd \U0001f600 ü"
    assert (metric["name"], metric["model"]) == ("é\ufffd", "\ufffd")


def test_a_repeated_commit_is_done_once(database: Engine) -> None:
    writer = Writer(database)
    first = Commit(
        41, 7, metrics=[a_metric(1)], samples=samples(1, [10, 20]), ranges=np.array([[1, 1, 2]])
    )
    writer.commit(first, again=True)  # the try before it never got there
    writer.commit(first, again=True)  # it did, only the answer was lost
    with pytest.raises(StoreError):
        writer.commit(first)
    assert len(rows_of(database, schema.sample)) == 2
    (row,) = rows_of(database, schema.outbox)
    assert (row["id"], row["at"], row["count"], row["events"]) == (41, 7, 2, "[]")
    assert np.frombuffer(row["ranges"], "<i8").tolist() == [1, 1, 2]


def test_several_are_written_or_none(database: Engine) -> None:
    writer = Writer(database)
    one = Commit(
        1, 7, metrics=[a_metric(1)], samples=samples(1, [10]), positions=position(1, 1, 10)
    )
    two = Commit(2, 8, samples=samples(1, [20], first=2), positions=position(1, 2, 20))
    with pytest.raises(StoreError):
        writer.commit(one, two, Commit(3, samples=samples(1, [20], first=2)))
    assert rows_of(database, schema.metric) == rows_of(database, schema.outbox) == []
    for again in (False, True):
        writer.commit(one, two, again=again)
        assert stored(database, "seq", "timestamp") == [(1, 10), (2, 20)]
        assert [row["id"] for row in rows_of(database, schema.outbox)] == [1, 2]
        assert [row["last_seq"] for row in rows_of(database, schema.progress)] == [2]


def test_events_grow_and_are_told(database: Engine) -> None:
    writer = Writer(database)
    writer.commit(Commit(1, metrics=[a_metric(1)], events=[an_event(1), an_event(2)]))
    writer.commit(Commit(2, events=[an_event(2, end=50, open=False, samples=9)]))
    one, two = rows_of(database, schema.event)
    assert (one["end"], one["open"]) == (20, True)
    assert (two["end"], two["open"], two["samples"], two["start"]) == (50, False, 9, 10)
    assert '"end": 50' in rows_of(database, schema.outbox)[1]["events"]
    writer.close_event(1)
    assert Resume(database).open_events() == []
    assert Resume(database).last_event() == 2


def test_the_books(database: Engine) -> None:
    """Deliveries replace, refusals add up, what is held or late is kept once."""
    writer = Writer(database)

    def delivery(source: str, count: int) -> dict[str, Any]:
        return {"source": source, "position": count, "at": count, "receipt": "{}"}

    def refusal(count: int, value: str) -> dict[str, Any]:
        told = {"metric": 1, "reason": "late", "at": count, "timestamp": 9}
        return told | {"count": count, "value": value}

    def held(time: int) -> dict[str, Any]:
        return {"metric": 1, "timestamp": time, "value": 0.5, "arrived": 1}

    both = [delivery("a", 1), delivery("http:b", 1)]
    writer.commit(
        Commit(
            deliveries=both, refusals=[refusal(2, "x")], held_add=[held(5), held(6)], late=[held(1)]
        )
    )
    drop = [{"metric": 1, "timestamp": 5}]
    writer.commit(
        Commit(
            deliveries=[delivery("a", 2)],
            refusals=[refusal(3, "y")],
            held_drop=drop,
            late=[held(1), held(2)],
        )
    )
    assert {row["source"]: row["position"] for row in Resume(database).deliveries()} == {
        "a": 2,
        "http:b": 1,
    }
    (refused,) = rows_of(database, schema.refusal)
    assert (refused["count"], refused["at"], refused["value"]) == (5, 3, "y")
    assert [row["timestamp"] for row in Resume(database).held()] == [6]
    assert [row["timestamp"] for row in rows_of(database, schema.late)] == [1, 2]
    assert writer.forget_deliveries("http:", 5) == 1
    assert [row["source"] for row in Resume(database).deliveries()] == ["a"]


def kept(database: Engine) -> Sequence[tuple[int, int]]:
    return [(state.metric, state.seq) for state in Resume(database).snapshots()]


def test_the_last_snapshots_are_kept(database: Engine) -> None:
    writer = Writer(database)
    writer.commit(Commit(metrics=[a_metric(n) for n in (1, 2)]))
    for seq in (10, 20, 30):
        writer.save_snapshots([a_state(1, seq), a_state(2, seq + 5)], keep=2)
    assert sorted(kept(database)) == [(1, 20), (1, 30), (2, 25), (2, 35)]
    assert [seq for metric, seq in kept(database) if metric == 1] == [30, 20]  # newest first
    writer.save_snapshots([a_state(1, 30, b"other", "h2")], keep=2)
    newest = next(s for s in Resume(database).snapshots() if s.metric == 1)
    assert (newest.seq, newest.state, newest.settings_hash) == (30, b"other", "h2")
    writer.drop_snapshots(1, beyond_seq=20)
    writer.drop_snapshots(2)
    assert kept(database) == [(1, 20)]


def test_a_metrics_data_goes_piece_by_piece(database: Engine) -> None:
    writer = Writer(database)
    times = [MONTHS_END + i * MINUTE for i in range(10)]
    writer.commit(
        Commit(
            metrics=[a_metric(1), a_metric(2)],
            samples=joined(samples(1, times), samples(2, times[:1])),
            events=[an_event(1), an_event(2, metric=2)],
        )
    )
    writer.save_snapshots([a_state(1, 3)], keep=1)
    assert writer.delete_samples(1, 2, 100) == 2
    writer.change_metric(1, deleted=5)
    assert [row["id"] for row in Resume(database).deleted()] == [1]
    gone = []
    while count := writer.delete_metric_data(1, 3):
        gone.append(count)
    assert gone == [3, 3, 2, 3]  # at last a state, an event, and how it stood
    assert stored(database, "metric", "seq") == [(2, 1)]
    assert [row["id"] for row in rows_of(database, schema.event)] == [2]
    assert [row["id"] for row in rows_of(database, schema.metric)] == [1, 2]
    assert Resume(database).deleted() == []


def test_whoever_started_before_may_not_write(database: Engine) -> None:
    before, other = Writer(database), Commit(metrics=[a_metric(1)])
    take_over(database)
    with pytest.raises(OwnerLostError):
        before.commit(other)
    with pytest.raises(OwnerLostError):
        before.save_snapshots([], 1)
    Writer(database).commit(other)
    assert len(rows_of(database, schema.metric)) == 1


def test_the_last_statuses_of_each_metric_are_kept(database: Engine) -> None:
    writer = Writer(database)
    writer.commit(Commit(at=5, metrics=[a_metric(1), a_metric(2), a_metric(4)]))
    ill = {"id": 1, "status": "error", "reason": "model_raised", "detail": "x", "deadline": None}
    for at in range(6, 6 + 150):
        status = ill if at % 2 else ill | {"status": "active", "reason": None, "detail": None}
        writer.commit(Commit(at=at, statuses=[status | {"failures": 0}]))
    changes = rows_of(database, schema.status_change)
    assert [(row["metric"], row["at"]) for row in changes if row["metric"] != 1] == [(2, 5), (4, 5)]
    mine = [row for row in changes if row["metric"] == 1]
    assert len(mine) == 100
    assert (mine[-1]["at"], mine[-1]["status"], mine[-1]["reason"]) == (
        155,
        "error",
        "model_raised",
    )
    # Nothing is noted of others with ids between.
    writer.commit(Commit(at=200, metrics=[a_metric(3), a_metric(5)]))
    changes = rows_of(database, schema.status_change)
    assert [row["at"] for row in changes if row["metric"] in (3, 4)] == [200, 5]
