"""``tocsin bench swapping``: many heavy models within a memory budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, write_json
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from tocsin.bench.swapping import Round

__all__ = ["swapping"]


def swapping(
    *,
    metrics: int = 10_000,
    rounds: int = 5,
    memory_mb: int = 1_024,
    preset: str = "small",
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Measure many HTM models within a memory budget: rate, memory, states swapped.

    Every round sends one sample to each metric and waits until all are scored; where the states
    do not fit, each comes back once a round.

    Parameters
    ----------
    metrics
        Metrics, each with a model of its own.
    rounds
        Samples for each of them.
    memory_mb
        The budget for states (MiB).
    preset
        The HTM preset.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.swapping import run_swapping

    if min(metrics, rounds, memory_mb) < 1:
        raise ConfigurationError("--metrics, --rounds and --memory-mb must be at least 1")
    detect = {"model": "htm", "htm": {"preset": preset}}
    with Console(stderr=True).status("compiling") as status:
        found = list(run_swapping(metrics, rounds, memory_mb, detect, status.update))
    print_table(_swapping_table(found, memory_mb))
    if json_file:
        write_json(json_file, [one.as_dict() for one in found])


def _swapping_table(rounds: list[Round], memory_mb: int) -> Table:
    table = Table(
        title=f"{rounds[0].metrics:,} HTM models within {memory_mb:,} MiB, a sample each a round",
        caption="MiB of all states, of those in memory, of the process; the first round also\n"
        "makes the metrics",
    )
    for head in ("round", "samples/s", "states", "in memory", "process", "left", "came back"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in rounds:
        sizes = (f"{size / 2**20:,.0f}" for size in (one.states, one.inside, one.resident))
        moved = (f"{one.released:,}", f"{one.returned:,}")
        table.add_row(str(one.number), f"{one.per_second:,.0f}", *sizes, *moved)
    return table
