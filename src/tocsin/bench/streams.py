"""Quiet streams: what metrics look like when nothing is wrong, in many shapes.

Every stream is stationary, or as regular as a season or a trend, so that an honest detector's
share of samples with p-value below alpha is alpha. Five-minute samples: 288 to a day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAY", "RAW_SCORES", "STREAMS", "autoregressive"]

Floats = NDArray[np.float64]
Make = Callable[[np.random.Generator, int], Floats]

#: Samples in a day.
DAY: Final = 288
#: Steps of an autoregression made at once; its past beyond that is below rounding.
_BLOCK: Final = 4096


def autoregressive(rng: np.random.Generator, rows: int, memory: float) -> Floats:
    """x[t] = memory x[t-1] + noise, with variance 1. Cost: O(n log n)."""
    noise = rng.normal(size=rows + _BLOCK) * np.sqrt(1 - memory * memory)
    weights = memory ** np.arange(_BLOCK)
    size = 1 << (rows + 2 * _BLOCK).bit_length()
    whole = np.fft.irfft(np.fft.rfft(noise, size) * np.fft.rfft(weights, size), size)
    return np.asarray(whole[_BLOCK : _BLOCK + rows])


def _hour(rows: int) -> Floats:
    return 2 * np.pi * np.arange(rows) / DAY


def _weekly(rng: np.random.Generator, rows: int) -> Floats:
    day = np.arange(rows) // DAY % 7
    return np.where(day < 5, 10.0, 4.0) * (1.5 + np.sin(_hour(rows))) + rng.normal(size=rows)


def _telegraph(rng: np.random.Generator, rows: int) -> Floats:
    state = np.cumsum(rng.random(rows) < 0.01) % 2
    return 10.0 * state + rng.normal(size=rows)


def _clusters(rng: np.random.Generator, rows: int) -> Floats:
    return rng.normal(size=rows) * np.exp(0.5 * autoregressive(rng, rows, 0.98))


def _zeros(rng: np.random.Generator, rows: int) -> Floats:
    return np.where(rng.random(rows) < 0.9, 0.0, rng.exponential(size=rows))


def _batch_job(rng: np.random.Generator, rows: int) -> Floats:
    at = np.arange(rows) % DAY
    return np.where((at > 100) & (at < 110), 80.0, 20.0) + 2 * rng.normal(size=rows)


#: Kind of metric -> maker of its values.
STREAMS: Final[dict[str, Make]] = {
    "white": lambda rng, n: rng.normal(size=n),
    "AR(1) 0.5": lambda rng, n: autoregressive(rng, n, 0.5),
    "AR(1) 0.9": lambda rng, n: autoregressive(rng, n, 0.9),
    "AR(1) 0.99": lambda rng, n: autoregressive(rng, n, 0.99),
    "random walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "daily season": lambda rng, n: 10 + 5 * np.sin(_hour(n)) + rng.normal(size=n),
    "sharp season": lambda rng, n: 50 * np.sin(_hour(n)) ** 9 + rng.normal(size=n),
    "weekly season": _weekly,
    "daily batch job": _batch_job,
    "noise by the hour": lambda rng, n: rng.normal(size=n) * (1.2 + np.sin(_hour(n))),
    "noise in clusters": _clusters,
    "log-normal": lambda rng, n: rng.lognormal(0, 1, n),
    "log-normal AR(1) 0.9": lambda rng, n: np.exp(autoregressive(rng, n, 0.9)),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "Student t, 3": lambda rng, n: rng.standard_t(3, n),
    "Student t, 5": lambda rng, n: rng.standard_t(5, n),
    "Poisson 0.3": lambda rng, n: rng.poisson(0.3, n).astype(np.float64),
    "Poisson 50": lambda rng, n: rng.poisson(50, n).astype(np.float64),
    "uniform": lambda rng, n: rng.random(n),
    "U-shaped in 0..1": lambda rng, n: rng.beta(0.5, 0.5, n),
    "quantised": lambda rng, n: np.round(2 * rng.normal(size=n)),
    "nine zeros in ten": _zeros,
    "two levels": _telegraph,
    "trend": lambda rng, n: 1e-3 * np.arange(n) + rng.normal(size=n),
}

#: Kind of raw anomaly score -> maker. What a model may hand to a likelihood.
RAW_SCORES: Final[dict[str, Make]] = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "half normal": lambda rng, n: np.abs(rng.normal(size=n)),
    "half normal AR(1) 0.9": lambda rng, n: np.abs(autoregressive(rng, n, 0.9)),
    "log-normal": lambda rng, n: rng.lognormal(0, 1, n),
    "Student t, 3": lambda rng, n: np.abs(rng.standard_t(3, n)),
    "uniform": lambda rng, n: rng.random(n),
    "fortieths, mostly 0": lambda rng, n: rng.binomial(40, 0.02, n) / 40,
    "nine zeros in ten": _zeros,
    "scale by the hour": lambda rng, n: rng.exponential(size=n) * (1.2 + np.sin(_hour(n))),
    "scale in clusters": lambda rng, n: np.abs(_clusters(rng, n)),
}
