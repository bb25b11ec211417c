"""Pictures of events and incidents."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter

from tocsin.api.parts import Parts

__all__ = ["picture_of_event", "picture_of_incident"]

Id = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]

_HEADERS: Final = {"Cache-Control": "private, max-age=10", "X-Content-Type-Options": "nosniff"}


@get("/events/{event:int}/picture.png", sync_to_thread=True, summary="Picture of an event")
def picture_of_event(state: Parts, event: Id) -> Response[bytes]:
    """An event with what was before and after it, as PNG."""
    return _answer(state.pictures.event(event), f"there is no event {event}")


@get("/incidents/{incident:int}/picture.png", sync_to_thread=True, summary="Picture of an incident")
def picture_of_incident(state: Parts, incident: Id) -> Response[bytes]:
    """The metric that moved first and the oddest ones, over one axis of time, as PNG."""
    return _answer(state.pictures.incident(incident), f"there is no incident {incident}")


def _answer(picture: bytes | None, otherwise: str) -> Response[bytes]:
    if picture is None:
        raise NotFoundException(otherwise)
    return Response(picture, media_type="image/png", headers=_HEADERS)
