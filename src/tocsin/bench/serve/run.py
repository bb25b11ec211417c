"""One service under load: whether it keeps up, how soon results are there, and what it costs."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import numpy as np

from tocsin.bench.serve.bodies import PROTOCOLS, Stream
from tocsin.bench.serve.sender import Load, Sender, Sent, sending
from tocsin.bench.service import Service, running
from tocsin.bench.stores import new_database
from tocsin.detect.fleet import Fleet

__all__ = ["STAGES", "Figures", "Plan", "Saturation", "measure"]

Tell = Callable[[str], None]

#: Results must be there within so many seconds for 99 of 100 requests.
PROMPT_S: Final = 2.0
#: What the service's CPU is spent on, as it tells it itself.
STAGES: Final = ("decode", "order", "score", "commit", "save")
_LOOK_S: Final = 0.5
#: The fewest samples of each metric that are sent as fast as it goes.
_ROUNDS: Final = 2
_SPENT: Final = re.compile(r'^tocsin_(stage|thread)_seconds_total\{\w+="([^"]+)"\} (\S+)$', re.M)
#: Threads that help to score.
_HELPERS: Final = "tocsin-fleet"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, and with which service."""

    metrics: int = 100_000
    interval: float = 60.0
    seconds: float = 60.0
    protocol: str = "remote_write"
    request: int = 1_000
    connections: int = 8
    #: Its budget of states; None: as much as they need.
    memory_mb: int | None = None
    #: Before, every metric gets so many samples as fast as it goes, to learn something.
    warm: int = 0
    #: And so many samples in all, to find out how much the service takes at most.
    saturate: int = 0

    @property
    def rounds(self) -> int:
        """How many samples of each metric those are; of few metrics more."""
        return max(_ROUNDS, -(-self.saturate // self.metrics)) if self.saturate else 0


@dataclass(frozen=True, slots=True)
class Saturation:
    """As much as the service takes."""

    #: Samples per second.
    rate: float
    #: Microseconds of the service's CPU per sample, in all and by stage.
    cpu_us: float
    stages: Mapping[str, float]
    rss: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    protocol: str
    metrics: int
    interval: float
    #: New metrics per second, and microseconds of the service's CPU for each with its first sample.
    new: float
    new_us: float
    #: Samples sent as they were due, and in how many seconds.
    samples: int
    seconds: float
    #: Seconds from when a sample was due until it was stored and scored, its result there for all.
    p50: float
    p99: float
    longest: float
    #: Requests that the service pushed back.
    repeated: int
    #: Bytes in memory: before the first metric, at the end, and at most.
    rss_before: int
    rss: int
    rss_peak: int
    #: Bytes of states that the service holds.
    states: int
    #: Seconds of CPU per second, in all; microseconds per sample, in all and by stage.
    load: float
    cpu_us: float
    stages: Mapping[str, float]
    #: Seconds of CPU per second of the sender.
    sender: float
    database: int
    saturation: Saturation | None

    @property
    def keeps_up(self) -> bool:
        """Whether all samples were taken at their pace, and results were there soon."""
        asked = self.metrics / self.interval
        return self.p99 <= PROMPT_S and self.samples / self.seconds > 0.98 * asked

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"keeps_up": self.keeps_up}


def measure(plan: Plan, tell: Tell) -> Figures:
    """Measure one service on SQLite, in a folder that is removed at the end.

    Errors: `StartError`, `StoreError`. Cost: ``plan``'s seconds, and the time to make metrics.
    """
    with (
        tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name,
        new_database(None, Path(name)) as url,
        running(Path(name), url, **_settings(plan)) as service,
        _Peak(service) as peak,
    ):
        load = Load(
            service.url,
            service.listeners,
            plan.metrics,
            plan.protocol,
            plan.request,
            plan.connections,
            plan.interval,
            1 + plan.warm + plan.rounds,
        )
        tell("making requests")
        with sending(load) as sender:
            return _measure(plan, service, sender, peak, Path(name), tell)


def _measure(
    plan: Plan, service: Service, sender: Sender, peak: _Peak, folder: Path, tell: Tell
) -> Figures:
    before, cpu = service.resident, service.cpu_s
    tell(f"{plan.metrics:,} new metrics")
    new = sender.rounds(1)
    new_us = 1e6 * (service.cpu_s - cpu) / plan.metrics
    if plan.warm:
        tell("letting metrics learn")
        sender.rounds(plan.warm)
    saturation = _saturation(plan, service, sender, tell) if plan.saturate else None
    tell(f"{plan.metrics / plan.interval:,.0f} samples/s for {plan.seconds:g} s")
    spent = _Spent(service)
    sent = sender.paced(plan.seconds)
    stages, cpu_us = spent.by_stage(sent), spent.cpu_us(sent)
    resident = service.resident
    return Figures(
        plan.protocol,
        plan.metrics,
        plan.interval,
        new=new.samples / new.seconds,
        new_us=new_us,
        samples=sent.samples,
        seconds=sent.seconds,
        p50=float(np.quantile(sent.waits, 0.5)),
        p99=float(np.quantile(sent.waits, 0.99)),
        longest=float(sent.waits.max()),
        repeated=sent.repeated,
        rss_before=before,
        rss=resident,
        rss_peak=peak.bytes,
        states=plan.metrics * Fleet().row_bytes,
        load=cpu_us * sent.samples / 1e6 / sent.seconds,
        cpu_us=cpu_us,
        stages=stages,
        sender=sent.cpu_s / sent.seconds,
        database=sum(file.stat().st_size for file in folder.glob("*.db*")),
        saturation=saturation,
    )


def _saturation(plan: Plan, service: Service, sender: Sender, tell: Tell) -> Saturation:
    tell("as much as it takes")
    spent = _Spent(service)
    sent = sender.rounds(plan.rounds)
    stages = spent.by_stage(sent)
    return Saturation(sent.samples / sent.seconds, spent.cpu_us(sent), stages, service.resident)


def _settings(plan: Plan) -> dict[str, str]:
    needed = -(-plan.metrics * Fleet().row_bytes // 2**20) + 64
    settings = {
        "TOCSIN_MAX_METRICS": str(plan.metrics),
        "TOCSIN_MEMORY_MB": str(plan.memory_mb or needed),
    }
    wire = PROTOCOLS[plan.protocol]
    if isinstance(wire, Stream):
        settings[f"TOCSIN_{wire.listener.upper()}"] = "127.0.0.1:0"
    return settings


class _Spent:
    """The service's CPU since this was made."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._before, self._cpu = self._told(), service.cpu_s

    def cpu_us(self, sent: Sent) -> float:
        """Microseconds per sample."""
        return 1e6 * (self._service.cpu_s - self._cpu) / sent.samples

    def by_stage(self, sent: Sent) -> dict[str, float]:
        """Microseconds per sample by stage; "save": states; "other": HTTP and the rest."""
        now, whole = self._told(), self.cpu_us(sent)
        us = {
            stage: 1e6 * (now.get(stage, 0.0) - self._before.get(stage, 0.0)) / sent.samples
            for stage in STAGES
        }
        return us | {"other": max(0.0, whole - sum(us.values()))}

    def _told(self) -> dict[str, float]:
        with urlopen(f"{self._service.url}/metrics") as answer:
            text = answer.read().decode()
        told: dict[str, float] = {}
        for kind, name, seconds in _SPENT.findall(text):
            if kind == "stage" or name.startswith(_HELPERS):
                stage = name if kind == "stage" else "score"
                told[stage] = told.get(stage, 0.0) + float(seconds)
        return told


class _Peak:
    """The most memory that a service has had, looked at twice a second."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.bytes = max(self.bytes, self._service.resident)
