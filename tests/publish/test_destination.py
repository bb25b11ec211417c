from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.publish.test_feed import commit
from tests.publish.world import World, positions
from tocsin.errors import OutputError, StoreError
from tocsin.publish import destination as module
from tocsin.publish import outbox as outbox_module
from tocsin.publish.delivery import Item
from tocsin.publish.destination import Calling, Destination, Pump
from tocsin.publish.feed import Feed
from tocsin.publish.subscribers import Subscribers


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


class Kept:
    """A destination that keeps what it gets, and fails when told to."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.synced = 0
        self.fails = 0
        self.tries = 0
        self.closed = False

    def write(self, item: Item) -> None:
        self.tries += 1
        if self.fails:
            self.fails -= 1
            raise OutputError("the disk is full")
        self.items.append(item)

    def sync(self) -> None:
        self.synced = len(self.items)

    def close(self) -> None:
        self.closed = True


class Running:
    """Feed and subscribers of one start."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.feed = Feed(world.registry, world.outbox)
        self.subscribers = Subscribers(world.database)

    def pump(self, destination: Destination) -> Pump:
        pump = Pump("p", destination, self.feed, self.subscribers, pause_s=0.01)
        pump.start()
        return pump

    def commit(self, count: int = 1) -> None:
        for _ in range(count):
            commit(self.world, self.feed, [0])

    def confirmed(self) -> int:
        found = self.subscribers.find("p")
        assert found
        return found.position


def test_what_is_written_is_confirmed_after_it_lasts(any_world: World) -> None:
    running, kept = Running(any_world), Kept()
    running.commit(2)
    pump = running.pump(kept)  # a new name begins now
    running.commit(3)
    until(lambda: running.confirmed() == 5)
    assert positions(kept.items) == [3, 4, 5]
    assert kept.synced == 3
    running.feed.close()
    pump.stop(10)
    assert kept.closed


def test_one_that_fails_gets_the_same_again(world: World) -> None:
    running, kept = Running(world), Kept()
    kept.fails = 3
    pump = running.pump(kept)
    running.commit(3)
    until(lambda: kept.tries)
    until(lambda: len(kept.items) == 3)
    assert positions(kept.items) == [1, 2, 3]
    until(lambda: pump.trouble is None)
    running.feed.close()
    pump.stop(10)
    assert running.confirmed() == 3


def test_one_that_dies_before_it_confirms_gets_it_again(world: World) -> None:
    """Everything that was not confirmed is repeated by the next start, nothing is lost."""
    received: list[int] = []
    for life in range(6):
        running = Running(world)
        subscription = running.feed.subscribe(running.subscribers.register("p", 0))
        running.commit(4)
        for _ in range(3):
            item = subscription.take(10)
            assert item
            received.append(item.position)
            if life % 2 and item.position % 2:
                running.subscribers.confirm("p", item.position)
        # The process dies here.
    running = Running(world)
    rest = running.feed.subscribe(running.confirmed())
    while (item := rest.take(timeout=0)) is not None:
        received.append(item.position)
    assert set(received) == {*range(1, 25)}
    assert len(received) > 24


def test_a_very_large_commit_is_confirmed_at_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "_PART", 4)
    monkeypatch.setattr(module, "_CONFIRM_S", 0.0)
    running, confirmed = Running(world), list[int]()
    running.subscribers.register("p", 0)
    commit(world, running.feed, [0])
    commit(world, running.feed, [0] * 10)
    pump = running.pump(Calling(lambda _: confirmed.append(running.confirmed())))
    until(lambda: running.confirmed() == 2)
    running.feed.close()
    pump.stop(10)
    assert confirmed == [0, 1, 1, 1]


def test_a_stop_brings_what_is_there(world: World) -> None:
    running, kept = Running(world), Kept()
    gate = threading.Event()

    def write(item: Item) -> None:
        gate.wait(60)
        kept.items.append(item)

    pump = running.pump(Calling(write))
    running.commit(50)
    running.feed.close()
    gate.set()
    pump.stop(20)
    assert positions(kept.items) == [*range(1, 51)]
    assert running.confirmed() == 50


def test_a_stop_does_not_wait_for_one_that_fails(world: World) -> None:
    running, kept = Running(world), Kept()
    kept.fails = 10**9
    pump = running.pump(kept)
    running.commit(2)
    until(lambda: pump.trouble)
    assert pump.trouble == "the disk is full"
    running.feed.close()
    pump.stop(0)
    assert running.confirmed() == 0
    again, kept = Running(world), Kept()
    pump = again.pump(kept)
    again.feed.close()
    pump.stop(10)
    assert positions(kept.items) == [1, 2]


def test_a_database_that_is_gone_repeats_nothing_that_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, kept = Running(world), Kept()
    refused = []

    def refuse(*_: object) -> bool:
        refused.append(1)
        raise StoreError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Subscribers, "confirm", refuse)
        patch.setattr(module, "_CONFIRM_S", 0.01)
        pump = running.pump(kept)
        running.commit(2)
        until(lambda: len(refused) > 2)
    until(lambda: running.confirmed() == 2)
    running.feed.close()
    pump.stop(10)
    assert positions(kept.items) == [1, 2]


def test_a_busy_one_confirms_now_and_then(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONFIRM_S", 1e6)
    running, kept = Running(world), Kept()
    confirmed = []

    def confirm(_self: Subscribers, _name: str, position: int) -> bool:
        confirmed.append(position)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(Subscribers, "confirm", confirm)
        pump = running.pump(kept)
        running.commit(30)
        until(lambda: len(kept.items) == 30)
        running.feed.close()
        pump.stop(10)
    assert confirmed[-1] == 30
    assert len(confirmed) < 30


def test_one_whose_position_was_removed_is_registered_again(world: World) -> None:
    running, kept = Running(world), Kept()
    pump = running.pump(kept)
    assert running.subscribers.forget("p")
    running.commit(1)
    until(lambda: kept.synced == 1)
    running.feed.close()
    pump.stop(10)
    assert running.confirmed() == 1
