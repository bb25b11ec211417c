"""``GET /api/v1/listeners``: where samples are taken beside this interface."""

from __future__ import annotations

import msgspec
from litestar import get

from tocsin.api.parts import Parts

__all__ = ["list_listeners"]


class ListenerOut(msgspec.Struct):
    """A listener over a socket of its own."""

    #: Its key in the configuration: "graphite", "graphite_udp", "graphite_pickle", "statsd".
    kind: str
    host: str
    port: int
    #: Whether only the machine of the service can reach it.
    loopback: bool


class ListenersOut(msgspec.Struct):
    """All listeners that are on."""

    listeners: list[ListenerOut]


@get("/listeners", sync_to_thread=False, summary="Where samples are taken beside this interface")
def list_listeners(state: Parts) -> ListenersOut:
    """Listeners for protocols that are not over HTTP, as they are reached."""
    told = state.listening.items()
    return ListenersOut([ListenerOut(kind, at.host, at.port, at.loopback) for kind, at in told])
