"""The live stream: what was just committed, as server-sent events."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import msgspec

from tocsin.detect.result import EVENT_CODES
from tocsin.engine.events import Changed
from tocsin.engine.registry import Registry
from tocsin.engine.scoring import Committed
from tocsin.samples import iso

__all__ = ["Hub"]

#: Samples in one message.
_PIECE: Final = 500
#: Messages that may wait for a subscriber.
_WAITING: Final = 512
#: A comment this often keeps proxies from closing a quiet line.
_ALIVE_S: Final = 15.0

_NUMBERS: Final = (
    "raw_score",
    "likelihood",
    "anomaly_score",
    "alert_score",
    "expected",
    "lower",
    "upper",
)


class _Subscriber:
    def __init__(self, metrics: frozenset[str] | None) -> None:
        self.metrics = metrics
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.farewell = b""

    def leave(self, reason: str) -> None:
        """Say why, after dropping what waits."""
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.farewell = b"event: dropped\n" + _message({"reason": reason})
        self.waiting.put_nowait(None)


class Hub:
    """Hands commits on to every subscriber; a slow one is dropped, the engine never waits."""

    def __init__(self, registry: Registry, loop: asyncio.AbstractEventLoop) -> None:
        self._registry = registry
        self._loop = loop
        self._subscribers: set[_Subscriber] = set()
        self._closed = False

    def publish(self, committed: Committed) -> None:
        """Called by the engine's thread after every commit. Free while nobody listens."""
        if self._subscribers:
            self._loop.call_soon_threadsafe(self._deliver, committed)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for subscriber in list(self._subscribers):
            self._drop(subscriber, "tocsin is stopping")

    async def subscribe(self, metrics: frozenset[str] | None) -> AsyncIterator[bytes]:
        """Messages from now on, of all metrics or those with these uids."""
        subscriber = _Subscriber(metrics)
        self._subscribers.add(subscriber)
        if self._closed:
            self._drop(subscriber, "tocsin is stopping")
        try:
            yield b": welcome\n\n"
            while True:
                message = await _next(subscriber)
                if message is None:
                    yield subscriber.farewell
                    return
                yield message
        finally:
            self._subscribers.discard(subscriber)

    def _deliver(self, committed: Committed) -> None:
        everything = list(self._messages(committed, None)) if self._anybody_takes_all() else []
        for subscriber in list(self._subscribers):
            wanted = subscriber.metrics
            mine = everything if wanted is None else list(self._messages(committed, wanted))
            if subscriber.waiting.qsize() + len(mine) > _WAITING:
                self._drop(subscriber, "too slow: messages were waiting")
                continue
            for message in mine:
                subscriber.waiting.put_nowait(message)

    def _anybody_takes_all(self) -> bool:
        return any(subscriber.metrics is None for subscriber in self._subscribers)

    def _drop(self, subscriber: _Subscriber, reason: str) -> None:
        self._subscribers.discard(subscriber)
        subscriber.leave(reason)

    def _messages(self, committed: Committed, wanted: frozenset[str] | None) -> Iterator[bytes]:
        uids = self._registry.uids
        events = [
            self._event(changed)
            for changed in committed.events
            if wanted is None or uids[changed.row] in wanted
        ]
        samples = self._samples(committed, wanted)
        for start in range(0, max(len(samples), 1), _PIECE):
            piece = samples[start : start + _PIECE]
            if piece or events:
                yield _message({"samples": piece, "events": events})
            events = []

    def _samples(self, committed: Committed, wanted: frozenset[str] | None) -> list[dict[str, Any]]:
        scored = committed.scored
        columns = (
            committed.row.tolist(),
            committed.seq.tolist(),
            committed.timestamp.tolist(),
            committed.value.tolist(),
            scored["event"].tolist(),
            *(scored[name].tolist() for name in _NUMBERS),
        )
        uids = self._registry.uids
        return [
            self._sample(row, seq, time, value, code, numbers)
            for row, seq, time, value, code, *numbers in zip(*columns, strict=True)
            if wanted is None or uids[row] in wanted
        ]

    def _sample(
        self, row: int, seq: int, time: int, value: float, code: int, numbers: list[float]
    ) -> dict[str, Any]:
        return {
            "metric": self._registry.uids[row],
            "name": self._registry.metrics[row].name,
            "labels": dict(self._registry.metrics[row].labels),
            "seq": seq,
            "timestamp": iso(time),
            "value": value,
            **dict(zip(_NUMBERS, numbers, strict=True)),
            "event": None if code < 0 else EVENT_CODES[code].value,
        }

    def _event(self, changed: Changed) -> dict[str, Any]:
        event, metric = changed.event, self._registry.metrics[changed.row]
        return {
            "id": changed.id,
            "metric": self._registry.uids[changed.row],
            "name": metric.name,
            "labels": dict(metric.labels),
            "start": iso(event.start),
            "peak": iso(event.peak),
            "end": iso(event.end),
            "open": event.open,
            "value": event.value,
            "expected": _known(event.expected),
            "lower": _known(event.lower),
            "upper": _known(event.upper),
            "likelihood": _known(event.likelihood),
            "anomaly_score": _known(event.anomaly_score),
            "samples": event.samples,
        }


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


async def _next(subscriber: _Subscriber) -> bytes | None:
    try:
        return await asyncio.wait_for(subscriber.waiting.get(), _ALIVE_S)
    except TimeoutError:
        return b": alive\n\n"


def _message(told: dict[str, Any]) -> bytes:
    # NaN, which stands for "not known", becomes null.
    return b"data: " + msgspec.json.encode(told) + b"\n\n"
