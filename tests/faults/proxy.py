"""A TCP proxy that loses answers: the request goes through, the answer never arrives."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

__all__ = ["LossyProxy"]

_PIECE = 1 << 16

#: Says of bytes on their way to the server whether their answer is to be lost.
Choose = Callable[[bytes], bool]


class LossyProxy:
    """Forwards connections to ``target``; loses answers with ``chance`` where ``choose`` says so.

    A connection whose answer is lost is closed on both sides, as if a network had gone away.
    """

    def __init__(
        self, target: tuple[str, int] | str, *, chance: float, seed: int, choose: Choose
    ) -> None:
        self._target = target
        self._chance = chance
        self._choose = choose
        self._random = random.Random(seed)
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._server.getsockname()[1])
        self.lost = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> LossyProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._server.close()
        with self._lock:
            for one in self._open:
                _hang_up(one)

    def lose(self, chance: float) -> None:
        """From now on lose answers with this chance."""
        self._chance = chance

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        losing = threading.Event()
        back = threading.Thread(target=self._answers, args=(server, client, losing), daemon=True)
        back.start()
        self._requests(client, server, losing)
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target, timeout=None)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _requests(
        self, client: socket.socket, server: socket.socket, losing: threading.Event
    ) -> None:
        try:
            while piece := client.recv(_PIECE):
                if self._choose(piece) and self._random.random() < self._chance:
                    losing.set()
                server.sendall(piece)
        except OSError:
            pass
        _hang_up(server)

    def _answers(
        self, server: socket.socket, client: socket.socket, losing: threading.Event
    ) -> None:
        try:
            while piece := server.recv(_PIECE):
                if losing.is_set():
                    self.lost += 1
                    break
                client.sendall(piece)
        except OSError:
            pass
        _hang_up(client)
        _hang_up(server)


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
