from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.publish.world import START, World, an_event
from tocsin.api import stream as module
from tocsin.api.stream import Hub
from tocsin.errors import StoreError
from tocsin.publish import feed as feed_module
from tocsin.publish import outbox as outbox_module
from tocsin.publish.feed import Feed
from tocsin.store.database import open_database


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = open_database(f"sqlite:///{tmp_path / 'tocsin.db'}")
    yield World(database)
    database.dispose()


class Table:
    """A hub on a world; everything is committed in the loop's own thread."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.feed = Feed(world.registry, world.outbox)
        self.hub = Hub(self.feed, asyncio.get_running_loop())

    def commit(self, rows: list[int], **more: Any) -> None:
        self.feed.publish(self.world.commit(rows, **more))

    async def stream(self, *given: Any) -> AsyncIterator[bytes]:
        messages = self.hub.subscribe(*given)
        assert (await anext(messages)).startswith(b": welcome\nid: ")
        return messages


def run(test: Callable[[Table], Awaitable[None]], world: World) -> None:
    async def with_table() -> None:
        async with asyncio.timeout(60):
            await test(Table(world))

    asyncio.run(with_table())


def told(message: bytes) -> dict[str, Any]:
    found = re.search(rb"^data: (.*)$", message, re.MULTILINE)
    assert found, message
    answer: dict[str, Any] = json.loads(found[1])
    return answer


def id_of(message: bytes) -> int | None:
    found = re.search(rb"^id: (\d+)$", message, re.MULTILINE)
    return int(found[1]) if found else None


async def until(messages: AsyncIterator[bytes], position: int) -> list[bytes]:
    """Messages up to the end of this commit."""
    found: list[bytes] = []
    while not found or (id_of(found[-1]) or 0) < position:
        found.append(await anext(messages))
    return found


def keys(messages: list[bytes]) -> list[tuple[str, int]]:
    return [(s["name"], s["seq"]) for m in messages for s in told(m).get("samples", [])]


def test_what_is_not_known_is_null(world: World) -> None:
    async def follow(table: Table) -> None:
        messages = await table.stream()
        table.commit([0], events=[(0, an_event(START))])
        message = await anext(messages)
        assert id_of(message) == 1
        (sample,), (event,) = told(message)["samples"], told(message)["events"]
        assert sample["likelihood"] is None
        assert sample["event"] == "start"
        assert sample["timestamp"] == "2023-11-14T22:13:21Z"
        assert (sample["metric"], sample["generation"]) == (world.registry.uids[0], 1)
        assert (event["id"], event["metric"]) == (10, sample["metric"])

    run(follow, world)


def test_a_large_commit_comes_in_pieces_and_the_last_has_the_id(world: World) -> None:
    async def follow(table: Table) -> None:
        messages = await table.stream()
        table.commit([0] * 1_200, events=[(0, an_event(START))])
        pieces = await until(messages, 1)
        assert [len(told(piece)["samples"]) for piece in pieces] == [500, 500, 200]
        assert keys(pieces) == [("m0", seq) for seq in range(1, 1_201)]
        assert [id_of(piece) for piece in pieces] == [None, None, 1]
        assert [len(told(piece)["events"]) for piece in pieces] == [0, 0, 1]

    run(follow, world)


def test_a_very_large_commit_has_its_id_at_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "_PART", 600)

    async def follow(table: Table) -> None:
        table.commit([0] * 1_300, events=[(0, an_event(START))])
        pieces = await until(await table.stream(None, 0), 1)
        assert keys(pieces) == [("m0", seq) for seq in range(1, 1_301)]
        assert [id_of(piece) for piece in pieces] == [None] * 4 + [1]
        assert [len(told(piece)["events"]) for piece in pieces] == [0] * 4 + [1]

    run(follow, world)


def test_who_breaks_off_anywhere_and_comes_back_misses_nothing(world: World) -> None:
    async def follow(table: Table) -> None:
        position, found, breaks = 0, list[tuple[str, int]](), 0
        for round_ in range(18):
            for _ in range(round_ % 3):
                table.commit([0] * 700 + [1])
            messages = await table.stream(None, position)
            for _ in range(round_ % 4):
                if position == table.feed.newest:
                    break
                message = await anext(messages)
                found += keys([message])
                position = id_of(message) or position
            breaks += position < table.feed.newest
            await messages.aclose()  # type: ignore[attr-defined]
        messages = await table.stream(None, position)
        found += keys(await until(messages, table.feed.newest))
        assert breaks > 5
        assert len(found) > len(set(found)) == 18 * 701  # repeats, but nothing is missing
        first = list(dict.fromkeys(found))
        for name in ("m0", "m1"):  # and in order
            seqs = [seq for metric, seq in first if metric == name]
            assert seqs == [*range(1, len(seqs) + 1)]

    run(follow, world)


def test_live_and_from_the_outbox_are_the_same_bytes(world: World) -> None:
    async def follow(table: Table) -> None:
        messages = await table.stream()
        table.commit([0, 0, 1], events=[(1, an_event(START))])
        table.commit([0] * 600)
        live = await until(messages, 2)
        again = Table(world)  # it has encoded nothing yet
        assert await until(await again.stream(None, 0), 2) == live

    run(follow, world)


def test_only_the_metrics_asked_for(world: World) -> None:
    async def follow(table: Table) -> None:
        table.commit([0, 1])
        uid = world.registry.uids[1]
        for messages in (
            await table.stream(frozenset([uid]), 0),
            await table.stream(frozenset([uid])),
        ):
            table.commit([0], events=[(0, an_event(START))])
            table.commit([1])
            found = await until(messages, table.feed.newest)
            assert {name for name, _ in keys(found)} == {"m1"}
            assert not any(told(message)["events"] for message in found)

    run(follow, world)


def test_a_quiet_line_says_where_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ALIVE_S", 0.02)

    async def follow(table: Table) -> None:
        messages = await table.stream(frozenset(["nobody"]))
        table.commit([0])
        while (message := await anext(messages)) != b": alive\nid: 1\n\n":
            assert message == b": alive\nid: 0\n\n"

    run(follow, world)


def test_one_who_follows_live_and_is_slow_is_dropped_and_others_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_DELIVERIES", 20)

    async def follow(table: Table) -> None:
        slow, quick = await table.stream(), await table.stream()
        patient = await table.stream(None, 0)
        for position in range(1, 41):
            table.commit([0])
            assert id_of(await anext(quick)) == position
        rest = [message async for message in slow]
        assert len(rest) == 1
        assert rest[0].startswith(b"event: dropped\nid: 0\ndata: ")
        assert b"slow" in rest[0]
        assert keys(await until(patient, 40)) == [("m0", seq) for seq in range(1, 41)]

    run(follow, world)


def test_what_is_no_longer_kept_is_told(world: World) -> None:
    async def follow(table: Table) -> None:
        for _ in range(4):
            table.commit([0])
        assert world.outbox.prune(world.clock + 100, 0, 10).rows == 3
        gap, message = await until(await table.stream(None, 1), 4)
        assert gap.startswith(b"event: gap\nid: 3\n")
        assert told(gap) == {
            "after": 1,
            "resumes": 3,
            "reason": "these results are no longer in the outbox",
        }
        assert keys([message]) == [("m0", 4)]

    run(follow, world)


def test_samples_that_are_gone_are_counted(world: World) -> None:
    async def follow(table: Table) -> None:
        table.commit([0, 0])
        world.writer.delete_samples(1, up_to=2, limit=10)
        (message,) = await until(await table.stream(None, 0), 1)
        assert told(message) == {"samples": [], "events": [], "missing": 2}

    run(follow, world)


def test_a_database_that_is_gone_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AGAIN_S", 0.001)
    after, asked = world.outbox.after, []

    def refuse_thrice(*given: int) -> Any:
        asked.append(given)
        if len(asked) < 4:
            raise StoreError("gone")
        return after(*given)

    async def follow(table: Table) -> None:
        table.commit([0])
        monkeypatch.setattr(world.outbox, "after", refuse_thrice)
        assert keys(await until(await table.stream(None, 0), 1)) == [("m0", 1)]

    run(follow, world)


def test_closing_ends_streams_also_new_ones(world: World) -> None:
    async def follow(table: Table) -> None:
        messages = await table.stream()
        waiting = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0.01)
        table.hub.close()
        assert b"stopping" in await waiting
        late = [message async for message in table.hub.subscribe()]
        assert b"stopping" in late[-1]

    run(follow, world)


def test_nothing_is_kept_of_those_who_left(world: World) -> None:
    async def follow(table: Table) -> None:
        for _ in range(5):
            messages = await table.stream()
            await messages.aclose()  # type: ignore[attr-defined]
        assert not table.feed._subscriptions
        assert not table.hub._news

    run(follow, world)
