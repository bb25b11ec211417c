"""The step with the HTM model and the `gaussian` likelihood: HTM Engine's, in live operation."""

from __future__ import annotations

import math
from typing import Any, Final

from tocsin.detect.compile import kernel
from tocsin.detect.kernels.counter import watch
from tocsin.detect.kernels.htm import ask, head_of
from tocsin.detect.kernels.step import judge
from tocsin.detect.likelihood.gaussian_row import FITTED_FROM, GAUSSIAN, add, survival
from tocsin.detect.models.htm import room

__all__ = ["HEAD", "NEEDED", "score_samples"]

#: Samples before there is a likelihood: the first that a fitted law judges.
NEEDED: Final = FITTED_FROM
#: The likelihood of a value out of range.
_SURE: Final = 1e-10

HEAD: Final = head_of(GAUSSIAN)


@kernel
def score_samples(
    rows: Any, blocks: Any, at: Any, plans: Any, metric: Any, timestamp: Any, civil: Any,
    value: Any, wanted: Any, out: Any,
) -> None:  # fmt: skip
    """Score and learn samples in the order given; ``out`` gets a `RESULT` row for each.

    ``rows``: the heads of the fleet's states, ``blocks`` their bytes, ``at`` where arrays lie;
    ``plans``: one plan; the rest as for the other models.
    """
    plan = plans[0]
    work = room(plan)
    for i in range(len(value)):
        m = metric[i]
        row = rows[m]
        seen = watch(row, timestamp[i], value[i], wanted.counter, out[i])
        if math.isnan(seen):
            continue
        known, raw, outside = ask(
            row, blocks[m], at, plan, work, timestamp[i], civil[i], seen, out[i]
        )
        p = survival(row.likelihood, raw)
        if row.seen >= NEEDED:
            p = min(p, _SURE) if outside else p
            judge(row, p, p, wanted, out[i])
        add(row.likelihood, raw, known)
