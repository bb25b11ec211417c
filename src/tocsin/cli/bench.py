"""``tocsin bench …``: benchmarks that anyone can run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from tocsin.detect.settings import MODELS, Settings
from tocsin.errors import ConfigurationError, OutputError

if TYPE_CHECKING:
    from tocsin.bench.calibration import Calibration, Power
    from tocsin.bench.nab.run import Row
    from tocsin.bench.traces import Replay

__all__ = ["app"]

app = App(name="bench", help="Measure detection quality and speed on this machine.")


@app.command
def nab(
    *,
    data: Path,
    model: Annotated[str, Parameter(help=f"One of: {', '.join(MODELS)}.")] = Settings().model,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Score with the Numenta Anomaly Benchmark's official rules, beside trivial baselines.

    Strictly causal, one configuration for all files, from an empty state.

    Parameters
    ----------
    data
        A NAB folder: data/<group>/<series>.csv and labels/combined_windows.json; with
        htm_reference/<group>/<series>.csv.gz Numenta's published scores are judged too.
    model
        The model to judge.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.nab.corpus import load_corpus
    from tocsin.bench.nab.run import run_rows

    errors = Console(stderr=True)
    settings = Settings(model=model)
    with errors.status("reading the corpus") as status:
        corpus = load_corpus(data)
        rows = list(run_rows(data, corpus, settings, lambda name: status.update(f"scoring {name}")))
    _print(_table(rows, corpus.windows))
    if json_file:
        _write_json(json_file, [row.as_dict() for row in rows])


#: A table that goes to a file or a pipe is as wide as it needs to be.
_PIPED_WIDTH = 120

#: Hit: windows, at the standard profile's threshold. FA: false-alarm episodes per stream-week.
_HEADS = ("standard", "low FP", "low FN", "hit", "FA", "events hit", "events FA", "µs")


def _print(table: Table) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPED_WIDTH)
    console.print(table)


def _table(rows: list[Row], windows: int) -> Table:
    table = Table(
        title=f"Numenta Anomaly Benchmark, {windows} windows",
        caption="hit: windows; FA: false-alarm episodes per stream and week; both at the standard\n"
        "profile's threshold, and for the events of the default setting; µs per sample",
    )
    table.add_column("detector", no_wrap=True)
    for head in _HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.detector,
            *(f"{score.score:.2f}" for score in row.scores),
            str(row.scores[0].windows_hit),
            f"{row.episodes:.2f}",
            "" if row.default_hit is None else str(row.default_hit),
            "" if row.default_episodes is None else f"{row.default_episodes:.2f}",
            "" if row.us_per_sample is None else f"{row.us_per_sample:.2f}",
        )
    return table


@app.command
def traces(*, data: Path) -> int:
    """Replay what HTM Engine's own likelihood returned; exit code 1 if a score differs.

    The ``gaussian`` likelihood under HTM Engine's streaming policy must give the same scores
    (within 1e-9) however the rows are cut into batches, and reads no database row to do so.

    Parameters
    ----------
    data
        A folder of traces: for each series <series>.json (configuration and batch sizes) and
        <series>.csv.gz (rowid, timestamp, value, raw_anomaly_score, anomaly_score_<plan>).
    """
    from tocsin.bench.traces import load_traces, replay_all

    errors = Console(stderr=True)
    with errors.status("reading the traces") as status:
        found = load_traces(data)
        replays = list(replay_all(found, lambda name: status.update(f"replaying {name}")))
    _print(_traces_table(replays))
    wrong = [replay for replay in replays if not replay.exact]
    for replay in wrong:
        errors.print(f"{replay.trace}, {replay.plan}: differs by {replay.difference:.3g}")
    return 1 if wrong else 0


def _traces_table(replays: list[Replay]) -> Table:
    table = Table(
        title="HTM Engine's likelihood, replayed",
        caption="difference: the largest of an anomaly score from the original's; then database\n"
        "rows read per scored row: by HTM Engine as recorded, by its way here, by ours",
    )
    table.add_column("trace", overflow="fold")
    table.add_column("plan", no_wrap=True)
    for head in ("rows", "difference", "recorded", "its way", "ours"):
        table.add_column(head, justify="right", no_wrap=True)
    before = ""
    for replay in replays:
        reads = (replay.original, replay.same_way, replay.ours)
        table.add_row(
            "" if replay.trace == before else replay.trace,
            replay.plan,
            str(replay.rows),
            f"{replay.difference:.1e}",
            *("" if read is None else f"{read.tail_rows / replay.rows:.2f}" for read in reads),
        )
        before = replay.trace
    return table


@app.command
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
    _print(_calibration_table(found, samples, seeds))
    _print(_power_table(powers, shifts))
    if json_file:
        _write_json(json_file, [row.as_dict() for row in found] + [row.as_dict() for row in powers])


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


def _write_json(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
