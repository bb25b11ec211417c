from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publish.world import START, World, an_event, positions, rows_of
from tocsin.detect.result import NUMBERS
from tocsin.engine.committed import Committed
from tocsin.publish import outbox as outbox_module
from tocsin.publish.delivery import Delivery, Gap, Item
from tocsin.publish.outbox import _BY_KEY, Pruned, Waiting, _outlived, _wanted
from tocsin.publish.subscribers import Subscribers
from tocsin.samples import SECOND_NS

HOUR = 3_600 * SECOND_NS
DAY = 24 * HOUR


def as_rows(world: World, what: Committed) -> list[tuple[object, ...]]:
    """What a delivery of this commit must hold."""
    scored = what.scored[[*NUMBERS, "event"]].tolist()
    return [
        (
            (world.registry.uids[row], f"m{row}", (("dc", "b"), ("host", "a")), 1),
            int(seq),
            int(time),
            float(value),
            tuple(None if x != x else x for x in result),
        )
        for row, seq, time, value, result in zip(
            what.row, what.seq, what.timestamp, what.value, scored, strict=True
        )
    ]


def drain(world: World, after: int, samples: int) -> list[Item]:
    found: list[Item] = []
    while some := world.outbox.after(after, samples):
        found += some
        after = found[-1].position
    return found


def test_every_commit_comes_back_to_the_bit(any_world: World) -> None:
    world = any_world
    made = [
        world.commit([0, 0, 0, 1]),
        world.commit([2]),
        world.commit([1, 0, 1], events=[(1, an_event(START)), (2, an_event(START, open=False))]),
    ]
    found = world.outbox.after(0)
    assert positions(found) == [1, 2, 3]
    assert [rows_of(item) for item in found] == [as_rows(world, what) for what in made]
    assert isinstance(found[2], Delivery)
    assert [(c.id, c.metric.name) for c in found[2].events] == [(30, "m1"), (31, "m2")]
    assert [c.event for c in found[2].events] == [
        an_event(START),
        an_event(START, open=False),
    ]
    assert [item.missing for item in found if isinstance(item, Delivery)] == [0, 0, 0]
    assert world.outbox.after(3) == []
    assert positions(world.outbox.after(1)) == [2, 3]


@pytest.mark.parametrize("samples", [1, 7, 40, 10_000])
def test_pieces_of_any_size_hold_the_same(any_world: World, samples: int) -> None:
    world = any_world
    made = []
    for _ in range(20):
        rows = world.random.integers(0, 6, world.random.integers(0, 12)).tolist()
        made.append(world.commit(rows, skip=int(world.random.integers(1, 4))))
    found = drain(world, 0, samples)
    assert positions(found) == [what.position for what in made]
    assert [rows_of(item) for item in found] == [as_rows(world, what) for what in made]
    most = max(len(item.seq) for item in found if isinstance(item, Delivery))
    (first, *_) = [world.outbox.after(0, samples)]
    assert sum(len(rows_of(item)) for item in first) <= max(samples, most)


