"""How well a score ranks labelled rows above the others, whatever the threshold.

Sources: Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for
Time-Series Anomaly Detection" (PVLDB 2022); the choices that the paper leaves open (250
thresholds, buffers of every width from 0, half of it on each side) are those of its authors'
package ``vus``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Volume", "auc_pr", "auc_roc", "buffer_width", "runs", "volume_under_surface"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_THRESHOLDS: Final = 250
#: The period of a series is looked for up to this lag, in at most this many rows.
_LONGEST_LAG: Final = 400
_LOOKED_AT: Final = 20_000
_SHORTEST_PERIOD: Final = 6
_LONGEST_PERIOD: Final = 303
#: The widest buffer of a series that shows no period.
_NO_PERIOD: Final = 125


@dataclass(frozen=True, slots=True)
class Volume:
    """Volumes under the precision-recall and the ROC surface, in [0, 1]."""

    pr: float
    roc: float


def runs(marked: Bools) -> Ints:
    """First and last row of every run of marked rows, as an array (runs, 2)."""
    padded = np.concatenate(([False], marked, [False])).astype(np.int8)
    step = np.diff(padded)
    return np.column_stack((np.flatnonzero(step == 1), np.flatnonzero(step == -1) - 1))


def auc_pr(score: Floats, labels: Bools) -> float:
    """Average precision: the mean over labelled rows of the precision at that row's score.

    Rows of equal score count as one step. Needs a labelled row. Cost: O(n log n).
    """
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(labels[order])
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    hits, told = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    recall = hits / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * hits / told))


def auc_roc(score: Floats, labels: Bools) -> float:
    """P(a labelled row scores higher than another), ties counting half. Cost: O(n log n).

    Needs a labelled row and one that is not.
    """
    quiet = np.sort(score[~labels])
    loud = score[labels]
    below = np.searchsorted(quiet, loud, side="left") + np.searchsorted(quiet, loud, side="right")
    return float(below.mean() / (2 * len(quiet)))


def buffer_width(values: Floats) -> int:
    """The widest buffer for a series: its period in rows, by the highest peak of its
    autocorrelation; 125 where there is none. As VUS's authors choose it. Cost: O(n log n).
    """
    head = values[:_LOOKED_AT] - values[:_LOOKED_AT].mean()
    power = np.abs(np.fft.rfft(head, 2 * len(head))) ** 2
    correlation = np.fft.irfft(power)[: min(_LONGEST_LAG, len(head) - 1) + 1]
    if not len(head) or correlation[0] <= 0.0:
        return _NO_PERIOD
    peak = (correlation[1:-1] > correlation[:-2]) & (correlation[1:-1] > correlation[2:])
    lags = np.flatnonzero(peak) + 1
    lags = lags[lags > 3]
    if not len(lags):
        return _NO_PERIOD
    period = int(lags[np.argmax(correlation[lags])])
    return period if _SHORTEST_PERIOD <= period <= _LONGEST_PERIOD else _NO_PERIOD


def volume_under_surface(score: Floats, labels: Bools, widest: int) -> Volume:
    """VUS of one score per row, with buffers around the labelled runs of 0 to ``widest`` rows.

    A buffer of w rows lies half before and half after each run, and a row in it at distance d
    from the run counts as sqrt(1 - d / w) of an anomaly. Needs a labelled row.
    Cost: O(n log n + n widest).
    """
    ranked = _Ranked(score, labels)
    areas = [ranked.areas(width) for width in range(widest + 1)]
    pr, roc = np.mean(areas, axis=0).tolist()
    return Volume(pr, roc)


class _Ranked:
    """A score, its thresholds, and the rows at or above each of them."""

    def __init__(self, score: Floats, labels: Bools) -> None:
        self._score = score
        self._order = np.argsort(-score, kind="stable")
        falling = score[self._order]
        at = np.linspace(0, len(score) - 1, _THRESHOLDS).astype(np.int64)
        self._thresholds = falling[at]
        self._told = np.searchsorted(-falling, -self._thresholds, side="right")
        self._labels = labels
        self._runs = runs(labels)
        self._hits = np.cumsum(labels[self._order])[self._told - 1]

    def areas(self, width: int) -> tuple[float, float]:
        """Areas under the precision-recall and the ROC curve for one width of the buffers."""
        worth = _buffered(self._labels, self._runs, width)
        labelled = int(np.count_nonzero(self._labels))
        found = np.cumsum(worth[self._order])[self._told - 1]
        # Labelled rows, and the mean of none and all of the buffers' rows that were told.
        positive = labelled + (found - self._hits) / 2.0
        recall = np.minimum(found / positive, 1.0) * self._share_of_runs(width)
        false = (self._told - found) / (len(self._score) - positive)
        precision = found / self._told
        return _step_area(recall, precision), _trapezoid_area(false, recall)

    def _share_of_runs(self, width: int) -> Floats:
        """The share of the buffered runs with a row at or above each threshold."""
        half = width // 2
        last = len(self._score) - 1
        merged = _merge(np.clip(self._runs + np.array([-half, half]), 0, last))
        highest = np.sort([self._score[a : b + 1].max() for a, b in merged.tolist()])
        below = np.searchsorted(highest, self._thresholds, side="left")
        return (len(merged) - below) / len(merged)


def _buffered(labels: Bools, spans: Ints, width: int) -> Floats:
    """What every row is worth as an anomaly; overlapping buffers add up, to 1 at most."""
    worth = labels.astype(np.float64)
    for first, last in spans.tolist():
        for step in range(1, width // 2 + 1):
            share = np.sqrt(1.0 - step / width)
            if first >= step:
                worth[first - step] += share
            if last + step < len(worth):
                worth[last + step] += share
    return np.minimum(worth, 1.0)


def _merge(spans: Ints) -> Ints:
    """Spans of rows in order, those that overlap or share a row made one."""
    highest = np.maximum.accumulate(spans[:, 1])
    begins = np.append(True, spans[1:, 0] > highest[:-1])
    ends = np.append(begins[1:], True)
    return np.column_stack((spans[begins, 0], highest[ends]))


def _step_area(recall: Floats, precision: Floats) -> float:
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _trapezoid_area(false: Floats, recall: Floats) -> float:
    x = np.concatenate(([0.0], false, [1.0]))
    y = np.concatenate(([0.0], recall, [1.0]))
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0))
