"""Clients that mean harm, at every address that takes samples, beside one that does not."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from tests.running import Service, running
from tests.stored import all_stored, series

TOKEN = "a-token-for-tests"
MOST = 200
START = 1_700_000_000
MB = 1024 * 1024

#: Address, and the type of what it takes.
WAYS = {
    "/api/v1/samples": "application/json",
    "/write": "text/plain",
    "/api/v2/write": "text/plain",
    "/v1/metrics": "application/x-protobuf",
    "/api/v1/write": "application/x-protobuf",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("hostile") / "data"
    with running(data, TOCSIN_TOKEN=TOKEN, TOCSIN_MAX_CONNECTIONS=str(MOST)) as service:
        service.client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield service


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return gzip.compress(bytes(300 * MB), compresslevel=1)


@dataclass
class Good:
    """Somebody who sends a sample again and again, each over a connection of its own."""

    service: Service
    name: str
    #: How often each is sent at most, when the connection breaks.
    tries: int = 1
    sent: list[tuple[int, float]] = field(default_factory=list)
    slowest: float = 0.0
    failure: Exception | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Good:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Only after some more were sent."""
        enough, end = len(self.sent) + 5, time.monotonic() + 30
        while len(self.sent) < enough and self.failure is None and time.monotonic() < end:
            time.sleep(0.01)
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for i in itertools.count():
                if self._over.is_set():
                    return
                self._send(i)
        except Exception as error:
            self.failure = error

    def _send(self, i: int) -> None:
        began = time.monotonic()
        line = f"{self.name} value={i} {START + i}"
        headers = {"Authorization": f"Token {TOKEN}"}
        url = self.service.client.base_url.join("/write?precision=s")
        for left in reversed(range(self.tries)):
            try:
                answer = httpx.post(url, content=line, headers=headers, timeout=30)
                break
            except httpx.TransportError:
                if not left:
                    raise
        assert answer.status_code == 204, answer.text
        self.sent.append(((START + i) * 10**9, float(i)))
        self.slowest = max(self.slowest, time.monotonic() - began)
        time.sleep(0.02)

    def check(self) -> None:
        """All that was answered with success is stored, and something was."""
        assert self.failure is None
        assert len(self.sent) >= 5
        assert all_stored(self.service, self.name)[series(self.name)] == self.sent


def connect(service: Service) -> socket.socket:
    url = service.client.base_url
    return socket.create_connection((url.host, url.port), timeout=30)


def head(path: str, kind: str, *more: str, token: str = TOKEN) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}"]
    shown = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([*lines, *shown, *more, "", ""]).encode()


def memory(service: Service) -> float:
    """Megabytes of the service."""
    return float(psutil.Process(service.process.pid).memory_info().rss / MB)


def connections(service: Service) -> int:
    """How many the service has."""
    process = psutil.Process(service.process.pid)
    return sum(one.status == "ESTABLISHED" for one in process.net_connections("tcp"))


@pytest.mark.parametrize("path", WAYS)
def test_slow_bodies_do_not_hold_others_up(service: Service, path: str) -> None:
    with ExitStack() as stack, Good(service, f"beside.slow{path}") as good:
        begun = [stack.enter_context(connect(service)) for _ in range(50)]
        for one in begun:
            one.sendall(head(path, WAYS[path], "Content-Length: 1000000"))
        for _ in range(10):
            for one in begun:
                one.sendall(b"x")
            time.sleep(0.05)
    good.check()


@pytest.mark.parametrize("path", WAYS)
def test_bodies_beyond_the_limit_are_refused(service: Service, path: str) -> None:
    before = memory(service)
    with Good(service, f"beside.large{path}") as good:
        with connect(service) as one:
            one.sendall(head(path, WAYS[path], "Content-Length: 100000000000"))
            assert one.recv(100).startswith(b"HTTP/1.1 413 ")
        # No length is told, and it does not end.
        with connect(service) as one, pytest.raises(OSError):  # noqa: PT012
            one.sendall(head(path, WAYS[path], "Transfer-Encoding: chunked"))
            for _ in range(10_000):
                one.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    good.check()
    assert memory(service) < before + 300


@pytest.mark.parametrize("path", ["/write", "/api/v2/write", "/v1/metrics"])
def test_bombs_are_not_unpacked(service: Service, bomb: bytes, path: str) -> None:
    headers = {"Content-Type": WAYS[path], "Content-Encoding": "gzip"}
    before = memory(service)
    with Good(service, f"beside.bombs{path}") as good:
        for _ in range(3):
            answer = service.client.post(path, content=bomb, headers=headers)
            assert answer.status_code == 413
    good.check()
    assert memory(service) < before + 300


@pytest.mark.parametrize("path", WAYS)
def test_without_the_token_no_body_is_read(service: Service, path: str) -> None:
    with Good(service, f"beside.strangers{path}") as good:
        for token in ("", "wrong", "x" * 10_000):
            with connect(service) as one:
                one.sendall(head(path, WAYS[path], "Content-Length: 1000000", token=token))
                assert one.recv(100).startswith(b"HTTP/1.1 401 ")
    good.check()


@pytest.mark.parametrize("path", WAYS)
def test_what_is_of_another_kind_is_refused(service: Service, path: str) -> None:
    bodies = [b"\x00" * 100, b"\xff\xfe", json.dumps({"a": [1, {}]}).encode(), b"[" * 50_000]
    with Good(service, f"beside.garbage{path}") as good:
        for body, kind in itertools.product(bodies, ["", "image/png", WAYS[path]]):
            answer = service.client.post(path, content=body, headers={"Content-Type": kind})
            assert 400 <= answer.status_code < 500, (body[:10], kind, answer.text)
    good.check()


def test_no_number_of_connections_keeps_others_out(service: Service) -> None:
    # In the rush itself a connection may be lost before its request has come: clients try again.
    with ExitStack() as stack, Good(service, "beside.many", tries=20) as good:
        for i in range(6 * MOST):
            one = stack.enter_context(connect(service))
            if i % 2:
                one.sendall(b"POST /write HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
        end = time.monotonic() + 20
        while (held := connections(service)) > MOST + 5 and time.monotonic() < end:
            time.sleep(0.05)
        assert held <= MOST + 5
    good.check()


def test_after_all_that_it_is_well(service: Service, tmp_path: Path) -> None:
    assert service.client.get("/healthz").json() == {"status": "ok"}
    code, _, errors = service.stop()
    assert code == 0
    assert "Traceback" not in errors
