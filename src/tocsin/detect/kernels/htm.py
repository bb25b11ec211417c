"""The step with the HTM model: its row of state, and what is the same for both likelihoods.

A row begins with a record that is the same for all parameters (`head_of`), after which come the
model's arrays. The compiled step gets the records, the bytes of the rows and where in them each
array lies, so that it serves all parameters.

The band is the model's prediction, not the decision: ``lower`` to ``upper`` is where most of the
predicted distribution lies, while a sample is anomalous for the columns that it makes win.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.detect.kernels import Kernel
from tocsin.detect.kernels.step import enter, row_of, tell_beyond
from tocsin.detect.models.htm import HEAD, look, open_block, parts_of
from tocsin.detect.models.htm.parameters import Htm
from tocsin.detect.models.htm.plan import plan
from tocsin.detect.settings import Settings

__all__ = ["ask", "head_of", "kernel_for"]


def kernel_for(settings: Settings) -> Kernel:
    """The kernel of `Settings` whose model is "htm"."""
    if settings.likelihood == "gaussian":
        from tocsin.detect.kernels import htm_gaussian as likelihood
    else:
        from tocsin.detect.kernels import htm_evidence as likelihood  # type: ignore[no-redef]
    htm = Htm.of(settings.htm)
    head = likelihood.HEAD
    row, at = _row(head, htm)
    numbers = plan(htm)

    def score(rows: NDArray[np.void], *rest: Any) -> None:
        rows = np.asarray(rows)  # also where it is mapped from a file
        blocks = rows.view(np.uint8).reshape(len(rows), row.itemsize)
        likelihood.score_samples(rows.getfield(head), blocks, at, numbers, *rest)

    return Kernel(row, likelihood.NEEDED, score, slow=True)


def head_of(likelihood: np.dtype[np.void]) -> np.dtype[np.void]:
    """The part of a row that has one size for all parameters."""
    return row_of(likelihood, HEAD)


def _row(head: np.dtype[np.void], htm: Htm) -> tuple[np.dtype[np.void], NDArray[np.int64]]:
    """A row's layout, and where each of the model's arrays begins and ends in it."""
    parts = parts_of(htm)
    row = np.dtype([*_fields(head), *parts], align=True)
    at = []
    for name, part in parts:
        start = _field(row, name)[1]
        for kind, offset in _places(part):
            at.append((start + offset, start + offset + kind.itemsize))
    return row, np.array(at, dtype=np.int64)


def _fields(layout: np.dtype[np.void]) -> list[tuple[str, np.dtype[Any]]]:
    return [(name, _field(layout, name)[0]) for name in layout.names or ()]


def _field(layout: np.dtype[np.void], name: str) -> tuple[np.dtype[Any], int]:
    fields: Any = layout.fields
    kind, offset = fields[name][:2]
    return kind, offset


def _places(layout: np.dtype[np.void]) -> list[tuple[np.dtype[Any], int]]:
    return [_field(layout, name) for name in layout.names or ()]


@kernel
def ask(
    row: Any, block: Any, at: Any, plan: Any, room: Any, timestamp: int, civil: int, given: float,
    out: Any,
) -> tuple[float, float, bool]:  # fmt: skip
    """Count a sample in and let the model score and learn it.

    Returns its value, its raw score in [0, 1], and whether it lies out of range.
    """
    value = enter(row, timestamp, given, out)
    region = open_block(block, at)
    if row.seen > 1 and plan.prediction_steps > 0:
        out.expected = region.classifier.forecast[0]
        out.lower = region.classifier.forecast[1]
        out.upper = region.classifier.forecast[2]
    if row.seen > 1:
        low, high = row.model.low, row.model.high
        tell_beyond(out, max(value - high, 0.0) + min(value - low, 0.0))
    raw, outside = look(row.model, region, plan, civil, value, room)
    out.raw_score = raw
    return value, raw, outside
