"""The sender: a process of its own that sends as Prometheus' shards would."""

from __future__ import annotations

import http.client
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.serve.bodies import PROTOCOLS, Body
from tocsin.errors import StoreError

__all__ = ["Load", "Sender", "Sent", "sending"]

Floats = NDArray[np.float64]
#: When a request is due (s); None: there are no more.
Due = Callable[[int], float | None]

#: A service that pushes back is asked again after so many seconds.
_AGAIN_S: Final = 0.05
_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent."""

    url: str
    metrics: int
    protocol: str = "remote_write"
    #: Samples of one request, and requests that are under way at once.
    request: int = 1_000
    connections: int = 8
    #: Seconds between two samples of one metric, and how many of each are of the past.
    interval: float = 60.0
    past: int = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of it: samples that were stored, and in how many seconds."""

    samples: int
    seconds: float
    #: Per request: seconds from when its samples were due until they were stored and scored.
    waits: Floats
    #: Requests that had to be sent again.
    repeated: int
    #: Seconds of CPU of the sender.
    cpu_s: float


class Sender:
    """Commands for the process; one at a time."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def rounds(self, count: int) -> Sent:
        """So many samples of every metric, as fast as the service takes them; of the past."""
        return self._do("rounds", count)

    def paced(self, seconds: float) -> Sent:
        """Every metric's samples at its own moments of each interval, for so long."""
        return self._do("paced", seconds)

    def _do(self, what: str, seconds: float) -> Sent:
        self._pipe.send((what, seconds))
        try:
            told = self._pipe.recv()
        except EOFError as error:
            raise StoreError("the sender's process has ended") from error
        if isinstance(told, str):
            raise StoreError(told)
        assert isinstance(told, Sent)
        return told


@contextmanager
def sending(load: Load) -> Iterator[Sender]:
    """A sender in its own process, with its requests made; it ends with the context.

    Cost: 10 µs and about 200 bytes a metric, in that process.
    """
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_process, args=(load, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Sender(mine)
    finally:
        mine.close()
        process.join(5)
        process.kill()


def _process(load: Load, pipe: Connection) -> None:
    work = _Work(load)
    while True:
        try:
            what, seconds = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(getattr(work, what)(seconds))
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class _Moments:
    """Times of requests (ms): each round of ``bodies`` is one step on."""

    first: int
    step: int
    bodies: int

    def of(self, number: int) -> int:
        return self.first + number // self.bodies * self.step


class _Work:
    def __init__(self, load: Load) -> None:
        self.load = load
        self.wire = PROTOCOLS[load.protocol]
        self.parts = [
            range(low, min(low + load.request, load.metrics))
            for low in range(0, load.metrics, load.request)
        ]
        self.bodies: list[Body] = [self.wire.body(part) for part in self.parts]
        self._past_ms = 0

    def rounds(self, count: float) -> Sent:
        """Each metric's samples are an interval apart, and the last one is nearly of now."""
        requests = round(count) * len(self.bodies)
        step = round(self.load.interval * 1_000)
        if not self._past_ms:
            self._past_ms = round(time.time() * 1_000) - self.load.past * step
        first, self._past_ms = self._past_ms, self._past_ms + round(count) * step
        moments = _Moments(first, step, len(self.bodies))
        return self._run(lambda i: time.time() if i < requests else None, moments)

    def paced(self, seconds: float) -> Sent:
        """Request i is due at its own part of each interval."""
        start, gap = time.time() + 0.1, self.load.interval / len(self.bodies)
        count = max(1, round(seconds / gap))
        return self._run(lambda i: start + i * gap if i < count else None)

    def _run(self, due: Due, moments: _Moments | None = None) -> Sent:
        """``moments``: when samples were taken; None: when they are due."""
        run = _Run(self, due, moments)
        began, cpu = time.perf_counter(), time.process_time()
        threads = [threading.Thread(target=run.work) for _ in range(self.load.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if run.error is not None:
            raise run.error
        seconds = time.perf_counter() - began
        return Sent(
            run.samples,
            seconds,
            np.array(run.waits),
            run.repeated,
            time.process_time() - cpu,
        )


class _Run:
    """Connections that take requests by turns, so that each metric's samples stay in order."""

    def __init__(self, work: _Work, due: Due, moments: _Moments | None) -> None:
        self._load, self._wire = work.load, work.wire
        self._parts, self._bodies = work.parts, work.bodies
        self._due, self._moments = due, moments
        self._lock = threading.Lock()
        self._next = 0
        #: How often each request has been sent.
        self._done = [0] * len(self._bodies)
        self._rng = np.random.default_rng(self._load.metrics)
        self.samples = self.repeated = 0
        self.waits: list[float] = []
        self.error: Exception | None = None

    def work(self) -> None:
        url = urlsplit(self._load.url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=_TIMEOUT_S)
        try:
            while self.error is None and (taken := self._take()) is not None:
                number, due, body = taken
                self._post(connection, body)
                self._stored(number, time.time() - due)
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    def _take(self) -> tuple[int, float, bytes] | None:
        """The next request, when it is due."""
        with self._lock:
            number = self._next
            due = self._due(number)
            if due is None:
                return None
            self._next += 1
            place = number % len(self._bodies)
            values = self._values(place)
        pause = due - time.time()
        if pause > 0:
            time.sleep(pause)
        # The one before of the same metrics must have been stored, or they would come too late.
        while self._done[place] < number // len(self._bodies) and self.error is None:
            time.sleep(0.001)
        with self._lock:
            return number, due, self._bodies[place].at(self._moment(number, due), values)

    def _values(self, place: int) -> Floats:
        which = self._parts[place]
        levels = 50.0 + np.arange(which.start, which.stop) % 97
        values: Floats = np.round(levels + self._rng.normal(size=len(which)), 3)
        return values

    def _moment(self, number: int, due: float) -> int:
        return round(due * 1_000) if self._moments is None else self._moments.of(number)

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        while True:
            connection.request("POST", self._wire.path, body, dict(self._wire.headers))
            answer = connection.getresponse()
            told = answer.read()
            if answer.status in (200, 204):
                return
            if answer.status not in (429, 503):
                raise StoreError(f"the service answered {answer.status}: {told[:200]!r}")
            with self._lock:
                self.repeated += 1
            time.sleep(_AGAIN_S)

    def _stored(self, number: int, wait: float) -> None:
        place = number % len(self._bodies)
        with self._lock:
            self._done[place] += 1
            self.waits.append(wait)
            self.samples += len(self._parts[place])
