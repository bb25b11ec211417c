"""The classifier: from the cells that are active now to the values of the next samples.

For each step ahead a distribution over value buckets: every active cell, and every active column,
has a row of weights with one weight per bucket; the sum of the active rows, through a softmax, is
the distribution. When the value has come, the active rows of that time move towards it (a gradient
step on the log loss). Rows are shared by hashing, so the state is bounded whatever the number of
cells. Columns take part so that something is known in a context that was never seen.

Buckets divide the usual range of the values, with one more at each end for all beyond; when the
range moves far the weights move with it. Each bucket keeps the smallest, largest and mean value
that it saw, and one that saw none has no part in the distribution.

``expected`` is the mean of the middle half of the distribution; ``lower`` and ``upper`` hold a
given share of it between them.

Source of the method: the SDR classifier (A. Dillon, 2016), a softmax regression learnt online.
Cost: O(steps x active cells x buckets), about 6 microseconds a step with the default parameters.
State: `GRID` and `classifier_fields`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.detect.models.htm.encoders.hashing import mix

if TYPE_CHECKING:
    from tocsin.detect.models.htm.parameters import Htm

__all__ = ["GRID", "Classifier", "classifier_fields", "classify", "learn_value"]

#: Values learnt before anything is predicted.
_KNOWS_FROM: Final = 20
#: The buckets cover the range and this share of it beyond each end.
_BEYOND: Final = 0.15
#: They are laid out anew when the range leaves them, or is less than this share of them.
_SMALLEST_SHARE: Final = 0.4
#: Slowest rate at which a bucket's mean follows its values.
_MEAN_RATE: Final = 0.02
#: Active cells of one column that take part; more of them tell nothing.
_MOST_CELLS: Final = 2

#: The layout of the buckets: bucket 1 begins at ``low``, each is ``step`` wide; 0 and the last
#: are all below and above. ``learnt``: values; ``samples``: times that `classify` was called.
GRID: Final = np.dtype(
    [("learnt", "i8"), ("samples", "i8"), ("low", "f8"), ("step", "f8")], align=True
)


class Classifier(NamedTuple):
    """One metric's classifier: flat views of its block. Sizes follow from the lengths."""

    #: What each bucket saw: how many values, their mean, the smallest and the largest.
    seen: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    #: [step x room + i]: rows that were active at each of the last samples, a ring; and how many.
    active: NDArray[np.uint16]
    actives: NDArray[np.int32]
    #: [(step x rows + row) x buckets + bucket].
    weights: NDArray[np.float32]
    #: [step x buckets + bucket]: the distributions as last predicted.
    chances: NDArray[np.float32]
    #: [step x 3 + k]: expected, lower, upper.
    forecast: NDArray[np.float64]


def classifier_fields(htm: Htm) -> list[tuple[str, str, tuple[int, ...]]]:
    """The fields of a metric's block that `Classifier` is made of, in its order.

    All are empty when the classifier is off.
    """
    steps, buckets = htm.prediction_steps, htm.prediction_buckets
    kinds = buckets if steps else 0
    return [
        ("value_seen", "f8", (kinds,)),
        ("value_mean", "f8", (kinds,)),
        ("value_low", "f8", (kinds,)),
        ("value_high", "f8", (kinds,)),
        ("rows_active", "u2", (steps, (_MOST_CELLS + 1) * htm.active_columns + 1)),
        ("rows_actives", "i4", (steps,)),
        ("weights", "f4", (steps, htm.prediction_rows, buckets)),
        ("chances", "f4", (steps, buckets)),
        ("forecast", "f8", (steps, 3)),
    ]


@kernel
def learn_value(
    grid: Any, classifier: Classifier, value: float, low: float, high: float, rate: float
) -> None:
    """Learn the value that has come, after it was judged and before `classify`.

    ``low``, ``high``: the usual range of values; ``rate``: how far the sum of the active rows
    moves at most. Does nothing when the classifier is off.
    """
    steps = len(classifier.actives)
    if steps == 0:
        return
    if grid.learnt == 0 or not _fits(grid, len(classifier.seen), low, high):
        _lay_out(grid, classifier, low, high)
    came = _bucket_at(grid, len(classifier.seen), value)
    _see(classifier, came, value)
    for step in range(min(steps, grid.samples)):
        _learn_step(classifier, step, (grid.samples - 1 - step) % steps, came, rate)
    grid.learnt += 1


