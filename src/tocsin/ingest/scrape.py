"""Scraping: asking Prometheus targets for their metrics at regular times."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx
import numpy as np
import structlog

from tocsin.config import Config, Scrape
from tocsin.engine.batch import Batch
from tocsin.engine.engine import Engine
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.columns import Columns
from tocsin.ingest.delivery import deliver
from tocsin.ingest.exposition import ACCEPT, PROTOCOL
from tocsin.ingest.rereading import Reader
from tocsin.samples import SECOND_NS, Metric, Samples

__all__ = ["Scraper", "Target", "targets_of"]

_MS: Final = 1_000_000
_AGENT: Final = "tocsin"
#: Larger bodies are read beside the event loop.
_LARGE: Final = 16 * 1024

_log: Final = structlog.get_logger("tocsin.scrape")


@dataclass(frozen=True, slots=True)
class Target:
    """One page of metrics, and how it is scraped."""

    url: str
    labels: Mapping[str, str]
    #: Seconds.
    interval: float
    timeout: float
    token: str | None = field(default=None, repr=False)

    @property
    def offset(self) -> int:
        """When within each interval it is scraped (ms): spread over it, the same every time."""
        return zlib.crc32(self.url.encode()) * self._step >> 32

    def due_after(self, now: int) -> int:
        """The next time that it is to be scraped, both in ns; on a whole millisecond."""
        step, offset = self._step, self.offset
        return (((now // _MS - offset) // step + 1) * step + offset) * _MS

    @property
    def _step(self) -> int:
        return round(self.interval * 1_000)


def targets_of(scrapes: list[Scrape]) -> list[Target]:
    """The targets of ``[[scrape]]`` tables."""
    return [_target(scrape, told) for scrape in scrapes for told in scrape.targets]


def _target(scrape: Scrape, told: str) -> Target:
    """``told``: HOST:PORT, or a whole URL."""
    url = told if "://" in told else f"{scrape.scheme}://{told}{scrape.path}"
    parts = urlsplit(url)
    labels = {"job": scrape.job, "instance": parts.netloc.rpartition("@")[2]} | scrape.labels
    return Target(url, labels, scrape.interval, scrape.timeout, scrape.token)


class Scraper:
    """Scrapes all targets, each in its own rhythm; one that hangs holds up no other."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self._engine = engine
        self._most_bytes = config.max_body_bytes
        self._targets = targets_of(config.scrape)
        self._tasks: list[asyncio.Task[None]] = []
        self._client: httpx.AsyncClient | None = None
        #: Targets that did not answer well the last time.
        self._down: set[str] = set()

    def start(self) -> None:
        """Begin, in the running event loop."""
        if not self._targets:
            return
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=1_000)
        self._client = httpx.AsyncClient(timeout=None, limits=limits, follow_redirects=True)
        self._tasks = [asyncio.create_task(self._follow(target)) for target in self._targets]

    async def stop(self) -> None:
        """End; what is being asked for is not waited for."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._client is not None:
            await self._client.aclose()

    async def _follow(self, target: Target) -> None:
        reader = Reader(target.labels)
        due = target.due_after(time.time_ns())
        while True:
            await asyncio.sleep(max(0.0, (due - time.time_ns()) / SECOND_NS))
            try:
                await self._turn(target, reader, due)
            except Exception as error:  # nothing may end a target's rhythm
                _log.error("scrape_failed", url=target.url, reason=str(error), exc_info=True)
            # After a delay the times that have passed are left out.
            due = target.due_after(max(due, time.time_ns()))

    async def _turn(self, target: Target, reader: Reader, due: int) -> None:
        batch = await self._scrape(target, reader, due)
        await deliver(self._engine, batch, patience_s=target.interval)

    async def _scrape(self, target: Target, reader: Reader, at: int) -> Batch:
        """One scrape: the target's samples, and those on how it went."""
        began = time.perf_counter()
        found: Batch | None = None
        try:
            async with asyncio.timeout(target.timeout):
                body, content_type = await self._get(target)
            found = await self._decoded(reader, body, content_type, at)
        except TimeoutError:
            self._tell(target, f"no answer within {target.timeout:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, BadInputError) as error:
            self._tell(target, str(error) or type(error).__name__)
        else:
            self._down.discard(target.url)
        return _with_report(found, target, at, time.perf_counter() - began)

    async def _decoded(self, reader: Reader, body: bytes, content_type: str, at: int) -> Batch:
        work = (body, content_type, at)
        large = len(body) > _LARGE
        decoded = await asyncio.to_thread(reader.decode, *work) if large else reader.decode(*work)
        self._engine.telemetry.refused(PROTOCOL, decoded.rejected)
        return decoded.batch

    async def _get(self, target: Target) -> tuple[bytes, str]:
        """The body, within bounds, and its type. Errors: `httpx.HTTPError`, `BadInputError`."""
        assert self._client is not None
        headers = {"accept": ACCEPT, "user-agent": _AGENT}
        if target.token:
            headers["authorization"] = f"Bearer {target.token}"
        body = bytearray()
        async with self._client.stream("GET", target.url, headers=headers) as answer:
            if answer.status_code != 200:
                raise BadInputError(f"answered {answer.status_code} {answer.reason_phrase}")
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > self._most_bytes:
                    raise TooLargeError(f"more than {self._most_bytes} bytes (max_body_bytes)")
            return bytes(body), answer.headers.get("content-type", "")

    def _tell(self, target: Target, reason: str) -> None:
        """Say once why a target is down."""
        if target.url not in self._down:
            _log.warning("target_down", url=target.url, reason=reason[:300])
        self._down.add(target.url)


def _with_report(found: Batch | None, target: Target, at: int, seconds: float) -> Batch:
    """A batch with the samples that Prometheus, too, makes of every scrape."""
    report = {
        "up": float(found is not None),
        "scrape_duration_seconds": seconds,
        "scrape_samples_scraped": float(len(found) if found else 0),
    }
    own = [Metric.of(name, target.labels) for name in report]
    before = found or Columns(PROTOCOL).done().batch
    first = len(before.metrics)
    samples = Samples(
        np.append(before.samples.metric, np.arange(first, first + len(own))),
        np.append(before.samples.timestamp, np.full(len(own), at, dtype=np.int64)),
        np.append(before.samples.value, list(report.values())),
    )
    metrics = [*before.metrics, *own]
    return Batch(
        metrics, samples, PROTOCOL, sender=f"scrape {target.url}", counters=before.counters
    )
