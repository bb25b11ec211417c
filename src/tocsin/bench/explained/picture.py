"""An event as a picture: values, the expected band, the labelled windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from tocsin.bench.explained.choice import Shown
from tocsin.errors import MissingExtraError, OutputError

__all__ = ["draw"]

#: Samples before and after the event's peak.
_BEFORE, _AFTER = 600, 200
#: A band that is nearly without bound is cut at so many times the height of what is shown.
_TALLEST: Final = 0.35
_BLUE, _RED, _AMBER = "#2f6db3", "#c8442f", "#e8b04a"


def draw(one: Shown, path: Path) -> None:
    """Draw one event as a PNG. Errors: `MissingExtraError`, `OutputError`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("the picture", "bench") from error
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    _windows(axes, one)
    _series(axes, one)
    axes.set_title(one.file.name, fontsize="small", loc="left")
    axes.tick_params(labelsize="x-small")
    axes.legend(loc="upper left", fontsize="x-small", ncols=4)
    try:
        figure.savefig(path, dpi=90)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def _part(one: Shown) -> slice:
    peak = int(np.searchsorted(one.file.timestamps, one.event.peak))
    return slice(max(0, peak - _BEFORE), peak + _AFTER)


def _series(axes: Any, one: Shown) -> None:
    part = _part(one)
    times = one.file.timestamps[part].astype("datetime64[ns]")
    values, scored = one.file.values[part], one.scored[part]
    tall = _TALLEST * max(float(np.ptp(values)), 1e-9)
    low, high = values.min() - tall, values.max() + tall
    band = [np.clip(scored[name], low, high) for name in ("lower", "upper")]
    axes.fill_between(times, *band, color=_BLUE, alpha=0.15, lw=0, label="expected band")
    axes.plot(times, values, color=_BLUE, lw=0.8, label="value")
    told = scored["event"] == 1
    axes.plot(times[told], values[told], "o", color=_RED, ms=5, label="event begins")
    axes.set_xlim(times[0], times[-1])


def _windows(axes: Any, one: Shown) -> None:
    times = one.file.timestamps.astype("datetime64[ns]")
    part = times[_part(one)]
    label = "labelled"
    for first, last in one.file.windows:
        if times[last] >= part[0] and times[first] <= part[-1]:
            axes.axvspan(times[first], times[last], color=_AMBER, alpha=0.3, lw=0, label=label)
            label = "_"
