"""The default model: several cheap views of a sample, their evidence added up.

Each view gives a score in the metric's own units; the `pareto` likelihood turns it into the
evidence -log10 p, "one in 10^evidence". The views' evidence is added up, by weight. They are
dependent and the sum is no p-value; the metric's own likelihood makes it one.

========  ==================================================================  ======
view      score                                                               weight
========  ==================================================================  ======
value     distance of the value from all values seen (`novelty`), which a     1.25
          slow drift takes along (`drift`)
level     how far the last values lie from where the metric is (`level`)        1.5
forecast  distance from the expected value (`forecast`)                       0.2
shape     distance of the last 8 values from all such seen (`shape`)          0.75
========  ==================================================================  ======

How rare a novel value is does not say how far out it lies: its distance d relative to the range
seen so far adds 2 log10(1 + 100 d / range), its reach.

A rare deviation may be a small one. The evidence counts in full where the deviation is large in any
of three ways: the course of the last values is six times further from its neighbours (`neighbours`)
than is usual (`usual`), or the forecast error 300 times the usual one, or the reach large; else in
proportion to the logarithm of its size, and by 0.2 at least. This is a size, not a chance: what
happens often may be large too.

What the same time of day has seen on most of the last days (`daily`), or any time of day where all
are alike, is a habit: there the distances and the forecast error count for little, so that neither
a nightly job nor a slow drift alarms for ever. A usual value in an unusual course still counts.

A metric that stands still (`habit`), does not come, or stays away from its level to one side
(`stay`) for longer than it ever did breaks its habit, whatever the sum.

An anomaly that lasts is more than its samples: `with_recent` adds the running mean of recent
evidence to a sample that has evidence of its own. An ordinary sample's score stays small whatever
came before it.

Cost: O(1); with likelihood and alarm about 3 microseconds per sample (``tocsin bench nab``
prints it). State: one `VIEWS` record.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.likelihood.pareto import PARETO, Law, add, law_of, survival, survival_by
from tocsin.detect.models.views.daily import DAILY, outside, turn_to
from tocsin.detect.models.views.daily import follow as follow_daily
from tocsin.detect.models.views.drift import DRIFT
from tocsin.detect.models.views.drift import follow as follow_drift
from tocsin.detect.models.views.drift import turn_to as turn_drift_to
from tocsin.detect.models.views.forecast import FORECAST, expect, follow
from tocsin.detect.models.views.habit import HABIT, stands_still
from tocsin.detect.models.views.habit import follow as follow_habit
from tocsin.detect.models.views.level import LEVEL, away_from, displaced
from tocsin.detect.models.views.level import follow as follow_level
from tocsin.detect.models.views.level import turn_to as turn_level_to
from tocsin.detect.models.views.neighbours import NEIGHBOURS, coordinate
from tocsin.detect.models.views.neighbours import distance as distance_of_course
from tocsin.detect.models.views.neighbours import follow as follow_course
from tocsin.detect.models.views.neighbours import look_back as look_back_at_courses
from tocsin.detect.models.views.novelty import NOVELTY, distance, see
from tocsin.detect.models.views.shape import SHAPE, apart, look_back
from tocsin.detect.models.views.shape import follow as follow_shape
from tocsin.detect.models.views.stay import STAY, stays
from tocsin.detect.models.views.stay import follow as follow_stay
from tocsin.detect.models.views.usual import USUAL, times
from tocsin.detect.models.views.usual import follow as follow_usual
from tocsin.detect.models.views.usual import size as usual_size
from tocsin.detect.result import VIEW_NAMES

__all__ = [
    "NAMES",
    "VIEWS",
    "beyond",
    "expectation",
    "laws",
    "learn",
    "reaches",
    "score",
    "standstill",
    "stays_away",
    "with_recent",
    "without_recent",
]

#: The views, in the order in which `score` tells what each of them found; habits come last, and are
#: told by the step.
NAMES: Final = VIEW_NAMES

_VALUE_WEIGHT: Final = 1.25
_LEVEL_WEIGHT: Final = 1.5
_FORECAST_WEIGHT: Final = 0.2
_SHAPE_WEIGHT: Final = 0.75
#: The level's evidence counts beyond this, in full from so many usual distances and samples on.
_LEVEL_FROM: Final = 1.5
_LEVEL_CHANCE: Final = 10.0**-_LEVEL_FROM
_FULL_LEVEL: Final = 2.5
_LEVEL_SAMPLES: Final = 500.0
#: What a new value's distance adds, and the share of the range from which it counts.
_VALUE_REACH: Final = 2.0
_REACH: Final = 100.0
#: Evidence counts in full from so many powers of ten of the usual distance between courses, of the
#: usual forecast error, or of reach; and this share of it in any case.
_FULL_COURSE: Final = 0.8
_FULL_FORECAST: Final = 2.5
_FULL_DISTANCE: Final = 3.0
_LEAST_EFFECT: Final = 0.2
#: How much of a view's evidence counts where the value is as usual at this time of day.
_HABITUAL_VALUE: Final = 0.2
_HABITUAL_FORECAST: Final = 0.2
#: What recent evidence adds, how fast it fades per sample, and how much of one sample counts.
_RECENT_WEIGHT: Final = 2.0
_RECENT_RATE: Final = 0.2
_LARGEST_RECENT: Final = 5.0
#: Powers of ten in one of two: the logarithm to base two is the quicker one.
_DECADES: Final = math.log10(2.0)
#: Sums that are rounded in another order are the same but for this.
_SURELY: Final = 1.0 - 1e-9
#: Scores of a view before its evidence counts.
_VIEW_READY: Final = 30.0

#: ``now``: each view's score of the sample being scored, and the chance of one that large.
VIEWS: Final = np.dtype(
    [
        ("seen", "i8"),
        ("evidence", "f8"),  # of the sample being scored
        ("lasting", "f8"),  # running mean of the evidence
        ("now", [(name, "f8", (2,)) for name in ("value", "level", "forecast", "shape", "course")]),
        ("away", "f8"),  # from the level, of the sample being scored
        ("lowest", "f8"),
        ("highest", "f8"),
        ("drift", DRIFT),
        ("values", NOVELTY),
        ("level", LEVEL),
        ("forecast", FORECAST),
        ("shape", SHAPE),
        ("still", HABIT),
        ("stay", STAY),
        ("daily", DAILY),
        ("neighbours", NEIGHBOURS),
        ("usual_course", USUAL),
        ("usual_error", USUAL),
        ("value_tail", PARETO),
        ("level_tail", PARETO),
        ("forecast_tail", PARETO),
        ("shape_tail", PARETO),
    ],
    align=True,
)


@kernel
def _evidence(tail: Any, chance: float) -> float:
    """-log10 of a chance; 0 until the view is ready."""
    if tail.weight < _VIEW_READY or chance >= 1.0:
        return 0.0
    return -_DECADES * math.log2(max(chance, 1e-300))


@kernel
def _reach(row: Any, away: float) -> float:
    """Evidence from how far out a value is, relative to the range seen so far."""
    if away <= 0.0 or row.value_tail.weight < _VIEW_READY:
        return 0.0
    reach = row.values.high[row.values.spans - 1] - row.values.low[0]
    share = away / reach if reach > away * 1e-6 else 1e6
    return _DECADES * math.log2(1.0 + _REACH * share)


@kernel
def expectation(row: Any, civil: int) -> float:
    """The value expected at this civil time (ns), which is the next sample's.

    Not-a-number before the first sample.
    """
    turn_to(row.daily, civil)
    turn_level_to(row.level, civil)
    turn_drift_to(row.drift, civil, usual_size(row.level.usual))
    return expect(row.forecast, civil)


@kernel
def _scores(row: Any, value: float, expected: float) -> tuple[float, float, float, float, float]:
    """Each view's score: value, level, forecast, shape, course."""
    away = distance(row.values, value - row.drift.moved)
    shift = displaced(row.level, row.away)
    course = distance_of_course(row.neighbours, value)
    return away, shift, abs(value - expected), apart(row.shape, value), course


