"""What NAB's "numenta" detector made of its raw scores: likelihood, log scale, range rule."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.nab.corpus import NabFile
from tocsin.detect.alarm import ALARM, tell_news
from tocsin.detect.likelihood.gaussian import GaussianSettings
from tocsin.detect.likelihood.online import OnlineLikelihood
from tocsin.detect.likelihood.sliding import SlidingGaussian, SlidingSettings
from tocsin.detect.result import log_score

__all__ = ["out_of_range", "published_calibrated", "published_gaussian"]

Floats = NDArray[np.float64]

#: How far outside the range so far a value must lie, as a share of that range.
TOLERANCE: Final = 0.05


def published_gaussian(file: NabFile, raw_scores: Floats) -> Floats:
    """Anomaly scores on the log scale, as Numenta's detector made them: the first half of NAB's
    probation is for learning, the second for the first fit.

    The published scores came from a version with a one-sided tail.
    """
    learning = file.probation // 2
    settings = SlidingSettings(
        learning_rows=learning,
        estimation_rows=file.probation - learning,
        gaussian=GaussianSettings(sides="one"),
    )
    likelihoods = SlidingGaussian(settings).update(file.values, raw_scores)
    return np.array([log_score(likelihood) for likelihood in likelihoods.tolist()])


def published_calibrated(file: NabFile, raw_scores: Floats) -> Floats:
    """Alert scores of Tocsin's own likelihood and alarm, from the same raw scores."""
    chances = OnlineLikelihood().p_values(raw_scores)
    alerts = np.empty(len(chances))
    tell_news(np.zeros(1, dtype=ALARM)[0], -np.log10(chances) / 10.0, alerts)
    return alerts


def out_of_range(values: Floats) -> NDArray[np.bool_]:
    """Rows whose value lies outside all values before by more than `TOLERANCE` of their range.

    Never while the values before are all the same.
    """
    low = np.minimum.accumulate(values)[:-1]
    high = np.maximum.accumulate(values)[:-1]
    margin = TOLERANCE * (high - low)
    outside = (values[1:] > high + margin) | (values[1:] < low - margin)
    return np.concatenate((np.zeros(min(len(values), 1), bool), outside & (high > low)))
