"""``tocsin bench compare``: Tocsin beside public peers."""

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
    from tocsin.bench.compare.peers import Peer
    from tocsin.bench.compare.run import Line
    from tocsin.bench.labelled.corpus import DataSet
    from tocsin.bench.nab.corpus import Corpus

__all__ = ["compare"]


def compare(
    *,
    nab: Path | None = None,
    data: Path | None = None,
    peer: tuple[str, ...] = (),
    every: int = 1,
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
    every
        Only every so many files and series: some peers take milliseconds per sample.
    model
        The model to compare.
    likelihood
        The likelihood to compare it with.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.compare.run import compare as run
    from tocsin.bench.judges import TocsinJudge

    if nab is None and data is None:
        raise ConfigurationError("say what to judge on: --nab FOLDER, --data FOLDER, or both")
    if every < 1:
        raise ConfigurationError(f"--every {every}: must be at least 1")
    errors = Console(stderr=True)
    peers = _chosen(peer, errors)
    ours = TocsinJudge(f"tocsin ({model})", Settings(model=model, likelihood=likelihood))
    with errors.status("reading the series") as status:
        corpus, sets = _read(nab, data, every)
        lines = list(run(ours, peers, corpus, sets, status.update))
    print_table(_table(lines, every), _WIDTH)
    if json_file:
        write_json(json_file, [line.as_dict() for line in lines])


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


def _read(nab: Path | None, data: Path | None, every: int) -> tuple[Corpus | None, list[DataSet]]:
    from tocsin.bench.labelled.corpus import DataSet, load_data_sets
    from tocsin.bench.nab.corpus import Corpus, load_corpus

    corpus = None if nab is None else Corpus(load_corpus(nab).files[::every])
    sets = [] if data is None else load_data_sets(data)
    return corpus, [DataSet(one.name, one.series[::every]) for one in sets]


#: This table is wider than others.
_WIDTH = 150
_NAB_HEADS = ("standard", "low FP", "low FN")
_SET_HEADS = ("VUS-PR", "AUC-PR", "best F1", "F1", "FA/1000")


def _table(lines: list[Line], every: int) -> Table:
    share = "" if every == 1 else f", one in {every} files and series"
    table = Table(
        title=f"Tocsin and public peers{share}",
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
    for line in lines:
        table.add_row(line.detector, *_figures(line))
    return table


def _figures(line: Line) -> list[str]:
    found: list[float | None] = []
    cells = [] if line.nab is None else [f"{score.score:.1f}" for score in line.nab.scores]
    for report in line.reports:
        rank, default = report.ranking, report.default
        found = [None, None] if rank is None else [rank.vus_pr, rank.auc_pr]
        found.append(report.best.f1)
        found += [None, None] if default is None else [default.f1, default.false_per_1000]
        cells += ["" if figure is None else f"{figure:.3f}" for figure in found]
    size = line.state_bytes
    return [*cells, f"{line.us_per_sample:,.2f}", "" if size is None else f"{size:,}"]
