"""What Tocsin says of its subscribers and channels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alert.queueing import NOW, tell
from tests.alert.test_delivering import a_channel
from tests.publish.world import World
from tocsin.alert.delivering import Delivering
from tocsin.api.figures import Figures
from tocsin.config import Config
from tocsin.engine.telemetry import Telemetry
from tocsin.publish.publishing import Publishing
from tocsin.samples import SECOND_NS
from tocsin.store.database import claim

Looked = dict[tuple[str, str], float]


class Look:
    """Figures whose clock is set by hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = NOW
        self.publishing = Publishing(
            world.database, world.registry, Telemetry(), Config(), clock=lambda: world.clock
        )
        channels = [a_channel(name=name, url="http://127.0.0.1:1/") for name in ("ops", "idle")]
        self.delivering = Delivering(world.database, channels)
        self._figures = Figures(self.publishing, self.delivering, lambda: self.now)

    def read(self) -> Looked:
        """By name without ``tocsin.`` and the value of the one label."""
        told = list(self._figures.read())
        return {(m.name.removeprefix("tocsin."), m.labels[0][1]): value for m, value in told}

    def alive(self) -> set[str]:
        return {who for name, who in self.read() if name == "subscriber.alive"}


@pytest.fixture
def look(tmp_path: Path) -> Iterator[Look]:
    with claim(f"sqlite:///{tmp_path / 'tocsin.db'}") as database:
        yield Look(World(database))


def test_a_subscriber_is_alive_while_it_confirms_or_has_nothing_to(look: Look) -> None:
    world, subscribers = look.world, look.publishing.subscribers
    look.publishing.subscribe("one").close()
    assert look.alive() == {"one"}  # nothing waits
    for _ in range(3):
        look.publishing.feed.publish(world.commit([0]))
    assert look.alive() == set()
    world.clock += 90 * SECOND_NS
    assert look.read()["subscriber.lag_s", "one"] == 90.0
    subscribers.confirm("one", 2)
    assert look.alive() == {"one"}
    assert look.alive() == set()
    subscribers.confirm("one", 3)
    assert look.read()["subscriber.lag_s", "one"] == 0.0
    assert look.alive() == {"one"}
    subscribers.forget("one")
    assert not any(name.startswith("subscriber.") for name, _ in look.read())


def test_the_oldest_message_that_waits_is_told_by_its_age(look: Look) -> None:
    figures = ("pending", "age_s", "dead")

    def told(channel: str) -> list[float]:
        found = look.read()
        return [found[f"notifications.{name}", channel] for name in figures]

    assert told("ops") == told("idle") == [0.0, 0.0, 0.0]
    tell(look.world.database, "opened", "ops")
    tell(look.world.database, "worsened", "ops", now=NOW + 10 * SECOND_NS, revision=2)
    look.now += 60 * SECOND_NS
    assert told("ops") == [2.0, 60.0, 0.0]
    first = look.delivering.notifications.due("ops", look.now, 1)[0]["id"]
    look.delivering.notifications.settle(first, "dead", look.now)
    assert told("ops") == [1.0, 50.0, 1.0]
    second = look.delivering.notifications.due("ops", look.now, 1)[0]["id"]
    look.delivering.notifications.settle(second, "sent", look.now)
    assert told("ops") == [0.0, 0.0, 1.0]
    # Tried once more it waits since then.
    look.delivering.notifications.retry(first, look.now)
    look.now += 5 * SECOND_NS
    assert told("ops") == [1.0, 5.0, 0.0]
    assert told("idle") == [0.0, 0.0, 0.0]
