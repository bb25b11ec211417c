"""Binding sockets before anything else is done, so that a taken port is told at once."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from tocsin.config import Address
from tocsin.errors import StartError

__all__ = ["bind", "bound_port", "queue_more"]

_BACKLOG: Final = 512


def bind(address: Address, option: str, kind: int = socket.SOCK_STREAM) -> list[socket.socket]:
    """Bound sockets on everything that the address stands for; for streams, listening ones.

    Errors: `StartError` names the address and the option that changes it.
    """
    sockets: list[socket.socket] = []
    try:
        port = address.port
        for family, place in _places(address, option, kind):
            bound = _listen(family, (place, port), kind)
            sockets.append(bound)
            port = bound_port(bound)  # the same for all when any will do
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise StartError(_told(address, option, error)) from error
    return sockets


def queue_more(sockets: list[socket.socket]) -> None:
    """Let the system hold more new connections than the server takes at once."""
    for bound in sockets:
        bound.listen(_BACKLOG)


def bound_port(bound: socket.socket) -> int:
    """The port that a socket listens on."""
    return int(bound.getsockname()[1])


def _places(address: Address, option: str, kind: int) -> list[tuple[int, str]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=kind, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise StartError(f"cannot find {address.host}; choose another with --{option}") from error
    return list(dict.fromkeys((int(info[0]), str(info[4][0])) for info in found))


def _listen(family: int, place: tuple[str, int], kind: int) -> socket.socket:
    # asyncio only has connections send at once when the socket says that it is TCP; else the second
    # part of an answer waits for what the client acknowledges after 40 ms.
    bound = socket.socket(family, kind, socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else 0)
    try:
        # For datagrams it would let two processes share a port, and each lose half.
        if os.name == "posix" and kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(place)
        if kind == socket.SOCK_STREAM:
            bound.listen(_BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _told(address: Address, option: str, error: OSError) -> str:
    choose = f"choose another with --{option} HOST:PORT, or --{option} off"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is already in use; {choose}"
    return f"cannot listen on {address}: {error.strerror}; {choose}"
