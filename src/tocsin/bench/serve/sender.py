"""The sender: a process of its own that sends as Prometheus' shards would."""

from __future__ import annotations

import http.client
import itertools
import multiprocessing
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.serve.bodies import PROTOCOLS, Body, Stream, Wire
from tocsin.bench.serve.counter import Stored
from tocsin.errors import StoreError

__all__ = ["Load", "Sender", "Sent", "sending"]

Floats = NDArray[np.float64]
#: When a request is due (s); None: there are no more.
Due = Callable[[int], float | None]

#: A service that pushes back is asked again after so many seconds.
_AGAIN_S: Final = 0.05
_TIMEOUT_S: Final = 120.0
#: Where nothing is answered, the service is asked every so many seconds how much it has stored:
#: while waits matter, and while it is to spend its time on samples.
_LOOK_S: Final = 0.02
_SELDOM_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent."""

    url: str
    #: HOST:PORT of the service's listeners, by their keys.
    listeners: Mapping[str, str]
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
    #: Per request: seconds from when its samples were due until they were stored and scored. Where
    #: nothing is answered: until as many samples were as had been sent with it, by then.
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
        kind = _Counted if isinstance(self.wire, Stream) else _Answered
        run = kind(self, due, moments)
        began, cpu = time.perf_counter(), time.process_time()
        threads = [threading.Thread(target=work) for work in run.threads()]
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
    """What all ways of sending requests have in common."""

    def __init__(self, work: _Work, due: Due, moments: _Moments | None) -> None:
        self._load = work.load
        self._parts, self._bodies = work.parts, work.bodies
        self._due, self._moments = due, moments
        self._lock = threading.Lock()
        self._rng = np.random.default_rng(self._load.metrics)
        self.samples = self.repeated = 0
        self.waits: list[float] = []
        self.error: Exception | None = None

    def _values(self, place: int) -> Floats:
        which = self._parts[place]
        levels = 50.0 + np.arange(which.start, which.stop) % 97
        values: Floats = np.round(levels + self._rng.normal(size=len(which)), 3)
        return values

    def _moment(self, number: int, due: float) -> int:
        return round(due * 1_000) if self._moments is None else self._moments.of(number)


class _Answered(_Run):
    """Connections that take requests by turns, so that each metric's samples stay in order."""

    def __init__(self, work: _Work, due: Due, moments: _Moments | None) -> None:
        super().__init__(work, due, moments)
        assert isinstance(work.wire, Wire)
        self._wire = work.wire
        self._next = 0
        #: How often each request has been sent.
        self._done = [0] * len(self._bodies)

    def threads(self) -> list[Callable[[], None]]:
        return [self._work] * self._load.connections

    def _work(self) -> None:
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


class _Counted(_Run):
    """Connections that send and are not answered, each with its own metrics, which stay in order.

    A request is over when the service has stored as many samples as had been sent with it. With
    several connections it may have been another one's that were stored, but as a rule it takes
    them in the order in which they came; the sum of all waits is right in any case. A wait is too
    long by the time until the service is asked, 10 ms on average. It is only asked while samples
    are on their way, which costs it 1 ms; that is in its CPU, as answers are elsewhere.
    """

    def __init__(self, work: _Work, due: Due, moments: _Moments | None) -> None:
        super().__init__(work, due, moments)
        assert isinstance(work.wire, Stream)
        self._address = self._load.listeners[work.wire.listener]
        self._stored = Stored(self._load.url, work.wire.listener)
        self._before = self._stored.count()
        self._sent = 0
        self._sending = self._load.connections
        #: Requests on their way: how many samples had been sent with each, and when it was due.
        self._under_way: deque[tuple[int, float]] = deque()

    def threads(self) -> list[Callable[[], None]]:
        connections = range(self._load.connections)
        return [*(partial(self._send, one) for one in connections), self._look]

    def _send(self, connection: int) -> None:
        host, _, port = self._address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=_TIMEOUT_S) as stream:
                for number in self._numbers(connection):
                    due = self._due(number)
                    if due is None or self.error is not None:
                        break
                    stream.sendall(self._body(number, due))
                    self._note(number, due)
        except Exception as error:
            self.error = error
        finally:
            with self._lock:
                self._sending -= 1

    def _numbers(self, connection: int) -> Iterator[int]:
        """The requests of a connection: those of every so many places, again and again."""
        count = len(self._bodies)
        for turn in itertools.count():
            for place in range(connection, count, self._load.connections):
                yield turn * count + place
            if connection >= count:
                return

    def _body(self, number: int, due: float) -> bytes:
        place = number % len(self._bodies)
        pause = due - time.time()
        if pause > 0:
            time.sleep(pause)
        with self._lock:
            return self._bodies[place].at(self._moment(number, due), self._values(place))

    def _note(self, number: int, due: float) -> None:
        with self._lock:
            self._sent += len(self._parts[number % len(self._bodies)])
            self._under_way.append((self._sent, due))

    def _look(self) -> None:
        try:
            changed = time.monotonic()
            while self.error is None and (self._sending or self._under_way):
                time.sleep(_LOOK_S if self._moments is None else _SELDOM_S)
                if not self._under_way or self._settle(self._stored.count() - self._before):
                    changed = time.monotonic()
                elif time.monotonic() - changed > _TIMEOUT_S:
                    raise StoreError(f"nothing more was stored for {_TIMEOUT_S:.0f} s")
        except Exception as error:
            self.error = error
        finally:
            self._stored.close()

    def _settle(self, stored: int) -> bool:
        """Take note of what is stored; whether it is more than before."""
        more, now = stored > self.samples, time.time()
        self.samples = stored
        with self._lock:
            while self._under_way and self._under_way[0][0] <= stored:
                self.waits.append(now - self._under_way.popleft()[1])
        return more
