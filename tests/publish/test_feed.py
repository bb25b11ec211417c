from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.publish.world import START, World, an_event, positions, rows_of
from tocsin.engine.committed import WAITING, Committed
from tocsin.errors import StoreError
from tocsin.publish import feed as feed_module
from tocsin.publish import outbox as outbox_module
from tocsin.publish.delivery import Delivery, Gap, Item
from tocsin.publish.feed import Feed, Subscription


@pytest.fixture
def feed(world: World) -> Feed:
    return Feed(world.registry, world.outbox)


def commit(world: World, feed: Feed, rows: list[int], **more: Any) -> Committed:
    what = world.commit(rows, **more)
    feed.publish(what)
    return what


def take_all(subscription: Subscription) -> list[Item]:
    found = []
    while (item := subscription.take(timeout=0)) is not None:
        found.append(item)
    return found


@contextmanager
def no_reading(world: World) -> Iterator[None]:
    """Whoever reads from the outbox fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.outbox, "after", None)
        yield


def test_what_is_live_is_what_is_stored(world: World, feed: Feed) -> None:
    live = feed.subscribe()
    commit(world, feed, [0, 0, 1])
    commit(world, feed, [3, 1, 2], events=[(3, an_event(START)), (1, an_event(START, open=False))])
    with no_reading(world):
        from_memory = take_all(live)
    stored = world.outbox.after(0)
    assert positions(from_memory) == positions(stored) == [1, 2]
    for one, other in zip(from_memory, stored, strict=True):
        assert rows_of(one) == rows_of(other)
        assert isinstance(one, Delivery)
        assert isinstance(other, Delivery)
        assert one.events == other.events


def test_one_that_comes_later_gets_what_was_then_what_is(world: World, feed: Feed) -> None:
    for _ in range(5):
        commit(world, feed, [0, 1])
    some, everything = feed.subscribe(3), feed.subscribe(0)
    assert positions(take_all(some)) == [4, 5]
    assert positions(take_all(everything)) == [1, 2, 3, 4, 5]
    commit(world, feed, [0])
    with no_reading(world):
        assert positions(take_all(some)) == positions(take_all(everything)) == [6]
        assert positions(take_all(feed.subscribe())) == []


def test_going_over_to_live_misses_and_repeats_nothing(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many who begin anywhere, who pause, and whose memory is short, while commits go on."""
    monkeypatch.setattr(feed_module, "_DELIVERIES", 4)
    monkeypatch.setattr(feed_module, "_READ", 6)
    count, found = 150, [list[Item]() for _ in range(6)]

    def follow(number: int) -> None:
        with feed.subscribe(0) as mine:
            while mine.position < count:
                item = mine.take(10)
                assert item is not None
                found[number].append(item)
                if len(found[number]) % (3 + number) == 0:
                    time.sleep(0.004 * number)

    threads = [threading.Thread(target=follow, args=(n,)) for n in range(len(found))]
    for at in range(count):
        if at < 60 and at % 10 == 0:
            threads[at // 10].start()
        commit(world, feed, [at % 3, 3])
    for thread in threads:
        thread.join(60)
    for mine in found:
        assert positions(mine) == [*range(1, count + 1)]
        seqs = [row[1] for item in mine for row in rows_of(item) if row[0].name == "m3"]
        assert seqs == [*range(1, count + 1)]


def test_a_commit_while_the_outbox_is_read_is_not_missed(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    after, mine = world.outbox.after, feed.subscribe(0)

    def after_then_commit(*given: int) -> list[Item]:
        found = after(*given)
        if world.position < 3:
            commit(world, feed, [0])
        return found

    monkeypatch.setattr(world.outbox, "after", after_then_commit)
    assert positions(take_all(mine)) == [1, 2, 3]


def test_what_was_read_before_it_was_announced_is_not_repeated(world: World, feed: Feed) -> None:
    mine = feed.subscribe(0)
    what = world.commit([0])
    assert positions(take_all(mine)) == [1]
    assert not mine.behind
    feed.publish(what)
    assert take_all(mine) == []
    commit(world, feed, [0])
    assert positions(take_all(mine)) == [2]


def test_what_was_never_announced_is_read(world: World, feed: Feed) -> None:
    mine, new = feed.subscribe(), feed.subscribe(complete=False)
    world.commit([0])
    commit(world, feed, [0])
    assert positions(take_all(mine)) == [1, 2]
    assert positions(take_all(new)) == [2]


def test_a_slow_one_is_served_from_the_outbox(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_SAMPLES", 10)
    slow, quick = feed.subscribe(), feed.subscribe()
    for _ in range(8):
        commit(world, feed, [0, 1, 2, 3])
        with no_reading(world):
            assert len(take_all(quick)) == 1
    assert slow.behind
    assert not slow._live
    assert positions(take_all(slow)) == [*range(1, 9)]
    assert not slow.behind


def test_one_that_wants_only_what_is_new_is_lost_when_slow(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_DELIVERIES", 3)
    slow = feed.subscribe(complete=False)
    for _ in range(3):
        commit(world, feed, [0])
    assert not slow.lost
    assert slow.ready()
    commit(world, feed, [0])
    commit(world, feed, [0])
    assert slow.lost
    assert slow.ready() is None
    commit(world, feed, [0])
    assert slow.ready() is None


def test_a_huge_commit_alone_is_kept(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_SAMPLES", 2)
    live = feed.subscribe()
    commit(world, feed, [0, 1, 2, 3])
    with no_reading(world):
        assert positions(take_all(live)) == [1]


def test_what_cannot_be_handed_on_comes_from_the_outbox(world: World, feed: Feed) -> None:
    live = feed.subscribe()
    what = world.commit([0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed_module, "Delivery", None)
        with pytest.raises(TypeError):
            feed.publish(what)
    commit(world, feed, [0])
    assert positions(take_all(live)) == [1, 2]


def test_samples_that_wait_come_when_they_are_scored(world: World, feed: Feed) -> None:
    live = feed.subscribe()
    what = world.commit([0, 0, 1])
    what.scored["event"][1] = WAITING
    feed.publish(what)
    (found,) = take_all(live)
    assert [(row[0].name, row[1]) for row in rows_of(found)] == [("m0", 1), ("m1", 1)]


def test_a_commit_of_which_more_is_stored_is_read(world: World, feed: Feed) -> None:
    live, new = feed.subscribe(), feed.subscribe(complete=False)
    what = world.commit([0, 1])
    none = what.row[:0]
    feed.publish(Committed(1, none, none, none, what.value[:0], what.scored[:0], [], whole=False))
    assert [len(rows_of(item)) for item in take_all(live)] == [2]
    assert not new.lost


def test_parts_of_a_very_large_commit_count_at_its_end(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "_PART", 4)
    commit(world, feed, [0])
    commit(world, feed, [0, 1] * 5)
    commit(world, feed, [0])
    mine, at, seqs = feed.subscribe(0), [], []
    while (item := mine.take(timeout=0)) is not None:
        at.append((item.position, mine.position))
        seqs += [row[1] for row in rows_of(item) if row[0].name == "m0"]
    assert at == [(1, 1), (2, 1), (2, 1), (2, 2), (3, 3)]
    assert seqs == [*range(1, 8)]


def test_a_commit_without_results_is_nobodys_news(world: World, feed: Feed) -> None:
    live = feed.subscribe()
    what = world.commit([0])
    feed.publish(Committed(0, what.row, what.seq, what.timestamp, what.value, what.scored, []))
    assert take_all(live) == []
    assert feed.newest == 0


def test_a_gap_is_told_in_its_place(world: World, feed: Feed) -> None:
    for _ in range(5):
        commit(world, feed, [0])
    assert world.outbox.prune(world.clock + 100, 0, 10).rows == 4
    gap, *rest = take_all(feed.subscribe(2))
    assert isinstance(gap, Gap)
    assert (gap.after, gap.position) == (2, 4)
    assert positions(rest) == [5]
    ahead = feed.subscribe(99)
    (gap,) = take_all(ahead)
    assert isinstance(gap, Gap)
    commit(world, feed, [0])
    assert positions(take_all(ahead)) == [6]


def test_after_an_error_nothing_is_skipped(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> list[Item]:
        raise StoreError("gone")

    commit(world, feed, [0])
    commit(world, feed, [0])
    mine = feed.subscribe(0)
    monkeypatch.setattr(world.outbox, "after", refuse)
    for _ in range(2):
        with pytest.raises(StoreError):
            next(mine)
    monkeypatch.undo()
    assert positions([next(mine), next(mine)]) == [1, 2]


def test_a_restart_goes_on(world: World, feed: Feed) -> None:
    commit(world, feed, [0])
    again = Feed(world.registry, world.outbox)
    assert again.newest == 1
    live = again.subscribe()
    commit(world, again, [0])
    assert positions(take_all(live)) == [2]


def test_waiting_ends_when_something_comes_or_all_is_closed(world: World, feed: Feed) -> None:
    found: list[Item] = []
    mine = feed.subscribe()
    thread = threading.Thread(target=lambda: found.extend(mine))
    thread.start()
    commit(world, feed, [0])
    commit(world, feed, [1])
    feed.close()
    thread.join(60)
    assert not thread.is_alive()
    assert positions(found) == [1, 2]
    assert feed.subscribe().take() is None
    assert positions(list(feed.subscribe(0))) == [1, 2]  # what is there can still be had


def test_one_that_has_closed_gets_nothing_more(world: World, feed: Feed) -> None:
    commit(world, feed, [0])
    mine, behind = feed.subscribe(), feed.subscribe(0)
    commit(world, feed, [0])
    mine.close()
    behind.close()
    assert mine.take() is None
    assert behind.take() is None
    commit(world, feed, [0])
    assert mine.take() is None
