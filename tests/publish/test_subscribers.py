from __future__ import annotations

import pytest

from tests.publish.world import World
from tocsin.errors import BadInputError
from tocsin.publish.subscribers import Subscriber, Subscribers


def test_positions_are_kept_and_only_rise(any_world: World) -> None:
    now = [7]
    subscribers = Subscribers(any_world.database, lambda: now[0])
    assert subscribers.register("a", 5) == 5
    assert subscribers.register("a", 9) == 5
    assert subscribers.register("b", 1) == 1
    now[0] = 8
    assert subscribers.confirm("a", 12)
    assert subscribers.confirm("a", 3)
    assert not subscribers.confirm("c", 3)
    again = Subscribers(any_world.database)
    assert again.all() == [Subscriber("a", 12, 8), Subscriber("b", 1, 7)]
    assert again.find("b") == Subscriber("b", 1, 7)
    assert again.forget("b")
    assert not again.forget("b")
    assert again.find("b") is None


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_name_has_bounds(world: World, name: str) -> None:
    with pytest.raises(BadInputError, match="1 to 200"):
        Subscribers(world.database).register(name, 0)


def test_nobody_has_the_name_of_the_pruned_position(any_world: World) -> None:
    world, subscribers = any_world, Subscribers(any_world.database)
    for _ in range(3):
        world.commit([0])
    assert world.outbox.prune(world.clock + 100, 0, 10).rows == 2
    assert subscribers.all() == []
    assert not subscribers.forget("")
    assert world.outbox.after(0)[0].position == 2