@kernel
def classify(
    grid: Any,
    classifier: Classifier,
    cells: Any,
    count: int,
    per_column: int,
    share: float,
    seed: int,
) -> None:
    """Predict the next values from the first ``count`` of ``cells``, the active ones.

    Cells of one column must follow each other; those beyond the room are left out. ``forecast``
    gets expected, lower and upper for 1, 2, … steps ahead, not-a-number before enough was seen;
    ``share`` of the distribution lies within the limits.
    """
    steps = len(classifier.actives)
    if steps == 0:
        return
    at = grid.samples % steps
    _activate(classifier, at, cells, count, per_column, seed)
    grid.samples += 1
    for step in range(steps):
        _forecast(grid, classifier, step, at, share)


@kernel
def _forecast(grid: Any, classifier: Classifier, step: int, at: int, share: float) -> None:
    """Write what is expected ``step`` + 1 samples after those rows were active."""
    out = classifier.forecast[3 * step : 3 * step + 3]
    if grid.learnt < _KNOWS_FROM + step:
        out[:] = np.nan
        return
    chances = _add_up(classifier, step, at)
    _softmax(chances, classifier.seen, False)
    expected = _middle(classifier, chances)
    out[0] = expected
    out[1] = min(_quantile(classifier, chances, 0.5 - 0.5 * share), expected)
    out[2] = max(_quantile(classifier, chances, 0.5 + 0.5 * share), expected)


@kernel
def _activate(
    classifier: Classifier, at: int, cells: Any, count: int, per_column: int, seed: int
) -> None:
    """Note the rows of the active cells and of their columns, and the bias.

    A column with many active cells was not predicted: it stands for itself only.
    """
    room = len(classifier.active) // len(classifier.actives)
    active = classifier.active[at * room : (at + 1) * room]
    bias = np.uint64(_rows(classifier) - 1)
    used = 0
    first = 0
    while first < count and used + _MOST_CELLS + 2 <= room:
        column = cells[first] // per_column
        last = first + 1
        while last < count and cells[last] // per_column == column:
            last += 1
        active[used] = mix(seed, -1 - column) % bias
        used += 1
        if last - first <= _MOST_CELLS:
            for i in range(first, last):
                active[used] = mix(seed, cells[i]) % bias
                used += 1
        first = last
    active[used] = bias
    classifier.actives[at] = used + 1


@kernel
def _rows(classifier: Classifier) -> int:
    """Rows of weights for each step."""
    return len(classifier.weights) // len(classifier.chances)


@kernel
def _active_rows(classifier: Classifier, at: int) -> Any:
    """The rows that were active at a place of the ring."""
    room = len(classifier.active) // len(classifier.actives)
    return classifier.active[at * room : at * room + classifier.actives[at]]


@kernel
def _weights_of(classifier: Classifier, step: int) -> Any:
    """The weights of one step ahead, row after row."""
    size = _rows(classifier) * len(classifier.seen)
    return classifier.weights[step * size : (step + 1) * size]


@kernel
def _add_up(classifier: Classifier, step: int, at: int) -> Any:
    """The evidence for each bucket: the sum of the rows that were active."""
    kinds = len(classifier.seen)
    sums = classifier.chances[step * kinds : (step + 1) * kinds]
    weights = _weights_of(classifier, step)
    sums[:] = 0.0
    for row in _active_rows(classifier, at):
        first = np.int64(row) * kinds
        for k in range(kinds):
            sums[k] += weights[first + k]
    return sums


@kernel
def _softmax(sums: Any, seen: Any, everything: bool) -> None:
    """Evidence to chances, in place; over all buckets or those that saw a value."""
    largest = -np.inf
    for k in range(len(sums)):
        if everything or seen[k] > 0.0:
            largest = max(largest, float(sums[k]))
    total = 0.0
    for k in range(len(sums)):
        chance = math.exp(sums[k] - largest) if everything or seen[k] > 0.0 else 0.0
        sums[k] = chance
        total += chance
    for k in range(len(sums)):
        sums[k] /= total


@kernel
def _learn_step(classifier: Classifier, step: int, at: int, came: int, rate: float) -> None:
    """Move the rows that were active towards the bucket that came; they share the move.

    Buckets that saw nothing are moved as well: what is seen there first is not expected elsewhere.
    """
    moves = _add_up(classifier, step, at)
    _softmax(moves, classifier.seen, True)
    active = _active_rows(classifier, at)
    weights = _weights_of(classifier, step)
    kinds = len(moves)
    for k in range(kinds):
        error = (1.0 if k == came else 0.0) - moves[k]
        moves[k] = rate * error / len(active)
    for row in active:
        first = np.int64(row) * kinds
        for k in range(kinds):
            weights[first + k] += moves[k]


