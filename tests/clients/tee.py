"""A TCP relay that writes down what passes: what a client has really sent."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

__all__ = ["Tee"]

_PIECE = 1 << 16
#: A request whose client has gone may be dropped: what was sent last gets so long to be answered.
_LINGER_S = 2.0


class Tee:
    """Passes connections on to ``target``; ``sent`` holds each one's bytes."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.sent: list[bytearray] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> Tee:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._accepting.join(10)

    def join(self) -> None:
        """Wait until every connection is over."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.sent.append(bytearray())
                thread = threading.Thread(target=self._pass, args=(client, self.sent[-1]))
                thread.daemon = True
                self._threads.append(thread)
                thread.start()

    def _pass(self, client: socket.socket, sent: bytearray) -> None:
        with client, socket.create_connection(self._target) as service:
            back = threading.Thread(target=_answer, args=(service, client), daemon=True)
            back.start()
            while data := client.recv(_PIECE):
                sent += data
                service.sendall(data)
            time.sleep(_LINGER_S)
            service.shutdown(socket.SHUT_WR)
            back.join(10)


def _answer(service: socket.socket, client: socket.socket) -> None:
    """What the service says, to the client, as long as it is there."""
    with suppress(OSError):
        while data := service.recv(_PIECE):
            client.sendall(data)
