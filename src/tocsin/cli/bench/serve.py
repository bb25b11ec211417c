"""``tocsin bench serve``: the whole service under a fleet's load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from tocsin.cli.bench.output import print_table, saying, write_json
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tocsin.bench.serve.run import Figures

__all__ = ["serve"]

#: Moments so far apart never fall into the same second.
_SECONDS_APART = 2


def serve(
    *,
    metrics: list[int] | None = None,
    interval: float = 60.0,
    seconds: float = 60.0,
    protocol: list[str] | None = None,
    request: int = 1_000,
    connections: int = 8,
    memory_mb: int | None = None,
    warm: int = 0,
    saturate: int = 0,
    picture: Path | None = None,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Measure whether the service keeps up with many metrics, how soon, and what it costs.

    A real service with SQLite, in a folder that is removed at the end, and a sender in a process
    of its own, which spreads requests over the interval as Prometheus does. Graphite's lines are
    not answered: there the service's own count of stored samples says when a request is.

    Parameters
    ----------
    metrics
        How many metrics; give it several times for a curve. Default: 100,000.
    interval
        Seconds between two samples of each metric.
    seconds
        How long it must keep up.
    protocol
        remote_write, influx, json, ndjson, otlp, graphite or collectd; give it several times for
        each. Default: remote_write.
    request
        Samples of one request.
    connections
        How many requests may be under way at once; over Graphite: how many connections send.
    memory_mb
        The service's budget of states; default: what all metrics need.
    warm
        Before, send so many samples of each metric as fast as it goes.
    saturate
        Then send so many samples (two of each metric at least) as fast as it goes, and measure
        how many the service takes at most.
    picture
        Draw cost per sample and memory over the number of metrics.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.serve.bodies import PROTOCOLS, Stream
    from tocsin.bench.serve.run import Plan, measure

    counts, protocols = metrics or [100_000], protocol or ["remote_write"]
    if min(*counts, request, connections) < 1 or min(interval, seconds) <= 0:
        raise ConfigurationError("--metrics, --interval, --seconds, … must be greater than 0")
    for name in protocols:
        if name not in PROTOCOLS:
            raise ConfigurationError(f"--protocol {name}: choose from {', '.join(PROTOCOLS)}")
        if isinstance(PROTOCOLS[name], Stream) and interval < _SECONDS_APART:
            raise ConfigurationError(
                f"--protocol {name}: its times are whole seconds: --interval 2"
            )
    with saying("starting") as say:
        found = [
            measure(
                Plan(
                    count,
                    interval,
                    seconds,
                    name,
                    request,
                    connections,
                    memory_mb,
                    saturate=saturate,
                    warm=warm,
                ),
                say,
            )
            for name in protocols
            for count in counts
        ]
    print_table(_table(found))
    if json_file:
        write_json(json_file, [figures.as_dict() for figures in found])
    if picture:
        from tocsin.bench.serve.picture import draw

        draw([figures.as_dict() for figures in found], picture)


def _table(found: list[Figures]) -> Table:
    table = Table(title="The service under load, on this machine")
    table.add_column("", no_wrap=True)
    for figures in found:
        table.add_column(f"{figures.protocol}\n{figures.metrics:,} metrics", justify="right")
    for name, text in _ROWS:
        table.add_row(name, *(text(figures) for figures in found))
    for stage in found[0].stages:
        table.add_row(f"  of it {stage}", *(_share(figures, stage) for figures in found))
    if all(figures.saturation for figures in found):
        for name, text in _SATURATED:
            table.add_row(name, *(text(figures) for figures in found))
    return table


def _share(figures: Figures, stage: str) -> str:
    us = figures.stages[stage]
    return f"{us:.2f} µs = {us / figures.cpu_us:.0%}"


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f}"


def _saturated(figures: Figures) -> str:
    assert figures.saturation is not None
    return f"{figures.saturation.rate:,.0f}"


def _saturated_us(figures: Figures) -> str:
    assert figures.saturation is not None
    told = figures.saturation
    parts = "\n".join(f"{name} {us:.2f}" for name, us in told.stages.items())
    return f"{told.cpu_us:.2f}\n{parts}"


_ROWS: list[tuple[str, Callable[[Figures], str]]] = [
    ("new metrics/s", lambda f: f"{f.new:,.0f}"),
    ("µs of CPU for a new metric and its first sample", lambda f: f"{f.new_us:.1f}"),
    ("seconds between two samples of a metric", lambda f: f"{f.interval:g}"),
    ("samples sent as they were due", lambda f: f"{f.samples:,}"),
    ("samples/s", lambda f: f"{f.samples / f.seconds:,.0f}"),
    ("keeps up", lambda f: "yes" if f.keeps_up else "NO"),
    ("s until the result is there: half of all", lambda f: f"{f.p50:.3f}"),
    ("  99 of 100", lambda f: f"{f.p99:.3f}"),
    ("  all", lambda f: f"{f.longest:.3f}"),
    ("requests pushed back", lambda f: f"{f.repeated:,}"),
    ("GiB in memory (RSS)", lambda f: _gib(f.rss)),
    ("  at most", lambda f: _gib(f.rss_peak)),
    ("  of it states", lambda f: _gib(f.states)),
    ("  before the first metric", lambda f: _gib(f.rss_before)),
    ("  bytes a metric, beside its state", lambda f: f"{_beside(f):,.0f}"),
    ("GiB of the database", lambda f: _gib(f.database)),
    ("cores that are busy", lambda f: f"{f.load:.2f}"),
    ("cores that the sender keeps busy", lambda f: f"{f.sender:.2f}"),
    ("µs of CPU per sample", lambda f: f"{f.cpu_us:.2f}"),
]
_SATURATED: list[tuple[str, Callable[[Figures], str]]] = [
    ("samples/s at most", _saturated),
    ("µs of CPU per sample then", _saturated_us),
]


def _beside(figures: Figures) -> float:
    return (figures.rss - figures.rss_before - figures.states) / figures.metrics
