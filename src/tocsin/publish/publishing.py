"""Publishing as a whole: the feed, its destinations, and the upkeep of the outbox."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from prometheus_client import Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tocsin.config import Config, JsonLines, RemoteWrite
from tocsin.errors import ConfigurationError, StoreError
from tocsin.publish.delivery import Item
from tocsin.publish.destination import Calling, Destination, Pump
from tocsin.publish.feed import Feed, Subscription
from tocsin.publish.jsonl import JsonLinesFile
from tocsin.publish.outbox import Outbox, Waiting
from tocsin.publish.remote_write import RemoteWriter
from tocsin.publish.series import Chosen
from tocsin.publish.subscribers import Subscriber, Subscribers
from tocsin.samples import SECOND_NS

if TYPE_CHECKING:
    from sqlalchemy import Engine as Database

    from tocsin.engine.registry import Registry
    from tocsin.engine.telemetry import Telemetry

__all__ = ["Publishing", "Standing"]

_log: Final = structlog.get_logger("tocsin.publish")

#: Between two looks at the outbox: what to prune, who lags (seconds).
_UPKEEP_S: Final = 10.0
#: How long a stop waits for destinations to take what is there (seconds).
_GRACE_S: Final = 5.0
_HOUR_NS: Final = 3_600 * SECOND_NS


class Standing(NamedTuple):
    """How far a subscriber is, and what it has yet to confirm."""

    #: Everything up to it is confirmed.
    position: int
    #: How many commits wait for it, and how old the oldest of them is.
    commits: int
    seconds: float


class Publishing:
    """Everything that takes results out. Make it before the engine starts.

    Give ``feed.publish`` to the engine's listeners; `call` and `subscribe` follow in this process.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        telemetry: Telemetry,
        config: Config,
        *,
        clock: Callable[[], int] = time.time_ns,
        upkeep_s: float = _UPKEEP_S,
    ) -> None:
        """Open all destinations. Errors: `StoreError`, `OutputError`."""
        self.outbox = Outbox(database)
        self.subscribers = Subscribers(database, clock)
        self.feed = Feed(registry, self.outbox)
        self._keep_ns = int(config.outbox_hours * _HOUR_NS)
        self._most_ns = int(config.outbox_days_most * 24 * _HOUR_NS)
        self._clock = clock
        self._upkeep_s = upkeep_s
        self._pumps: list[Pump] = []
        self._shown = _Shown(self._pumps)
        telemetry.add(self._shown)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tocsin-outbox", daemon=True)
        self._open(config.publish)

    def start(self) -> None:
        """Begin to deliver, and to keep the outbox."""
        for pump in self._pumps:
            pump.start()
        self._thread.start()

    def stop(self) -> None:
        """Deliver what the engine has committed, for some seconds, and end. After the engine."""
        self.feed.close()
        self._stop.set()
        until = time.monotonic() + _GRACE_S
        for pump in self._pumps:
            pump.stop(max(0.0, until - time.monotonic()))
        self._thread.join()

    def look(self) -> dict[str, Standing]:
        """How far every subscriber is now. Cost: a short query each. Errors: `StoreError`."""
        return self._shown.look(self.outbox, self.subscribers, self._clock())

    def subscribe(self, name: str) -> Subscription:
        """What ``name`` has not confirmed yet, then what comes; a new name begins now.

        Say with ``subscribers.confirm(name, position)`` what is done. Errors: `StoreError`.
        """
        return self.feed.subscribe(self.subscribers.register(name, self.feed.newest))

    def call(self, name: str, function: Callable[[Item], None]) -> Pump:
        """Have a function called with every item that ``name`` has not confirmed, in a thread.

        It has an item again until it returns from it without an error. Errors: `StoreError`.
        """
        pump = Pump(name, Calling(function), self.feed, self.subscribers)
        self._pumps.append(pump)
        if self._thread.is_alive():
            pump.start()
        return pump

    def upkeep(self) -> None:
        """Prune the outbox, and look how far subscribers are. Errors: `StoreError`."""
        while True:
            pruned = self.outbox.prune(self._clock(), self._keep_ns, self._most_ns)
            if pruned.unconfirmed:
                self._shown.unconfirmed.inc(pruned.unconfirmed)
                _log.warning("outbox_dropped_unconfirmed", commits=pruned.unconfirmed)
            if not pruned.rows or self._stop.is_set():
                break
        self._shown.look(self.outbox, self.subscribers, self._clock())

    def _open(self, destinations: Iterable[JsonLines | RemoteWrite]) -> None:
        with ExitStack() as opened:
            for one in destinations:
                destination = self._destination(one)
                opened.callback(destination.close)
                self._pumps.append(Pump(one.subscriber, destination, self.feed, self.subscribers))
            opened.pop_all()

    def _destination(self, config: JsonLines | RemoteWrite) -> Destination:
        """The seam for more kinds: one file a destination."""
        if isinstance(config, JsonLines):
            return JsonLinesFile(Path(config.path), samples=not config.events_only)
        writer = RemoteWriter(
            config.url,
            Chosen(config.match, config.most),
            token=_token(config),
            timeout_s=config.timeout_s,
        )
        self._shown.writers[config.subscriber] = writer
        return writer

    def _run(self) -> None:
        while True:
            try:
                self.upkeep()
            except StoreError as error:
                _log.info("outbox_upkeep_failed", reason=str(error))
            if self._stop.wait(self._upkeep_s):
                return


