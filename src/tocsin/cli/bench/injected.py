"""``tocsin bench injected``: anomalies of known kind and size in quiet backgrounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from tocsin.cli.bench.output import print_table, saying, write_json
from tocsin.detect.settings import LIKELIHOODS, MODELS, Settings
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tocsin.bench.injected.backgrounds import Background
    from tocsin.bench.injected.goals import Goal, Reached
    from tocsin.bench.injected.run import Cell, Quiet, Still

__all__ = ["injected"]


def injected(
    *,
    nab: Path | None = None,
    data: Path | None = None,
    seeds: int = 3,
    places: int = 5,
    harmless: int = 60,
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
    places
        In how many places of every background each anomaly is tried; of trivial baselines in one.
    harmless
        How many made series of each kind of event that is no anomaly.
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
    from tocsin.bench.branches import Branching
    from tocsin.bench.injected.goals import reached
    from tocsin.bench.injected.run import run_harmless, run_harmless_on, run_kinds
    from tocsin.bench.judges import Judge, TocsinJudge, through_our_likelihood, values_only

    if min(seeds, places, harmless) < 1:
        raise ConfigurationError("--seeds, --places and --harmless must be at least 1")
    judges: list[Judge] = [
        TocsinJudge(f"tocsin ({model})", Settings(model=model, likelihood=likelihood))
    ]
    if not alone:
        judges += [
            through_our_likelihood(name, values_only(score)) for name, score in BASELINES.items()
        ]
    cells: list[Cell] = []
    quiet: list[Quiet] = []
    still: list[Still] = []
    with saying("reading backgrounds") as say:
        backgrounds = list(_backgrounds(nab, data, seeds))
        for judge in judges:
            # Others score all of a series for every anomaly in it.
            often = places if isinstance(judge, Branching) else 1
            found, own = run_kinds(judge, backgrounds, places=often, progress=say)
            cells, quiet = cells + found, quiet + own
            still += run_harmless(judge, harmless, say)
            still += run_harmless_on(judge, backgrounds, say)
    goals = reached(cells, still)
    print_table(_found_table(cells, quiet), _WIDTH)
    print_table(_harmless_table(still), _WIDTH)
    print_table(_goals_table(goals), _WIDTH)
    if json_file:
        figures = [cell.as_dict() for cell in cells] + [one.as_dict() for one in quiet]
        figures += [one.as_dict() for one in still] + [one.as_dict() for one in goals]
        write_json(json_file, figures)


def _backgrounds(nab: Path | None, data: Path | None, seeds: int) -> Iterator[Background]:
    from tocsin.bench.injected.backgrounds import from_labelled, from_nab, synthetic

    for seed in range(seeds):
        yield from synthetic(seed)
    if nab is not None:
        yield from from_nab(nab)
    if data is not None:
        yield from from_labelled(data)


#: These tables are wider than others.
_WIDTH = 160


def _found_table(cells: list[Cell], quiet: list[Quiet]) -> Table:
    table = Table(
        title="Injected anomalies: share found, median delay in rows, how many were tried",
        caption="sigma: robust standard deviation of the background's values; usual: made and\n"
        "real backgrounds that do the like by themselves; silence can only be told\n"
        "when samples come again; last line: without any anomaly",
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
    table.add_row("false alarms", "a week", *(rates.get(column, "") for column in columns))
    return table


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    delay = cell.median_delay
    late = "" if delay is None else f"{delay:g}"
    return f"{cell.share:.0%} {late:>5} {cell.tried:>4}"


def _harmless_table(still: list[Still]) -> Table:
    table = Table(
        title="No anomalies: alarms per 20 series",
        caption="with it, and in the same rows of the same series without it",
    )
    table.add_column("what happens", no_wrap=True)
    columns = list(dict.fromkeys((one.judge, one.origin) for one in still))
    for judge, origin in columns:
        table.add_column(f"{judge}\n{origin}", justify="right", no_wrap=True)
    found = {(one.kind, one.judge, one.origin): one for one in still}
    for kind in dict.fromkeys(one.kind for one in still):
        cells = (found.get((kind, *column)) for column in columns)
        table.add_row(kind, *("" if one is None else _per_20(one) for one in cells))
    return table


def _per_20(still: Still) -> str:
    return f"{still.per_20(still.alarms):.1f} with, {still.per_20(still.without):.1f} without"


def _goals_table(goals: list[Reached]) -> Table:
    table = Table(
        title="What must be reached",
        caption="share found of what is not usual; alarms per 20 series that are more than without",
    )
    table.add_column("goal", no_wrap=True)
    columns = list(dict.fromkeys((one.judge, one.origin) for one in goals))
    for head in ("must", "moonshot"):
        table.add_column(head, justify="right")
    for judge, origin in columns:
        table.add_column(f"{judge}\n{origin}", justify="right", no_wrap=True)
    found = {(one.goal, one.judge, one.origin): one for one in goals}
    for goal in dict.fromkeys(one.goal for one in goals):
        cells = (found.get((goal, *column)) for column in columns)
        shown = ("" if one is None else _reached(one) for one in cells)
        table.add_row(goal.name, _limit(goal, goal.must), _limit(goal, goal.moonshot), *shown)
    return table


def _limit(goal: Goal, value: float) -> str:
    from tocsin.bench.injected.goals import FOUND

    return f"≥ {value:.0%}" if goal in FOUND else f"≤ {value:g}"


def _reached(one: Reached) -> str:
    from tocsin.bench.injected.goals import FOUND

    told = f"{one.value:.1%}" if one.goal in FOUND else f"{one.value:+.1f}"
    return f"{told} of {one.tried}" + ("" if one.ok else " ✗")