@kernel
def _see(classifier: Classifier, k: int, value: float) -> None:
    """Let a bucket see one of its values."""
    if classifier.seen[k] == 0.0:
        classifier.mean[k] = value
        classifier.low[k] = value
        classifier.high[k] = value
    classifier.seen[k] += 1.0
    rate = max(_MEAN_RATE, 1.0 / classifier.seen[k])
    classifier.mean[k] += rate * (value - classifier.mean[k])
    classifier.low[k] = min(classifier.low[k], value)
    classifier.high[k] = max(classifier.high[k], value)


@kernel
def _quantile(classifier: Classifier, chances: Any, share: float) -> float:
    """The value below which a share of the distribution lies, taken as even within a bucket."""
    below = 0.0
    last = 0
    for k in range(len(chances)):
        if chances[k] > 0.0:
            last = k
            if below + chances[k] >= share:
                part = (share - below) / chances[k]
                return float(classifier.low[k] + part * (classifier.high[k] - classifier.low[k]))
            below += chances[k]
    return float(classifier.high[last])


@kernel
def _middle(classifier: Classifier, chances: Any) -> float:
    """The mean of the middle half of the distribution."""
    below = 0.0
    taken = 0.0
    mean = 0.0
    for k in range(len(chances)):
        inside = min(below + chances[k], 0.75) - max(below, 0.25)
        if inside > 0.0:
            taken += inside
            mean += (classifier.mean[k] - mean) * (inside / taken)
        below += chances[k]
    return mean


@kernel
def _bucket_at(grid: Any, kinds: int, value: float) -> int:
    """The number of the bucket that a value belongs to."""
    if value < grid.low:
        return 0
    if grid.step == 0.0:
        return 1 if value == grid.low else kinds - 1
    return int(1 + min((value - grid.low) / grid.step, kinds - 2.0))


@kernel
def _fits(grid: Any, kinds: int, low: float, high: float) -> bool:
    """Whether the buckets still suit the range."""
    covered = grid.step * (kinds - 2)
    if covered == 0.0:
        return low == high and low == grid.low
    inside = grid.low <= low and high - covered <= grid.low
    return inside and high - low >= _SMALLEST_SHARE * covered


@kernel
def _lay_out(grid: Any, classifier: Classifier, low: float, high: float) -> None:
    """Divide a new range into the buckets; what was learnt stays with the values."""
    kinds = len(classifier.seen)
    beyond = high * _BEYOND - low * _BEYOND
    step = (high / (kinds - 2) - low / (kinds - 2)) * (1.0 + 2.0 * _BEYOND)
    low -= beyond
    source = _sources(grid, kinds, low, step)
    grid.low = low
    grid.step = step
    _pour(grid, classifier)
    if grid.learnt > 0:
        _move_weights(classifier.weights, source)


@kernel
def _sources(grid: Any, kinds: int, low: float, step: float) -> Any:
    """For each new bucket the old one at its middle."""
    source = np.full(kinds, kinds - 1, dtype=np.int64)
    source[0] = 0
    for k in range(1, kinds - 1):
        source[k] = _bucket_at(grid, kinds, low + (k - 0.5) * step)
    return source


@kernel
def _pour(grid: Any, classifier: Classifier) -> None:
    """Give what the buckets saw to those that their means belong to now."""
    kinds = len(classifier.seen)
    count, mean = classifier.seen.copy(), classifier.mean.copy()
    low, high = classifier.low.copy(), classifier.high.copy()
    classifier.seen[:] = 0.0
    for k in range(kinds):
        if count[k] == 0.0:
            continue
        into = _bucket_at(grid, kinds, mean[k])
        if classifier.seen[into] == 0.0:
            classifier.mean[into] = mean[k]
            classifier.low[into] = low[k]
            classifier.high[into] = high[k]
        classifier.seen[into] += count[k]
        part = count[k] / classifier.seen[into]
        classifier.mean[into] += part * (mean[k] - classifier.mean[into])
        classifier.low[into] = min(classifier.low[into], low[k])
        classifier.high[into] = max(classifier.high[into], high[k])


@kernel
def _move_weights(weights: Any, source: Any) -> None:
    """Give each new bucket the largest weight of the old ones from its own to the next one's."""
    kinds = len(source)
    before = np.empty(kinds, dtype=np.float32)
    for row in range(0, len(weights), kinds):
        before[:] = weights[row : row + kinds]
        for k in range(kinds):
            largest = before[source[k]]
            for old in range(source[k] + 1, source[min(k + 1, kinds - 1)]):
                largest = max(largest, before[old])
            weights[row + k] = largest
