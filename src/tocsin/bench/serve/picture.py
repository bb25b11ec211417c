"""Cost per sample and memory over the number of metrics, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tocsin.bench.serve.run import STAGES
from tocsin.errors import MissingExtraError, OutputError

__all__ = ["draw"]


def draw(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw figures (`Figures.as_dict`) as a PNG. Errors: `MissingExtraError`, `OutputError`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("the picture", "bench") from error
    figure = Figure(figsize=(10, 4), layout="constrained")
    cost, memory = figure.subplots(1, 2)
    metrics = [one["metrics"] for one in found]
    _cost(cost, metrics, found)
    _memory(memory, metrics, found)
    for axes in (cost, memory):
        axes.set_xscale("log")
        axes.set_xlabel("metrics")
        axes.grid(alpha=0.3)
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def _cost(axes: Any, metrics: Sequence[int], found: Sequence[Mapping[str, Any]]) -> None:
    """As fast as the service takes them, where that was measured: nothing is idle then."""
    found = [one.get("saturation") or one for one in found]
    stages = [*STAGES, "other"]
    axes.stackplot(metrics, [[one["stages"][s] for one in found] for s in stages], labels=stages)
    axes.plot(metrics, [one["cpu_us"] for one in found], "k.-", lw=1)
    axes.set_ylabel("µs of CPU per sample")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower left", fontsize="small", reverse=True)


def _memory(axes: Any, metrics: Sequence[int], found: Sequence[Mapping[str, Any]]) -> None:
    for key, label in (("rss_peak", "the service (RSS) at most"), ("states", "of it states")):
        axes.plot(metrics, [one[key] / 2**30 for one in found], ".-", label=label)
    axes.set_yscale("log")
    axes.set_ylabel("GiB")
    axes.legend(loc="upper left", fontsize="small")
