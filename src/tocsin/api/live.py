"""``GET /api/v1/stream``, ``/healthz`` and ``/metrics``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from tocsin.api.access import Access, Identity
from tocsin.api.guard import OPEN, identity_of
from tocsin.api.parts import Parts
from tocsin.api.subscribers import find
from tocsin.errors import BadInputError

__all__ = ["follow", "healthz", "own_metrics", "reason"]

#: The largest number that databases keep.
_LARGEST: Final = 2**63 - 1

Uids = Annotated[list[str] | None, QueryParameter(description="uids; default: all")]
After = Annotated[
    int | None, QueryParameter(ge=0, le=_LARGEST, description="go on after this position (an id)")
]
Named = Annotated[
    str | None, QueryParameter(description="go on after what this subscriber has confirmed")
]
#: Names of counters, and how many may be asked for at once.
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_MOST_NAMES: Final = 100
Names = Annotated[
    list[str] | None,
    QueryParameter(name="name[]", description="only these counters; much quicker than everything"),
]
LastSeen = Annotated[
    str | None, HeaderParameter(name="Last-Event-ID", description="as ?after=, and goes before it")
]


@get("/stream", summary="Live results (server-sent events)", media_type="text/event-stream")
async def follow(
    request: Request[Any, Any, Any],
    state: Parts,
    metric: Uids = None,
    after: After = None,
    subscriber: Named = None,
    last_event_id: LastSeen = None,
) -> Stream:
    """Every commit as messages ``{"samples": […], "events": […]}``, with metrics' uids.

    The last message of a commit has the commit's position as its ``id``. Who comes back with it
    (``Last-Event-ID`` or ``?after=``) gets everything that followed, then what comes, in order per
    metric, at least once: (metric, seq) tells repeats. What is no longer kept is told as an event
    ``gap``. Without a position it begins now, and one that does not keep up gets an event
    ``dropped`` with the reason, and is left.
    """
    if last_event_id:
        after = _position(last_event_id)
    elif after is None and subscriber is not None:
        after = (await asyncio.to_thread(find, state, subscriber)).position
    messages = state.hub.subscribe(frozenset(metric) if metric else None, after)
    identity = identity_of(request)
    if identity is not None:
        messages = _while_allowed(messages, state.access, identity)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(messages, media_type="text/event-stream", headers=headers)


#: What Prometheus calls its text format.
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


async def _while_allowed(
    messages: AsyncGenerator[bytes], access: Access, identity: Identity
) -> AsyncGenerator[bytes]:
    """Messages until the token is revoked or expires; looked at before each of them."""
    async with aclosing(messages) as following:
        async for message in following:
            if not await access.holds(identity):
                return
            yield message


def _position(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _LARGEST:
        return int(text)
    raise BadInputError("Last-Event-ID: give back the id of the last message")


@get("/healthz", opt=OPEN, summary="Whether samples can be taken", sync_to_thread=False)
def healthz(request: Request[Any, Any, Any], state: Parts) -> Response[dict[str, str]]:
    """200 when samples are being stored, else 503, with the reason for those who may read."""
    trouble = state.engine.trouble
    if trouble is None:
        return Response({"status": "ok"})
    return Response({"status": "failing"} | reason(request, trouble), status_code=503)


def reason(request: Request[Any, Any, Any], trouble: str) -> dict[str, str]:
    """Why, unless it is a stranger who asks: it may name places."""
    identity = identity_of(request)
    return {"reason": trouble} if identity is not None and identity.may(("read",)) else {}


@get(
    "/metrics",
    media_type=_EXPOSITION,
    summary="Tocsin's own metrics (Prometheus)",
    sync_to_thread=False,
)
def own_metrics(state: Parts, names: Names = None) -> Response[bytes]:
    """Counters and gauges in Prometheus' text format."""
    if names and len(names) > _MOST_NAMES:
        raise BadInputError(f"name[]: at most {_MOST_NAMES} counters at once")
    for name in names or ():
        if not _NAME.fullmatch(name):
            raise BadInputError(f"name[]: no counter can be called {name[:80]!r}")
    return Response(state.engine.telemetry.text(names or ()), media_type=_EXPOSITION)
