"""Receivers of notifications that run for real, and fail as they are told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What a receiver does with a request: answers with this status; or
LOST = "lost"  # takes it, and ends the connection without an answer
HANG = "hang"  # does not answer until the client gives up
STUCK = "stuck"  # takes it, and does not answer


@dataclass
class Hook:
    """A receiver of webhooks: what came, and what it does with the next ones."""

    port: int = 0
    #: Headers (lower case) and body of what was taken: also where the answer was lost.
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    #: What becomes of the next requests; after that all are taken.
    plan: list[int | str] = field(default_factory=list)
    tries: int = 0
    let_go: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/s3cret-path"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.taken]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.taken]


@contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    told = Hook()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                told.tries += 1
                what = told.plan.pop(0) if told.plan else 200
                if what in (200, 204, LOST, STUCK):
                    head = {key.lower(): text for key, text in self.headers.items()}
                    told.taken.append((head, body))
            if what in (HANG, STUCK):
                told.let_go.wait(120)
            if isinstance(what, str):
                self.close_connection = True
                return
            self.send_response(what)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"ok\n")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
