"""Watching the machine that Tocsin runs on: CPU, load, memory, swap, disks, network, processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import structlog

from tocsin.engine.engine import Engine
from tocsin.ingest.looking import Reading, look
from tocsin.samples import Metric

__all__ = ["PROTOCOL", "Host", "Rates", "watch"]

PROTOCOL: Final = "host"

_CPU_STATES: Final = ("user", "system", "iowait", "steal")
_NO_DISKS: Final = ("loop", "ram", "zram", "sr", "fd")
_LOOPBACKS: Final = ("lo", "lo0")

_log: Final = structlog.get_logger("tocsin.host")


class Rates:
    """Counters into rates per second."""

    def __init__(self) -> None:
        self._before: dict[Metric, tuple[float, float]] = {}

    def per_second(self, metric: Metric, count: float, at: float) -> float | None:
        """The rate since the last time; None the first time and when the counter was reset."""
        before = self._before.get(metric)
        self._before[metric] = (count, at)
        if before is None or count < before[0] or at <= before[1]:
            return None
        return (count - before[0]) / (at - before[1])


class Host:
    """Reads this machine's figures; every call of `read` is one look."""

    def __init__(self) -> None:
        self._rates = Rates()
        self._cpu: dict[str, float] | None = None

    def read(self) -> list[Reading]:
        """All figures that can be read now; rates only from the second look on."""
        found: list[Reading] = []
        for part in (self._cpus, self._loads, self._memory, self._disks, self._mounts, self._nets):
            try:
                found += part()
            except (OSError, psutil.Error, NotImplementedError) as error:
                _log.debug("unreadable", part=part.__name__, reason=str(error))
        found.append((Metric.of("host.processes"), float(len(psutil.pids()))))
        return found

    def _cpus(self) -> Iterator[Reading]:
        """Shares of all CPUs' time since the last look, in percent."""
        now = psutil.cpu_times()._asdict()
        # Linux counts the time of guests in user and nice once more.
        now = {state: spent for state, spent in now.items() if not state.startswith("guest")}
        before, self._cpu = self._cpu, now
        if before is None:
            return
        # Single counters may step back by a tick between two looks.
        spent = {state: max(0.0, now[state] - before[state]) for state in now}
        total = sum(spent.values())
        if total <= 0:
            return
        idle = spent["idle"] + spent.get("iowait", 0.0)
        yield Metric.of("host.cpu.percent"), 100 * (1 - idle / total)
        for state in _CPU_STATES:
            if state in spent:
                yield Metric.of(f"host.cpu.{state}_percent"), 100 * spent[state] / total

    def _loads(self) -> Iterator[Reading]:
        for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
            yield Metric.of(f"host.load.{minutes}m"), load

    def _memory(self) -> Iterator[Reading]:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        yield Metric.of("host.memory.used_percent"), memory.percent
        yield Metric.of("host.memory.available_bytes"), float(memory.available)
        if swap.total:
            yield Metric.of("host.swap.used_percent"), swap.percent

    def _disks(self) -> Iterator[Reading]:
        at = time.monotonic()
        for device, io in (psutil.disk_io_counters(perdisk=True) or {}).items():
            if not _is_disk(device) or not (io.read_bytes or io.write_bytes):
                continue
            counts = {"read": io.read_bytes, "written": io.write_bytes}
            yield from self._bytes("host.disk", device, counts, at)

    def _mounts(self) -> Iterator[Reading]:
        seen: set[str] = set()
        for partition in psutil.disk_partitions(all=False):
            # Bind mounts show the same device many times, images are always full.
            if partition.device in seen or partition.fstype in ("squashfs", "iso9660"):
                continue
            seen.add(partition.device)
            if Path(partition.mountpoint).is_dir():
                usage = psutil.disk_usage(partition.mountpoint)
                labels = {"mount": partition.mountpoint}
                yield Metric.of("host.filesystem.used_percent", labels), usage.percent

    def _nets(self) -> Iterator[Reading]:
        at = time.monotonic()
        for device, io in psutil.net_io_counters(pernic=True).items():
            if device in _LOOPBACKS or not (io.bytes_recv or io.bytes_sent):
                continue
            counts = {"received": io.bytes_recv, "sent": io.bytes_sent}
            yield from self._bytes("host.net", device, counts, at)

    def _bytes(
        self, prefix: str, device: str, counts: dict[str, int], at: float
    ) -> Iterator[Reading]:
        for what, count in counts.items():
            metric = Metric.of(f"{prefix}.{what}_bytes_per_s", {"device": device})
            rate = self._rates.per_second(metric, count, at)
            if rate is not None:
                yield metric, rate


def _is_disk(device: str) -> bool:
    """Whether it is a whole physical device, not a partition, image or layer."""
    if device.startswith(_NO_DISKS):
        return False
    block = Path("/sys/block")
    if not block.is_dir():
        return True
    whole = (block / device).exists()
    return whole and not device.startswith(("dm-", "md"))


async def watch(engine: Engine, interval_s: float) -> None:
    """Look at this machine every ``interval_s`` seconds, on round times, until cancelled."""
    await look(engine, Host().read, PROTOCOL, interval_s)
