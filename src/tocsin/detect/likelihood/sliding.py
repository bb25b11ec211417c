"""The Gaussian likelihood over a sliding history: the policy of NuPIC's own wrapper class.

Row by row, with no batches: silent while it learns, then fitted anew every so many rows from a
window over the whole history. NAB's "numenta" detector used it.

Cost: about 4 microseconds a row and 0.2 ms a fit. State: 16 bytes per row of history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.detect.likelihood.gaussian import Gaussian, GaussianSettings, estimate, update
from tocsin.detect.likelihood.limits import whole
from tocsin.detect.likelihood.rows import MemoryRows, Rows

__all__ = ["SlidingGaussian", "SlidingSettings"]

Floats = NDArray[np.float64]

#: The answer while nothing is known.
_UNKNOWN: Final = 0.5


@dataclass(frozen=True, slots=True)
class SlidingSettings:
    """The numbers of the policy; the defaults are NuPIC's.

    Errors: `ConfigurationError` names the key and what is allowed.
    """

    #: Rows at the start of a metric in which its model learns: never fitted.
    learning_rows: int = 288
    #: Rows after those before the first fit.
    estimation_rows: int = 100
    #: Rows of history that are fitted.
    history: int = 8640
    #: Rows from fit to fit.
    refit_interval: int = 100
    #: The numbers of the fit; its ``skipped_rows`` are not used.
    gaussian: GaussianSettings = field(default_factory=GaussianSettings)

    def __post_init__(self) -> None:
        whole("learning_rows", self.learning_rows, 0, 10_000_000)
        whole("estimation_rows", self.estimation_rows, 0, 10_000_000)
        whole("history", self.history, 1, 10_000_000)
        whole("refit_interval", self.refit_interval, 1, 10_000_000)

    def skipped(self, rows: int) -> int:
        """How many rows at the start of the history are not fitted once ``rows`` were seen.

        The rows in which the model learnt, less those that have slid out of the history.
        """
        slid = max(rows - self.history, 0)
        return min(rows, max(self.learning_rows - slid, 0))


@dataclass(slots=True)
class SlidingGaussian:
    """One metric: raw scores in, likelihoods out."""

    settings: SlidingSettings = field(default_factory=SlidingSettings)
    #: Rows seen.
    seen: int = 0
    _law: Gaussian | None = None
    _past: MemoryRows = field(init=False)

    def __post_init__(self) -> None:
        self._past = MemoryRows(self.settings.history)

    def update(self, values: ArrayLike, raw_scores: ArrayLike) -> Floats:
        """Take rows in; returns 1 - their tail probabilities, or 0.5 while nothing is known.

        The same rows in other batches give the same bits. Errors: `BadSampleError` names the row
        (from 1) that cannot be used; nothing is learnt then.
        """
        first = self.seen + 1
        rows = Rows.of(np.arange(first, first + np.size(raw_scores)), values, raw_scores)
        parts = [np.empty(0)]
        while len(rows):
            part = rows[: self._until_fit()]
            parts.append(self._run(part))
            rows = rows[len(part) :]
        return np.concatenate(parts)

    @property
    def _silent(self) -> int:
        return self.settings.learning_rows + self.settings.estimation_rows

    def _until_fit(self) -> int:
        """Rows to the next fit, or to the end of the silence."""
        if self.seen < self._silent:
            return self._silent - self.seen
        return self.settings.refit_interval - self.seen % self.settings.refit_interval

    def _run(self, rows: Rows) -> Floats:
        likelihoods = np.full(len(rows), _UNKNOWN)
        if self.seen >= self._silent:
            likelihoods[:] = self._score(rows.raw_scores)
        self._past.append(rows)
        self.seen += len(rows)
        return likelihoods

    def _score(self, raw_scores: Floats) -> list[float]:
        settings = self.settings
        law = self._law
        if law is None or self.seen % settings.refit_interval == 0:
            law = self._fit()
        likelihoods = []
        for raw in raw_scores.tolist():
            law, tail = update(settings.gaussian, law, raw)
            likelihoods.append(1.0 - tail)
        self._law = law
        return likelihoods

    def _fit(self) -> Gaussian:
        past, settings = self._past.tail(self.settings.history), self.settings
        skipped = settings.skipped(self.seen)
        return estimate(settings.gaussian, past.values, past.raw_scores, skipped=skipped)
