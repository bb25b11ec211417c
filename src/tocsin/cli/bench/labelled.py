"""``tocsin bench labelled``: series with labelled anomalies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, write_json
from tocsin.detect.settings import LIKELIHOODS, MODELS, Settings

if TYPE_CHECKING:
    from tocsin.bench.labelled.run import Report

__all__ = ["labelled", "labelled_table"]


def labelled(
    *,
    data: Path,
    scores_out: Path | None = None,
    half: Literal["all", "even", "odd"] = "all",
    alone: bool = False,
    model: Annotated[str, Parameter(help=f"One of: {', '.join(MODELS)}.")] = Settings().model,
    likelihood: Annotated[
        str, Parameter(help=f"One of: {', '.join(LIKELIHOODS)}.")
    ] = Settings().likelihood,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Judge ranking, events and false alarms on series with labelled anomalies.

    Strictly causal, one configuration for all series, each from an empty state. Ranking (VUS,
    AUC) is of the anomaly score, events are of the alert score and of the default setting.

    Parameters
    ----------
    data
        A folder with manifest.json and <data set>/<series>.parquet (timestamp, value, label);
        rows before a series' score_from are for learning only.
    scores_out
        Also write every row's scores to this folder, as <data set>/<series>.parquet.
    half
        Only every other series of each data set, to develop on one half and confirm on the other.
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
    from tocsin.bench.judges import Judge, TocsinJudge, baseline_judge
    from tocsin.bench.labelled.corpus import load_data_sets
    from tocsin.bench.labelled.run import judge_data_set

    ours = TocsinJudge(f"tocsin ({model})", Settings(model=model, likelihood=likelihood))
    judges: list[Judge] = [ours]
    if not alone:
        judges += [baseline_judge(name, score) for name, score in BASELINES.items()]
    reports = []
    with Console(stderr=True).status("reading the series") as status:
        sets = [one.half(half) for one in load_data_sets(data)]
        for judge in judges:
            out = scores_out if judge is ours else None
            reports += [judge_data_set(judge, one, out, status.update) for one in sets]
    print_table(labelled_table(reports, half), _WIDTH)
    if json_file:
        write_json(json_file, [report.as_dict() for report in reports])


#: This table is wider than others.
_WIDTH = 150
_HEADS = ("VUS-PR", "VUS-ROC", "AUC-PR", "best F1")
_DEFAULT_HEADS = ("F1", "recall", "prec.", "FA/1000", "delay")


def labelled_table(reports: list[Report], half: str = "all") -> Table:
    """A line per judge and data set; several data sets also get their mean per judge."""
    table = Table(
        title="Labelled series" + ("" if half == "all" else f", {half} half"),
        caption="best F1: events of the alert score at the best threshold per data set; then at\n"
        "the default setting: F1, recall, precision of events, false alarms per 1,000 samples,\n"
        "median delay in rows; µs per sample; bytes of state per series",
    )
    table.add_column("data set", no_wrap=True)
    table.add_column("detector", no_wrap=True)
    for head in (*_HEADS, *_DEFAULT_HEADS, "µs", "bytes"):
        table.add_column(head, justify="right", no_wrap=True)
    for report in reports:
        table.add_row(
            report.data_set, report.judge, *_ranks(report), *_events(report), *_cost(report)
        )
    for name, mean in _means(reports):
        table.add_row("mean", name, *mean)
    return table


def _ranks(report: Report) -> list[str]:
    rank = report.ranking
    if rank is None:
        return ["", "", "", ""]
    figures = (rank.vus_pr, rank.vus_roc, rank.auc_pr, report.best.f1)
    return [f"{figure:.3f}" for figure in figures]


def _events(report: Report) -> list[str]:
    found = report.default
    if found is None:
        return [""] * len(_DEFAULT_HEADS)
    shares = [f"{share:.3f}" for share in (found.f1, found.recall, found.precision)]
    delay = found.median_delay
    return [*shares, f"{found.false_per_1000:.2f}", "" if delay is None else f"{delay:g}"]


def _cost(report: Report) -> list[str]:
    size = report.state_bytes
    return [f"{report.us_per_sample:.2f}", "" if size is None else f"{size:,}"]


def _means(reports: list[Report]) -> list[tuple[str, list[str]]]:
    """Means over data sets, where there are several."""
    found = []
    for name in dict.fromkeys(report.judge for report in reports):
        mine = [one for one in reports if one.judge == name and one.ranking is not None]
        if len(mine) < 2:
            continue
        rows = [_numbers(one) for one in mine]
        columns = [[x for x in column if x is not None] for column in zip(*rows, strict=True)]
        means = [sum(column) / len(column) if column else None for column in columns]
        found.append((name, ["" if mean is None else f"{mean:.3f}" for mean in means]))
    return found


def _numbers(report: Report) -> list[float | None]:
    rank, default = report.ranking, report.default
    assert rank is not None
    ranks: list[float | None] = [rank.vus_pr, rank.vus_roc, rank.auc_pr, report.best.f1]
    if default is None:
        return [*ranks, None, None, None, None, None]
    events = (default.f1, default.recall, default.precision, default.false_per_1000)
    return [*ranks, *events, default.median_delay]
