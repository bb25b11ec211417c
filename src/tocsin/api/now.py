"""``GET /api/v1/now`` and ``/heard``: the state of the fleet, what is most unusual, who sends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
import numpy as np
from litestar import get
from litestar.params import QueryParameter
from numpy.typing import NDArray

from tocsin.api.models import EventOut
from tocsin.api.parts import Parts
from tocsin.api.sparks import MetricRef, SparkOut, courses_of, ref_of
from tocsin.engine import ranking
from tocsin.engine.lifecycle import Status
from tocsin.samples import SECOND_NS, iso
from tocsin.store.courses import Course

__all__ = ["Overview", "list_heard", "show_now"]

#: An answer stays good for so long (seconds), and for how many lengths of the list one is kept.
_FRESH_S: Final = 0.5
_ANSWERS: Final = 4
#: Samples of a small chart.
_SPARK: Final = 120
#: How many metrics that lag behind are looked at.
_BEHIND: Final = 64

Some = Annotated[int, QueryParameter(ge=0, le=100, description="how many unusual metrics at most")]
Many = Annotated[int, QueryParameter(ge=1, le=1_000, description="how many at most")]


class ErrorsOut(msgspec.Struct):
    """Metrics in error, by reason."""

    reason: str
    count: int


class RefusedOut(msgspec.Struct):
    """Samples refused since the start, by protocol and reason."""

    protocol: str
    reason: str
    count: int


class FleetOut(msgspec.Struct):
    """All metrics in one line."""

    metrics: int
    by_status: dict[str, int]
    #: Stored in the last minute.
    samples_per_s: float
    #: For how long the oldest sample that is not scored yet has been waiting; of metrics that are
    #: scored behind the commit: by how much time their scores are behind their samples.
    lag_s: float
    warming_up: int
    errors: list[ErrorsOut]
    refused: list[RefusedOut]


class UnusualOut(msgspec.Struct):
    """A metric by the anomaly score of its last sample."""

    metric: MetricRef
    score: float
    at: str
    #: Of a counter its rate per second.
    value: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    #: The event that is open.
    event: EventOut | None
    spark: SparkOut


class NowOut(msgspec.Struct):
    """What is going on at this moment."""

    fleet: FleetOut
    unusual: list[UnusualOut]


class SenderOut(msgspec.Struct):
    """Who sends: over which protocol and from where ("": it is this process itself)."""

    protocol: str
    source: str
    #: When it was last heard.
    last: str
    #: How many of its samples were stored since the service was started.
    samples: int


class HeardOut(msgspec.Struct):
    """Senders, the one that was heard last first."""

    senders: list[SenderOut]


class Overview:
    """Answers of `show_now`, made once for all who ask within half a second. Any threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[int, tuple[float, NowOut]] = {}

    def get(self, state: Parts, limit: int) -> NowOut:
        """The newest answer. Errors: `StoreError`."""
        with self._lock:
            at, known = self._made.get(limit, (0.0, None))
            if known is None or self._clock() - at > _FRESH_S:
                known = NowOut(_fleet(state), _unusual(state, limit))
                self._made[limit] = (self._clock(), known)
                if len(self._made) > _ANSWERS:
                    del self._made[next(iter(self._made))]
            return known


@get("/now", sync_to_thread=True, summary="What is going on")
def show_now(state: Parts, limit: Some = 24) -> NowOut:
    """The state of the fleet, and the metrics whose last samples are most unusual.

    Those whose last sample is older than an hour come after the others, and those older than a day
    after these. An answer may be half a second old.
    """
    return state.overview.get(state, limit)


@get("/heard", sync_to_thread=False, summary="Who sends")
def list_heard(state: Parts, limit: Many = 100) -> HeardOut:
    """Senders that were answered since the start, the one that was heard last first."""
    newest = state.engine.heard.newest(limit)
    return HeardOut([SenderOut(s.protocol, s.source, iso(s.last), s.samples) for s in newest])


def _fleet(state: Parts) -> FleetOut:
    registry, telemetry = state.engine.registry, state.engine.telemetry
    by_status = registry.by_status()
    return FleetOut(
        metrics=registry.live,
        by_status=by_status,
        samples_per_s=round(telemetry.pace.per_second(), 3),
        lag_s=round(max(state.engine.waits_s(), _behind_s(state)), 3),
        warming_up=by_status.get(Status.WARMING_UP.value, 0),
        errors=[ErrorsOut(*told) for told in registry.errors().items()],
        refused=[RefusedOut(*told) for told in telemetry.refusals()],
    )


def _behind_s(state: Parts) -> float:
    """By how many seconds scores are behind the samples, of the metrics where it is the most."""
    position = state.engine.registry.position
    rows = np.flatnonzero(position["seq"] != position["scored_seq"])
    some = position[rows]
    some = some[some["learns"]]
    if not len(some):
        return 0.0
    some = some[ranking.most((some["seq"] - some["scored_seq"]).astype(np.float64), _BEHIND)]
    next_ones = list(zip(some["id"].tolist(), (some["scored_seq"] + 1).tolist(), strict=True))
    known = state.courses.times_of(next_ones)
    last = dict(zip(next_ones, some["timestamp"].tolist(), strict=True))
    return max((last[key] - time for key, time in known.items()), default=0) / SECOND_NS


def _unusual(state: Parts, limit: int) -> list[UnusualOut]:
    position = state.engine.registry.position
    rows = np.flatnonzero(ranking.chosen(position) & ~np.isnan(position["score"]))
    keys = ranking.by_score(position, rows, time.time_ns())
    first = rows[ranking.most(keys, limit)].tolist()
    events = _open_events(state, first)
    courses = courses_of(state, first, _SPARK)
    return [
        _one(state, row, course, events.get(row))
        for row, course in zip(first, courses, strict=True)
        if len(course)
    ]


def _open_events(state: Parts, rows: list[int]) -> dict[int, EventOut]:
    """The open event of each row that has one."""
    known = {row: state.engine.scoring.events.open_of(row) for row in rows}
    ids = [event for event in known.values() if event is not None]
    stored = state.courses.events(ids) if ids else {}
    return {
        row: EventOut.of(stored[event])
        for row, event in known.items()
        if event is not None and event in stored
    }


def _one(state: Parts, row: int, course: Course, event: EventOut | None) -> UnusualOut:
    # What is stored, and not what the registry knows: it is one sample with its result.
    scored = np.flatnonzero(~np.isnan(course.score))
    last = int(scored[-1]) if len(scored) else len(course) - 1

    def told(column: NDArray[np.float64]) -> float | None:
        return None if np.isnan(column[last]) else float(column[last])

    return UnusualOut(
        metric=ref_of(state, row),
        score=told(course.score) or 0.0,
        at=iso(int(course.timestamp[last])),
        value=told(course.value),
        expected=told(course.expected),
        lower=told(course.lower),
        upper=told(course.upper),
        event=event,
        spark=SparkOut.of(course),
    )
