"""What a sample costs, from one metric to a million: time, memory, and peers beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from numpy.typing import NDArray

from tocsin.bench.compare.peers import Peer
from tocsin.detect.fleet import Fleet
from tocsin.detect.parallel import cores
from tocsin.detect.settings import Settings
from tocsin.errors import ConfigurationError, MissingExtraError, OutputError
from tocsin.samples import SECOND_NS

__all__ = ["PeerCost", "Point", "draw", "measure_peers", "measure_speed"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Tell = Callable[[str], None]

_STEP_NS: Final = 60 * SECOND_NS
_START: Final = 1_700_000_000 * SECOND_NS
_DAY: Final = 1_440
#: Metrics that are brought to the age at which all are measured, and how many samples that is; no
#: two have the same age, so that what is done every so many samples is spread as in real life.
_BASES: Final = 64
_AGE: Final = 600
#: Samples in one batch, at most and about, and how many are measured in all at least.
_BATCH: Final = 200_000
#: A peer's time, and the samples that it gets: slow ones have few.
_PEER_S: Final = 2.0
_PEER_SAMPLES: Final = (300, 5_000)
#: The share of free memory that a fleet may take.
_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Point:
    """A fleet of so many metrics."""

    metrics: int
    #: Samples measured, with one thread and with all.
    samples: int
    threads: int
    #: Processor time of one core per sample, and samples per second, with one thread.
    us_per_sample: float
    per_second_core: float
    #: Samples per second of the clock with all threads.
    per_second_all: float
    #: Bytes of state per metric: as laid out, and by how much the process grew.
    row_bytes: int
    grown_bytes: float
    #: Bytes of the process.
    resident: int

    def as_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PeerCost:
    """A peer on one metric; on many it costs as many times that."""

    name: str
    samples: int
    us_per_sample: float
    #: Pickled, at the end; None: it cannot be.
    state_bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


def measure_speed(
    sizes: Sequence[int], samples: int, settings: Settings, tell: Tell
) -> Iterator[Point]:
    """Fleets of these sizes in turn; ``samples``: measured of each, at least (a round of all).

    All metrics have learnt 600 samples when they are measured; a round is one sample of each.
    Errors: `ConfigurationError` for a fleet that would not fit into memory.
    """
    if settings.foreign:
        raise ConfigurationError(f"model = {settings.model!r}: only models of our own are measured")
    tell("learning")
    states = _learnt(settings)
    for metrics in sizes:
        tell(f"{metrics:,} metrics")
        yield _point(metrics, samples, settings, states)


def _learnt(settings: Settings) -> NDArray[np.void]:
    """The states of metrics of different ages, all of which have had their last sample at once."""
    fleet = Fleet(settings, _BASES, threads=1)
    for base in range(_BASES):
        times = _START - np.arange(_AGE + base, 0, -1) * _STEP_NS
        rows = np.full(len(times), base)
        fleet.update(rows, times, _values(rows, times))
    states: NDArray[np.void] = fleet.take(np.arange(_BASES))
    return states


def _values(metric: Ints, timestamp: Ints) -> Floats:
    """A daily wave with noise; level and phase are those that the metric's state has learnt."""
    rng = np.random.default_rng(int(timestamp[0] // _STEP_NS) % 2**31)
    base = metric % _BASES
    phase = 2 * np.pi * (timestamp // _STEP_NS % _DAY) / _DAY + base
    level = 50.0 + base
    found: Floats = level * (1.0 + 0.3 * np.sin(phase)) + rng.normal(size=len(metric))
    return found


def _point(metrics: int, samples: int, settings: Settings, states: NDArray[np.void]) -> Point:
    row = states.dtype.itemsize
    free = psutil.virtual_memory().available
    if metrics * row > _SHARE * free:
        raise ConfigurationError(
            f"{metrics:,} metrics need {metrics * row / 2**30:.1f} GiB, and only "
            f"{free / 2**30:.1f} GiB are free: measure fewer with --metrics"
        )
    process = psutil.Process()
    before = process.memory_info().rss
    fleet = Fleet(settings, most=metrics)
    for start in range(0, metrics, len(states)):
        rows = fleet.add(min(len(states), metrics - start))
        fleet.put(rows, states[: len(rows)])
    grown = process.memory_info().rss - before
    rounds = max(1, -(-samples // metrics))
    clock = _Clock(metrics)
    one, _, done = clock.run(fleet, rounds, threads=1)
    _, all_, _ = clock.run(fleet, rounds, threads=cores())
    return Point(
        metrics=metrics,
        samples=done,
        threads=cores(),
        us_per_sample=one * 1e6 / done,
        per_second_core=done / one,
        per_second_all=done / all_,
        row_bytes=row,
        grown_bytes=grown / metrics,
        resident=int(process.memory_info().rss),
    )


class _Clock:
    """Feeds rounds, one sample of each metric in a round, and measures the scoring alone."""

    def __init__(self, metrics: int) -> None:
        self._metrics = metrics
        self._round = 0

    def run(self, fleet: Fleet, rounds: int, threads: int) -> tuple[float, float, int]:
        """Seconds of the processor (this thread's), of the clock, and how many samples."""
        fleet.threads = threads
        at_once = max(1, _BATCH // self._metrics)
        cpu = wall = 0.0
        done = 0
        while done < rounds * self._metrics:
            columns = self._columns(min(at_once, rounds - done // self._metrics))
            began, begun = time.perf_counter(), time.thread_time()
            fleet.update(*columns)
            wall += time.perf_counter() - began
            cpu += time.thread_time() - begun
            done += len(columns[0])
        return cpu, wall, done

    def _columns(self, rounds: int) -> tuple[Ints, Ints, Floats]:
        metric = np.tile(np.arange(self._metrics), rounds)
        number = self._round + np.repeat(np.arange(rounds), self._metrics)
        self._round += rounds
        times = _START + number * _STEP_NS
        return metric, times, _values(metric, times)


def measure_peers(peers: Sequence[Peer], tell: Tell) -> Iterator[PeerCost]:
    """Each on one metric, alone on one core; slow ones get few samples."""
    few, many = _PEER_SAMPLES
    times = _START + np.arange(many) * _STEP_NS
    values = _values(np.zeros(many, dtype=np.int64), times)
    for peer in peers:
        tell(peer.name)
        peer.score(times[:few], values[:few])  # it imports and compiles what it needs
        took, size = _timed(peer, times[:few], values[:few])
        count = int(min(many, max(few, few * _PEER_S / max(took, 1e-9))))
        if count > few:
            took, size = _timed(peer, times[:count], values[:count])
        yield PeerCost(peer.name, count, took * 1e6 / count, size)


def _timed(peer: Peer, times: Ints, values: Floats) -> tuple[float, int | None]:
    began = time.process_time()
    _, size = peer.score(times, values)
    return time.process_time() - began, size


# --- the picture ----------------------------------------------------------------------------------

_BLUE: Final = "#2a6fb0"
_GREEN: Final = "#2e8b57"
_GREY: Final = "#8a8f98"


def draw(path: Path, points: Sequence[Point], peers: Sequence[PeerCost]) -> None:
    """The cost of a sample, and the memory, over the number of metrics.

    Errors: `MissingExtraError` without matplotlib; `OutputError`.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing pictures", "bench") from error
    with rc_context({"font.size": 9.0, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7.0, 6.4), dpi=110, layout="constrained")
        cost, memory = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _draw_cost(cost, points, peers)
        _draw_memory(memory, points)
    kept: dict[str, Any] = {"metadata": {"Software": None}} if path.suffix == ".png" else {}
    try:
        figure.savefig(path, **kept)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {path}: {error}") from error


def _draw_cost(axes: Any, points: Sequence[Point], peers: Sequence[PeerCost]) -> None:
    metrics = [point.metrics for point in points]
    axes.loglog(
        metrics, [point.us_per_sample for point in points], "o-", color=_BLUE, label="one core"
    )
    everyone = [1e6 / point.per_second_all for point in points]
    label = f"{points[0].threads} cores, by the clock"
    axes.loglog(metrics, everyone, "s--", color=_GREEN, label=label)
    for peer in peers:
        axes.axhline(peer.us_per_sample, color=_GREY, linewidth=0.8, linestyle=":")
        axes.annotate(
            peer.name, (metrics[0], peer.us_per_sample), color=_GREY, fontsize=7, va="bottom"
        )
    axes.set(title="What a sample costs", ylabel="µs per sample")
    axes.legend(frameon=False)


def _draw_memory(axes: Any, points: Sequence[Point]) -> None:
    metrics = [point.metrics for point in points]
    states = [point.metrics * point.row_bytes for point in points]
    axes.loglog(metrics, states, color=_GREY, linestyle=":", label="states as laid out")
    axes.loglog(metrics, [p.resident for p in points], "o-", color=_BLUE, label="the process")
    axes.set(xlabel="metrics", ylabel="bytes of memory")
    axes.legend(frameon=False)
