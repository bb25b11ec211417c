"""``GET /api/v1/groups``: hosts and services by how anomalous they were."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tocsin.alert.groups import Rank
from tocsin.api.parts import Parts
from tocsin.engine import ranking
from tocsin.store.incidents import IncidentReader

__all__ = ["list_groups"]

Ranked = Annotated[
    Rank, QueryParameter(description="by the sum over an hour, a day, a week, or the worst moment")
]
Some = Annotated[int, QueryParameter(ge=1, le=1_000, description="how many at most")]


class GroupOut(msgspec.Struct):
    """What metrics share ("host=web-1"), and how anomalous they were (decades; see docs)."""

    group: str
    hour: float
    day: float
    week: float
    best: float
    #: How many metrics it has.
    metrics: int
    #: Incidents of this name that are not resolved.
    open_incidents: int


class GroupsOut(msgspec.Struct):
    """Groups, the most anomalous first."""

    groups: list[GroupOut]


@get("/groups", sync_to_thread=True, summary="Hosts and services, the most anomalous first")
def list_groups(state: Parts, rank: Ranked = "hour", limit: Some = 100) -> GroupsOut:
    """Groups of metrics that had an event within a week, or have an incident that is open."""
    incidents = IncidentReader(state.engine.database).unresolved_by_group()
    live = ranking.chosen(state.engine.registry.position)
    groups = state.groups.ranked(live, incidents)
    groups.sort(key=lambda one: (-getattr(one, rank), -one.best, one.name))
    return GroupsOut(
        [
            GroupOut(
                group=one.name,
                hour=round(one.hour, 3),
                day=round(one.day, 3),
                week=round(one.week, 3),
                best=round(one.best, 3),
                metrics=one.metrics,
                open_incidents=incidents.get(one.name, 0),
            )
            for one in groups[:limit]
        ]
    )
