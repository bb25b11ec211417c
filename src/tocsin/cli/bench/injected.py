"""``tocsin bench injected``: anomalies of known kind and size in quiet backgrounds."""

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
    from collections.abc import Iterator

    from tocsin.bench.injected.backgrounds import Background
    from tocsin.bench.injected.run import Cell, Quiet, Still

__all__ = ["injected"]


def injected(
    *,
    nab: Path | None = None,
    data: Path | None = None,
    seeds: int = 3,
    harmless: int = 20,
    alone: bool = False,
    model: Annotated[str, Parameter(help=f"One of: {', '.join(MODELS)}.")] = Settings().model,
    likelihood: Annotated[
        str, Parameter(help=f"One of: {', '.join(LIKELIHOODS)}.")
    ] = Settings().likelihood,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Judge on anomalies of known kind and size, put into quiet made and real backgrounds.

    Every detector alarms by its default setting; trivial baselines go through our likelihood.

    Parameters
    ----------
    nab
        A NAB folder: unlabelled stretches of its real files are backgrounds too.
    data
        A folder of labelled data sets: so are unlabelled stretches of its series.
    seeds
        How many of each made background.
    harmless
        How many series of each kind of event that is no anomaly.
    alone
        Only the model, without trivial baselines.
    model
        The model to judge.
    likelihood
        The likelihood to judge it with.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.baselines import BASELINES
    from tocsin.bench.injected.run import run_harmless, run_kinds, run_quiet
    from tocsin.bench.judges import Judge, TocsinJudge, through_our_likelihood, values_only

    if seeds < 1 or harmless < 1:
        raise ConfigurationError("--seeds and --harmless must be at least 1")
    judges: list[Judge] = [
        TocsinJudge(f"tocsin ({model})", Settings(model=model, likelihood=likelihood))
    ]
    if not alone:
        judges += [
            through_our_likelihood(name, values_only(score)) for name, score in BASELINES.items()
        ]
    cells, quiet, still = [], [], []
    with Console(stderr=True).status("reading backgrounds") as status:
        backgrounds = list(_backgrounds(nab, data, seeds))
        for judge in judges:
            cells += run_kinds(judge, backgrounds, progress=status.update)
            quiet += list(run_quiet(judge, backgrounds))
            still += list(run_harmless(judge, harmless, status.update))
    print_table(_found_table(cells, quiet), _WIDTH)
    print_table(_harmless_table(still))
    if json_file:
        figures = [cell.as_dict() for cell in cells]
        figures += [one.as_dict() for one in quiet]
        write_json(json_file, figures + [one.as_dict() for one in still])


def _backgrounds(nab: Path | None, data: Path | None, seeds: int) -> Iterator[Background]:
    from tocsin.bench.injected.backgrounds import from_labelled, from_nab, synthetic

    for seed in range(seeds):
        yield from synthetic(seed)
    if nab is not None:
        yield from from_nab(nab)
    if data is not None:
        yield from from_labelled(data)


#: This table is wider than others.
_WIDTH = 160


def _found_table(cells: list[Cell], quiet: list[Quiet]) -> Table:
    table = Table(
        title="Injected anomalies: share found, median delay in rows",
        caption="sigma: robust standard deviation of the background's values;\n"
        "spiky: real, and 6 sigma are not rare in it; silence can only\n"
        "be told when samples come again; last line: without any anomaly",
    )
    columns = list(dict.fromkeys((cell.judge, cell.origin) for cell in cells))
    for head in ("kind", "size"):
        table.add_column(head, no_wrap=True)
    for judge, origin in columns:
        table.add_column(f"{judge}\n{origin}", justify="right", no_wrap=True)
    found = {(cell.kind, cell.size, cell.judge, cell.origin): cell for cell in cells}
    for kind, size, unit in dict.fromkeys((cell.kind, cell.size, cell.unit) for cell in cells):
        row = (_cell(found.get((kind, size, *column))) for column in columns)
        table.add_row(kind, f"{size:g} {unit}", *row)
    rates = {(one.judge, one.origin): f"{one.per_week:.2f}" for one in quiet}
    table.add_section()
    table.add_row("false alarms", "a week", *(rates[column] for column in columns))
    return table


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    delay = cell.median_delay
    return f"{cell.share:.0%}" + ("" if delay is None else f", {delay:g}")


def _harmless_table(still: list[Still]) -> Table:
    table = Table(title="No anomalies: alarms per 20 series")
    table.add_column("what happens", no_wrap=True)
    judges = list(dict.fromkeys(one.judge for one in still))
    for judge in judges:
        table.add_column(judge, justify="right", no_wrap=True)
    alarms = {(one.kind, one.judge): 20 * one.alarms / one.series for one in still}
    for kind in dict.fromkeys(one.kind for one in still):
        table.add_row(kind, *(f"{alarms[kind, judge]:g}" for judge in judges))
    return table
