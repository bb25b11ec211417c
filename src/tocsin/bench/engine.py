"""The engine from end to end: speed, rows read, restarts and memory, measured on real services."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tocsin.bench.service import running
from tocsin.bench.stores import counted, new_database, plain_insert
from tocsin.config import Config
from tocsin.detect.fleet import Fleet
from tocsin.engine.batch import Batch, Receipt
from tocsin.engine.engine import Engine
from tocsin.errors import QueueFullError, StoreError
from tocsin.ingest.remote import ServiceSink, body_of
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.store.database import claim

__all__ = ["Figures", "Plan", "measure"]

#: Samples of one request.
_REQUEST: Final = 10_000
_CLIENTS: Final = 2
_STEP_NS: Final = 60 * SECOND_NS
#: Batches under way at once where the engine is measured alone.
_WINDOW: Final = 8
#: Samples of each metric where many metrics count, not many samples.
_FEW: Final = 12
_FULL_S: Final = 0.002

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    samples: int = 1_000_000
    metrics: int = 1_000
    #: Metrics that a restart brings back.
    restart_metrics: int = 10_000
    #: The memory budget of the service that gets ten times more metrics than fit.
    memory_mb: int = 16


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on one database."""

    store: str
    samples: int
    #: Samples per second: over HTTP, by the engine alone, and by plain bulk inserts.
    http: float
    alone: float
    plain: float
    #: Microseconds of CPU that the service used per sample that came over HTTP.
    cpu_us: float
    #: Rows read from the database per sample scored, in steady state.
    rows_read: float
    #: Seconds from the start of the process until it took samples: after a clean stop, after
    #: kill -9 (all states to be learnt anew), and how many metrics there were.
    restart_s: float
    replay_s: float
    restart_metrics: int
    #: Bytes of states, the budget for them, and by how much the process grew.
    states: int
    budget: int
    grown: int

    @property
    def ratio(self) -> float:
        """End to end over HTTP against plain bulk inserts of the same rows."""
        return self.http / self.plain

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"ratio": self.ratio}


def measure(server: str | None, plan: Plan, tell: Tell) -> Figures:
    """Measure on SQLite, or on a PostgreSQL ``server`` (a URL whose user may create databases).

    Everything is made in a temporary folder and in databases of its own, and removed at the end.
    Errors: `StartError`, `StoreError`.
    """
    store = "sqlite" if server is None else "postgresql"
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        with new_database(server, folder) as url:
            http, cpu_us = _over_http(url, folder, plan, lambda text: tell(f"{store}: {text}"))
            tell(f"{store}: plain bulk inserts")
            rows, seconds = plain_insert(url, server, folder)
        with new_database(server, folder) as url:
            tell(f"{store}: the engine alone")
            alone, rows_read = _alone(url, folder, plan)
        with new_database(server, folder) as url:
            tell(f"{store}: restarts with {plan.restart_metrics:,} metrics")
            replay_s, restart_s = _restarts(url, folder, plan)
        with new_database(server, folder) as url:
            tell(f"{store}: ten times more metrics than fit")
            states, grown = _memory(url, folder, plan)
    return Figures(
        store=store,
        samples=rows,
        http=http,
        alone=alone,
        plain=rows / seconds,
        cpu_us=cpu_us,
        rows_read=rows_read,
        restart_s=restart_s,
        replay_s=replay_s,
        restart_metrics=plan.restart_metrics,
        states=states,
        budget=plan.memory_mb << 20,
        grown=grown,
    )


