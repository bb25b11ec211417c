from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.publish.test_destination import until
from tests.publish.world import START, World, positions
from tocsin.config import Config, JsonLines
from tocsin.engine.telemetry import Telemetry
from tocsin.errors import OutputError, StoreError
from tocsin.publish.delivery import Item
from tocsin.publish.outbox import Outbox
from tocsin.publish.publishing import Publishing
from tocsin.samples import SECOND_NS

HOUR = 3_600 * SECOND_NS


class Start:
    """One start of everything that publishes; time is the world's."""

    def __init__(self, world: World, **config: Any) -> None:
        self.world = world
        self.telemetry = Telemetry()
        self.publishing = Publishing(
            world.database,
            world.registry,
            self.telemetry,
            msgspec.structs.replace(Config(), **config),
            clock=lambda: world.clock,
            upkeep_s=0.01,
        )

    def commit(self, count: int = 1) -> None:
        for _ in range(count):
            self.publishing.feed.publish(self.world.commit([0]))

    def says(self, line: str) -> bool:
        return line in self.telemetry.text().decode().splitlines()


@contextmanager
def started(world: World, **config: Any) -> Iterator[Start]:
    start = Start(world, **config)
    start.publishing.start()
    try:
        yield start
    finally:
        start.publishing.stop()


def seqs(path: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in path.read_text().splitlines()]


def test_a_file_goes_on_over_restarts(world: World, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    config = {"publish": [JsonLines(path=str(out))]}
    with started(world, **config) as start:
        start.commit(3)
    with started(world):
        pass
    away = Start(world)  # a start without the destination
    away.commit(2)
    with started(world, **config) as start:
        start.commit(1)
    assert seqs(out) == [1, 2, 3, 4, 5, 6]
    with started(world, publish=[JsonLines(path=str(out), name="other")]) as start:
        start.commit(1)  # another name begins now
    assert seqs(out) == [1, 2, 3, 4, 5, 6, 7]


def test_old_results_are_pruned_and_lag_is_shown(world: World) -> None:
    with started(world, outbox_hours=1.0, outbox_days_most=1.0) as start:
        start.publishing.subscribe("slow").close()
        start.commit(4)
        world.clock += HOUR // 2
        until(lambda: start.says('tocsin_subscriber_lag_commits{subscriber="slow"} 4.0'))
        until(lambda: start.says('tocsin_subscriber_lag_seconds{subscriber="slow"} 1800.0'))
        start.publishing.subscribers.confirm("slow", 3)
        until(lambda: start.says('tocsin_subscriber_lag_commits{subscriber="slow"} 1.0'))
        assert positions(world.outbox.after(0)) == [1, 2, 3, 4]
        world.clock += HOUR
        until(lambda: world.outbox.after(0)[0].position == 3)
        start.commit(1)
        assert start.says("tocsin_outbox_dropped_unconfirmed_total 0.0")
        world.clock += 25 * HOUR
        until(lambda: start.says("tocsin_outbox_dropped_unconfirmed_total 1.0"))
        start.publishing.subscribers.confirm("slow", 5)
        until(lambda: start.says('tocsin_subscriber_lag_seconds{subscriber="slow"} 0.0'))


def test_a_function_is_called_with_every_result(world: World) -> None:
    found: list[Item] = []
    tries = []

    def on_result(item: Item) -> None:
        tries.append(item.position)
        if len(tries) == 2:
            raise ValueError("a mistake of the function")
        found.append(item)

    with started(world) as start:
        pump = start.publishing.call("mine", on_result)
        start.commit(1)
        until(lambda: found)
        start.commit(2)
        until(lambda: pump.trouble)
        assert start.says('tocsin_destination_failing{subscriber="mine"} 1.0')
        until(lambda: len(found) == 3)
    assert positions(found) == [1, 2, 3]
    assert tries == [1, 2, 2, 3]


def test_a_named_subscriber_goes_on_where_it_confirmed(world: World) -> None:
    with started(world) as start:
        start.commit(1)
        with start.publishing.subscribe("mine") as mine:
            start.commit(3)
            assert [next(mine).position for _ in range(3)] == [2, 3, 4]
            start.publishing.subscribers.confirm("mine", 3)
    with started(world) as start, start.publishing.subscribe("mine") as mine:
        assert next(mine).position == 4


def test_upkeep_outlives_a_database_that_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(*_: object) -> None:
        asked.append(1)
        raise StoreError("gone")

    with started(world, outbox_hours=1.0) as start:
        start.commit(2)
        world.clock = START + 2 * HOUR
        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "prune", refuse)
            until(lambda: len(asked) > 2)
        until(lambda: world.outbox.after(0)[0].position == 1)  # now it was pruned
        assert start.publishing.outbox.newest() == 2


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_a_destination_that_cannot_be_opened_is_told_at_the_start(
    world: World, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "b")
    paths = [tmp_path / "a.jsonl", tmp_path / "b"]
    with pytest.raises(OutputError, match="/b "):
        Start(world, publish=[JsonLines(path=str(path)) for path in paths])
