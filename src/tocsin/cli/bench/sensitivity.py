"""``tocsin bench sensitivity``: every number of the default model halved and doubled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tocsin.cli.bench.output import print_table, write_json
from tocsin.cli.bench.variants import blank_table, cells, chosen, measured
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

    from tocsin.bench.variants.measure import Figures
    from tocsin.bench.variants.run import Measured

__all__ = ["sensitivity"]


def sensitivity(
    *,
    nab: Path | None = None,
    data: Path | None = None,
    only: tuple[str, ...] = (),
    half: Literal["all", "even", "odd"] = "all",
    jobs: int = 1,
    results_out: Path | None = None,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Halve and double every number of the default model, and print what changes.

    Each variant compiles its own kernels in a process of its own: some 20 seconds each.

    Parameters
    ----------
    nab
        A NAB folder.
    data
        A folder of labelled data sets.
    only
        Only constants whose name contains this, as in "views._VALUE"; may be repeated.
    half
        Only every other file and series.
    jobs
        How many variants at a time.
    results_out
        A folder in which figures are kept: an interrupted run goes on from there.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.sensitivity import halves_and_doubles
    from tocsin.bench.variants.constants import constants

    wanted = [one for one in constants() if not only or any(text in str(one) for text in only)]
    if not wanted:
        raise ConfigurationError(f"--only {' '.join(only)}: no constant is called so")
    on = chosen(nab, data, half, jobs)
    first, found = measured(halves_and_doubles(wanted), on, jobs, results_out)
    print_table(_table(first, found, half))
    if json_file:
        write_json(json_file, [one.as_dict() for one in found])


def _table(first: Figures, found: list[Measured], half: str) -> Table:
    table = blank_table("Every number halved and doubled: what changes", half, first)
    table.add_row("as it is", *cells(first))
    table.add_section()
    changes = []
    for one in found[1:]:
        if one.figures is None:
            table.add_row(one.variant.name, f"failed: {one.failure}")
            continue
        change = one.figures.less(first)
        changes.append(change)
        table.add_row(one.variant.name, *cells(change, "+"))
    table.add_section()
    for name, row in _summary(changes):
        table.add_row(name, *cells(row))
    return table


def _summary(changes: list[Figures]) -> list[tuple[str, Figures]]:
    """The usual and the largest size of a change, figure by figure."""
    from statistics import median

    from tocsin.bench.variants.measure import HEADS, Figures

    sizes = {}
    for name in HEADS:
        found = [one.as_dict()[name] for one in changes]
        sizes[name] = [abs(value) for value in found if value is not None]
    told = (("median change", median), ("largest change", max))
    return [
        (name, Figures(**{key: of(all_) for key, all_ in sizes.items() if all_}))
        for name, of in told
    ]
