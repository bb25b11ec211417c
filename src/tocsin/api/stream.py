"""The live stream: results as they are committed, as server-sent events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from tocsin.errors import StoreError
from tocsin.publish.delivery import Delivery, Gap, Item
from tocsin.publish.feed import Feed, Subscription
from tocsin.publish.messages import GapMessage, event_messages, sample_messages

__all__ = ["Hub"]

#: Samples in one message.
_PIECE: Final = 500
#: Encoded messages that are kept for the next subscriber: some ten megabytes.
_KEPT: Final = 64
#: Messages beside the results that wait for one stream, at most.
_SAID: Final = 1_000
#: A comment this often keeps proxies from closing a quiet line.
_ALIVE_S: Final = 15.0
#: Pause before a database that is gone is asked again.
_AGAIN_S: Final = 1.0


class Hub:
    """Streams to any number of clients; neither the engine nor another client waits for one."""

    def __init__(self, feed: Feed, loop: asyncio.AbstractEventLoop) -> None:
        self._feed = feed
        self._loop = loop
        self._encoder = _Encoder()
        #: What every stream is to be told beside the results, by its bell.
        self._news: dict[asyncio.Event, deque[bytes]] = {}
        self._closed = False

    def close(self) -> None:
        """End all streams, also those to come."""
        self._closed = True
        for news in self._news:
            news.set()

    def tell(self, event: str, messages: Sequence[object]) -> None:
        """Tell every stream, from any thread; who has no time for it misses the oldest."""
        encoded = [_message(told, event) for told in messages]
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._say, encoded)

    def _say(self, messages: Sequence[bytes]) -> None:
        for news, waiting in self._news.items():
            waiting.extend(messages)
            news.set()

    async def subscribe(
        self, metrics: frozenset[str] | None = None, after: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Messages about all metrics or those with these uids.

        ``after`` None: from now on, and one that is too slow is dropped with a message. Else all
        that came after that position, first from the outbox, then live, however slow it is.
        """
        news = asyncio.Event()
        subscription = self._feed.subscribe(
            after, complete=after is not None, news=lambda: self._tell(news)
        )
        self._news[news] = deque(maxlen=_SAID)
        try:
            yield _place("welcome", subscription.position)
            async for message in self._follow(subscription, news, metrics):
                yield message
        finally:
            self._news.pop(news, None)
            subscription.close()

    def _tell(self, news: asyncio.Event) -> None:
        # Called by other threads, perhaps while the loop ends.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(news.set)

    async def _follow(
        self, subscription: Subscription, news: asyncio.Event, metrics: frozenset[str] | None
    ) -> AsyncIterator[bytes]:
        said = self._loop.time()
        while True:
            news.clear()
            if self._closed:
                yield _dropped("tocsin is stopping", subscription.position)
                return
            while said_besides := self._news[news]:
                yield said_besides.popleft()
                said = self._loop.time()
            item = subscription.ready()
            if item is None and subscription.lost:
                yield _dropped("too slow: messages were waiting", subscription.position)
                return
            for message in () if item is None else self._encoder.messages(item, metrics):
                yield message
                said = self._loop.time()
                # A client that reads quickly must not keep the others waiting.
                await asyncio.sleep(0)
            if item is None:
                await self._more(subscription, news)
            if self._loop.time() - said >= _ALIVE_S:
                yield _place("alive", subscription.position)
                said = self._loop.time()
            await asyncio.sleep(0)

    async def _more(self, subscription: Subscription, news: asyncio.Event) -> None:
        """Get more from the outbox, or wait for news."""
        if not subscription.behind:
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), _ALIVE_S)
            return
        try:
            await asyncio.to_thread(subscription.read)
        except StoreError:
            await asyncio.sleep(_AGAIN_S)


class _Encoder:
    """Items as messages; those for everybody are encoded once."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, ...], bytes] = {}

    def messages(self, item: Item, metrics: frozenset[str] | None) -> Iterator[bytes]:
        """A commit in pieces; the last one carries its position."""
        if isinstance(item, Gap):
            yield _message(GapMessage.of(item), "gap", item.position)
            return
        mine = item.only(metrics)
        for start in range(0, max(len(mine), 1), _PIECE):
            if message := self._shared(mine, start) if metrics is None else _piece(mine, start):
                yield message

    def _shared(self, delivery: Delivery, start: int) -> bytes:
        key = (delivery.position, delivery.done, start, delivery.missing)
        message = self._kept.get(key)
        if message is None:
            message = self._kept[key] = _piece(delivery, start)
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return message


def _piece(delivery: Delivery, start: int) -> bytes:
    """Samples from ``start`` on; events with the last; empty: there is nothing to tell."""
    last = start + _PIECE >= len(delivery)
    told: dict[str, Any] = {
        "samples": sample_messages(delivery, start, start + _PIECE),
        "events": [*event_messages(delivery)] if last else [],
    }
    if last and delivery.missing:
        told["missing"] = delivery.missing
    if not any(told.values()):
        return b""
    return _message(told, position=delivery.position if last and delivery.ends else None)


def _message(told: object, event: str = "", position: int | None = None) -> bytes:
    # Not-a-number, which stands for "not known", becomes null.
    name = f"event: {event}\n" if event else ""
    place = "" if position is None else f"id: {position}\n"
    return b"%bdata: %b\n\n" % ((name + place).encode(), msgspec.json.encode(told))


def _dropped(reason: str, position: int) -> bytes:
    return _message({"reason": reason}, "dropped", position)


def _place(comment: str, position: int) -> bytes:
    """Nothing but where the client is: it keeps the position and is told of no message."""
    return f": {comment}\nid: {position}\n\n".encode()