def _batches(metrics: Sequence[Metric], each: int, *, seed: int = 1) -> Iterator[Batch]:
    """``each`` samples of every metric, minute by minute up to now, in batches of one request."""
    rng = np.random.default_rng(seed)
    count = len(metrics)
    steps = max(1, _REQUEST // count)
    start = time.time_ns() - each * _STEP_NS
    for first in range(0, each, steps):
        n = min(steps, each - first)
        # More metrics than a request holds: several requests a step.
        for low in range(0, count, _REQUEST):
            part = metrics[low : low + _REQUEST]
            times = start + np.repeat(np.arange(first, first + n), len(part)) * _STEP_NS
            values = 50 + rng.normal(size=n * len(part)).round(3)
            column = np.tile(np.arange(len(part)), n)
            yield Batch(part, Samples(column, times, values), "bench")


def _named(count: int, prefix: str = "bench") -> list[Metric]:
    return [Metric.of(f"{prefix}.{i:06d}", {"host": f"host-{i % 100:02d}"}) for i in range(count)]


def _over_http(url: str, folder: Path, plan: Plan, tell: Tell) -> tuple[float, float]:
    """Samples per second, and microseconds of the service's CPU per sample."""
    tell("making requests")
    shares = [_named(plan.metrics)[i::_CLIENTS] for i in range(_CLIENTS)]
    each = max(1, plan.samples // plan.metrics)
    bodies = [[body_of(batch) for batch in _batches(share, each)] for share in shares]
    with running(folder, url) as service:
        tell("sending over HTTP")
        _send_all(service.url, [next(_batches(_named(1, "warm"), 1))])
        before = service.cpu_s
        began = time.perf_counter()
        _in_threads([lambda mine=mine: _post_all(service.url, mine) for mine in bodies])  # type: ignore[misc]
        seconds = time.perf_counter() - began
        cpu_s = service.cpu_s - before
        service.stop()
    count = each * plan.metrics
    return count / seconds, 1e6 * cpu_s / count


def _post_all(url: str, bodies: Sequence[bytes]) -> None:
    sink = ServiceSink(url)
    try:
        for body in bodies:
            _check(sink.send_body(body))
    finally:
        sink.close()


def _send_all(url: str, batches: Iterator[Batch] | Sequence[Batch]) -> None:
    _post_all(url, [body_of(batch) for batch in batches])


def _check(receipt: Receipt) -> None:
    if receipt.rejected:
        raise StoreError(f"the service refused a sample: {receipt.rejected[0].reason}")


def _in_threads(works: Sequence[Callable[[], None]]) -> None:
    """Do all at once. Errors: whatever the first that fails raises."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _alone(url: str, folder: Path, plan: Plan) -> tuple[float, float]:
    """Samples per second of an engine in this process, and rows it reads per sample."""
    each = max(1, plan.samples // plan.metrics)
    config = msgspec.structs.replace(Config(), data=str(folder / "data"), database=url)
    with claim(url, busy_s=config.busy_s) as database:
        counter = counted(database)
        engine = Engine(database, config)
        engine.start()
        try:
            batches = deque(_batches(_named(plan.metrics), each))
            _submit(engine, [batches.popleft()])  # from here on every metric is known
            count, rows = sum(map(len, batches)), counter.rows
            began = time.perf_counter()
            _submit(engine, batches)
            seconds = time.perf_counter() - began
            rows = counter.rows - rows
        finally:
            engine.stop()
    return count / seconds, rows / count


def _submit(engine: Engine, batches: Sequence[Batch] | deque[Batch]) -> None:
    waiting: deque[Future[Receipt]] = deque()
    for batch in batches:
        waiting.append(_taken(engine, batch))
        if len(waiting) >= _WINDOW:
            _check(waiting.popleft().result())
    for promised in waiting:
        _check(promised.result())


def _taken(engine: Engine, batch: Batch) -> Future[Receipt]:
    while True:
        try:
            return engine.submit(batch)
        except QueueFullError:
            time.sleep(_FULL_S)


def _restarts(url: str, folder: Path, plan: Plan) -> tuple[float, float]:
    """Seconds until ready after a kill before any snapshot, and after a clean stop."""
    many = {"TOCSIN_MAX_METRICS": str(plan.restart_metrics + 1)}
    with running(folder, url, **many, TOCSIN_SNAPSHOT_S="86400") as service:
        _send_all(service.url, _batches(_named(plan.restart_metrics), _FEW))
        service.kill()
    with running(folder, url, **many) as service:
        replay_s = service.ready_s
        service.stop()
    with running(folder, url, **many) as service:
        return replay_s, service.ready_s


def _memory(url: str, folder: Path, plan: Plan) -> tuple[int, int]:
    """Bytes of all states, and by how much the process grows with them."""
    budget = plan.memory_mb << 20
    count = 10 * budget // Fleet().row_bytes
    settings = {"TOCSIN_MEMORY_MB": str(plan.memory_mb), "TOCSIN_MAX_METRICS": str(count + 2)}
    with running(folder, url, **settings) as service:
        _send_all(service.url, _batches(_named(1, "warm"), _FEW))
        before = service.resident
        _send_all(service.url, _batches(_named(count), _FEW))
        grown = service.resident - before
    return count * Fleet().row_bytes, grown
