"""``tocsin bench calibration``: stated against observed false-alarm rates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, write_json
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from tocsin.bench.calibration import Calibration, Power

__all__ = ["calibration"]


def calibration(
    *,
    samples: int = 1_000_000,
    seeds: int = 3,
    shifts: int = 40,
    judge: tuple[str, ...] = (),
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Print stated against observed false-alarm rates on quiet streams of many kinds.

    Each number is the observed share of samples with p < alpha over alpha: 1 is perfect, 2 is
    twice as many false alarms as promised, 0 fewer than could be counted.

    Parameters
    ----------
    samples
        Samples of each stream.
    seeds
        Streams of each kind.
    shifts
        Streams of each kind and size in which a lasting shift must be found.
    judge
        What to judge, may be repeated; all that are installed if not said.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.calibration import JUDGED, run_calibration, run_power

    errors = Console(stderr=True)
    found: list[Calibration] = []
    powers: list[Power] = []
    with errors.status("making streams") as status:
        for name in judge or tuple(JUDGED):
            if name not in JUDGED:
                raise ConfigurationError(f"--judge {name!r}: must be one of {', '.join(JUDGED)}")
            try:
                found += run_calibration(name, samples, seeds, status.update)
                powers += run_power(name, shifts, status.update)
            except ImportError as error:
                errors.print(f"{name}: left out, {error.name} is not installed")
    print_table(_calibration_table(found, samples, seeds))
    print_table(_power_table(powers, shifts))
    if json_file:
        write_json(json_file, [row.as_dict() for row in found] + [row.as_dict() for row in powers])


def _calibration_table(rows: list[Calibration], samples: int, seeds: int) -> Table:
    from tocsin.bench.calibration import ALPHAS

    table = Table(
        title=f"Observed over stated false-alarm rate, {seeds} x {samples:,} samples a kind",
        caption="worst: the factor by which the worst of the five misses, either way, where ten\n"
        "or more alarms are expected",
    )
    table.add_column("judge", no_wrap=True)
    table.add_column("quiet stream", no_wrap=True)
    for head in (*(f"{alpha:g}" for alpha in ALPHAS), "worst", "µs"):
        table.add_column(head, justify="right", no_wrap=True)
    before = ""
    for row in rows:
        table.add_row(
            "" if row.judge == before else row.judge,
            row.kind,
            *(f"{ratio:.2f}" for ratio in row.ratios),
            f"{row.worst:.1f}",
            f"{row.us_per_sample:.2f}",
        )
        before = row.judge
    return table


def _power_table(rows: list[Power], shifts: int) -> Table:
    from tocsin.bench.calibration import POWER_ALPHA, SHIFTS

    table = Table(
        title=f"Lasting shifts found at p < {POWER_ALPHA:g}, and the median delay, {shifts} each",
        caption="shift in standard deviations; found within 50 rows; delay in rows",
    )
    table.add_column("judge", no_wrap=True)
    table.add_column("shifted stream", no_wrap=True)
    for size in SHIFTS:
        table.add_column(f"{size:g}", justify="right", no_wrap=True)
    before = ""
    for row in rows:
        cells = (
            f"{share:.0%}" + ("" if delay is None else f", {delay:g}")
            for share, delay in zip(row.found, row.delay, strict=True)
        )
        table.add_row("" if row.judge == before else row.judge, row.kind, *cells)
        before = row.judge
    return table
