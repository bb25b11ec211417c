"""Pictures of what an HTM model does: the published properties, and a look into one model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from tocsin.bench import htm_properties as properties
from tocsin.bench.htm_inspection import Inspection
from tocsin.errors import MissingExtraError, OutputError

__all__ = ["PICTURES", "draw_inspection", "draw_properties"]

_BLUE: Final = "#2a6fb0"
_RED: Final = "#c0392b"
_GREY: Final = "#8a8f98"
_GREEN: Final = "#2e8b57"


def draw_properties(folder: Path, progress: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Run each experiment and write its picture, ``htm-<name>.png``, into a folder.

    Errors: `MissingExtraError` without matplotlib; `OutputError`.
    """
    written = []
    for name, draw in PICTURES.items():
        progress(name)
        figure, axes = _figure()
        draw(axes)
        axes.legend(frameon=False)
        written.append(_save(figure, folder / f"htm-{name}.png"))
    return written


def _figure(rows: int = 1, height: float = 3.6) -> tuple[Any, Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing pictures", "bench") from error
    with rc_context({"font.size": 9.0, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7.0, height), dpi=110, layout="constrained")
        return figure, figure.subplots(rows, 1, sharex=rows > 1)


def _save(figure: Any, path: Path) -> Path:
    try:
        figure.savefig(path, metadata={"Software": None} if path.suffix == ".png" else None)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    return path


def _encoder(axes: Any) -> None:
    away = range(61)
    axes.plot(away, properties.encoder_overlap(away), color=_BLUE, label="two values")
    axes.axhline(21 / 400, color=_GREY, linestyle=":", label="chance")
    axes.set(
        title="Scalar encoder: near values share bits",
        xlabel="buckets between the values",
        ylabel="share of bits in common",
    )


def _pooler(axes: Any) -> None:
    noises = np.linspace(0.0, 0.6, 13).tolist()
    for trained, color in ((0, _GREY), (2, _GREEN), (10, _BLUE)):
        kept = properties.pooler_noise(noises, trained=trained)
        label = f"learnt {trained} times" if trained else "not learnt"
        axes.plot(noises, kept, color=color, label=label)
    axes.set(
        title="Spatial pooler: learning makes winners robust to noise",
        xlabel="share of the input's bits that are replaced",
        ylabel="share of winners that stay",
    )


def _sequences(axes: Any) -> None:
    told = properties.high_order(80, punishment=0.05)
    right, wrong = told[:, [0, 2]].mean(axis=1), told[:, [1, 3]].mean(axis=1)
    axes.plot(right, color=_BLUE, label="D after ABC, Y after XBC")
    axes.plot(wrong, color=_RED, label="Y after ABC, D after XBC")
    control = properties.high_order(80, cells=1, punishment=0.05)[:, [1, 3]].mean(axis=1)
    axes.plot(control, color=_GREY, linestyle=":", label="the same with one cell a column")
    axes.set(
        title="Temporal memory: ABCD and XBCY are told apart",
        xlabel="times that both were shown",
        ylabel="share of columns predicted",
    )


def _loss(axes: Any) -> None:
    shares = np.linspace(0.0, 0.9, 10).tolist()
    runs = np.array([properties.lost_cells(shares, seed=seed) for seed in range(1, 6)])
    axes.plot(shares, runs.mean(axis=0), color=_BLUE, label="mean of five runs")
    axes.fill_between(shares, runs.min(axis=0), runs.max(axis=0), color=_BLUE, alpha=0.2)
    axes.axvline(0.4, color=_GREY, linestyle=":", label="40 %")
    axes.set(
        title="Temporal memory: what was learnt outlives the loss of cells",
        xlabel="share of all cells lost",
        ylabel="accuracy of the next symbol",
    )


def _capacity(axes: Any) -> None:
    counts = [5, 10, 20, 40, 60, 80, 120, 160, 240]
    for segments, color in ((2048, _GREY), (8192, _GREEN), (32_768, _BLUE)):
        accuracy = properties.capacity(counts, segments)
        axes.plot(counts, accuracy, color=color, marker=".", label=f"{segments:,} segments")
    axes.set(
        title="Temporal memory: capacity is bounded by its segments",
        xlabel="sequences of six symbols learnt",
        ylabel="accuracy on the newest twenty",
    )


def _switch(axes: Any) -> None:
    for eager, color, label in (
        (False, _BLUE, "not predicted"),
        (True, _GREEN, "not expected (eager)"),
    ):
        surprise = properties.switch(800, eager=eager)
        axes.plot(12.5 + 25 * np.arange(len(surprise)), surprise, color=color, label=label)
    axes.axvline(400, color=_GREY, linestyle=":", label="all sequences are replaced")
    axes.set(
        title="Continuous learning: a switch of all patterns",
        xlabel="sequences seen",
        ylabel="share of columns not predicted",
    )


#: The pictures by name.
PICTURES: Final[dict[str, Callable[[Any], None]]] = {
    "encoder": _encoder,
    "pooler": _pooler,
    "sequences": _sequences,
    "loss": _loss,
    "capacity": _capacity,
    "switch": _switch,
}


def draw_inspection(seen: Inspection, path: Path) -> Path:
    """Draw what was seen in one model over time. Errors: as `draw_properties`."""
    figure, panels = _figure(4, 8.0)
    days = (seen.timestamps - seen.timestamps[0]) / 86_400e9
    at = days[seen.looks["row"]]
    _draw_values(panels[0], days, seen)
    _draw_raw(panels[1], days, seen)
    _draw_columns(panels[2], at, seen)
    _draw_growth(panels[3], at, seen)
    panels[3].set_xlabel("days")
    for panel in panels:
        panel.legend(frameon=False, loc="upper left", fontsize=7)
    return _save(figure, path)


def _draw_values(axes: Any, days: Any, seen: Inspection) -> None:
    axes.plot(days, seen.values, color=_BLUE, linewidth=0.7, label="value")
    axes.plot(days, seen.scored["expected"], color=_RED, linewidth=0.7, label="expected")
    lower, upper = seen.scored["lower"], seen.scored["upper"]
    axes.fill_between(days, lower, upper, color=_RED, alpha=0.15, linewidth=0)
    axes.set_ylabel("value")


def _draw_raw(axes: Any, days: Any, seen: Inspection) -> None:
    raw = seen.scored["raw_score"]
    axes.plot(days, raw, color=_GREY, linewidth=0.4, label="raw score")
    span = min(max(len(raw) // 50, 1), len(raw))
    axes.plot(
        days,
        np.convolve(raw, np.ones(span) / span, mode="same"),
        color=_RED,
        label=f"mean of {span} samples",
    )
    axes.set_ylabel("raw score")


def _draw_columns(axes: Any, at: Any, seen: Inspection) -> None:
    axes.plot(at, seen.looks["predicted_columns"], color=_GREEN, label="columns predicted")
    axes.plot(at, seen.looks["active_columns"], color=_GREY, linestyle=":", label="columns active")
    axes.plot(at, seen.looks["predicted_active"], color=_BLUE, label="active and predicted")
    overlap = seen.looks["overlap"] * seen.htm.active_columns
    axes.plot(at, overlap, color=_RED, linewidth=0.7, label="active at the sample before as well")
    axes.set_ylabel("columns")


def _draw_growth(axes: Any, at: Any, seen: Inspection) -> None:
    for name, color in (("synapses", _GREY), ("connected", _BLUE), ("segments", _GREEN)):
        axes.plot(at, seen.looks[name], color=color, label=name)
    axes.set_ylabel("in use")
