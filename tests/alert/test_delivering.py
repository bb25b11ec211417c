from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, select

from tests.alert.queueing import NOW, messages, tell
from tests.alert.receivers import HANG, LOST, hook
from tocsin.alert.delivering import Delivering
from tocsin.alert.outgoing import queue
from tocsin.channels import Channel
from tocsin.samples import SECOND_NS
from tocsin.store import schema
from tocsin.store.database import claim


def a_channel(**told: Any) -> Channel:
    channel: Channel = msgspec.convert({"kind": "webhook", "timeout_s": 0.3} | told, Channel)
    return channel


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    with claim(f"sqlite:///{tmp_path / 'tocsin.db'}") as engine:
        yield engine


@contextmanager
def delivering(database: Engine, *channels: Channel, **told: Any) -> Iterator[Delivering]:
    told = {"first_pause_s": 0.02} | told
    running = Delivering(database, channels, **told)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def statuses(database: Engine) -> list[str]:
    return [row["status"] for row in messages(database)]


def test_a_change_is_queued_once_for_each_route(database: Engine) -> None:
    told = tell(database, "opened", "a", "b")
    with database.begin() as connection:
        assert queue(connection, told, "opened", ["a", "b"], NOW) == 0
        assert queue(connection, told, "opened", ["a", "c", "c"], NOW) == 1
    rows = messages(database)
    assert [(row["channel"], row["status"]) for row in rows] == [
        ("a", "pending"),
        ("b", "pending"),
        ("c", "pending"),
    ]
    assert len({row["uid"] for row in rows}) == 3


def test_what_is_rolled_back_is_not_queued(database: Engine) -> None:
    told = tell(database, "opened")
    with database.connect() as connection:
        assert queue(connection, told, "opened", ["a"], NOW) == 1
        connection.rollback()
    assert messages(database) == []


@pytest.mark.parametrize("troubles", [[], [500, 503], [HANG, 500], [429, LOST, LOST], [404, 302]])
def test_every_change_arrives_in_order_whatever_the_receiver_does(
    database: Engine, troubles: list[int | str]
) -> None:
    with hook() as receiver:
        receiver.plan = troubles.copy()
        with delivering(database, a_channel(name="ops", url=receiver.url)) as running:
            tell(database, "opened", "ops")
            tell(database, "worsened", "ops", severity="critical", revision=2)
            tell(database, "resolved", "ops", revision=3)
            running.wake()
            until(lambda: statuses(database) == ["sent"] * 3)
        kinds = [body["type"] for body in receiver.bodies]
        repeats = troubles.count(LOST)
        assert kinds == ["incident.opened"] * (1 + repeats) + [
            "incident.worsened",
            "incident.resolved",
        ]
        # The same id where an answer was lost, another one for everything else.
        assert receiver.ids[: 1 + repeats] == [receiver.ids[0]] * (1 + repeats)
        assert len(set(receiver.ids)) == 3
        assert receiver.tries == 3 + len(troubles)


