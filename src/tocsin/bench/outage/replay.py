"""The fleet's samples through a real engine, the real keeping of incidents and a real channel."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import Engine as Database
from sqlalchemy import select

from tocsin.alert.delivering import Delivering
from tocsin.alert.duty import Duty
from tocsin.bench.injected.backgrounds import DAY_NS
from tocsin.bench.outage.fleet import END_NS, Track
from tocsin.channels import Webhook
from tocsin.config import Config
from tocsin.detect.result import EVENT_CODES, EventState
from tocsin.engine.batch import Batch
from tocsin.engine.engine import Engine
from tocsin.errors import StoreError
from tocsin.publish.publishing import Publishing
from tocsin.samples import Samples
from tocsin.store import schema
from tocsin.store.database import claim

__all__ = ["Recorded", "TrackEvent", "replay"]

#: Samples of one batch while all learn, and while it is judged (ns).
_LEARNING_NS: Final = DAY_NS // 4
_LIVE_NS: Final = DAY_NS // 288
#: After so long without samples every incident is over.
_SILENT_NS: Final = 10 * DAY_NS
#: How long anything may take (seconds).
_PATIENCE_S: Final = 60.0
_ANOMALOUS: Final = tuple(EVENT_CODES.index(one) for one in (EventState.START, EventState.ONGOING))

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrackEvent:
    """An event of a metric (its place in the fleet), and its incident; times in ns."""

    track: int
    start: int
    end: int
    #: None: it alarmed nobody.
    incident: int | None


@dataclass(slots=True)
class Recorded:
    """What became of the samples of the judged days."""

    samples: int = 0
    #: Samples that belong to an event.
    anomalous: int = 0
    events: list[TrackEvent] = field(default_factory=list)
    #: What the receiver was told: incident, change, and at which time of the samples (ns).
    messages: list[tuple[int, str, int]] = field(default_factory=list)
    #: What each incident is called, by its number.
    titles: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def told(self) -> Counter[str]:
        """How many messages of each kind."""
        return Counter(change for _, change, _ in self.messages)


def replay(
    tracks: Sequence[Track], judged: float, folder: Path, tell: Tell = lambda _: None
) -> Recorded:
    """Play all samples, the last ``judged`` days of them as they would come live.

    The clock of incidents and messages is that of the samples. Everything is made in ``folder``.
    Errors: `StoreError`.
    """
    began = time.perf_counter()
    with _receiver() as (url, taken):
        channel = Webhook(name="receiver", url=url)
        config = msgspec.structs.replace(Config(), data=str(folder), channel=[channel])
        with claim(config.url, busy_s=config.busy_s) as database:
            live = _Live(database, config)
            try:
                recorded = live.play(tracks, END_NS - int(judged * DAY_NS), tell)
            finally:
                live.stop()
        recorded.messages = [
            (body["incident"]["id"], body["type"].partition(".")[2], _ns(body["timestamp"]))
            for body in map(json.loads, taken)
        ]
    recorded.seconds = time.perf_counter() - began
    return recorded


class _Live:
    """The parts of a service that samples go through."""

    def __init__(self, database: Database, config: Config) -> None:
        self._now = 0
        self._database = database
        self._engine = Engine(database, config)
        self._publishing = Publishing(
            database, self._engine.registry, self._engine.telemetry, config
        )
        clock = lambda: self._now  # noqa: E731
        self._duty = Duty(
            database, self._publishing, config, self._engine.registry.metrics, clock=clock
        )
        self._delivering = Delivering(database, config.channel, clock=clock)
        self._duty.listeners.append(lambda _rows: self._delivering.wake())
        self._engine.listeners.append(self._publishing.feed.publish)
        for part in (self._duty, self._engine, self._publishing, self._delivering):
            part.start()

    def stop(self) -> None:
        """End everything, in order."""
        for part in (self._engine, self._publishing, self._duty, self._delivering):
            part.stop()

    def play(self, tracks: Sequence[Track], since: int, tell: Tell) -> Recorded:
        """All samples; what became of those from ``since`` on."""
        for batch, until in _batches(tracks, since):
            tell(f"{(END_NS - until) / DAY_NS:.1f} days to go")
            self._now = until
            self._take(batch)
        # Nothing more comes: what is still open is over by and by.
        self._now = END_NS + _SILENT_NS
        self._wait(lambda: self._duty_is_done() and self._all_sent())
        return self._recorded(tracks, since)

    def _take(self, batch: Batch) -> None:
        before = self._publishing.feed.newest
        receipt = self._engine.submit(batch).result(_PATIENCE_S)
        if receipt.rejected:
            raise StoreError(f"a sample was refused: {receipt.rejected[0].reason}")
        self._wait(lambda: self._publishing.feed.newest > before and self._duty_is_done())

    def _duty_is_done(self) -> bool:
        return self._duty.position >= self._publishing.feed.newest

    def _all_sent(self) -> bool:
        c = schema.incident.c
        with self._database.connect() as connection:
            left = connection.execute(select(c.id).where(c.state != "resolved").limit(1)).first()
        pending = self._delivering.notifications.counts()
        return left is None and not any(one.pending for one in pending.values())

    def _wait(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE_S
        while not true():
            if time.monotonic() > until:
                raise StoreError(self._duty.trouble or "incidents do not get on")
            time.sleep(0.001)

    def _recorded(self, tracks: Sequence[Track], since: int) -> Recorded:
        places = {str(one.metric): at for at, one in enumerate(tracks)}
        m, s, e, i = (t.c for t in (schema.metric, schema.sample, schema.event, schema.incident))
        of = schema.incident_event.c
        with self._database.connect() as connection:
            at = {row.id: places[row.title] for row in connection.execute(select(m.id, m.title))}
            events = select(e.metric, e.start, e.end, of.incident).where(e.start >= since)
            events = events.outerjoin(schema.incident_event, of.event == e.id)
            codes = select(s.event).where(s.timestamp >= since)
            found = [row.event for row in connection.execute(codes)]
            return Recorded(
                samples=len(found),
                anomalous=sum(code in _ANOMALOUS for code in found),
                events=[
                    TrackEvent(at[row.metric], row.start, row.end, row.incident)
                    for row in connection.execute(events.order_by(e.start, e.id))
                ],
                titles={row.id: row.title for row in connection.execute(select(i.id, i.title))},
            )


def _batches(tracks: Sequence[Track], since: int) -> Iterator[tuple[Batch, int]]:
    """Everything in the order of time, in pieces, with the time at the end of each."""
    metrics = [one.metric for one in tracks]
    column = np.repeat(np.arange(len(tracks)), [len(one.values) for one in tracks])
    times = np.concatenate([one.timestamps for one in tracks])
    values = np.concatenate([one.values for one in tracks])
    order = np.argsort(times, kind="stable")
    column, times, values = column[order], times[order], values[order]
    first, at = 0, int(times[0])
    while first < len(times):
        at += _LEARNING_NS if at + _LEARNING_NS <= since else _LIVE_NS
        last = int(np.searchsorted(times, at))
        if last > first:
            rows = slice(first, last)
            yield Batch(metrics, Samples(column[rows], times[rows], values[rows]), "bench"), at
        first = last


@contextmanager
def _receiver() -> Iterator[tuple[str, list[bytes]]]:
    """A receiver of webhooks on this machine: its URL, and the bodies that it took."""
    taken: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _ns(moment: Any) -> int:
    return int(np.datetime64(str(moment).removesuffix("Z"), "ns").astype(np.int64))
