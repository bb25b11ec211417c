"""The running service: everything started in order, and stopped in order without loss."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import uvicorn
from litestar import Litestar
from sqlalchemy import Engine as Database

from tocsin.alert.delivering import Delivering
from tocsin.alert.duty import Duty
from tocsin.alert.pictures.stored import Pictures
from tocsin.alert.silence import Silences
from tocsin.api.app import make_app
from tocsin.api.figures import Figures
from tocsin.api.incidents import incident_messages
from tocsin.api.limits import BoundedBodies, Limits, limited
from tocsin.api.listening import bind, bound_port, queue_more
from tocsin.api.lookups import Lookups
from tocsin.api.reloading import reload
from tocsin.api.stream import Hub
from tocsin.config import Address, Config
from tocsin.engine.engine import Engine
from tocsin.errors import ConfigurationError, StoreError
from tocsin.ingest import host, itself
from tocsin.ingest.follow.following import Following
from tocsin.ingest.listeners import LISTENERS
from tocsin.ingest.scrape import Scraper
from tocsin.ingest.warming import Warming
from tocsin.publish.publishing import Publishing
from tocsin.store.database import claim, database_file, place
from tocsin.store.queries import Reader
from tocsin.store.tokens import Tokens

__all__ = ["serve"]

Announce = Callable[[str], None]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
#: How long requests that are under way may take when stopping.
_GRACE_S: Final = 10
_FORCED: Final = 130
_LOOK_S: Final = 0.5


def serve(config: Config, announce: Announce, read: Callable[[], Config] | None = None) -> None:
    """Run until SIGINT or SIGTERM; ``announce`` gets a line when ready and one at the end.

    ``read``: reads the configuration again, on SIGHUP; see `tocsin.api.reloading`.

    Errors: `StartError`, `ConfigurationError`, `StoreError`; nothing was changed then.
    """
    with ExitStack() as stack:
        listening = stack.enter_context(_bound(config))
        file = database_file(config.url)
        if file is not None and not file.exists():
            _check_access(config, None)
        database = stack.enter_context(claim(config.url, busy_s=config.busy_s))
        _check_access(config, database)
        engine = Engine(database, config)
        publishing = Publishing(database, engine.registry, engine.telemetry, config)
        silences = _silences(config, engine)
        duty = Duty(database, publishing, config, engine.registry.metrics, silences=silences)
        delivering = Delivering(
            database,
            config.channel,
            page=_page_url(config, listening),
            draw=Pictures(database).incident,
        )
        duty.listeners.append(lambda _rows: delivering.wake())
        running = _Service(
            config, engine, Reader(database), publishing, duty, delivering, listening, announce
        )
        running.read = read
        asyncio.run(running.run())


def _check_access(config: Config, database: Database | None) -> None:
    """Others than this machine are only let in with a token, or when that is wanted.

    ``database``: None: it is not made yet, and is not when this says no.
    """
    http = config.http_address
    if http is None or http.loopback or config.insecure or config.token is not None:
        return
    if database is None or not Tokens(database).all(limit=1):
        raise ConfigurationError(
            f"http = '{http}' lets other machines in: make a token (tocsin token create NAME "
            '--scope admin; or token = "…" in the configuration, or TOCSIN_TOKEN), listen on '
            "127.0.0.1, or say --insecure to let everybody do everything"
        )


def _silences(config: Config, engine: Engine) -> Silences | None:
    """Who watches for metrics that fall silent."""
    if not config.silence.watch:
        return None

    def hearing() -> bool:
        # While much waits, what is not heard of may be among it.
        return engine.trouble is None and len(engine.queue) < config.queue_samples // 2

    muted = engine.windows.muted_rows
    silences = Silences(engine.registry, config.silence, hearing, muted=muted)
    engine.telemetry.add(silences.gauge)
    return silences


@dataclass(slots=True)
class _Listening:
    """Bound sockets by protocol; closed by whoever serves them, or at the end."""

    http: list[socket.socket] = field(default_factory=list)
    sockets: dict[str, list[socket.socket]] = field(default_factory=dict)


@contextmanager
def _bound(config: Config) -> Iterator[_Listening]:
    listening = _Listening()
    try:
        if config.http_address:
            listening.http = bind(config.http_address, "http")
        for key, address in config.socket_addresses.items():
            option = key.replace("_", "-")
            listening.sockets[key] = bind(address, option, LISTENERS[key].type)
        yield listening
    finally:
        for bound in chain(listening.http, *listening.sockets.values()):
            bound.close()


class _Server(uvicorn.Server):
    """Uvicorn, which leaves signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Service:
    def __init__(
        self,
        config: Config,
        engine: Engine,
        reader: Reader,
        publishing: Publishing,
        duty: Duty,
        delivering: Delivering,
        listening: _Listening,
        announce: Announce,
    ) -> None:
        self._config = config
        self._engine = engine
        self._reader = reader
        self._publishing = publishing
        self._duty = duty
        self._delivering = delivering
        self._listening = listening
        self._announce = announce
        self._listeners = {key: LISTENERS[key].make(engine, config) for key in listening.sockets}
        self._following = Following(engine, config.follow)
        self._scraper = Scraper(engine, config)
        self._lookups = Lookups(engine, config.incidents.places)
        self._warming = Warming()
        self._saved = 0
        #: Reads the configuration again; None: nobody can.
        self.read: Callable[[], Config] | None = None
        self._app: Litestar | None = None

    async def run(self) -> None:
        """From start to clean stop."""
        stop = _stop_on_signals()
        reloading = asyncio.create_task(self._reload_on_signal())
        hub = Hub(self._publishing.feed, asyncio.get_running_loop())
        self._engine.listeners.append(self._publishing.feed.publish)
        self._duty.listeners.append(lambda rows: hub.tell("incident", incident_messages(rows)))
        self._duty.start()
        self._engine.start()
        self._publishing.start()
        self._delivering.start()
        self._lookups.start()
        server = self._http(hub)
        serving = asyncio.create_task(server.serve(self._listening.http)) if server else None
        watching: list[asyncio.Task[None]] = []
        try:
            self._following.start()
            for key, listener in self._listeners.items():
                await listener.start(self._listening.sockets[key])
            watching += map(asyncio.create_task, self._looks())
            self._scraper.start()
            if server is not None:
                await _until_started(server, serving)
                queue_more(self._listening.http)
            self._announce(self._ready_line())
            if server is not None:
                self._warming.start()
            await _first_of(stop, serving, *watching, asyncio.create_task(self._until_over()))
        finally:
            reloading.cancel()
            with suppress(asyncio.CancelledError):
                await reloading
            await self._stop(hub, server, serving, watching)
        self._announce(self._last_line())

    async def _reload_on_signal(self) -> None:
        """Go by another configuration at every SIGHUP, as far as that can be."""
        read, wanted = self.read, asyncio.Event()
        if read is None or not hasattr(signal, "SIGHUP"):
            return
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wanted.set)
        config = self._config
        while True:
            await wanted.wait()
            wanted.clear()
            parts = config, self._duty, self._delivering
            config = await asyncio.to_thread(reload, read, *parts)
            if self._app is not None:
                self._app.state.config = config

    def _looks(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What is looked at again and again."""
        every = self._config.watch_interval
        if self._config.watch_host:
            yield host.watch(self._engine, every)
        if self._config.watches_itself:
            more = Figures(self._publishing, self._delivering)
            yield itself.watch(self._engine, more.read, every)

    async def _until_over(self) -> None:
        """Ends, with an error, when nothing will ever be stored again."""
        while not self._engine.committing.over:
            await asyncio.sleep(_LOOK_S)
        raise StoreError(self._engine.trouble or "nothing can be stored any more")

    async def _stop(
        self,
        hub: Hub,
        server: _Server | None,
        serving: asyncio.Task[None] | None,
        watching: Sequence[asyncio.Task[None]],
    ) -> None:
        """Listeners first, then what they brought, then the states."""
        for task in watching:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._scraper.stop()
        await asyncio.to_thread(self._warming.stop)
        hub.close()
        await asyncio.gather(*(listener.stop() for listener in self._listeners.values()))
        if server is not None and serving is not None:
            server.should_exit = True
            await serving
        await asyncio.to_thread(self._following.stop)
        self._saved = await asyncio.to_thread(self._engine.stop)
        await asyncio.to_thread(self._publishing.stop)
        await asyncio.to_thread(self._duty.stop)
        await asyncio.to_thread(self._delivering.stop)
        await asyncio.to_thread(self._lookups.stop)

    def _http(self, hub: Hub) -> _Server | None:
        if not self._listening.http:
            return None
        app = make_app(
            self._config,
            self._engine,
            self._reader,
            self._publishing,
            hub,
            self._duty,
            self._delivering,
            self._lookups,
        )
        self._app = app
        app.state.listening = {
            key: _reached(address, self._listening.sockets[key])
            for key, address in self._config.socket_addresses.items()
        }
        return _Server(
            uvicorn.Config(
                BoundedBodies(app, self._config.max_body_bytes),
                http=limited(Limits(self._config.max_connections)),
                # So few at once that a request can come before its connection makes room.
                backlog=max(16, self._config.max_connections // 8),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=_GRACE_S,
            )
        )

    def _ready_line(self) -> str:
        told = []
        if address := self._config.http_address:
            told.append(f"page http://{_reached(address, self._listening.http)}/")
        for key, address in self._config.socket_addresses.items():
            told.append(f"{key} {_reached(address, self._listening.sockets[key])}")
        return f"tocsin is ready: {', '.join([*told, f'data {place(self._config.url)}'])}"

    def _last_line(self) -> str:
        told = self._engine.telemetry
        return (
            f"tocsin has stopped: {told.total_accepted:,} samples stored, "
            f"{told.total_scored:,} scored, {told.total_events:,} events; "
            f"{self._saved:,} states saved"
        )


def _page_url(config: Config, listening: _Listening) -> str:
    """Where links in messages lead."""
    if config.public_url or not config.http_address:
        return config.page_url
    return f"http://{_reached(config.http_address, listening.http)}"


def _reached(address: Address, sockets: list[socket.socket]) -> Address:
    """What to type to get there; "every address" of this machine is reached as localhost."""
    host = "localhost" if address.host in ("0.0.0.0", "::") else address.host
    return Address(host, bound_port(sockets[0]))


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; the second ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if signals:
            # What was acknowledged is stored; the states are replayed at the next start.
            os._exit(_FORCED)
        signals.append(number)
        loop.call_soon_threadsafe(stop.set)

    for number in _SIGNALS:
        signal.signal(number, handle)
    return stop


async def _until_started(server: _Server, serving: asyncio.Task[None] | None) -> None:
    while not server.started and serving is not None and not serving.done():
        await asyncio.sleep(0.01)


async def _first_of(stop: asyncio.Event, *tasks: asyncio.Task[None] | None) -> None:
    """Until a signal, or until something that should run for ever has failed (raised here)."""
    waiting = asyncio.create_task(stop.wait())
    running = [task for task in tasks if task is not None]
    await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in running:
        if task.done():
            await task
