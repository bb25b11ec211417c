"""``tocsin bench explained``: events of NAB with what is said of them, and pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt
from rich.table import Table

from tocsin.cli.bench.output import print_table, saying
from tocsin.detect.settings import Settings
from tocsin.errors import OutputError
from tocsin.samples import iso

if TYPE_CHECKING:
    from tocsin.bench.explained.choice import Shown

__all__ = ["explained"]


def explained(
    *,
    data: Path,
    right: NonNegativeInt = 8,
    wrong: NonNegativeInt = 2,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
) -> None:
    """Show the clearest events of the benchmark's series, labelled and not, and why they were told.

    Which ones: the clearest of each folder, then the second of each; at most one of a file.

    Parameters
    ----------
    data
        A NAB folder.
    right
        How many within labelled windows.
    wrong
        How many outside of any.
    out
        A folder for a picture of each; made when missing.
    """
    from tocsin.bench.explained.choice import shown
    from tocsin.bench.nab.corpus import load_corpus

    with saying("scoring"):
        found = shown(load_corpus(data), Settings(), right, wrong)
    if out is not None:
        _draw(found, out)
    print_table(_table(found))


def _draw(found: list[Shown], out: Path) -> None:
    from tocsin.bench.explained.picture import draw

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {out}: {error.strerror}") from error
    for number, one in enumerate(found, 1):
        draw(one, out / f"{number:02d}-{_plain(one.file.name)}.png")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")


def _table(found: list[Shown]) -> Table:
    table = Table(title="Events and what is said of them", show_lines=True)
    for head in ("series", "begins (UTC)", "pattern", "why", "likelihood of one in", "labelled"):
        table.add_column(head)
    for one in found:
        event = one.event
        odds = f"{10 ** (10 * event.anomaly_score):,.0f}"
        told = (one.file.name, iso(event.start), event.pattern, event.why, odds)
        table.add_row(*told, "yes" if one.right else "no")
    return table
