"""``tocsin bench page``: the page with a million metrics behind it, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from tocsin.cli.bench.output import print_table, saying, write_json
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from tocsin.bench.page.run import Figures

__all__ = ["page"]


def page(
    *,
    metrics: int = 1_000_000,
    samples: int = 1_000_000,
    loads: int = 5,
    pan_seconds: float = 5.0,
    updates: int = 10,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Look at the page of a service with very much in it, in a real Chromium.

    Needs Chromium on the PATH and Playwright (pip install playwright).

    Parameters
    ----------
    metrics
        How many metrics there are.
    samples
        How many samples one of them has, whose chart is moved.
    loads
        How often the first view is loaded, each time by a browser that keeps nothing.
    pan_seconds
        How long the chart is dragged, and moved with the keyboard.
    updates
        How many samples are sent, one by one, until the page shows each.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.page.run import Plan, measure

    if min(metrics, loads, updates) < 1 or samples < 1_000 or pan_seconds <= 0:
        raise ConfigurationError(
            "--metrics, --loads and --updates must be at least 1, --samples at least 1000, and "
            "--pan-seconds more than 0"
        )
    with saying("starting") as say:
        figures = measure(Plan(metrics, samples, loads, pan_seconds, updates), say)
    print_table(_table(figures))
    if json_file:
        write_json(json_file, [figures.as_dict()])


def _table(figures: Figures) -> Table:
    import numpy as np

    from tocsin.bench.page.run import MUST

    table = Table(
        title="The page in a real browser",
        caption=f"{figures.metrics:,} metrics in the store, one of them with {figures.samples:,} "
        "samples, half of which are in sight;\nthe browser draws without a graphics card",
    )
    table.add_column("what")
    table.add_column("must", justify="right")
    table.add_column("is", justify="right")

    def add(what: str, must: str, told: str, ok: bool = True) -> None:
        table.add_row(what, must, told if ok else f"{told} ✗")

    paint, live = float(np.median(figures.paint)), max(figures.live)
    add("first paint (half of loads)", "≤ 1 s", f"{paint:.2f} s", paint <= MUST["first paint"])
    add("first paint (slowest)", "", f"{max(figures.paint):.2f} s")
    add("first view whole (half of loads)", "", f"{np.median(figures.whole):.2f} s")
    for how, seen in figures.panned.items():
        frames = seen["frames_per_s"]
        ok = how != "dragged" or seen["drawn_per_s"] >= MUST["frames"]
        told = f"{seen['drawn_per_s']:.0f} of {frames:.0f} frames/s draw"
        add(f"chart {how}", "≥ 30 /s" if how == "dragged" else "", told, ok)
        add(f"chart {how}: 95 of 100 frames within", "", f"{seen['slow_ms']:.0f} ms")
        add(f"chart {how}: CPU of a drawing", "", f"{seen['cpu_ms']:.0f} ms")
    add("sample seen (slowest)", "≤ 2 s", f"{live:.2f} s", live <= MUST["live"])
    add("sample seen (half)", "", f"{np.median(figures.live):.2f} s")
    size = figures.bundle / 1_000
    add("scripts and styles, gzip", "≤ 250 kB", f"{size:.0f} kB", figures.bundle <= MUST["bundle"])
    add("of these for the first view", "", f"{figures.loaded / 1_000:.0f} kB")
    return table
