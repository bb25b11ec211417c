"""Stored samples, scored again by the code that scores live: what would have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet
from tocsin.detect.marks import Course
from tocsin.detect.result import NUMBERS, RESULT
from tocsin.detect.settings import Settings
from tocsin.engine.apart import Apart
from tocsin.store.queries import Reader

__all__ = ["DAY_NS", "History", "course_of", "scored_again"]

Flags = NDArray[np.bool_]

DAY_NS: Final = 86_400 * 1_000_000_000
#: How long a model learns again before what it would have told counts: so long, or all that there
#: is where that is no more than so many samples, which gives what was told live.
_WARM_UP_NS: Final = 14 * DAY_NS
_WHOLE: Final = 50_000
#: The most samples that are scored again: with a quick model, with a slow one.
_SAMPLES: Final = 200_000
_SLOW_SAMPLES: Final = 20_000


class History:
    """What is stored of metrics. Any thread; every method: errors `StoreError`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def stored(self, metric: int, since: int, *, slow: bool = False) -> Course:
        """A metric's newest samples from ``since`` on with their results, and the warm-up before.

        At most 200,000, of a slow model 20,000; up to 50,000 (20,000) however old they are.
        """
        most, whole = (_SLOW_SAMPLES,) * 2 if slow else (_SAMPLES, _WHOLE)
        newest = self._newest(metric, None, whole)
        if len(newest) == whole < most and newest[-1]["timestamp"] > since - _WARM_UP_NS:
            newest = self._newest(metric, since - _WARM_UP_NS, most)
        return course_of(newest[::-1])

    def _newest(self, metric: int, start: int | None, limit: int) -> Sequence[Mapping[Any, Any]]:
        return self._reader.samples(
            metric, start=start, end=None, after=None, limit=limit, order="desc"
        )

    def stretch(self, metric: int, end: int) -> Course:
        """A metric's stored samples up to a time, and some before it."""
        newest = self._reader.samples(
            metric, start=None, end=end + 1, after=None, limit=_SAMPLES // 10, order="desc"
        )
        return course_of(newest[::-1])


def scored_again(course: Course, settings: Settings, held: Flags | None = None) -> Course:
    """The same samples with the results that these settings give; nothing is learnt elsewhere.

    ``held``: those that are not to be learnt.
    """
    rows = np.zeros(len(course.seq), dtype=np.int64)
    fleet = Fleet(settings, 1)
    if held is None:
        scored = fleet.update(rows, course.timestamps, course.values)
    else:
        scored = Apart(fleet).update(rows, course.timestamps, course.values, held)
    return replace(course, scored=scored)


def course_of(rows: Sequence[Mapping[Any, Any]]) -> Course:
    """Rows of `sample` that have a result, as columns."""
    known = [row for row in rows if row["event"] is not None and row["event"] >= 0]
    scored = np.zeros(len(known), dtype=RESULT)
    for name in NUMBERS:
        scored[name] = [np.nan if row[name] is None else row[name] for row in known]
    scored["event"] = [row["event"] for row in known]
    return Course(
        np.array([row["seq"] for row in known], dtype=np.int64),
        np.array([row["timestamp"] for row in known], dtype=np.int64),
        np.array([row["value"] for row in known], dtype=np.float64),
        scored,
    )
