"""What came in beside the samples: refused ones, late ones, and how far senders have been taken."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, QueryParameter

from tocsin.api.models import LateOut, LatePage, RefusalOut, RefusalsOut, SourceOut
from tocsin.api.parts import Parts
from tocsin.api.query import Cursor, Limit, cursor_numbers, stored_metric
from tocsin.samples import iso

__all__ = ["list_late", "list_refusals", "show_source"]

Source = Annotated[str, QueryParameter(description="as given in Tocsin-Source")]


@get("/metrics/{uid:str}/refusals", sync_to_thread=True, summary="Refused samples by reason")
def list_refusals(state: Parts, uid: FromPath[str]) -> RefusalsOut:
    """How many samples of a metric were refused, for which reasons, and the last of each."""
    rows = state.engine.intake.refusals(stored_metric(state, uid)["id"])
    return RefusalsOut([RefusalOut.of(row) for row in rows])


@get("/metrics/{uid:str}/late", sync_to_thread=True, summary="Samples that came too late")
def list_late(
    state: Parts, uid: FromPath[str], limit: Limit = 1_000, cursor: Cursor = None
) -> LatePage:
    """Samples that came too late to be scored and were kept (``late = "store"``), oldest first."""
    after = cursor_numbers(cursor, 1)[0] if cursor else None
    metric = stored_metric(state, uid)["id"]
    rows = state.engine.intake.late(metric, after=after, limit=limit + 1)
    more = str(rows[limit - 1]["timestamp"]) if len(rows) > limit else None
    return LatePage([LateOut.of(row) for row in rows[:limit]], more)


@get(
    "/source",
    opt={"scope": ("ingest", "read")},
    sync_to_thread=True,
    summary="How far a sender has been taken",
)
def show_source(state: Parts, source: Source) -> SourceOut:
    """The last position that is stored of a sender that counts its requests."""
    row = state.engine.intake.delivery(source)
    if row is None:
        raise NotFoundException("nothing is known of this source")
    return SourceOut(row["source"], row["position"], iso(row["at"]))
