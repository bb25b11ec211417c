"""Questions: metrics, samples, events; a page at a time, in threads beside the event loop."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, QueryParameter

from tocsin.api.models import EventOut, EventsPage, MetricOut, MetricsPage, SampleOut, SamplesPage
from tocsin.api.parts import Parts
from tocsin.errors import BadInputError
from tocsin.ingest.moments import moment_ns
from tocsin.store.queries import Row

__all__ = [
    "Cursor",
    "Limit",
    "Moment",
    "cursor_numbers",
    "list_events",
    "list_metrics",
    "list_samples",
    "metric_out",
    "moment_of",
    "show_metric",
    "stored_metric",
]

_MOST: Final = 10_000
#: The largest number that SQLite keeps.
_LARGEST: Final = 2**63 - 1

Limit = Annotated[int, QueryParameter(ge=1, le=_MOST, description="how many at most")]
Cursor = Annotated[str | None, QueryParameter(description="from the page before")]
Match = Annotated[str | None, QueryParameter(description="part of name and labels, or a pattern")]
Which = Annotated[str | None, QueryParameter(description="a uid, a name, or name{labels}")]
Order = Annotated[Literal["asc", "desc"], QueryParameter(description="oldest or newest first")]
Moment = Annotated[str | None, QueryParameter(description="epoch seconds or ISO 8601 with zone")]


@get("/metrics", sync_to_thread=True, summary="List metrics")
def list_metrics(
    state: Parts, match: Match = None, limit: Limit = 1_000, cursor: Cursor = None
) -> MetricsPage:
    """Metrics, oldest first; ``match``: part of the name and labels, or a pattern with * and ?."""
    after = cursor_numbers(cursor, 1)[0] if cursor else 0
    rows = state.reader.metrics(match, after, limit + 1)
    more = str(rows[limit - 1]["id"]) if len(rows) > limit else None
    return MetricsPage([metric_out(state, row) for row in rows[:limit]], more)


@get("/metrics/{uid:str}", sync_to_thread=True, summary="One metric")
def show_metric(state: Parts, uid: FromPath[str]) -> MetricOut:
    """One metric by its uid."""
    return metric_out(state, stored_metric(state, uid))


@get("/metrics/{uid:str}/samples", sync_to_thread=True, summary="Samples with their results")
def list_samples(
    state: Parts,
    uid: FromPath[str],
    start: Moment = None,
    end: Moment = None,
    limit: Limit = 1_000,
    cursor: Cursor = None,
    order: Order = "asc",
) -> SamplesPage:
    """Samples of a metric with start <= time < end, oldest (asc) or newest (desc) first."""
    rows = state.reader.samples(
        stored_metric(state, uid)["id"],
        start=moment_of("start", start),
        end=moment_of("end", end),
        after=cursor_numbers(cursor, 1)[0] if cursor else None,
        limit=limit + 1,
        order=order,
    )
    more = str(rows[limit - 1]["seq"]) if len(rows) > limit else None
    return SamplesPage([SampleOut.of(row) for row in rows[:limit]], more)


@get("/events", sync_to_thread=True, summary="List events")
def list_events(
    state: Parts,
    start: Moment = None,
    end: Moment = None,
    metric: Which = None,
    limit: Limit = 1_000,
    cursor: Cursor = None,
) -> EventsPage:
    """Events that touch start … end, newest first; ``metric``: a uid, a name, or name{labels}."""
    before = cursor_numbers(cursor, 2) if cursor else None
    rows = state.reader.events(
        metrics=state.reader.metric_ids(metric) if metric else None,
        start=moment_of("start", start),
        end=moment_of("end", end),
        before=(before[0], before[1]) if before else None,
        limit=limit + 1,
    )
    last = rows[limit - 1] if len(rows) > limit else None
    more = f"{last['start']}.{last['id']}" if last else None
    return EventsPage([EventOut.of(row) for row in rows[:limit]], more)


def metric_out(state: Parts, row: Row) -> MetricOut:
    """What is told of a metric, from its row."""
    engine, metric = state.engine, row["id"]
    return MetricOut.of(row, engine.readiness(metric), engine.kind(metric))


def stored_metric(state: Parts, uid: str) -> Row:
    """A metric's row. Errors: `NotFoundException`."""
    row = state.reader.metric(uid)
    if row is None:
        raise NotFoundException(f"no metric has the uid {uid[:40]!r}")
    return row


def moment_of(name: str, given: str | None) -> int | None:
    """A time in nanoseconds from the parameter ``name``. Errors: `BadInputError`."""
    if given is None:
        return None
    try:
        return moment_ns(given)
    except BadInputError as error:
        raise BadInputError(f"{name}: {error}") from error


def cursor_numbers(cursor: str, count: int) -> list[int]:
    """The ``count`` numbers that a cursor is made of. Errors: `BadInputError`."""
    parts = cursor.split(".")
    if len(parts) != count or not all(part.isascii() and part.isdigit() for part in parts):
        raise BadInputError("cursor: give back what the page before said")
    numbers = [int(part[:20]) for part in parts]
    if max(numbers) > _LARGEST:
        raise BadInputError("cursor: give back what the page before said")
    return numbers
