"""Look into an HTM model while it reads a series: what is active, predicted, learnt.

The model is the one that scores (`tocsin.detect.fleet.Fleet`); it is stopped at some samples and
its state is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet
from tocsin.detect.models.htm.insight import (
    active_cells,
    columns_of,
    predicted_cells,
    synapses_in_use,
)
from tocsin.detect.models.htm.parameters import Htm
from tocsin.detect.models.htm.plan import LARGEST
from tocsin.detect.settings import Settings
from tocsin.errors import ConfigurationError

__all__ = ["LOOK", "Inspection", "inspect"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ONLY: Final = np.zeros(1, dtype=np.int64)

#: What is read at a sample that is looked at.
LOOK: Final = np.dtype(
    [
        ("row", "i8"),
        ("active_columns", "i8"),
        ("active_cells", "i8"),
        ("predicted_columns", "i8"),  # before the sample came
        ("predicted_active", "i8"),  # of those that won
        ("overlap", "f8"),  # share of winners that won at the sample before as well
        ("columns_used", "i8"),  # columns that have won lately
        ("segments", "i8"),
        ("synapses", "i8"),
        ("connected", "i8"),
        ("bucket", "f8"),  # width of the value encoder's buckets
    ]
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen: a row of `LOOK` for each look, and every sample's result."""

    htm: Htm
    timestamps: Ints
    values: Floats
    scored: NDArray[np.void]
    looks: NDArray[np.void]

    @property
    def sparsity(self) -> tuple[float, float]:
        """Mean share of columns, and of cells, that are active."""
        columns = self.looks["active_columns"].mean() / self.htm.columns
        cells = self.looks["active_cells"].mean() / (self.htm.columns * self.htm.cells)
        return float(columns), float(cells)


def inspect(
    timestamps: Ints,
    values: Floats,
    settings: Settings,
    looks: int = 200,
    progress: Callable[[int], None] = lambda _: None,
) -> Inspection:
    """Score a series, looking into the model at about so many samples, evenly spread.

    ``timestamps``: ns, rising; ``values``: finite. Errors: `ConfigurationError` for another model
    or an empty series. Cost: the scoring, and some 10 ms a look with the default parameters.
    """
    if settings.model != "htm":
        raise ConfigurationError(f"model = {settings.model!r}: only htm can be looked into")
    if len(values) < 2 or looks < 1:
        raise ConfigurationError("there must be two samples or more, and at least one look")
    fleet = Fleet(settings, 1)
    rows = np.unique(np.linspace(1, len(values) - 1, min(looks, len(values) - 1)).astype(np.int64))
    found = np.zeros(len(rows), dtype=LOOK)
    parts, done = [], 0
    for look, row in zip(found, rows.tolist(), strict=True):
        parts.append(_feed(fleet, timestamps[done:row], values[done:row]))
        before = fleet.take(_ONLY)[0]
        parts.append(_feed(fleet, timestamps[row : row + 1], values[row : row + 1]))
        done = row + 1
        look["row"] = row
        _read(look, before, fleet.take(_ONLY)[0], Htm.of(settings.htm))
        progress(done)
    return Inspection(Htm.of(settings.htm), timestamps, values, np.concatenate(parts), found)


def _feed(fleet: Fleet, timestamps: Ints, values: Floats) -> NDArray[np.void]:
    return fleet.update(np.zeros(len(values), dtype=np.int64), timestamps, values)


def _read(look: np.void, before: np.void, after: np.void, htm: Htm) -> None:
    """Read what a sample did, from the states before and after it."""
    memory = after["memory"]
    cells = active_cells(memory)
    won = columns_of(cells, htm)
    told = columns_of(predicted_cells(before["memory"], htm), htm)
    earlier = columns_of(active_cells(before["memory"]), htm)
    look["active_columns"] = len(won)
    look["active_cells"] = len(cells)
    look["predicted_columns"] = len(told)
    look["predicted_active"] = len(np.intersect1d(won, told))
    look["overlap"] = len(np.intersect1d(won, earlier)) / len(won)
    look["columns_used"] = np.count_nonzero(after["pooler"]["duty"] > 1.0 / htm.columns / 100)
    _count_synapses(look, memory, htm)
    look["bucket"] = after["model"]["value"]["bucket"]


def _count_synapses(look: np.void, memory: np.void, htm: Htm) -> None:
    used = synapses_in_use(memory, htm)
    firm = memory["synapse"] >= round(htm.connected_permanence * LARGEST)
    look["segments"] = np.count_nonzero(memory["size"])
    look["synapses"] = np.count_nonzero(used)
    look["connected"] = np.count_nonzero(used & firm)
