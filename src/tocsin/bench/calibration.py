"""Stated against observed false-alarm rates on quiet streams: is one in 10,000 that rare."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.streams import DAY, RAW_SCORES, STREAMS, Make
from tocsin.detect.fleet import Fleet
from tocsin.detect.likelihood.online import OnlineLikelihood
from tocsin.detect.likelihood.sliding import SlidingGaussian
from tocsin.detect.settings import Settings

__all__ = ["ALPHAS", "JUDGED", "SHIFTS", "Calibration", "Power", "run_calibration", "run_power"]

Floats = NDArray[np.float64]
#: Values or raw scores -> a p-value per row, not-a-number where there is none.
Judge = Callable[[Floats], Floats]

#: Stated rates.
ALPHAS: Final = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
#: Rows at the start of a stream that are not counted: everything is new then.
_SETTLING: Final = 1000
_INTERVAL_NS: Final = 86_400 * 1_000_000_000 // DAY
#: A likelihood of 1 - 1e-5 in floating point is a little off: count it as reached.
_ROUNDING: Final = 1.0 + 1e-6
#: Fewer expected alarms than this say nothing about a factor.
_FEWEST: Final = 10.0


#: Shifts that `run_power` makes, in standard deviations of the stream.
SHIFTS: Final = (2.0, 4.0, 8.0, 16.0)
#: A shift comes at this row, and is found if p < `POWER_ALPHA` within `_WITHIN` rows of it.
_SHIFT_AT: Final = 5000
_WITHIN: Final = 50
POWER_ALPHA: Final = 1e-4
#: Kinds of stream, and of raw score, that are shifted.
_SHIFTED: Final = (
    "white",
    "AR(1) 0.9",
    "daily season",
    "log-normal",
    "exponential",
    "half normal",
    "half normal AR(1) 0.9",
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One judge on one kind of stream."""

    judge: str
    kind: str
    #: Rows counted, over all seeds.
    rows: int
    #: Observed rate over stated rate, for each of `ALPHAS`.
    ratios: tuple[float, ...]
    us_per_sample: float

    @property
    def worst(self) -> float:
        """The largest factor by which an observed rate misses its stated one, either way.

        Rates with too few expected alarms to tell are left out.
        """
        factors = [
            max(ratio, 1.0 / max(ratio, 1e-3))
            for alpha, ratio in zip(ALPHAS, self.ratios, strict=True)
            if alpha * self.rows >= _FEWEST
        ]
        return max(factors, default=1.0)

    @property
    def loudest(self) -> float:
        """The largest of observed over stated: more false alarms than promised."""
        return max(
            (r for a, r in zip(ALPHAS, self.ratios, strict=True) if a * self.rows >= _FEWEST),
            default=1.0,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "worst": self.worst, "loudest": self.loudest}


def _default_model(values: Floats) -> Floats:
    times = np.arange(len(values), dtype=np.int64) * _INTERVAL_NS
    scored = Fleet(Settings(), 1).update(np.zeros(len(values), dtype=np.int64), times, values)
    return np.asarray(1.0 - scored["likelihood"])


def _ours(raw: Floats) -> Floats:
    return OnlineLikelihood(window=1).p_values(raw)


def _ours_of_mean(raw: Floats) -> Floats:
    return OnlineLikelihood().p_values(raw)


def _gaussian(raw: Floats) -> Floats:
    # The flat-line rule needs values; the raw scores' own stand in for them.
    return np.asarray(1.0 - SlidingGaussian().update(raw, raw))


def _river(values: Floats) -> Floats:
    scorer: Any = import_module("river.anomaly").GaussianScorer(grace_period=100)
    chances = np.full(len(values), np.nan)
    for row, value in enumerate(values.tolist()):
        if row > _SETTLING:
            # Its score is the two-sided cumulative probability.
            chances[row] = 1.0 - scorer.score_one(None, value)
        scorer.learn_one(None, value)
    return chances


#: Name -> (streams it judges, judge). The last is a public peer, and needs River.
JUDGED: Final[dict[str, tuple[dict[str, Make], Judge]]] = {
    "tocsin": (STREAMS, _default_model),
    "likelihood": (RAW_SCORES, _ours),
    "likelihood of 8-row mean": (RAW_SCORES, _ours_of_mean),
    "gaussian": (RAW_SCORES, _gaussian),
    "River GaussianScorer": (STREAMS, _river),
}


def run_calibration(
    judge: str, samples: int, seeds: int, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Calibration]:
    """One `Calibration` per kind of stream. Cost: kinds x seeds x samples x the judge's."""
    streams, chance = JUDGED[judge]
    for kind, make in streams.items():
        progress(f"{judge}: {kind}")
        counts, rows, spent = np.zeros(len(ALPHAS)), 0, 0.0
        for seed in range(seeds):
            stream = make(np.random.default_rng([seed, len(kind)]), samples)
            begin = time.perf_counter()
            chances = chance(stream)[_SETTLING:]
            spent += time.perf_counter() - begin
            known = chances[~np.isnan(chances)]
            counts += [np.count_nonzero(known <= alpha * _ROUNDING) for alpha in ALPHAS]
            rows += len(known)
        ratios = tuple((counts / rows / ALPHAS).tolist())
        yield Calibration(judge, kind, rows, ratios, spent / (samples * seeds) * 1e6)


@dataclass(frozen=True, slots=True)
class Power:
    """How surely and how fast one judge finds a lasting shift of one kind of stream."""

    judge: str
    kind: str
    #: Share of shifts found, for each of `SHIFTS`.
    found: tuple[float, ...]
    #: Median rows from the shift to the first alarm, of those found (None: none found).
    delay: tuple[float | None, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def run_power(
    judge: str, seeds: int, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Power]:
    """One `Power` per kind of stream that can be shifted. Cost: kinds x sizes x seeds x 5050."""
    streams, chance = JUDGED[judge]
    for kind in _SHIFTED:
        if kind not in streams:
            continue
        progress(f"{judge}: shifts of {kind}")
        delays = [_delays(streams[kind], chance, size, seeds) for size in SHIFTS]
        yield Power(
            judge,
            kind,
            tuple(len(known) / seeds for known in delays),
            tuple(float(np.median(known)) if known else None for known in delays),
        )


def _delays(make: Make, chance: Judge, size: float, seeds: int) -> list[int]:
    found = []
    for seed in range(seeds):
        stream = make(np.random.default_rng(seed), _SHIFT_AT + _WITHIN)
        stream[_SHIFT_AT:] += size * stream[:_SHIFT_AT].std()
        alarms = np.flatnonzero(chance(stream)[_SHIFT_AT:] < POWER_ALPHA)
        if len(alarms):
            found.append(int(alarms[0]))
    return found
