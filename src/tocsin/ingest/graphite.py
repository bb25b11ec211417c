"""Graphite's plaintext protocol: ``name[;tag=value…] value timestamp``, one sample a line."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.engine.engine import Engine
from tocsin.errors import BadInputError, TimestampError
from tocsin.ingest.delivery import deliver
from tocsin.ingest.identity import metric_of
from tocsin.ingest.moments import seconds_ns
from tocsin.samples import Metric, Samples

__all__ = ["PROTOCOL", "Decoded", "Lines", "Listener", "decode"]

PROTOCOL: Final = "graphite"

_LONGEST_LINE: Final = 4_096
_CHUNK: Final = 65_536
#: A database that refuses for longer than this costs samples; the sender cannot know.
_PATIENCE_S: Final = 300.0
#: When stopping: what was sent just before may still be in the sender's buffer (a full window
#: opens again only when the sender asks, after 0.2 s, then 0.4, 0.8, …), but it is not waited for
#: for ever, and least where nothing has come for a while.
_GRACE_S: Final = 4.0
_IDLE_GRACE_S: Final = 0.5
_IDLE_AFTER_S: Final = 5.0
_STOP_S: Final = 8.0
#: Time for the event loop to hand over bytes that the system has received.
_ARRIVED_S: Final = 0.05

_log: Final = structlog.get_logger("tocsin.graphite")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The good lines as a batch, and the bad ones by their place among the lines."""

    batch: Batch
    rejected: list[Rejection]


