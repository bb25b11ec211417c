"""``tocsin bench compare``: Tocsin beside public peers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, saying, write_json
from tocsin.detect.settings import LIKELIHOODS, MODELS, Settings
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tocsin.bench.compare.peers import Peer
    from tocsin.bench.compare.run import Line
    from tocsin.bench.labelled.corpus import DataSet
    from tocsin.bench.nab.corpus import Corpus

__all__ = ["compare"]

T = TypeVar("T")


def compare(
    *,
    nab: Path | None = None,
    data: Path | None = None,
    peer: tuple[str, ...] = (),
    files: int | None = None,
    series: int | None = None,
    limit: float | None = None,
    scores_out: Path | None = None,
    model: Annotated[str, Parameter(help=f"One of: {', '.join(MODELS)}.")] = Settings().model,
    likelihood: Annotated[
        str, Parameter(help=f"One of: {', '.join(LIKELIHOODS)}.")
    ] = Settings().likelihood,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Run public peers and trivial baselines through the very same code as ours.

    Each peer has its documented defaults, and two lines: by its own scores, and through our
    likelihood, alarm and events. Peers that are not installed are left out (extra "bench").

    Parameters
    ----------
    nab
        A NAB folder.
    data
        A folder of labelled data sets.
    peer
        A peer to run, may be repeated; all that are installed if not said.
    files
        Only so many of NAB's files, spread over their names: some peers take hours for all.
    series
        Only so many series of each labelled data set, likewise.
    limit
        Minutes per peer after which no further series is begun; what is left out is said.
    scores_out
        A folder in which peers' scores are kept: an interrupted run goes on from there.
    model
        The model to compare.
    likelihood
        The likelihood to compare it with.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.compare.run import Options
    from tocsin.bench.compare.run import compare as run
    from tocsin.bench.judges import TocsinJudge

    if nab is None and data is None:
        raise ConfigurationError("say what to judge on: --nab FOLDER, --data FOLDER, or both")
    for name, number in (("files", files), ("series", series), ("limit", limit)):
        if number is not None and number <= 0:
            raise ConfigurationError(f"--{name} {number}: must be above 0")
    errors = Console(stderr=True)
    peers = _chosen(peer, errors)
    ours = TocsinJudge(f"tocsin ({model})", Settings(model=model, likelihood=likelihood))
    options = Options(scores_out, None if limit is None else 60.0 * limit)
    with saying("reading the series", errors) as say:
        corpus, sets, subset = _read(nab, data, files, series)
        lines = list(run(ours, peers, corpus, sets, options, say))
    print_table(_table(lines, subset), _WIDTH)
    for line in lines:
        _say_missing(line, errors)
    if json_file:
        write_json(json_file, [line.as_dict() for line in lines])


def _say_missing(line: Line, errors: Console) -> None:
    left = line.wanted - line.scored
    if left:
        errors.print(f"{line.detector}: {left} of {line.wanted} series left out, its time was up")
    for failure in dict.fromkeys(line.failures):
        count = line.failures.count(failure)
        errors.print(f"{line.detector}: scores nothing in {count} series: {failure}")


def _chosen(names: tuple[str, ...], errors: Console) -> list[Peer]:
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


def _read(
    nab: Path | None, data: Path | None, files: int | None, series: int | None
) -> tuple[Corpus | None, list[DataSet], str]:
    """What to judge on, and what of all that is there it is; empty: all."""
    from tocsin.bench.labelled.corpus import DataSet, load_data_sets
    from tocsin.bench.nab.corpus import Corpus, load_corpus

    told = []
    corpus, sets = None, []
    if nab is not None:
        whole = load_corpus(nab).files
        some = _spread(whole, files)
        corpus = Corpus(tuple(some))
        told += [f"{len(some)} of {len(whole)} NAB files"] if len(some) < len(whole) else []
    for one in [] if data is None else load_data_sets(data):
        kept = _spread(one.series, series)
        sets.append(DataSet(one.name, tuple(kept)))
        if len(kept) < len(one.series):
            told.append(f"{len(kept)} of {len(one.series)} series of {one.name}")
    return corpus, sets, ", ".join(told)


def _spread(all_: Sequence[T], count: int | None) -> list[T]:
    """So many of them, evenly spread."""
    if count is None or count >= len(all_):
        return list(all_)
    return [all_[k * len(all_) // count] for k in range(count)]


#: This table is wider than others.
_WIDTH = 150
_NAB_HEADS = ("standard", "low FP", "low FN")
_SET_HEADS = ("VUS-PR", "AUC-PR", "best F1", "F1", "FA/1000")


def _table(lines: list[Line], subset: str) -> Table:
    table = Table(
        title="Tocsin and public peers" + (f": {subset}" if subset else ""),
        caption="standard, low FP, low FN: NAB's profiles; then per data set, F1 and false alarms\n"
        "per 1,000 samples at the detector's own default threshold, if it has one;\n"
        "µs of one core per sample; bytes of state per series at the end, pickled",
    )
    table.add_column("detector", no_wrap=True)
    heads = [*_NAB_HEADS] if lines[0].nab is not None else []
    for report in lines[0].reports:
        heads += [f"{report.data_set}\n{head}" for head in _SET_HEADS]
    for head in (*heads, "µs", "bytes"):
        table.add_column(head, justify="right", no_wrap=True)
    names = [report.data_set for report in lines[0].reports]
    for line in lines:
        table.add_row(_name(line), *_figures(line, lines[0].nab is not None, names))
    return table


def _name(line: Line) -> str:
    """The detector, and on how little it was judged."""
    some = "" if line.scored == line.wanted else f"\n  {line.scored} of {line.wanted} series"
    return line.detector + some + (f"\n  fails in {len(line.failures)}" if line.failures else "")


def _figures(line: Line, with_nab: bool, names: list[str]) -> list[str]:
    cells: list[str] = []
    if line.nab is not None:
        cells = [f"{score.score:.1f}" for score in line.nab.scores]
    elif with_nab:
        cells = [""] * len(_NAB_HEADS)
    reports = {report.data_set: report for report in line.reports}
    for name in names:
        if name not in reports:
            cells += [""] * len(_SET_HEADS)
            continue
        report = reports[name]
        rank, default = report.ranking, report.default
        found: list[float | None]
        found = [None, None] if rank is None else [rank.vus_pr, rank.auc_pr]
        found.append(report.best.f1)
        found += [None, None] if default is None else [default.f1, default.false_per_1000]
        cells += ["" if figure is None else f"{figure:.3f}" for figure in found]
    size = line.state_bytes
    return [*cells, f"{line.us_per_sample:,.2f}", "" if size is None else f"{size:,}"]