@pytest.mark.parametrize("size", [1, 3, 10, 12, 13])
def test_a_very_large_commit_comes_in_parts(
    any_world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    world = any_world
    monkeypatch.setattr(outbox_module, "_PART", size)
    world.commit([0])
    large = world.commit([0] * 7 + [1] + [2] * 4, events=[(2, an_event(START))])
    world.commit([1])
    parts, done = list[Delivery](), 0
    for _ in range(12 // size + bool(12 % size)):
        part, *more = world.outbox.after(1, 100, done)
        assert isinstance(part, Delivery)
        parts.append(part)
        done += len(part)
        assert (more == []) == (size < 12)
    assert [part.ends for part in parts] == [False] * (len(parts) - 1) + [True]
    assert [part.position for part in parts] == [2] * len(parts)
    assert max(len(part) for part in parts) <= size
    assert [row for part in parts for row in rows_of(part)] == as_rows(world, large)
    assert [len(part.events) for part in parts] == [0] * (len(parts) - 1) + [1]
    assert positions(world.outbox.after(0, 100)[:1]) == [1]


def test_very_many_metrics_in_one_commit(any_world: World) -> None:
    world = any_world
    made = [
        world.commit([*range(1_700)]),
        world.commit([5, 5]),
        world.commit([*range(0, 1_700, 3)]),
    ]
    found = world.outbox.after(0)
    assert [rows_of(item) for item in found] == [as_rows(world, what) for what in made]


def test_samples_are_found_by_the_primary_key(any_world: World) -> None:
    world = any_world
    world.commit([i % 60 for i in range(6_000)])
    query = str(_wanted(np.array([[metric, 90, 91] for metric in range(1, 61)]), 0))
    with world.database.begin() as connection:
        if connection.dialect.name == "sqlite":
            plan = [row[-1] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + query)]
            assert "SEARCH s USING PRIMARY KEY (metric=? AND seq>? AND seq<?)" in plan
        else:
            connection.exec_driver_sql("ANALYZE sample")
            connection.execute(_BY_KEY)
            plan = [row[0] for row in connection.exec_driver_sql("EXPLAIN " + query)]
            assert any("Index Scan" in line for line in plan)
            assert not any("Seq Scan" in line for line in plan)


def test_what_is_no_longer_stored_is_counted(any_world: World) -> None:
    world = any_world
    world.commit([0, 0, 0, 1])
    world.writer.delete_samples(1, up_to=2, limit=10)
    (found,) = world.outbox.after(0)
    assert isinstance(found, Delivery)
    assert found.missing == 2
    assert found.seq.tolist() == [3, 1]


def test_one_metrics_share(world: World) -> None:
    world.commit([0, 0, 1, 2], events=[(1, an_event(START)), (2, an_event(START))])
    (found,) = world.outbox.after(0)
    assert isinstance(found, Delivery)
    mine = found.only(frozenset([world.registry.uids[1], "no such metric"]))
    assert [row[0].name for row in rows_of(mine)] == ["m1"]
    assert [c.metric.name for c in mine.events] == ["m1"]
    assert found.only(None) is found
    assert len(Delivery(7).only(frozenset(["x"]))) == 0


# --- pruning --------------------------------------------------------------------------------------


def prune(world: World, keep: int = DAY, most: int = 7 * DAY) -> Pruned:
    return world.outbox.prune(world.clock, keep, most)


def test_old_rows_go_and_who_missed_them_is_told(any_world: World) -> None:
    world = any_world
    for _ in range(5):
        world.commit([0])
        world.clock += 10 * HOUR
    assert prune(world) == Pruned(3, 0)  # made 50, 40 and 30 hours ago
    assert prune(world) == Pruned(0, 0)
    gap, *rest = world.outbox.after(1)
    assert isinstance(gap, Gap)
    assert (gap.after, gap.position) == (1, 3)
    assert positions(rest) == [4, 5]
    assert positions(world.outbox.after(3)) == [4, 5]  # nothing was missed


def test_the_newest_row_stays(any_world: World) -> None:
    world = any_world
    world.commit([0])
    world.commit([0])
    world.clock += 400 * DAY
    assert prune(world) == Pruned(1, 0)
    assert world.outbox.newest() == 2


def test_a_named_subscriber_is_waited_for_but_not_for_ever(any_world: World) -> None:
    world, subscribers = any_world, Subscribers(any_world.database)
    for _ in range(4):
        world.commit([0])
    subscribers.register("done", 4)
    subscribers.register("slow", 2)
    world.clock += 2 * DAY
    assert prune(world) == Pruned(2, 0)
    world.clock += 4 * DAY
    assert prune(world) == Pruned(0, 0)
    world.clock += 2 * DAY
    assert prune(world) == Pruned(1, 1)  # the newest stays
    assert subscribers.forget("slow")
    assert prune(world, keep=0, most=DAY) == Pruned(0, 0)


def test_pruning_goes_step_by_step(world: World) -> None:
    for _ in range(230):
        world.commit([0])
    world.clock += 2 * DAY
    steps = []
    while (pruned := prune(world)).rows:
        steps.append(pruned.rows)
    assert sum(steps) == 229
    assert max(steps) <= 200


@given(
    st.lists(st.integers(-10, 10), max_size=12),
    st.none() | st.integers(0, 12),
)
def test_only_a_front_of_old_and_confirmed_rows_goes(
    ages: list[int], confirmed: int | None
) -> None:
    """Times as a clock that jumps may give them: an age below 0 lies in the future.

    A little ahead is also what was committed since the clock was read: it must stay.
    """
    rows = [(i, -age) for i, age in enumerate(ages, 1)]
    gone = _outlived(rows, now=0, keep_ns=3, most_ns=6, confirmed=confirmed)
    assert gone == [*range(1, len(gone) + 1)]
    for position in gone:
        age = ages[position - 1]
        assert age > 6 or not -3 <= age <= 3
        assert age > 6 or confirmed is None or position <= confirmed
    if len(gone) < len(ages):  # the next one is kept for a reason
        age = ages[len(gone)]
        unconfirmed = confirmed is not None and len(gone) + 1 > confirmed
        assert age <= 6
        assert -3 <= age <= 3 or unconfirmed


def test_a_position_ahead_of_the_database_is_told(any_world: World) -> None:
    world = any_world
    assert isinstance(world.outbox.after(4)[0], Gap)
    world.commit([0])
    (gap,) = world.outbox.after(4)
    assert isinstance(gap, Gap)
    assert (gap.after, gap.position) == (4, 1)
    assert "ahead" in gap.reason


def test_how_far_a_subscriber_is(any_world: World) -> None:
    world = any_world
    assert world.outbox.newest() == 0
    assert world.outbox.waiting([0]) == {0: Waiting(0, None)}
    world.commit([0])
    world.clock += HOUR
    world.commit([0], skip=3)
    told = {0: Waiting(4, START), 1: Waiting(3, START + HOUR), 4: Waiting(0, None)}
    assert world.outbox.waiting([0, 1, 4, 1]) == told
