"""Public peers with their documented defaults, each as a score per sample, scored before learnt.

A peer's own threshold is used where its documentation names one. Its package is imported when it
first scores; one that is not installed raises `ImportError` then.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.baselines import BASELINES
from tocsin.bench.judges import Score

__all__ = ["PEERS", "Peer"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY_NS: Final = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Peer:
    """A public detector."""

    name: str
    #: What must be installed; empty: nothing.
    module: str
    score: Score
    #: Scores from which it alarms, as documented; None: it says nothing about that.
    threshold: float | None = None
    #: Raised with every change of how it is called here: scores that were kept are not used then.
    revision: int = 1


def _size(model: object) -> int | None:
    """Bytes of a model's state, pickled; None where it cannot be."""
    try:
        return len(pickle.dumps(model, protocol=5))
    except (pickle.PicklingError, TypeError, AttributeError):
        return None


def _each(values: Floats, step: Callable[[float], float]) -> Floats:
    """One score a value; what is not finite or negative counts as nothing to say."""
    found = np.array([step(value) for value in values.tolist()], dtype=np.float64)
    return np.maximum(np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0), 0.0)


#: Rows in a point of the forest: the last eight values.
_SHINGLE: Final = 8


def _random_cut_forest(times: Ints, values: Floats) -> tuple[Floats, int | None]:
    options = {
        "dimensions": 1,
        "shingle_size": _SHINGLE,
        "internal_shingling": True,
        "random_seed": 0,
    }
    forest: Any = import_module("krcf").RandomCutForest(options)

    def step(value: float) -> float:
        score = float(forest.score([value])) if forest.is_output_ready() else 0.0
        forest.update([value])
        return score

    return _each(values, step), len(forest.to_msgpack())


def _river_gaussian(times: Ints, values: Floats) -> tuple[Floats, int | None]:
    scorer: Any = import_module("river.anomaly").GaussianScorer()

    def step(value: float) -> float:
        score = float(scorer.score_one(None, value))
        scorer.learn_one(None, value)
        return score

    return _each(values, step), _size(scorer)


def _river_trees(times: Ints, values: Floats) -> tuple[Floats, int | None]:
    # Values must lie in [0, 1]: its documentation scales them so.
    scaler: Any = import_module("river.preprocessing").MinMaxScaler()
    trees: Any = import_module("river.anomaly").HalfSpaceTrees(seed=0)

    def step(value: float) -> float:
        scaler.learn_one({"x": value})
        scaled = scaler.transform_one({"x": value})
        score = float(trees.score_one(scaled))
        trees.learn_one(scaled)
        return score

    return _each(values, step), _size((scaler, trees))


def _river_predictive(times: Ints, values: Floats) -> tuple[Floats, int | None]:
    # The forecaster, threshold and warm-up of its documentation's example.
    linear, optim = import_module("river.linear_model"), import_module("river.optim")
    scaler: Any = import_module("river.preprocessing").StandardScaler()
    regressor = scaler | linear.LinearRegression(optimizer=optim.SGD(0.005))
    period = 12
    forecaster = import_module("river.time_series").SNARIMAX(
        p=period, d=1, q=period, m=period, sd=1, regressor=regressor
    )
    detector: Any = import_module("river.anomaly").PredictiveAnomalyDetection(
        forecaster, horizon=1, n_std=3.5, warmup_period=15
    )

    def step(value: float) -> float:
        try:
            score = float(detector.score_one(None, value))
            detector.learn_one(None, value)
        except (OverflowError, ValueError, ZeroDivisionError):  # its regression diverges
            return 0.0
        return score

    with np.errstate(all="ignore"):
        return _each(values, step), _size(detector)


#: NAB's probation, as its documentation has it.
_PROBATION: Final = 750


