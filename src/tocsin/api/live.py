"""``GET /api/v1/stream``, ``/healthz`` and ``/metrics``."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from tocsin.api.parts import Parts

__all__ = ["follow", "healthz", "own_metrics"]

Uids = Annotated[list[str] | None, QueryParameter(description="uids; default: all")]


@get("/stream", summary="Live results (server-sent events)", media_type="text/event-stream")
async def follow(state: Parts, metric: Uids = None) -> Stream:
    """Every commit as a message ``{"samples": […], "events": […]}``, with metrics' uids.

    A subscriber that does not keep up gets an event ``dropped`` with the reason, and is left.
    """
    messages = state.hub.subscribe(frozenset(metric) if metric else None)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(messages, media_type="text/event-stream", headers=headers)


@get("/healthz", summary="Whether samples can be taken", sync_to_thread=False)
def healthz(state: Parts) -> Response[dict[str, str]]:
    """200 when samples are being stored, else 503 with the reason."""
    trouble = state.engine.trouble
    if trouble is None:
        return Response({"status": "ok"})
    return Response({"status": "failing", "reason": trouble}, status_code=503)


@get("/metrics", summary="Tocsin's own metrics (Prometheus)", sync_to_thread=False)
def own_metrics(state: Parts) -> Response[bytes]:
    """Counters and gauges in Prometheus' text format."""
    text = state.engine.telemetry.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
