"""What scoring hands on: results that were just stored, and results that are to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import NUMBERS, RESULT, Readiness
from tocsin.engine.events import Changed
from tocsin.store.schema import WAITING

__all__ = ["UNSCORED", "WAITING", "Behind", "Committed", "unscored"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: In ``scored["event"]``: stored, and never to be scored; NULL in the database.
UNSCORED: Final = -1


@dataclass(frozen=True, slots=True)
class Committed:
    """Samples whose results were just stored, metric by metric in order, and events."""

    #: Where this commit stands in the outbox.
    position: int
    row: Ints
    seq: Ints
    timestamp: Ints
    value: Floats
    #: Rows of `RESULT`; event `UNSCORED`: stored, not scored.
    scored: NDArray[np.void]
    events: Sequence[Changed]
    #: False: the outbox says more of this commit than is here.
    whole: bool = True


@dataclass(slots=True)
class Behind:
    """Results of one metric's stored samples, scored behind their commit, in order."""

    row: int
    #: The metric's id, and its epoch: results from before a reset or deletion are refused.
    metric: int
    epoch: int
    #: What ``scored_seq`` was when this was computed, and becomes.
    after: int
    upto: int
    readiness: Readiness
    seq: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    timestamp: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    value: Floats = field(default_factory=lambda: np.empty(0))
    scored: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, dtype=RESULT))
    #: Why there are none: a reason code and the same in words.
    failure: tuple[str, str] | None = None
    #: The state after the last sample, where one was taken.
    snapshot: bytes | None = None
    refused: bool = False
    #: Told when it is written, or refused.
    back: Callable[[Behind], None] | None = None

    def settle(self) -> None:
        """Tell whoever computed it that it is written, or refused."""
        if self.back is not None:
            self.back(self)


def unscored(count: int, code: int) -> NDArray[np.void]:
    """Result rows that say nothing yet; ``code``: `UNSCORED` or `WAITING`."""
    scored = np.zeros(count, dtype=RESULT)
    scored["event"] = code
    for name in NUMBERS:
        scored[name] = np.nan
    return scored