def _token(config: RemoteWrite) -> str | None:
    """What is shown to a receiver. Errors: `ConfigurationError`."""
    if config.token_env is None:
        return config.token
    if config.token is not None or not os.environ.get(config.token_env, "").strip():
        raise ConfigurationError(
            f"publish {config.subscriber!r}: token_env: there is no environment variable "
            f"{config.token_env!r}, or a token beside it"
        )
    return os.environ[config.token_env].strip()


def _standing(one: Subscriber, waiting: Waiting, now: int) -> Standing:
    waits = 0 if waiting.since is None else max(0, now - waiting.since)
    return Standing(one.position, waiting.positions, waits / SECOND_NS)


class _Shown(Collector):
    """How far subscribers lag, as of the last look."""

    def __init__(self, pumps: list[Pump]) -> None:
        self._pumps = pumps
        self._standing: dict[str, Standing] = {}
        self.writers: dict[str, RemoteWriter] = {}
        self.unconfirmed = Counter(
            "tocsin_outbox_dropped_unconfirmed",
            "Commits dropped from the outbox before every subscriber had confirmed them",
            registry=None,
        )

    def look(self, outbox: Outbox, subscribers: Subscribers, now: int) -> dict[str, Standing]:
        """Note how far everybody is; the same by name."""
        everybody = subscribers.all()
        waiting = outbox.waiting(one.position for one in everybody)
        self._standing = {one.name: _standing(one, waiting[one.position], now) for one in everybody}
        return self._standing

    def collect(self) -> Iterator[object]:  # type: ignore[override]
        commits = GaugeMetricFamily(
            "tocsin_subscriber_lag_commits", "Commits yet to be confirmed", labels=["subscriber"]
        )
        seconds = GaugeMetricFamily(
            "tocsin_subscriber_lag_seconds",
            "Age of the oldest commit yet to be confirmed",
            labels=["subscriber"],
        )
        failing = GaugeMetricFamily(
            "tocsin_destination_failing",
            "1 while a destination takes nothing",
            labels=["subscriber"],
        )
        for name, one in self._standing.items():
            commits.add_metric([name], one.commits)
            seconds.add_metric([name], one.seconds)
        for pump in self._pumps:
            failing.add_metric([pump.name], pump.trouble is not None)
        refused = CounterMetricFamily(
            "tocsin_destination_refused",
            "Samples that a receiver refused for good",
            labels=["subscriber"],
        )
        for name, writer in self.writers.items():
            refused.add_metric([name], writer.refused)
        yield from (commits, seconds, failing, refused)
        yield from self.unconfirmed.collect()
