from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from tocsin.api.stream import Hub
from tocsin.detect.result import RESULT
from tocsin.engine.registry import Registry
from tocsin.engine.scoring import Committed
from tocsin.samples import SECOND_NS, Metric


def a_commit(count: int) -> Committed:
    numbers = np.arange(1, count + 1, dtype=np.int64)
    scored = np.zeros(count, dtype=RESULT)
    scored["likelihood"] = np.nan
    row = np.zeros(count, dtype=np.int64)
    return Committed(row, numbers, numbers * SECOND_NS, numbers.astype(np.float64), scored, [])


def told(message: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(message.removeprefix(b"data: "))
    return answer


async def a_hub() -> tuple[Hub, AsyncIterator[bytes]]:
    registry = Registry(10)
    registry.add(Metric.of("m"))
    hub = Hub(registry, asyncio.get_running_loop())
    stream = hub.subscribe(None)
    assert await anext(stream) == b": welcome\n\n"
    return hub, stream


def test_what_is_not_known_is_null() -> None:
    async def follow() -> None:
        hub, stream = await a_hub()
        hub.publish(a_commit(1))
        (sample,) = told(await anext(stream))["samples"]
        assert sample["likelihood"] is None
        assert sample["event"] == ""
        assert sample["timestamp"] == "1970-01-01T00:00:01Z"

    asyncio.run(follow())


def test_a_large_commit_comes_in_pieces() -> None:
    async def follow() -> None:
        hub, stream = await a_hub()
        hub.publish(a_commit(1_200))
        seqs = [[s["seq"] for s in told(await anext(stream))["samples"]] for _ in range(3)]
        assert [len(piece) for piece in seqs] == [500, 500, 200]
        assert [seq for piece in seqs for seq in piece] == list(range(1, 1_201))

    asyncio.run(follow())


def test_a_slow_subscriber_is_dropped_with_a_message_and_others_are_not() -> None:
    async def follow() -> None:
        hub, slow = await a_hub()
        quick = hub.subscribe(None)
        await anext(quick)
        for _ in range(2_000):
            hub.publish(a_commit(1))
            assert told(await anext(quick))["samples"]
        rest = [message async for message in slow]
        assert len(rest) == 1
        assert rest[0].startswith(b"event: dropped\ndata: ")
        assert b"slow" in rest[0]

    asyncio.run(follow())


def test_closing_ends_streams_also_new_ones() -> None:
    async def follow() -> None:
        hub, stream = await a_hub()
        hub.close()
        assert b"stopping" in await anext(stream)
        late = [message async for message in hub.subscribe(None)]
        assert b"stopping" in late[-1]

    asyncio.run(follow())