@kernel
def _chances(
    row: Any, scores: tuple[float, float, float, float, float]
) -> tuple[float, float, float, float]:
    """The chance of scores that large, view by view."""
    return (
        survival(row.value_tail, scores[0]),
        survival(row.level_tail, scores[1]),
        survival(row.forecast_tail, scores[2]),
        survival(row.shape_tail, scores[3]),
    )


@kernel
def _powers(row: Any, score: float) -> float:
    """Powers of ten by which a score passes its usual size; >= 0."""
    size = times(row, score)
    return _DECADES * math.log2(size) if size > 1.0 else 0.0


@kernel
def _effect(row: Any, error: float, course: float, reach: float) -> float:
    """The share of the evidence that counts, by how large the deviation is in any view."""
    size = max(
        _powers(row.usual_course, course) / _FULL_COURSE,
        _powers(row.usual_error, error) / _FULL_FORECAST,
        reach / _FULL_DISTANCE,
    )
    return _LEAST_EFFECT + (1.0 - _LEAST_EFFECT) * min(size, 1.0)


@kernel
def _unusual(row: Any, value: float) -> float:
    """How clearly a value is not what this time of day usually sees: 0 not at all, 1 clearly."""
    if row.neighbours.unit == 0.0:  # nothing but one value so far
        return 1.0
    here = coordinate(row.neighbours, value)
    return outside(row.daily, here, coordinate(row.neighbours, row.level.flat))


