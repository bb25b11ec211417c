"""``tocsin htm …``: look into the HTM model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.nab import htm_table
from tocsin.cli.bench.output import print_table, write_json
from tocsin.detect.settings import Settings
from tocsin.errors import BadInputError
from tocsin.samples import iso

if TYPE_CHECKING:
    from tocsin.bench.htm_inspection import Inspection
    from tocsin.ingest.files import Series

__all__ = ["app"]

app = App(name="htm", help="Look into the HTM model: what is active, predicted, learnt.")

#: Rows of the printed table.
_PRINTED: Final = 16


@app.command
def inspect(
    path: Path,
    *,
    metric: str | None = None,
    htm: tuple[str, ...] = (),
    timezone: str = "UTC",
    looks: int = 200,
    plot: Path | None = None,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Show what goes on inside an HTM model as it reads a metric from a file.

    Sparsity, overlap, columns predicted and active, segments and synapses, over time.

    Parameters
    ----------
    path
        A CSV or Parquet file, as for tocsin scan.
    metric
        Which metric of the file; the first if not said.
    htm
        A parameter of the model as KEY=VALUE (preset=small, columns=512), may be repeated.
    timezone
        Zone of times that have none, and of the time of day.
    looks
        At how many samples the model is looked into; each takes some milliseconds.
    plot
        Draw it over time into this file (.png, .svg or .pdf).
    json_file
        Write every look to this file.
    """
    from tocsin.bench.htm_inspection import inspect as look_into

    settings = Settings(model="htm", htm=htm_table(htm), timezone=timezone)
    series = _one_series(path, metric, timezone)
    with Console(stderr=True).status("compiling") as status:
        seen = look_into(
            series.timestamps,
            series.values,
            settings,
            looks,
            lambda done: status.update(f"{done:,} of {len(series.values):,} samples"),
        )
    _show(seen, str(series.metric), timezone)
    if json_file:
        write_json(json_file, [_plain(look) for look in seen.looks])
    if plot:
        from tocsin.bench.htm_pictures import draw_inspection

        draw_inspection(seen, plot)


def _one_series(path: Path, metric: str | None, timezone: str) -> Series:
    from tocsin.ingest.files import ReadOptions, read_file

    found = read_file(path, ReadOptions(timezone=timezone)).series
    names = [str(series.metric) for series in found]
    if metric is None and found:
        return found[0]
    if metric not in names:
        known = ", ".join(names[:10]) or "none"
        raise BadInputError(f"{path}: no metric {metric!r}; there is {known}")
    return found[names.index(metric)]


def _plain(look: np.void) -> dict[str, Any]:
    return {name: look[name].item() for name in look.dtype.names or ()}


def _show(seen: Inspection, name: str, timezone: str) -> None:
    columns, cells = seen.sparsity
    print_table(_table(seen, name, timezone))
    htm, last = seen.htm, seen.looks[-1]
    print(
        f"{htm.inputs} input bits, at most {htm.most_on} on; {htm.columns} columns of {htm.cells} "
        f"cells; active: {columns:.2%} of columns, {cells:.3%} of cells"
    )
    print(
        f"{last['segments']:,} of {htm.segments:,} segments in use, "
        f"{last['synapses'] / max(last['segments'], 1):.1f} synapses each, "
        f"{last['connected'] / max(last['synapses'], 1):.0%} of them connected"
    )
    print(f"raw score: mean {seen.scored['raw_score'].mean():.3f}, of the last tenth {_late(seen)}")


def _late(seen: Inspection) -> str:
    raw = seen.scored["raw_score"]
    return f"{raw[-max(len(raw) // 10, 1) :].mean():.3f}"


def _table(seen: Inspection, name: str, timezone: str) -> Table:
    table = Table(
        title=f"Inside the HTM model: {name}, {len(seen.values):,} samples",
        caption="mean of the looks up to each time; predicted: columns, before the sample came;\n"
        "hit: share of winners that were predicted; overlap: with the winners before",
    )
    table.add_column("until", no_wrap=True)
    heads = ("predicted", "active", "hit", "overlap", "used", "segments", "synapses", "firm")
    for head in (*heads, "bucket"):
        table.add_column(head, justify="right", no_wrap=True)
    for looks in np.array_split(seen.looks, min(_PRINTED, len(seen.looks))):
        table.add_row(iso(int(seen.timestamps[looks["row"][-1]]), timezone), *_cells(looks))
    return table


def _cells(looks: np.ndarray[Any, Any]) -> list[str]:
    last = looks[-1]
    return [
        f"{looks['predicted_columns'].mean():.1f}",
        f"{looks['active_columns'].mean():.1f}",
        f"{looks['predicted_active'].sum() / looks['active_columns'].sum():.0%}",
        f"{looks['overlap'].mean():.0%}",
        f"{last['columns_used']:,}",
        f"{last['segments']:,}",
        f"{last['synapses']:,}",
        f"{last['connected'] / max(last['synapses'], 1):.0%}",
        f"{last['bucket']:.3g}",
    ]


@app.command
def pictures(folder: Path) -> None:
    """Run the papers' experiments on this implementation, and draw them into a folder.

    Parameters
    ----------
    folder
        Where the pictures go, htm-*.png.
    """
    from tocsin.bench.htm_pictures import draw_properties

    with Console(stderr=True).status("compiling") as status:
        for path in draw_properties(folder, status.update):
            print(path)
