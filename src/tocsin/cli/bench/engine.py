"""``tocsin bench engine``: the service from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, write_json
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tocsin.bench.engine import Figures

__all__ = ["engine"]


def engine(
    *,
    samples: int = 1_000_000,
    metrics: int = 1_000,
    restart_metrics: int = 10_000,
    memory_mb: int = 16,
    postgres: str | None = None,
    sqlite: Annotated[bool, Parameter(negative="--no-sqlite")] = True,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Measure the service from end to end: speed, rows read, restarts, memory.

    Runs real services on databases of their own, which are removed at the end. The ceiling is a
    plain bulk insert of the same rows, in the same run.

    Parameters
    ----------
    samples
        Samples to send.
    metrics
        Metrics that they belong to.
    restart_metrics
        Metrics that a restart brings back.
    memory_mb
        The memory budget (MiB) of a service that gets ten times more metrics than fit.
    postgres
        Also measure on this server: postgresql+psycopg://user@host/database. The user must be
        allowed to create databases.
    sqlite
        Measure on SQLite.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.engine import Plan, measure

    if min(samples, metrics, restart_metrics, memory_mb) < 1:
        raise ConfigurationError("--samples, --metrics, … must be at least 1")
    plan = Plan(samples, metrics, restart_metrics, memory_mb)
    servers = [*([None] if sqlite else []), *([postgres] if postgres else [])]
    errors = Console(stderr=True)
    with errors.status("starting") as status:
        found = [measure(server, plan, status.update) for server in servers]
    print_table(_engine_table(found))
    if json_file:
        write_json(json_file, [figures.as_dict() for figures in found])


def _engine_table(found: list[Figures]) -> Table:
    table = Table(title="The engine from end to end, on this machine")
    table.add_column("", no_wrap=True)
    for figures in found:
        table.add_column(figures.store, justify="right", no_wrap=True)
    rows: list[tuple[str, Callable[[Figures], str]]] = [
        ("samples/s over HTTP (JSON), scored and committed", lambda f: f"{f.http:,.0f}"),
        ("samples/s of the engine alone", lambda f: f"{f.alone:,.0f}"),
        ("samples/s of plain bulk inserts of the same rows", lambda f: f"{f.plain:,.0f}"),
        ("ratio over HTTP : plain", lambda f: f"{f.ratio:.2f}"),
        ("ratio engine alone : plain", lambda f: f"{f.alone / f.plain:.2f}"),
        ("µs of CPU per sample over HTTP", lambda f: f"{f.cpu_us:.1f}"),
        ("rows read per sample scored", lambda f: f"{f.rows_read:.6f}"),
        ("metrics at a restart", lambda f: f"{f.restart_metrics:,}"),
        ("s until ready after a clean stop", lambda f: f"{f.restart_s:.1f}"),
        ("s until ready after kill -9 without snapshots", lambda f: f"{f.replay_s:.1f}"),
        ("MiB of states, ten times the budget", lambda f: f"{f.states / 2**20:,.0f}"),
        ("MiB of budget", lambda f: f"{f.budget / 2**20:,.0f}"),
        ("MiB that the process grew", lambda f: f"{f.grown / 2**20:,.0f}"),
    ]
    for name, text in rows:
        table.add_row(name, *(text(figures) for figures in found))
    return table
