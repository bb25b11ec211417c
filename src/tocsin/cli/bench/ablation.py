"""``tocsin bench ablation``: the default model without each of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tocsin.cli.bench.output import print_table, write_json
from tocsin.cli.bench.variants import blank_table, cells, chosen, measured

__all__ = ["ablation"]


def ablation(
    *,
    nab: Path | None = None,
    data: Path | None = None,
    half: Literal["all", "even", "odd"] = "all",
    jobs: int = 1,
    results_out: Path | None = None,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Measure the default model without each view, each alone, and without its other parts.

    Each variant compiles its own kernels in a process of its own: some 20 seconds each.

    Parameters
    ----------
    nab
        A NAB folder.
    data
        A folder of labelled data sets.
    half
        Only every other file and series.
    jobs
        How many variants at a time.
    results_out
        A folder in which figures are kept: an interrupted run goes on from there.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.ablation import parts

    on = chosen(nab, data, half, jobs)
    first, found = measured(parts(), on, jobs, results_out)
    table = blank_table("The default model without its parts", half, first)
    for one in found:
        told = [f"failed: {one.failure}"] if one.figures is None else cells(one.figures)
        table.add_row(one.variant.name, *told)
    print_table(table)
    if json_file:
        write_json(json_file, [one.as_dict() for one in found])