def test_a_receiver_that_is_not_there_yet(database: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    channel = a_channel(name="ops", url=f"http://127.0.0.1:{port}/x")
    with delivering(database, channel) as running:
        tell(database, "opened", "ops")
        running.wake()
        until(lambda: messages(database)[0]["attempts"] > 1)
        assert "refused" in (running.lines[0].trouble or "")
        with hook(port) as receiver:
            until(lambda: statuses(database) == ["sent"])
            assert len(receiver.taken) == 1
        assert running.lines[0].trouble is None


def test_a_dead_receiver_delays_nobody_else(database: Engine) -> None:
    with hook() as dead, hook() as well:
        dead.plan = [HANG] * 100
        channels = [
            a_channel(name="dead", url=dead.url, timeout_s=60),
            a_channel(name="well", url=well.url),
        ]
        with delivering(database, *channels) as running:
            for number in range(1, 6):
                tell(database, "opened", "dead", "well", number=number)
            running.wake()
            until(lambda: len(well.taken) == 5)
            until(lambda: dead.tries == 1)
            dead.let_go.set()


def test_one_refused_message_does_not_keep_back_those_of_other_incidents(
    database: Engine,
) -> None:
    with hook() as receiver:
        receiver.plan = [400]
        channel = a_channel(name="ops", url=receiver.url)
        with delivering(database, channel, first_pause_s=1000.0) as running:
            tell(database, "opened", "ops", number=1)
            tell(database, "opened", "ops", number=2)
            tell(database, "resolved", "ops", number=1, revision=2)
            running.wake()
            until(lambda: statuses(database)[1] == "sent")
            # What comes after the refused one waits for it.
            assert statuses(database) == ["pending", "sent", "pending"]


def test_what_is_refused_again_and_again_is_given_up_and_can_be_retried(database: Engine) -> None:
    with hook() as receiver:
        receiver.plan = [400] * 5
        channel = a_channel(name="ops", url=receiver.url)
        with delivering(database, channel, first_pause_s=0.001) as running:
            tell(database, "opened", "ops")
            running.wake()
            until(lambda: statuses(database) == ["dead"])
            (dead,) = messages(database)
            assert dead["error"] == "answered 400 ok"
            assert running.notifications.counts()["ops"].dead == 1
            retried = running.retry(dead["id"])
            assert retried is not None
            until(lambda: statuses(database) == ["sent"])
            assert receiver.ids == [dead["uid"]]
            assert running.retry(dead["id"] + 1) is None
            again = running.retry(dead["id"])
            assert again is not None
            assert again["status"] == "sent"


def test_a_receiver_that_stays_dead_is_given_up_after_the_time_that_is_set(
    database: Engine,
) -> None:
    clock = [NOW]
    with hook() as receiver:
        receiver.plan = [500] * 1000
        channel = a_channel(name="ops", url=receiver.url, give_up_hours=2)
        running = Delivering(database, [channel], clock=lambda: clock[0], first_pause_s=0.0)
        (line,) = running.lines
        tell(database, "opened", "ops")
        for _ in range(4):
            line.turn()
            clock[0] += 40 * 60 * SECOND_NS
        assert statuses(database) == ["pending"]
        line.turn()
        assert statuses(database) == ["dead"]
        assert receiver.tries == 5


def test_pauses_grow_and_differ(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    clock = [NOW]
    with hook() as receiver:
        receiver.plan = [500] * 1000
        channel = a_channel(name="ops", url=receiver.url)
        running = Delivering(database, [channel], clock=lambda: clock[0], first_pause_s=1.0)
        tell(database, "opened", "ops")
        pauses = []
        for _ in range(11):
            running.lines[0].turn()
            due = messages(database)[0]["due"]
            pauses.append((due - clock[0]) / SECOND_NS)
            clock[0] = due
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_messages_to_channels_that_are_gone_are_given_up(database: Engine) -> None:
    tell(database, "opened", "gone", "ops")
    with hook() as receiver, delivering(database, a_channel(name="ops", url=receiver.url)):
        until(lambda: statuses(database) == ["dead", "sent"])


def reminded(database: Engine, at: int, **columns: Any) -> list[str]:
    """The changes that are told when an incident of `NOW` is looked at so many hours later."""
    channel = a_channel(name="ops", url="http://127.0.0.1:9/", remind_hours=2)
    running = Delivering(database, [channel], clock=lambda: NOW + at * 3_600 * SECOND_NS)
    told = tell(database, "opened", "ops")
    changed = schema.incident.update().where(schema.incident.c.id == told["id"])
    with database.begin() as connection:
        connection.execute(changed.values({"assignee": "", **columns}))
    running.upkeep()
    running.upkeep()
    return [row["change"] for row in messages(database)]


def test_open_incidents_are_told_again(database: Engine) -> None:
    assert reminded(database, 1) == ["opened"]
    assert reminded(database, 2) == ["opened", "reminder"]
    assert reminded(database, 3) == ["opened", "reminder"]
    assert reminded(database, 4) == ["opened", "reminder", "reminder"]


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "acknowledged"},
        {"state": "resolved"},
        {"snoozed_until": NOW + 4 * 3_600 * SECOND_NS},
    ],
)
def test_nobody_is_reminded_of_what_somebody_looks_at(
    database: Engine, columns: dict[str, Any]
) -> None:
    assert reminded(database, 3, **columns) == ["opened"]


def test_whoever_snoozes_is_reminded_again_afterwards(database: Engine) -> None:
    snoozed = NOW + 4 * 3_600 * SECOND_NS
    assert reminded(database, 5, snoozed_until=snoozed) == ["opened", "reminder"]


def test_old_messages_of_incidents_that_are_over_are_forgotten(database: Engine) -> None:
    tell(database, "opened", "ops", number=1)
    tell(database, "resolved", "ops", number=1, revision=2)
    tell(database, "opened", "ops", number=2)
    after = NOW + 91 * 86_400 * SECOND_NS
    running = Delivering(database, [], clock=lambda: after)
    running.upkeep()
    assert len(messages(database)) == 3  # none of them is settled
    with database.begin() as connection:
        connection.execute(schema.notification.update().values(status="sent"))
    running.upkeep()
    assert [row["incident"] for row in messages(database)] == [2]


def test_the_same_on_postgresql(postgres_url: str) -> None:
    with claim(postgres_url) as database, hook() as receiver:
        receiver.plan = [LOST, 500]
        channel = a_channel(name="ops", url=receiver.url, remind_hours=1)
        with delivering(database, channel) as running:
            tell(database, "opened", "ops")
            running.wake()
            until(lambda: statuses(database) == ["sent"])
            running.upkeep()
            running.wake()
            until(lambda: statuses(database) == ["sent"] * 2)
            assert running.notifications.counts()["ops"].pending == 0
            assert running.notifications.firing("ops")
        assert [body["type"] for body in receiver.bodies] == [
            "incident.opened",
            "incident.opened",
            "incident.reminder",
        ]
        with database.connect() as connection:
            assert connection.execute(select(schema.notification.c.number)).scalars().all() == [
                0,
                1,
            ]
