"""The Gaussian likelihood: the tail of a moving average of raw scores under a normal law.

What HTM Engine and NuPIC used: the average of the last 10 raw scores is judged by a normal law
that was fitted, now and then, to such averages of the metric's past. `policy` and `sliding` say
when it is fitted anew; here is the law itself. All functions are pure.

Its numbers are not false-alarm rates: averages of bounded, skewed, dependent scores are not
normal. It is here to compare with and to carry on where a user comes from.

Cost: `update` O(1), about 3 microseconds; `estimate` O(rows), about 0.2 ms for 8,640 rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.likelihood.limits import number, whole
from tocsin.errors import ConfigurationError

__all__ = [
    "Gaussian",
    "GaussianSettings",
    "estimate",
    "filter_repeats",
    "moving_averages",
    "tail_probability",
    "update",
]

Floats = NDArray[np.float64]

#: The square root of two as NuPIC wrote it; a better one would give other scores.
_ROOT_TWO: Final = 1.4142
#: What a state without remembered tail probabilities is taken to remember.
_NOTHING_RARE: Final = 1.0


@dataclass(frozen=True, slots=True)
class GaussianSettings:
    """The numbers of the method; the defaults are NuPIC's.

    Errors: `ConfigurationError` names the key and what is allowed.
    """

    #: Rows in the moving average; as many tail probabilities are remembered.
    averaging_window: int = 10
    #: Rows at the start of every sample that are not fitted: the model was still learning.
    skipped_rows: int = 288
    #: Smallest mean of a fitted law, in units of the raw score.
    smallest_mean: float = 0.03
    #: Smallest variance of a fitted law, in squared units of the raw score.
    smallest_variance: float = 0.0003
    #: Metric values with a smaller variance are a flat line and get the null law; in squared units
    #: of the metric's own values (an absolute number, as it was).
    flat_variance: float = 1.5e-5
    #: Mean and variance of the null law, which finds every score ordinary.
    null_mean: float = 0.5
    null_variance: float = 1e6
    #: Anomaly score, as a probability, from which a row is red.
    red: float = 0.99999
    #: Anomaly score that a red row right after a red row gets instead.
    repeated_red: float = 0.999
    #: "two": being too predictable is improbable as well (NuPIC from 0.6.0 on); "one": it is not.
    sides: Literal["one", "two"] = "two"

    def __post_init__(self) -> None:
        whole("averaging_window", self.averaging_window, 1, 10_000)
        whole("skipped_rows", self.skipped_rows, 0, 10_000_000)
        number("smallest_mean", self.smallest_mean, 0.0, 1e300)
        number("smallest_variance", self.smallest_variance, 1e-300, 1e300)
        number("flat_variance", self.flat_variance, 0.0, 1e300)
        number("null_mean", self.null_mean, 0.0, 1e300)
        number("null_variance", self.null_variance, 1e-300, 1e300)
        number("red", self.red, 0.0, 1.0)
        number("repeated_red", self.repeated_red, 0.0, 1.0)
        if self.sides not in ("one", "two"):
            raise ConfigurationError(f"sides = {self.sides!r}: must be 'one' or 'two'")


@dataclass(frozen=True, slots=True)
class Gaussian:
    """One metric's state: a fitted law, and what the next row's score depends on."""

    mean: float
    variance: float
    #: The last raw scores, oldest first, at most ``averaging_window``.
    window: tuple[float, ...] = ()
    #: Their sum as it was kept row by row, rounding and all.
    total: float = 0.0
    #: The last tail probabilities, before repeats were filtered; as many as ``window``.
    likelihoods: tuple[float, ...] = ()


def moving_averages(raw_scores: Floats, window: int) -> tuple[Floats, Floats]:
    """Averages of the last ``window`` scores from an empty start, and the running sums.

    The sums are those of a loop that takes the oldest off and then adds the newest, to the last
    bit: a cumulative sum adds in order.
    """
    steps = np.zeros(2 * len(raw_scores))
    steps[2 * window :: 2] = -raw_scores[:-window]
    steps[1::2] = raw_scores
    sums = np.cumsum(steps)[1::2]
    counts = np.minimum(np.arange(1, len(sums) + 1), window)
    return sums / counts, sums


def estimate(
    settings: GaussianSettings, values: Floats, raw_scores: Floats, *, skipped: int | None = None
) -> Gaussian:
    """Fit the law to a sample of a metric's past: values and raw scores, oldest first.

    ``skipped`` replaces ``skipped_rows``. A sample of no more rows than that, or of a flat line,
    gives the null law.
    """
    skip = settings.skipped_rows if skipped is None else skipped
    averages, sums = moving_averages(raw_scores, settings.averaging_window)
    mean, variance = _fit(settings, averages[skip:], values[skip:])
    last = slice(max(len(averages) - settings.averaging_window, 0), None)
    spread = math.sqrt(variance)
    return Gaussian(
        mean,
        variance,
        tuple(raw_scores[last].tolist()),
        float(sums[-1]) if len(sums) else 0.0,
        tuple(tail_probability(x, mean, spread, settings.sides) for x in averages[last].tolist()),
    )


def _fit(settings: GaussianSettings, averages: Floats, values: Floats) -> tuple[float, float]:
    with np.errstate(over="ignore", invalid="ignore"):  # values of 1e200 are not flat
        flat = len(averages) == 0 or np.var(values) < settings.flat_variance
    if flat:
        return settings.null_mean, settings.null_variance
    return (
        max(float(np.mean(averages)), settings.smallest_mean),
        max(float(np.var(averages)), settings.smallest_variance),
    )


def tail_probability(average: float, mean: float, spread: float, sides: str = "two") -> float:
    """P(an average at least this far out) under a normal law with standard deviation ``spread``.

    >>> round(tail_probability(0.4, 0.1, 0.1), 5), round(tail_probability(0.1, 0.1, 0.1), 5)
    (0.00135, 0.5)
    >>> [round(tail_probability(-0.2, 0.1, 0.1, sides), 5) for sides in ("two", "one")]
    [0.00135, 0.99865]
    """
    upper = 0.5 * math.erfc(abs(average - mean) / spread / _ROOT_TWO)
    return 1.0 - upper if average < mean and sides == "one" else upper


def filter_repeats(settings: GaussianSettings, tails: tuple[float, ...]) -> list[float]:
    """Of every run of red tail probabilities keep the first; the others become ordinary.

    What counts is whether the row before was red before the filter. The first is never changed.
    """
    # Not 1e-5: 1 - 0.99999 is a little less, and exactly 1e-5 was never red.
    red, repeated = 1.0 - settings.red, 1.0 - settings.repeated_red
    after = (
        repeated if tail <= red and before <= red else tail for before, tail in pairwise(tails)
    )
    return [*tails[:1], *after]


def update(settings: GaussianSettings, state: Gaussian, raw_score: float) -> tuple[Gaussian, float]:
    """Take one raw score in; returns the new state and the row's tail probability, filtered.

    The law stays as it is. Cost: O(1).
    """
    size = settings.averaging_window
    # One row goes in a steady state; more where the window was longer last time.
    total = state.total
    for old in state.window[: max(len(state.window) - size + 1, 0)]:
        total -= old
    window = (*state.window, raw_score)[-size:]
    total += raw_score
    spread = math.sqrt(state.variance)
    tail = tail_probability(total / len(window), state.mean, spread, settings.sides)
    known = state.likelihoods or (_NOTHING_RARE,)
    filtered = filter_repeats(settings, (known[-1], tail))[-1]
    kept = (*known, tail)[-size:]
    return Gaussian(state.mean, state.variance, window, total, kept), filtered
