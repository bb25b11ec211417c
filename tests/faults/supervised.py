"""A service that is started again and again, on the same data and at the same address."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO

import httpx

from tests.running import START_S, Started, environment, start

_STOP_S = 120.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Supervised:
    """``tocsin up`` in a process of its own; between `start` and its end there is one life."""

    def __init__(
        self, folder: Path, database: str, *arguments: str, before: str = "", **variables: str
    ) -> None:
        self.folder = folder
        self.database = database
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._variables = {"TOCSIN_HTTP": f"127.0.0.1:{self.port}", "TOCSIN_GRAPHITE": "off"}
        self._variables |= variables
        #: A fault may put something before the program.
        self._before = before
        self._process: Started | None = None
        self._readers: list[threading.Thread] = []
        self._ready = threading.Event()
        #: What it logged, over all lives.
        self.log: deque[str] = deque(maxlen=20_000)
        self.lives = 0

    @property
    def process(self) -> Started:
        assert self._process is not None, "not started"
        return self._process

    def start(self, **variables: str) -> None:
        """Begin a life, without waiting for it to be ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ready.clear()
        self.lives += 1
        self._process = start(
            [
                *("up", "--data", str(self.folder / "data"), "--database", self.database),
                *self._arguments,
            ],
            environment() | self._variables | variables,
            self.folder,
            before=self._before,
        )
        # Pipes are read all the time, so that a talkative service never waits for us.
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._process.stdout, self._process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.log.append(line)
                if "tocsin is ready" in line:
                    self._ready.set()

    def wait_ready(self) -> float:
        """Wait until it takes samples; returns how long that took (s)."""
        began = time.monotonic()
        while not self._ready.wait(0.02):
            assert self.process.poll() is None, f"did not start: {self.tail()}"
            assert time.monotonic() - began < START_S, f"is not ready: {self.tail()}"
        return time.monotonic() - began

    def begin(self, **variables: str) -> float:
        """Start, and wait until it is ready."""
        self.start(**variables)
        return self.wait_ready()

    def kill(self) -> None:
        """SIGKILL: nothing in it gets to know."""
        self.process.send_signal(signal.SIGKILL)
        self._gone()

    def stop(self) -> int:
        """SIGTERM, and wait for the clean end; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._gone()

    def _gone(self) -> int:
        code = self.process.wait(_STOP_S)
        for reader in self._readers:
            reader.join(10)
        self._process = None
        return code

    def end(self) -> None:
        """Whatever it does at the moment, it does not outlive the test."""
        if self._process is not None:
            self.kill()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def health(self) -> tuple[int, str]:
        """Status and reason that it tells of itself."""
        answer = httpx.get(f"{self.url}/healthz", timeout=30)
        return answer.status_code, answer.text

    def may_write(self, most: int) -> None:
        """Let no file of the process grow beyond ``most`` bytes (-1: as it likes)."""
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, hard))

    def tail(self, lines: int = 30) -> str:
        return "".join(list(self.log)[-lines:])

    @property
    def told(self) -> str:
        return "".join(self.log)


def is_root() -> bool:
    return os.geteuid() == 0
