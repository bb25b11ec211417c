"""How a metric stood since when."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from tocsin.api.parts import Parts
from tocsin.api.query import stored_metric
from tocsin.samples import iso

__all__ = ["list_statuses"]

#: How many are kept of a metric.
_MOST: Final = 100

Some = Annotated[int, QueryParameter(ge=1, le=_MOST, description="how many at most")]


class StatusOut(msgspec.Struct):
    """A status that a metric had from then on, and why (a code, and words)."""

    at: str
    status: str
    reason: str | None
    detail: str | None


class StatusesOut(msgspec.Struct):
    """Statuses, newest first."""

    statuses: list[StatusOut]


@get("/metrics/{uid:str}/statuses", sync_to_thread=True, summary="How a metric stood since when")
def list_statuses(state: Parts, uid: FromPath[str], limit: Some = _MOST) -> StatusesOut:
    """The last hundred changes of a metric's status, newest first."""
    rows = state.reader.statuses(stored_metric(state, uid)["id"], _MOST)
    told: list[StatusOut] = []
    for row in rows:
        one = StatusOut(iso(row["at"]), row["status"], row["reason"], row["detail"])
        if told and (one.status, one.reason, one.detail) == (
            told[-1].status,
            told[-1].reason,
            told[-1].detail,
        ):
            told[-1] = one  # nothing had changed since
        else:
            told.append(one)
    return StatusesOut(told[:limit])
