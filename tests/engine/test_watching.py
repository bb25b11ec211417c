from __future__ import annotations

from typing import Any

import pytest

from tocsin.engine.lifecycle import Action, Standing, Status, Why, step
from tocsin.engine.watching import Watching
from tocsin.rules import Rules
from tocsin.samples import Metric

WATCH: list[dict[str, Any]] = [
    {"match": "web.*", "most": 2, "timezone": "Asia/Tokyo"},
    {"match": "tmp.*", "monitor": False},
]
WARMING = Standing(Status.WARMING_UP)
BY_RULE = Standing(Status.UNMONITORED, Why.RULE)
FULL = Standing(Status.UNMONITORED, Why.RULE_FULL, "watch rule 1 monitors at most 2")


@pytest.fixture
def watching() -> Watching:
    return Watching(Rules.of({}, WATCH))


def begun(watching: Watching, *names: str) -> list[Standing]:
    return [watching(Metric(name))[0] for name in names]


def test_a_rule_monitors_no_more_than_it_may(watching: Watching) -> None:
    names = ("web.1", "db", "web.2", "web.3", "tmp.1")
    assert begun(watching, *names) == [WARMING, WARMING, WARMING, FULL, BY_RULE]
    assert watching(Metric("web.4"))[1].timezone == "Asia/Tokyo"


def test_a_metric_that_leaves_makes_room(watching: Watching) -> None:
    begun(watching, "web.1", "web.2")
    gone = step(WARMING, Action.DELETE)
    watching.moved(Metric("web.1"), WARMING, gone)
    assert begun(watching, "web.3", "web.4") == [WARMING, FULL]


def test_paused_metrics_go_on_counting(watching: Watching) -> None:
    begun(watching, "web.1", "web.2")
    watching.moved(Metric("web.1"), WARMING, step(WARMING, Action.PAUSE))
    assert begun(watching, "web.3") == [FULL]


def test_what_is_asked_for_does_not_count(watching: Watching) -> None:
    begun(watching, "web.1", "web.2", "web.3")
    watching.moved(Metric("web.3"), FULL, step(FULL, Action.MONITOR), {"monitor": True})
    watching.moved(Metric("web.1"), WARMING, WARMING, {"monitor": True})
    assert begun(watching, "web.4", "web.5") == [WARMING, FULL]
    # It is not counted now, so its going makes no room.
    watching.moved(Metric("web.1"), WARMING, step(WARMING, Action.DELETE))
    assert begun(watching, "web.6") == [FULL]


def test_a_start_with_the_same_rules_changes_nothing() -> None:
    names = ("web.1", "db", "web.2", "web.3", "tmp.1")
    before = begun(Watching(Rules.of({}, WATCH)), *names)
    before[0] = step(before[0], Action.PAUSE)
    again = Watching(Rules.of({}, WATCH))
    for name, standing in zip(names, before, strict=True):
        assert again.restored(Metric(name), None, standing) == standing
    assert begun(again, "web.9") == [FULL]


def test_a_start_with_other_rules_follows_them() -> None:
    watching = Watching(Rules.of({}, [{"match": "tmp.*"}, {"match": "*", "most": 1}]))
    stored = [
        ("web.1", None, Standing(Status.ACTIVE), Standing(Status.ACTIVE)),
        ("web.2", None, Standing(Status.ACTIVE), Why.RULE_FULL),
        ("web.3", {"monitor": True}, Standing(Status.ACTIVE), Standing(Status.ACTIVE)),
        ("tmp.1", None, BY_RULE, WARMING),
        ("tmp.2", {"monitor": False}, Standing(Status.UNMONITORED, Why.ASKED), Why.ASKED),
        ("tmp.3", None, Standing(Status.ERROR, "model_raised", failures=2), "model_raised"),
    ]
    for name, own, standing, expected in stored:
        now = watching.restored(Metric(name), own, standing)
        if isinstance(expected, Standing):
            assert now == expected, name
        else:
            assert now.reason == expected, name


def test_own_settings_that_are_no_more_are_dropped(watching: Watching) -> None:
    own = {"timezone": "Mars", "monitor": True}
    assert watching.restored(Metric("tmp.1"), own, WARMING) == WARMING
    assert watching.own(Metric("tmp.1")) == {"monitor": True}
    assert watching.settings(Metric("tmp.1")).timezone == "UTC"


def test_own_settings_go_over_the_rule(watching: Watching) -> None:
    choice = watching.choose(Metric("web.1"), {"timezone": "UTC", "monitor": False})
    assert (choice.settings.timezone, choice.monitor) == ("UTC", False)
