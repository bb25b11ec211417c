"""Level: how far the last values, taken together, lie from where the metric usually is.

Where it usually is follows slowly, either at any time alike or by the daily profile moved by what
lasts, whichever errs less. Each value's distance from it, in units of the usual distance and no
more than `_FARTHEST` of them, enters a running mean: a shift of the level that single values hardly
tell from noise fills it, a spike however high does not. The score is that mean, and no more than
the sample's own distance to the same side: a sample that is back where it belongs is none.

Cost: O(1). State: one `LEVEL` record.

Source: Roberts, "Control chart tests based on geometric moving averages" (1959), for the mean;
Huber (1964) for bounding what a single value adds.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.models.views.forecast import profile, slot_of
from tocsin.detect.models.views.usual import USUAL, times
from tocsin.detect.models.views.usual import follow as follow_usual

__all__ = ["LEVEL", "away_from", "displaced", "follow", "turn_to", "usually"]

#: What one value adds to the mean, and at most so many usual distances.
_RATE: Final = 1.0 / 24.0
_FARTHEST: Final = 4.0
#: How fast the level is followed per sample; values count no further than so many usual errors.
_LEVEL_RATE: Final = 1.0 / 300.0
_LARGEST_ERROR: Final = 4.0
_ERROR_CAP_FROM: Final = 20
#: Samples before there is a mean, and days before the profile may be the level.
_NEEDED: Final = 30
_DAYS: Final = 2

#: ``flat``: the level at any time; ``moved``: that of the distances from the daily profile, each
#: with its usual error; ``mean``: the running mean, to either side.
LEVEL: Final = np.dtype(
    [
        ("seen", "i8"),
        ("slot", "i8"),  # of the sample being scored
        ("flat", "f8"),
        ("flat_error", "f8"),
        ("moved", "f8"),
        ("moved_error", "f8"),
        ("mean", "f8"),
        ("usual", USUAL),
    ],
    align=True,
)


@kernel
def turn_to(row: Any, civil: int) -> None:
    """The next sample is of this civil time (ns)."""
    row.slot = slot_of(civil)


@kernel
def usually(row: Any, forecast: Any) -> float:
    """Where the metric usually is at this time."""
    if forecast.days[row.slot] >= _DAYS and row.moved_error < row.flat_error:
        return float(profile(forecast, row.slot) + row.moved)
    return float(row.flat)


@kernel
def away_from(row: Any, forecast: Any, value: float) -> float:
    """How far a value is from there, in usual distances, bounded; negative below."""
    distance = value - usually(row, forecast)
    bounded = min(times(row.usual, abs(distance)), _FARTHEST)
    return bounded if distance > 0.0 else -bounded


@kernel
def displaced(row: Any, away: float) -> float:
    """How far the level of the last values is, one that is so far away among them; >= 0."""
    if row.seen < _NEEDED:
        return 0.0
    mean = row.mean + _RATE * (away - row.mean)
    side = 1.0 if mean >= 0.0 else -1.0
    return float(max(min(side * mean, side * away), 0.0))


@kernel
def follow(row: Any, forecast: Any, value: float, away: float) -> None:
    """Learn a value that was so far away; before the forecast does."""
    if row.seen == 0:
        row.flat = value
    if row.seen >= _NEEDED:
        row.mean += _RATE * (away - row.mean)
    follow_usual(row.usual, abs(value - usually(row, forecast)))
    rate = max(_LEVEL_RATE, 1.0 / (row.seen + 1.0))
    capped = row.seen > _ERROR_CAP_FROM
    error, size = _bounded(value - row.flat, row.flat_error, capped)
    row.flat += rate * error
    row.flat_error += rate * (size - row.flat_error)
    if forecast.days[row.slot] > 0:
        error, size = _bounded(
            value - profile(forecast, row.slot) - row.moved, row.moved_error, capped
        )
        if row.moved_error == 0.0:
            row.moved_error = size
        row.moved += rate * error
        row.moved_error += rate * (size - row.moved_error)
    row.seen += 1


@kernel
def _bounded(error: float, usual: float, capped: bool) -> tuple[float, float]:
    """An error and its size, as far as they count."""
    if capped and usual > 0.0:
        most = _LARGEST_ERROR * usual
        error = min(max(error, -most), most)
    return error, abs(error)
