"""The calibrated likelihood: for raw anomaly scores >= 0 of any model, of any scale and shape.

The mean of the last few raw scores goes through two stages. `pareto` finds how rare it is among
all before it: scale-free, and a little too careful or too bold where the tail is not a Pareto
tail. `evidence` then watches how rare such rarities really are here, and corrects. What comes out
is a p-value that holds: on a stream that behaves as it did, the share of samples with p < alpha is
alpha (``tocsin bench calibration`` prints how closely).

Upper tail only: too predictable is no anomaly. Updated row by row: batches do not matter.

Cost per score: O(bins), about 0.25 microseconds (``tocsin bench calibration`` prints it).
State: one `CALIBRATED` record, 1,736 bytes.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.likelihood import evidence, pareto

__all__ = ["CALIBRATED", "LARGEST_WINDOW", "chance", "score_raw"]

LARGEST_WINDOW: Final = 64
#: Scores before the second stage learns: the first has little to say.
_SECOND_FROM: Final = 30.0

CALIBRATED: Final = np.dtype(
    [
        ("seen", "i8"),
        ("recent", "f8", (LARGEST_WINDOW,)),
        ("pareto", pareto.PARETO),
        ("evidence", evidence.EVIDENCE),
    ],
    align=True,
)

_pareto_survival = pareto.survival
_pareto_add = pareto.add
_evidence_survival = evidence.survival
_evidence_add = evidence.add


@kernel
def _mean(row: Any, raw: float, window: int) -> float:
    """The mean of the last ``window`` raw scores, this one among them."""
    row.recent[row.seen % LARGEST_WINDOW] = raw
    count = min(row.seen + 1, window)
    total = 0.0
    for back in range(count):
        total += row.recent[(row.seen - back) % LARGEST_WINDOW]
    return float(total / count)


@kernel
def chance(row: Any, raw: float, window: int, skip: int) -> float:
    """The p-value of a raw score, which is then learnt."""
    mean = _mean(row, raw, window)
    row.seen += 1
    if row.seen <= skip:
        return 1.0
    first = _pareto_survival(row.pareto, mean)
    p = first
    if row.pareto.weight >= _SECOND_FROM:
        score = -math.log10(max(first, 1e-300))
        p = _evidence_survival(row.evidence, score)
        _evidence_add(row.evidence, score, p)
    _pareto_add(row.pareto, mean, first)
    return p


@kernel
def score_raw(row: Any, raw: Any, window: int, skip: int, needed: int, out: Any) -> None:
    """Write the p-value of each raw score (not-a-number until ``needed`` were seen); learn each.

    ``window``: raw scores whose mean is judged; ``skip``: scores at the start, while the model
    itself is learning, that say nothing about how it will behave.
    """
    for i in range(len(raw)):
        p = chance(row, raw[i], window, skip)
        out[i] = p if row.seen >= needed else np.nan
