"""``tocsin bench decoders``: what it costs to read each protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, write_json
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from tocsin.bench.decoders import Figures

__all__ = ["decoders"]


def decoders(
    *,
    metrics: int = 50_000,
    request: int = 2_000,
    passes: int = 3,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Measure every protocol's decoder beside a reference decoder, on one core.

    Both read the same bodies, in which every metric has one sample, and have read them before.

    Parameters
    ----------
    metrics
        Metrics, and samples, of each protocol.
    request
        Samples of one request.
    passes
        Each reads everything so many times; the best counts.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.decoders import Plan, measure

    if min(metrics, request, passes) < 1:
        raise ConfigurationError("--metrics, --request and --passes must be at least 1")
    with Console(stderr=True).status("starting") as status:
        found = list(measure(Plan(metrics, request, passes), status.update))
    print_table(_table(found))
    if json_file:
        write_json(json_file, [figures.as_dict() for figures in found])


def _table(found: list[Figures]) -> Table:
    table = Table(title="Decoders alone: samples per second of one core")
    table.add_column("protocol", no_wrap=True)
    for head in ("bytes a sample", "tocsin", "µs a sample", "reference", "ratio"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("the reference", no_wrap=True)
    for one in found:
        table.add_row(
            one.protocol,
            f"{one.bytes:.0f}",
            f"{one.ours:,.0f}",
            f"{1e6 / one.ours:.2f}",
            f"{one.other:,.0f}",
            f"{one.ratio:.2f}",
            one.reference,
        )
    return table
