"""``GET /api/v1/search``: metrics by words, ranked, with small charts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
import numpy as np
from litestar import get
from litestar.params import QueryParameter
from numpy.typing import NDArray

from tocsin.api.models import ReadinessOut
from tocsin.api.parts import Parts
from tocsin.api.query import Cursor, cursor_numbers
from tocsin.api.sparks import SparkOut, courses_of, ref_of
from tocsin.engine import ranking
from tocsin.engine.index import Words, words_of
from tocsin.engine.registry import NEVER, STATUSES
from tocsin.samples import iso
from tocsin.store.courses import Course

__all__ = ["search"]

#: Samples of a small chart.
_SPARK: Final = 60
#: More metrics than this are not counted.
_COUNTED: Final = 10_000
#: How far down a list one may page.
_DEEPEST: Final = 10_000
#: How many metrics are looked at where the index alone does not decide.
_LOOKED_AT: Final = 20_000

Sort = Literal["rank", "name", "changed"]
Sought = Annotated[
    str, QueryParameter(max_length=1_000, description='words of name{key="value"}; key=value')
]
InStatus = Annotated[
    Literal["unmonitored", "warming_up", "active", "paused", "error"] | None,
    QueryParameter(description="default: all"),
]
Sorted = Annotated[
    Sort, QueryParameter(description="by anomaly score, name, or time of the last sample")
]
Some = Annotated[int, QueryParameter(ge=1, le=200, description="how many at most")]


class FoundOut(msgspec.Struct):
    """A metric, how it stands, and its last samples."""

    uid: str
    name: str
    labels: dict[str, str]
    title: str
    status: str
    reason: str | None
    readiness: ReadinessOut
    #: The anomaly score of its last sample.
    score: float | None
    #: Its last sample; of a counter its rate per second.
    value: float | None
    at: str | None
    #: Whether it has an event that is not over.
    open_event: bool
    spark: SparkOut


class SearchOut(msgspec.Struct):
    """Some metrics; ``next`` is the cursor for more, null: there are none."""

    metrics: list[FoundOut]
    #: How many there are in all; null: more than 10,000.
    total: int | None
    next: str | None


class _Page(NamedTuple):
    rows: list[int]
    total: int | None
    more: bool


@get("/search", sync_to_thread=True, summary="Search metrics")
def search(
    state: Parts,
    q: Sought = "",
    status: InStatus = None,
    sort: Sorted = "rank",
    limit: Some = 50,
    cursor: Cursor = None,
) -> SearchOut:
    """Metrics in whose `name{key="value"}` all words of ``q`` occur, upper and lower case alike.

    Sorted by rank, those whose last sample is older than an hour come after the others.
    """
    skip = min(cursor_numbers(cursor, 1)[0], _DEEPEST) if cursor else 0
    page = _page(state, words_of(q), status, sort, skip, limit)
    courses = courses_of(state, page.rows, _SPARK)
    found = [_found(state, row, course) for row, course in zip(page.rows, courses, strict=True)]
    more = page.more and skip + limit < _DEEPEST
    return SearchOut(found, page.total, str(skip + limit) if more else None)


def _page(
    state: Parts, words: Words, status: str | None, sort: Sort, skip: int, limit: int
) -> _Page:
    """The rows from ``skip`` on, and how many there are."""
    having = state.index.rows(words)
    position = state.engine.registry.position[: len(having)]
    rows = np.flatnonzero(having & ranking.chosen(position, status))
    loose = words.loose
    if not loose:
        first = _in_order(state, rows, sort, skip + limit)[skip:]
        total = len(rows) if len(rows) <= _COUNTED else None
        return _Page(first, total, len(rows) > skip + limit)
    return _decided(state, rows, loose, sort, skip, limit)


def _decided(
    state: Parts, rows: NDArray[np.int64], loose: Words, sort: Sort, skip: int, limit: int
) -> _Page:
    """The same where some words must be looked for in the names themselves."""
    metrics = state.engine.registry.metrics
    if len(rows) <= _COUNTED:
        fit = [row for row in rows.tolist() if loose.are_in(metrics[row])]
        first = _in_order(state, np.array(fit, dtype=np.int64), sort, skip + limit)[skip:]
        return _Page(first, len(fit), len(fit) > skip + limit)
    candidates = _in_order(state, rows, sort, _LOOKED_AT)
    fitting: Iterator[int] = (row for row in candidates if loose.are_in(metrics[row]))
    found = [row for row, _ in zip(fitting, range(skip + limit + 1), strict=False)]
    return _Page(found[skip : skip + limit], None, len(found) > skip + limit)


def _in_order(state: Parts, rows: NDArray[np.int64], sort: Sort, count: int) -> list[int]:
    """The first ``count`` of these rows."""
    registry = state.engine.registry
    if sort == "name":
        return state.index.by_name(rows, count)
    if sort == "rank":
        keys = ranking.by_score(registry.position, rows, time.time_ns())
    else:
        keys = ranking.by_change(registry.position, rows)
    first: list[int] = rows[ranking.most(keys, count)].tolist()
    return first


def _found(state: Parts, row: int, course: Course) -> FoundOut:
    registry = state.engine.registry
    record, ref = registry.position[row], ref_of(state, row)
    readiness = state.engine.readiness(int(record["id"]))
    last = course.value[-1] if len(course) else np.nan
    return FoundOut(
        ref.uid,
        ref.name,
        ref.labels,
        ref.title,
        STATUSES[int(record["status"])].value,
        registry.standings[row].reason,
        ReadinessOut(readiness.seen, readiness.needed),
        None if np.isnan(record["score"]) else float(record["score"]),
        None if np.isnan(last) else float(last),
        None if record["timestamp"] == NEVER else iso(int(record["timestamp"])),
        state.engine.scoring.events.open_of(row) is not None,
        SparkOut.of(course, band=False),
    )