@kernel
def _level(row: Any, away: float, chance: float) -> float:
    """The level's evidence, as far as it counts."""
    if chance >= _LEVEL_CHANCE:
        return 0.0
    told = max(_evidence(row.level_tail, chance) - _LEVEL_FROM, 0.0)
    return told * min(away / _FULL_LEVEL, 1.0) * min(row.seen / _LEVEL_SAMPLES, 1.0)


@kernel
def _counts(habitual: float, unusual: float) -> float:
    """The share of a view's evidence that counts, given the share that habits leave of it."""
    return habitual + (1.0 - habitual) * unusual


@kernel
def _parts(
    row: Any,
    value: float,
    scores: tuple[float, float, float, float, float],
    chances: tuple[float, float, float, float],
) -> tuple[float, float, float, float]:
    """Each view's evidence, by weight and as far as the deviation is large; see `NAMES`."""
    reach = _reach(row, scores[0])
    share = _effect(row, scores[2], scores[4], reach)
    unusual = _unusual(row, value)
    novel = _VALUE_WEIGHT * _evidence(row.value_tail, chances[0]) + _VALUE_REACH * reach
    error = _FORECAST_WEIGHT * _evidence(row.forecast_tail, chances[2])
    return (
        share * _counts(_HABITUAL_VALUE, unusual) * novel,
        _LEVEL_WEIGHT * _level(row, scores[1], chances[1]),
        share * _counts(_HABITUAL_FORECAST, unusual) * error,
        share * _SHAPE_WEIGHT * _evidence(row.shape_tail, chances[3]),
    )


@kernel
def _sum(parts: tuple[float, float, float, float]) -> float:
    """The views' evidence, added up."""
    total = 0.0
    for part in parts:
        total += part
    return total


@kernel
def score(row: Any, value: float, expected: float, told: Any) -> float:
    """The evidence of the next sample, >= 0; `learn` must follow, before any other.

    ``told`` gets what each view brought to it, in the order of `NAMES`.
    """
    if row.seen == 0:
        return 0.0
    look_back(row.shape)
    look_back_at_courses(row.neighbours)
    row.away = away_from(row.level, row.forecast, value)
    scores = _scores(row, value, expected)
    chances = _chances(row, scores)
    now = row.now
    now.value[0], now.value[1] = scores[0], chances[0]
    now.level[0], now.level[1] = scores[1], chances[1]
    now.forecast[0], now.forecast[1] = scores[2], chances[2]
    now.shape[0], now.shape[1] = scores[3], chances[3]
    now.course[0] = scores[4]
    parts = _parts(row, value, scores, chances)
    for k in range(len(parts)):
        told[k] = parts[k]
    row.evidence = _sum(parts)
    return float(row.evidence)


@kernel
def _repeats(row: Any, value: float) -> bool:
    return bool(row.seen > 0 and value == row.forecast.last)


@kernel
def standstill(row: Any, value: float) -> bool:
    """Whether the metric has now stood still for clearly longer than it ever did."""
    return _repeats(row, value) and stands_still(row.still, row.seen)


@kernel
def stays_away(row: Any) -> bool:
    """Whether the metric has now stayed away from its level for clearly longer than it ever did."""
    return stays(row.stay, row.away, row.seen)


