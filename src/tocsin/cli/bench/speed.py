"""``tocsin bench speed``: what a sample costs, from one metric to a million."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, write_json
from tocsin.detect.settings import LIKELIHOODS, MODELS, Settings
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from tocsin.bench.compare.peers import Peer
    from tocsin.bench.speed import PeerCost, Point

__all__ = ["speed"]

_SIZES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


def speed(
    *,
    metrics: tuple[int, ...] = _SIZES,
    samples: int = 200_000,
    peer: tuple[str, ...] = (),
    no_peers: Annotated[bool, Parameter(negative=())] = False,
    model: Annotated[str, Parameter(help=f"One of: {', '.join(MODELS)}.")] = Settings().model,
    likelihood: Annotated[
        str, Parameter(help=f"One of: {', '.join(LIKELIHOODS)}.")
    ] = Settings().likelihood,
    picture: Path | None = None,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Measure what a sample costs by the number of metrics: time on one core and on all, memory.

    The peers of ``bench compare`` that are installed are measured beside, on one metric each:
    slow ones with few samples.

    Parameters
    ----------
    metrics
        How many metrics; may be repeated. From 1 to 1000000 if not said.
    samples
        Samples to measure for each number of metrics, at least.
    peer
        A peer to measure, may be repeated; all that are installed if not said.
    no_peers
        Measure no peers.
    model
        The model to measure.
    likelihood
        The likelihood to measure it with.
    picture
        Draw the curves into this file (.png, .svg or .pdf).
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.speed import draw, measure_peers, measure_speed

    if not metrics or min(metrics) < 1 or samples < 1:
        raise ConfigurationError("--metrics and --samples must be at least 1")
    settings = Settings(model=model, likelihood=likelihood)
    errors = Console(stderr=True)
    chosen = [] if no_peers else _peers(peer, errors)
    with errors.status("compiling") as status:
        points = list(measure_speed(sorted(set(metrics)), samples, settings, status.update))
        peers = list(measure_peers(chosen, status.update))
    print_table(_table(points, peers, model))
    if picture:
        draw(picture, points, peers)
    if json_file:
        write_json(json_file, [*(p.as_dict() for p in points), *(p.as_dict() for p in peers)])


def _peers(names: tuple[str, ...], errors: Console) -> list[Peer]:
    from tocsin.bench.compare.peers import PEERS
    from tocsin.bench.compare.run import is_installed

    for name in names:
        if name not in PEERS:
            raise ConfigurationError(f"--peer {name!r}: must be one of {', '.join(PEERS)}")
    wanted = [PEERS[name] for name in names or PEERS]
    for one in wanted:
        if not is_installed(one):
            errors.print(f"{one.name}: left out, {one.module} is not installed")
    return [one for one in wanted if is_installed(one)]


def _table(points: list[Point], peers: list[PeerCost], model: str) -> Table:
    table = Table(
        title=f"What a sample costs: {model}, and public peers",
        caption="µs: processor time of one core per sample; samples/s: one core, and all cores by\n"
        "the clock; bytes: state per metric as laid out (peers: pickled), and by how much the\n"
        "process grew per metric; all metrics have learnt 600 samples; peers: one metric each",
    )
    table.add_column("", no_wrap=True)
    for head in ("samples", "µs", "samples/s", f"{points[0].threads} cores", "bytes", "grown"):
        table.add_column(head, justify="right", no_wrap=True)
    for point in points:
        table.add_row(
            f"{point.metrics:,} metrics",
            f"{point.samples:,}",
            f"{point.us_per_sample:,.2f}",
            f"{point.per_second_core:,.0f}",
            f"{point.per_second_all:,.0f}",
            f"{point.row_bytes:,}",
            f"{point.grown_bytes:,.0f}",
        )
    for one in peers:
        table.add_row(
            one.name,
            f"{one.samples:,}",
            f"{one.us_per_sample:,.2f}",
            f"{1e6 / max(one.us_per_sample, 1e-9):,.0f}",
            "",
            "" if one.state_bytes is None else f"{one.state_bytes:,}",
            "",
        )
    return table
