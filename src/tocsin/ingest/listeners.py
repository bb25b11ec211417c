"""The listeners over sockets: which there are, and what each one is made of."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from tocsin.config import Config
from tocsin.engine.engine import Engine
from tocsin.ingest.datagrams import Datagrams
from tocsin.ingest.graphite import pickles, plaintext
from tocsin.ingest.statsd.aggregator import PROTOCOL as STATSD
from tocsin.ingest.statsd.aggregator import Aggregator
from tocsin.ingest.statsd.listener import StatsD
from tocsin.ingest.streams import Streams

__all__ = ["LISTENERS", "Kind", "Listener"]

#: Names are remembered of every metric that there may be, and of so many that become none.
_BEYOND: Final = 16_384


class Listener(Protocol):
    """Something that takes samples from sockets."""

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Begin, on these bound sockets."""

    async def stop(self) -> None:
        """Take nothing new, store what has come."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One protocol's way in."""

    #: SOCK_STREAM or SOCK_DGRAM.
    type: int
    make: Callable[[Engine, Config], Listener]


def _statsd(engine: Engine, config: Config) -> Listener:
    aggregator = Aggregator(config.statsd_percentiles, most=config.max_metrics)
    return StatsD(engine, aggregator, config.statsd_interval_s)


def _plaintext(engine: Engine, config: Config) -> Listener:
    session = partial(plaintext.Session, _lines(config))
    return Streams(engine, plaintext.PROTOCOL, session)


def _pickles(engine: Engine, config: Config) -> Listener:
    session = partial(pickles.Session, pickles.Decoder(config.max_metrics + _BEYOND))
    return Streams(engine, pickles.PROTOCOL, session)


def _lines(config: Config) -> plaintext.Decoder:
    """A listener's, for all of its connections: many are of one line only."""
    return plaintext.Decoder(config.max_metrics + _BEYOND)


#: By the configuration's key, which is also the name that the samples are counted under.
LISTENERS: Final[dict[str, Kind]] = {
    plaintext.PROTOCOL: Kind(
        socket.SOCK_STREAM,
        _plaintext,
    ),
    plaintext.UDP: Kind(
        socket.SOCK_DGRAM,
        lambda engine, config: Datagrams(engine, plaintext.UDP, _lines(config).packets),
    ),
    pickles.PROTOCOL: Kind(
        socket.SOCK_STREAM,
        _pickles,
    ),
    STATSD: Kind(socket.SOCK_DGRAM, _statsd),
}
