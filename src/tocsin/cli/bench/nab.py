"""``tocsin bench nab``: the Numenta Anomaly Benchmark."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, write_json
from tocsin.detect.settings import LIKELIHOODS, MODELS, Settings
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from tocsin.bench.nab.corpus import Corpus
    from tocsin.bench.nab.run import Row

__all__ = ["htm_table", "nab"]


def nab(
    *,
    data: Path,
    model: Annotated[str, Parameter(help=f"One of: {', '.join(MODELS)}.")] = Settings().model,
    likelihood: Annotated[
        str, Parameter(help=f"One of: {', '.join(LIKELIHOODS)}.")
    ] = Settings().likelihood,
    htm: tuple[str, ...] = (),
    seeds: int = 1,
    range_given: bool = False,
    half: Literal["all", "even", "odd"] = "all",
    alone: bool = False,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Score with the Numenta Anomaly Benchmark's official rules, beside trivial baselines.

    Strictly causal, one configuration for all files, from an empty state; but see --range-given.

    Parameters
    ----------
    data
        A NAB folder: data/<group>/<series>.csv and labels/combined_windows.json; with
        htm_reference/<group>/<series>.csv.gz Numenta's published scores are judged too.
    model
        The model to judge.
    likelihood
        The likelihood to judge it with.
    htm
        A parameter of the model "htm" as KEY=VALUE (preset=small, columns=512), may be repeated.
    seeds
        How many seeds of a model that has one; then the table has mean and standard deviation.
    range_given
        Tell the model "htm" each file's range in advance, as NAB does: not what a stream can have.
    half
        Only every other file, to develop on one half and confirm on the other.
    alone
        Only the model, without baselines and published scores.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.nab.corpus import load_corpus
    from tocsin.bench.nab.htm import run_seeds
    from tocsin.bench.nab.run import run_detector, run_others

    settings = Settings(model=model, likelihood=likelihood, htm=htm_table(htm))
    if model != "htm" and (seeds != 1 or range_given or htm):
        raise ConfigurationError("--seeds, --range-given and --htm are for --model htm")
    errors = Console(stderr=True)
    with errors.status("reading the corpus") as status:

        def scoring(name: str) -> None:
            status.update(f"scoring {name}")

        corpus = load_corpus(data).half(half)
        if model == "htm":
            rows = list(run_seeds(corpus, settings, seeds, range_given, progress=scoring))
        else:
            rows = [run_detector(corpus, settings)]
        if not alone:
            rows += run_others(data, corpus, scoring)
    print_table(_table(rows, corpus, half))
    if json_file:
        write_json(json_file, [row.as_dict() for row in rows])


def htm_table(given: tuple[str, ...]) -> dict[str, Any]:
    """Parameters given as KEY=VALUE on the command line; a value is TOML, or else a word.

    Errors: `ConfigurationError`.
    """
    table: dict[str, Any] = {}
    for item in given:
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigurationError(f"--htm {item!r}: must be KEY=VALUE, as in columns=512")
        try:
            table[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            table[key] = value
    return table


#: Hit: windows, at the standard profile's threshold. FA: false-alarm episodes per stream-week.
_HEADS = ("standard", "low FP", "low FN", "hit", "FA", "events hit", "events FA", "µs")


def _table(rows: list[Row], corpus: Corpus, half: str) -> Table:
    table = Table(
        title=f"Numenta Anomaly Benchmark, {corpus.windows} windows"
        + ("" if half == "all" else f", {half} half"),
        caption="hit: windows; FA: false-alarm episodes per stream and week; both at the standard\n"
        "profile's threshold, and for the events of the default setting; µs per sample",
    )
    table.add_column("detector", no_wrap=True)
    for head in _HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.detector,
            *_with_spread(row),
            str(row.scores[0].windows_hit),
            f"{row.episodes:.2f}",
            "" if row.default_hit is None else str(row.default_hit),
            "" if row.default_episodes is None else f"{row.default_episodes:.2f}",
            "" if row.us_per_sample is None else f"{row.us_per_sample:.2f}",
        )
    return table


def _with_spread(row: Row) -> list[str]:
    means = [f"{score.score:.2f}" for score in row.scores]
    if row.spread is None:
        return means
    return [f"{mean} ±{spread:.2f}" for mean, spread in zip(means, row.spread, strict=True)]