def _knn_cad(times: Ints, values: Floats) -> tuple[Floats, int | None]:
    detector: Any = import_module("pysad.models").KNNCAD(_PROBATION)

    def step(value: float) -> float:
        try:
            return float(detector.fit_score_partial(np.array([value])))
        except np.linalg.LinAlgError:  # what it remembers does not span its space: mostly constant
            return 0.0

    return _each(values, step), _size(detector)


def _wald(times: Ints, values: Floats) -> tuple[Floats, int | None]:
    detector: Any = import_module("timemachines").wald()
    state: Any = None

    def step(value: float) -> float:
        nonlocal state
        _, state = detector(value, state)
        chance = state["pvalue"]
        return 0.0 if chance is None else -float(np.log10(max(chance, 1e-300)))

    return _each(values, step), _size(state)


#: History that it is fitted on first, which it does not score: as much as NAB gives.
_FITTED_SHARE: Final = 0.15


def _tsanomaly(times: Ints, values: Floats) -> tuple[Floats, int | None]:
    pandas, package = import_module("pandas"), import_module("tsanomaly")
    detector: Any = package.Detector.auto()
    whole = pandas.DataFrame(
        {"metric": "m", "timestamp": pandas.to_datetime(times, utc=True), "value": values}
    )
    fitted = max(8, min(_PROBATION, int(_FITTED_SHARE * len(values))))
    detector.fit(whole.iloc[:fitted])
    told = detector.detect(whole.iloc[fitted:], collect_envelopes=True).envelopes or {}
    score = np.zeros(len(values))
    for row in (one for rows in told.values() for one in rows):
        # How far outside, in its own standard deviations: its final scores come after an event.
        score[np.searchsorted(times, row["ts"])] = abs(row["z"])
    return _finite(score), _size(detector._runtimes)


def _finite(score: Floats) -> Floats:
    return np.nan_to_num(score, nan=0.0, posinf=0.0)


def seasonal_naive(times: Ints, values: Floats) -> tuple[Floats, int | None]:
    """|x - the newest value that is at least a day old| over the mean of such differences so far.

    0 for the first day and ten rows. Its state: a day of samples.
    """
    before = np.searchsorted(times, times - _DAY_NS, side="right") - 1
    known = before >= 0
    step = np.where(known, np.abs(values - values[np.maximum(before, 0)]), 0.0)
    count = np.maximum(np.cumsum(known) - 1, 0)
    mean = np.concatenate([[0.0], np.cumsum(step)[:-1]]) / np.maximum(count, 1)
    score = np.divide(step, mean, out=np.zeros_like(step), where=(mean > 0) & (count >= 10))
    within = np.arange(len(times)) - before
    return score, 16 * int(within[known].max(initial=0))


#: Values that a trivial baseline has to remember of so many rows, 8 bytes each.
_REMEMBERED: Final[dict[str, Callable[[int], int]]] = {
    "rolling z-score": lambda rows: min(rows, 288),
    "value novelty": lambda rows: rows,
    "last difference": lambda rows: 3,
}


def _baseline(name: str) -> Score:
    """A trivial baseline with the bytes that it would need."""
    return lambda times, values: (BASELINES[name](values), 8 * _REMEMBERED[name](len(values)))


#: Name -> peer; the trivial ones last.
PEERS: Final[dict[str, Peer]] = {
    peer.name: peer
    for peer in (
        Peer("krcf random cut forest", "krcf", _random_cut_forest),
        Peer("River GaussianScorer", "river", _river_gaussian),
        Peer("River HalfSpaceTrees", "river", _river_trees),
        Peer("River predictive", "river", _river_predictive, 1.0),
        Peer("PySAD KNN-CAD", "pysad", _knn_cad, 0.9965),
        Peer("timemachines wald", "timemachines", _wald, 4.0),
        Peer("tsanomaly", "tsanomaly", _tsanomaly),
        *(Peer(name, "", _baseline(name), revision=2) for name in BASELINES),
        Peer("seasonal naive", "", seasonal_naive, revision=2),
    )
}
