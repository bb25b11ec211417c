"""``tocsin bench …``: benchmarks that anyone can run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from tocsin.detect.settings import MODELS, Settings
from tocsin.errors import OutputError

if TYPE_CHECKING:
    from tocsin.bench.nab.run import Row

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

    console, errors = Console(), Console(stderr=True)
    settings = Settings(model=model)
    with errors.status("reading the corpus") as status:
        corpus = load_corpus(data)
        rows = list(run_rows(data, corpus, settings, lambda name: status.update(f"scoring {name}")))
    console.print(_table(rows, corpus.windows))
    if json_file:
        text = json.dumps([row.as_dict() for row in rows], indent=2) + "\n"
        try:
            json_file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write {json_file}: {error.strerror}") from error


#: Hit: windows, at the standard profile's threshold. FA: false-alarm episodes per stream-week.
_HEADS = ("stan-\ndard", "low\nFP", "low\nFN", "hit", "FA", "events\nhit", "events\nFA", "µs")


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
