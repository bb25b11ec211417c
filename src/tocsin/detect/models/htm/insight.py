"""What the state of an HTM model says, in plain NumPy: for looking on, not for scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.models.htm.plan import LARGEST
from tocsin.detect.models.htm.temporal_memory import ACTIVE

if TYPE_CHECKING:
    from tocsin.detect.models.htm.parameters import Htm

__all__ = ["active_cells", "columns_of", "predicted_cells", "synapses_in_use"]

Ints = NDArray[np.int64]


def active_cells(memory: Any) -> Ints:
    """The cells that are active now, rising; ``memory``: the record or its arrays by name."""
    return np.unique(memory["active"][: int(memory["counts"][ACTIVE])]).astype(np.int64)


def columns_of(cells: Ints, htm: Htm) -> Ints:
    """The columns of cells, each once, rising."""
    return np.unique(cells // htm.cells)


def synapses_in_use(memory: Any, htm: Htm) -> NDArray[np.bool_]:
    """[segment, synapse]: whether it exists."""
    return np.arange(htm.synapses) < memory["size"].reshape(-1, 1)


def predicted_cells(memory: Any, htm: Htm) -> Ints:
    """The cells that are predicted to become active with the next sample, rising.

    Cost: O(segments x synapses), some milliseconds with the default parameters.
    """
    on = np.zeros(htm.columns * htm.cells, dtype=bool)
    on[active_cells(memory)] = True
    shape = (htm.segments, htm.synapses)
    firm = memory["synapse"].reshape(shape) >= round(htm.connected_permanence * LARGEST)
    heard = on[memory["source"].reshape(shape)] & firm & synapses_in_use(memory, htm)
    segments = np.flatnonzero(heard.sum(axis=1) >= htm.activation_threshold)
    return np.unique(memory["cell"][segments]).astype(np.int64)