class Lines:
    """Cuts a stream of bytes into lines, whatever the packets."""

    def __init__(self, longest: int = _LONGEST_LINE) -> None:
        self._longest = longest
        self._rest = b""
        self._skipping = False
        #: Lines that were longer than allowed, so far.
        self.too_long = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends. Memory: one line at most."""
        *whole, rest = (self._rest + data).split(b"\n")
        if self._skipping and whole:
            del whole[0]
            self._skipping = False
        good = [line for line in whole if len(line) <= self._longest]
        self.too_long += len(whole) - len(good)
        if self._skipping or len(rest) > self._longest:
            self.too_long += not self._skipping
            self._skipping, rest = True, b""
        self._rest = rest
        return good

    @property
    def rest(self) -> bytes:
        """The beginning of a line whose end has not come."""
        return self._rest


def decode(lines: Iterable[bytes], now: int) -> Decoded:
    """Read lines; a bad one is refused by itself, empty ones are skipped.

    ``now`` (ns) is what the timestamps ``-1`` and ``N`` mean.
    """
    known: dict[bytes, int] = {}
    metrics: list[Metric] = []
    rows: list[tuple[int, int, float]] = []
    rejected: list[Rejection] = []
    for place, line in enumerate(lines):
        parts = line.split()
        if not parts:
            continue
        try:
            name, value, moment = _parts(parts)
            index = known.get(name)
            if index is None:
                metrics.append(_metric(name))
                index = known[name] = len(metrics) - 1
            rows.append((index, _time(moment, now), _value(value)))
        except _BadLineError as error:
            rejected.append(Rejection(place, error.code, error.detail))
    return Decoded(Batch(metrics, _samples(rows), PROTOCOL), rejected)


class _BadLineError(Exception):
    def __init__(self, code: Reason, detail: str) -> None:
        self.code, self.detail = code, detail


def _samples(rows: Sequence[tuple[int, int, float]]) -> Samples:
    metric, times, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Samples(
        np.array(metric, dtype=np.int64),
        np.array(times, dtype=np.int64),
        np.array(values, dtype=np.float64),
    )


def _parts(parts: list[bytes]) -> tuple[bytes, bytes, bytes]:
    if len(parts) != 3:
        raise _BadLineError(
            Reason.BAD_LINE, f"{len(parts)} words instead of name, value and timestamp"
        )
    return parts[0], parts[1], parts[2]


def _metric(name: bytes) -> Metric:
    try:
        path, *tags = name.decode("utf-8").split(";")
        labels = dict(_tag(tag) for tag in tags)
        return metric_of(path, labels)
    except UnicodeDecodeError:
        raise _BadLineError(Reason.BAD_METRIC, "the name is not UTF-8") from None
    except BadInputError as error:
        raise _BadLineError(Reason.BAD_METRIC, str(error)) from None


def _tag(tag: str) -> tuple[str, str]:
    key, equals, value = tag.partition("=")
    if not equals:
        raise BadInputError(f"the tag {tag[:40]!r} is not key=value")
    return key, value


def _number(text: bytes) -> float:
    # Python reads 1_000 as a number; nobody else does.
    if b"_" in text:
        raise ValueError
    return float(text)


def _value(text: bytes) -> float:
    # NaN and infinity are the engine's to refuse: it counts them under their metric.
    try:
        return _number(text)
    except ValueError:
        raise _BadLineError(Reason.BAD_LINE, "the value is not a number") from None


def _time(text: bytes, now: int) -> int:
    if text in (b"-1", b"N"):
        return now
    try:
        return seconds_ns(_number(text))
    except (ValueError, TimestampError):
        raise _BadLineError(
            Reason.BAD_TIMESTAMP, "the time is not epoch seconds within the years up to 2261"
        ) from None


class Listener:
    """Takes lines over TCP; does not read on before what it read is stored (back-pressure)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Future[None] | None = None
        self._deadline = math.inf

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on these bound sockets."""
        self._stopping = asyncio.get_running_loop().create_future()
        for bound in sockets:
            self._servers.append(await asyncio.start_server(self._connected, sock=bound))

    async def stop(self) -> None:
        """Accept nothing new, store what has been sent, close."""
        if self._stopping is None or self._stopping.done():
            return
        # Whoever has connected before the stop is served: the system may hold connections that
        # the event loop has not met yet.
        await asyncio.sleep(_ARRIVED_S)
        for server in self._servers:
            server.close()
        await asyncio.sleep(_ARRIVED_S)
        self._deadline = asyncio.get_running_loop().time() + _STOP_S
        self._stopping.set_result(None)
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=2 * _STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader)
        except OSError as error:
            _log.info("connection_broke", reason=str(error))
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        lines = Lines()
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while data := await self._read(reader, heard):
            heard = loop.time()
            before = lines.too_long
            decoded = decode(lines.feed(data), time.time_ns())
            self._refuse(decoded.rejected, lines.too_long - before)
            await self._deliver(decoded.batch)
        if lines.rest.strip():
            # Half a timestamp is a timestamp too, only a wrong one: a line without end is no line.
            self._count([Rejection(0, Reason.BAD_LINE, "the last line has no end")])

    async def _read(self, reader: asyncio.StreamReader, heard: float) -> bytes:
        """What came next; empty at the end of the connection or of Tocsin.

        ``heard``: when something came last.
        """
        assert self._stopping is not None
        loop = asyncio.get_running_loop()
        reading = asyncio.ensure_future(reader.read(_CHUNK))
        try:
            either: set[asyncio.Future[Any]] = {reading, self._stopping}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                # What has arrived already is read even when time is up.
                await asyncio.wait({reading}, timeout=self._patience(loop.time(), heard))
            return reading.result() if reading.done() else b""
        finally:
            reading.cancel()

    def _patience(self, now: float, heard: float) -> float:
        if now >= self._deadline:
            return _ARRIVED_S
        return _GRACE_S if now - heard < _IDLE_AFTER_S else _IDLE_GRACE_S

    async def _deliver(self, batch: Batch) -> None:
        if len(batch):
            receipt = await deliver(self._engine, batch, patience_s=_PATIENCE_S)
            if receipt is not None and receipt.rejected:
                first = receipt.rejected[0]
                _log.info("lines_refused", lines=len(receipt.rejected), first=first.reason)

    def _refuse(self, rejected: list[Rejection], too_long: int) -> None:
        longer = Rejection(0, Reason.BAD_LINE, f"a line is longer than {_LONGEST_LINE} bytes")
        self._count([*rejected, *[longer] * too_long])

    def _count(self, rejected: list[Rejection]) -> None:
        if rejected:
            _log.info("lines_refused", lines=len(rejected), first=rejected[0].reason)
            self._engine.telemetry.refused(PROTOCOL, rejected)
