"""What ``tocsin bench ablation`` and ``sensitivity`` have in common: running and showing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from tocsin.cli.bench.output import saying
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from tocsin.bench.variants.measure import Figures
    from tocsin.bench.variants.run import Measured, On, Variant

__all__ = ["CAPTION", "blank_table", "cells", "chosen", "measured"]

CAPTION = (
    "NAB's three profiles; hit: windows, FA: false-alarm episodes per stream and week, both of\n"
    "the events of the default setting; VUS-PR, AUC-PR, best F1 and F1 at the default setting:\n"
    "means over the labelled data sets"
)


def chosen(nab: Path | None, data: Path | None, half: str, jobs: int) -> On:
    """What to measure on. Errors: `ConfigurationError`, and for folders that hold nothing."""
    from tocsin.bench.labelled.corpus import load_data_sets
    from tocsin.bench.nab.corpus import load_corpus
    from tocsin.bench.variants.run import On

    if nab is None and data is None:
        raise ConfigurationError("say what to measure on: --nab FOLDER, --data FOLDER, or both")
    if jobs < 1:
        raise ConfigurationError(f"--jobs {jobs}: must be at least 1")
    if nab is not None:
        load_corpus(nab)
    if data is not None:
        load_data_sets(data)
    return On(nab, data, half)


def measured(
    variants: list[Variant], on: On, jobs: int, results_out: Path | None
) -> tuple[Figures, list[Measured]]:
    """Figures of the first variant, which must not fail, and of all.

    Errors: `ConfigurationError`, `OutputError`.
    """
    from tocsin.bench.variants.run import measure_all

    with saying("compiling") as say:
        told = measure_all(variants, on, jobs, results_out, say)
    if told[0].figures is None:
        raise ConfigurationError(f"the model as it is could not be measured: {told[0].failure}")
    return told[0].figures, told


def blank_table(title: str, half: str, figures: Figures) -> Table:
    """A table with a column for every figure that there is."""
    from tocsin.bench.variants.measure import HEADS

    table = Table(title=title + ("" if half == "all" else f", {half} half"), caption=CAPTION)
    table.add_column("variant", no_wrap=True)
    for name, head in HEADS.items():
        if figures.as_dict()[name] is not None:
            table.add_column(head, justify="right", no_wrap=True)
    return table


def cells(figures: Figures, sign: str = "") -> list[str]:
    """Every figure that there is; ``sign``: "+" for differences."""
    from tocsin.bench.variants.measure import LABELLED_HEADS

    digits = {"hit": "0f", "episodes": "2f", **dict.fromkeys(LABELLED_HEADS, "3f")}
    return [
        f"{value:{sign}.{digits.get(name, '2f')}}"
        for name, value in figures.as_dict().items()
        if value is not None
    ]
