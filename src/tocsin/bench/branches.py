"""Many endings of one series: what a detector says of each, without the common past every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.judges import Judge, Judged
from tocsin.errors import ConfigurationError

__all__ = ["Branching", "Tail", "alarms_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tail:
    """What comes instead of a series' samples from a row on."""

    row: int
    timestamps: Ints
    values: Floats


@runtime_checkable
class Branching(Protocol):
    """A judge that can go on from one state in several ways."""

    def branch(
        self, timestamps: Ints, values: Floats, timezone: str, tails: Sequence[Tail]
    ) -> tuple[Bools, list[Bools]]:
        """As `alarms_of`."""


def alarms_of(
    judge: Judge, timestamps: Ints, values: Floats, timezone: str, tails: Sequence[Tail]
) -> tuple[Bools, list[Bools]]:
    """Alarms of a series as it is, and of each tail's rows after the series up to there.

    The same as running every series whole. Cost: the series and the tails once for a `Branching`
    judge; else every tail pays for its past again. Errors: `ConfigurationError` for a judge without
    a threshold of its own.
    """
    if isinstance(judge, Branching):
        return judge.branch(timestamps, values, timezone, tails)
    whole = _alarms(judge, judge.run(timestamps, values, timezone))
    told = []
    for tail in tails:
        times = np.concatenate((timestamps[: tail.row], tail.timestamps))
        numbers = np.concatenate((values[: tail.row], tail.values))
        told.append(_alarms(judge, judge.run(times, numbers, timezone))[tail.row :])
    return whole, told


def _alarms(judge: Judge, judged: Judged) -> Bools:
    if judged.alarms is None:
        raise ConfigurationError(f"{judge.name} has no threshold of its own: nothing to judge")
    return judged.alarms