@kernel
def beyond(row: Any, value: float) -> float:
    """How far a value lies above all before it, or (negative) below all; 0 among them."""
    if row.seen == 0:
        return 0.0
    return max(value - row.highest, 0.0) + min(value - row.lowest, 0.0)


@kernel
def laws(row: Any) -> tuple[Law, Law, Law, Law]:
    """What `reaches` goes by, view by view."""
    return (
        law_of(row.value_tail),
        law_of(row.level_tail),
        law_of(row.forecast_tail),
        law_of(row.shape_tail),
    )


@kernel
def reaches(
    row: Any, known: tuple[Law, Law, Law, Law], value: float, expected: float, limit: float
) -> bool:
    """Whether the `score` of another value of the same sample would reach a limit; after `score`.

    ``known``: the `laws`. Most values do not, whatever share of their evidence counts: the course,
    which is only about that, is not looked at then.
    """
    if row.seen == 0:
        return limit <= 0.0
    away = distance(row.values, value - row.drift.moved)
    shift = displaced(row.level, away_from(row.level, row.forecast, value))
    error = abs(value - expected)
    shape = apart(row.shape, value)
    chances = (
        survival_by(row.value_tail, known[0], away),
        survival_by(row.level_tail, known[1], shift),
        survival_by(row.forecast_tail, known[2], error),
        survival_by(row.shape_tail, known[3], shape),
    )
    most = (
        _VALUE_WEIGHT * _evidence(row.value_tail, chances[0])
        + _VALUE_REACH * _reach(row, away)
        + _LEVEL_WEIGHT * _level(row, shift, chances[1])
        + _FORECAST_WEIGHT * _evidence(row.forecast_tail, chances[2])
        + _SHAPE_WEIGHT * _evidence(row.shape_tail, chances[3])
    )
    if most < _SURELY * limit:
        return False
    course = distance_of_course(row.neighbours, value)
    return _sum(_parts(row, value, (away, shift, error, shape, course), chances)) >= limit


@kernel
def with_recent(row: Any, evidence: float) -> float:
    """A sample's evidence and that of the ones before it, as far as it has some of its own."""
    fresh = _RECENT_RATE * min(evidence, _LARGEST_RECENT)
    before = (1.0 - _RECENT_RATE) * row.lasting * min(evidence, 1.0)
    return evidence + _RECENT_WEIGHT * (fresh + before)


@kernel
def without_recent(row: Any, total: float) -> float:
    """The evidence of a sample from which `with_recent` reaches a total: its inverse."""
    before = _RECENT_WEIGHT * (1.0 - _RECENT_RATE) * row.lasting
    fresh = _RECENT_WEIGHT * _RECENT_RATE
    least = total / (1.0 + fresh + before)
    if least <= 1.0:
        return float(least)
    rest = total - before
    return float(max(rest / (1.0 + fresh), rest - fresh * _LARGEST_RECENT))


@kernel
def learn(row: Any, civil: int, value: float) -> None:
    """Learn the value that `score` has scored."""
    now = row.now
    if row.seen > 0:
        add(row.value_tail, now.value[0], now.value[1])
        add(row.level_tail, now.level[0], now.level[1])
        add(row.forecast_tail, now.forecast[0], now.forecast[1])
        add(row.shape_tail, now.shape[0], now.shape[1])
        follow_usual(row.usual_error, now.forecast[0])
        follow_usual(row.usual_course, now.course[0])
        follow_habit(row.still, _repeats(row, value), standstill(row, value))
        row.lasting += _RECENT_RATE * (min(row.evidence, _LARGEST_RECENT) - row.lasting)
        follow_stay(row.stay, row.away, stays_away(row))
    row.lowest = min(row.lowest, value) if row.seen > 0 else value
    row.highest = max(row.highest, value) if row.seen > 0 else value
    follow_drift(row.drift, value)
    see(row.values, value - row.drift.moved)
    follow_level(row.level, row.forecast, value, row.away)
    follow(row.forecast, civil, value)
    follow_shape(row.shape, value)
    follow_course(row.neighbours, value)
    follow_daily(row.daily, coordinate(row.neighbours, value), row.seen == 0)
    row.seen += 1
