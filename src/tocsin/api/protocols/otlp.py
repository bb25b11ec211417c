"""``POST /v1/metrics``: OpenTelemetry's exporters and collectors (OTLP over HTTP)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

from litestar import Request, Response, Router, post
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_415_UNSUPPORTED_MEDIA_TYPE

from tocsin.api.committing import committed
from tocsin.api.parts import Parts
from tocsin.engine.batch import Batch, Receipt
from tocsin.errors import BadInputError, QueueFullError, StoreError, TocsinError, TooLargeError
from tocsin.ingest.bodies import inflate
from tocsin.ingest.otlp import (
    JSON,
    PROTOBUF,
    PROTOCOL,
    Points,
    answer,
    decode,
    failure,
    parse,
)

__all__ = ["router"]

#: Larger bodies in JSON are decoded beside the event loop, so that others need not wait.
_LARGE: Final = 16 * 1024
#: Status, and after how many seconds to try again.
_STATUS: Final[dict[type[TocsinError], tuple[int, int | None]]] = {
    BadInputError: (400, None),
    TooLargeError: (413, None),
    QueueFullError: (429, 1),
    StoreError: (503, 2),
}
#: The codes of gRPC that say the same as a status.
_CODES: Final = {400: 3, 401: 16, 403: 7, 413: 3, 415: 3, 429: 8, 503: 14}
_UNKNOWN: Final = 2


def router() -> Router:
    """OTLP's only address here."""
    return Router(
        "/",
        route_handlers=[export],
        opt={"scope": "ingest"},
        exception_handlers={HTTPException: _refused, **dict.fromkeys(_STATUS, _failed)},
        tags=["OpenTelemetry"],
    )


@post("/v1/metrics", status_code=200, summary="Export metrics (OTLP: protobuf or JSON)")
async def export(request: Request[Any, Any, Any], state: Parts) -> Response[bytes]:
    """Store and score data points; answers after the commit, in the request's encoding.

    200 with ``partial_success``: some were refused, and the rest is stored.
    400: the body cannot be read; 413: it is too large; 429 and 503: send it again later.
    """
    encoding = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if encoding not in (JSON, PROTOBUF):
        raise HTTPException(
            f"Content-Type must be {PROTOBUF} or {JSON}",
            status_code=HTTP_415_UNSUPPORTED_MEDIA_TYPE,
        )
    points = await _decode(request, state, await request.body(), encoding)
    sender = f"otlp {request.client.host}" if request.client else PROTOCOL
    batch = replace(points.batch, sender=sender)
    receipt = await committed(state, batch) if len(batch) else Receipt(0, 0)
    state.engine.telemetry.refused(PROTOCOL, points.rejected)
    told = answer(encoding, *_partly(points, batch, receipt))
    return Response(told, media_type=encoding)


async def _decode(
    request: Request[Any, Any, Any], state: Parts, body: bytes, encoding: str
) -> Points:
    compression = request.headers.get("content-encoding", "")
    if encoding == PROTOBUF:
        most = state.config.max_body_bytes
        return await state.otlp.take(
            lambda decoder: decoder.decode(inflate(body, compression, most)), body, compression
        )
    if len(body) < _LARGE and not compression:
        return _of_json(body, compression, state)
    async with state.decoding:
        return await asyncio.to_thread(_of_json, body, compression, state)


def _of_json(body: bytes, compression: str, state: Parts) -> Points:
    with state.engine.telemetry.stage("decode"):
        body = inflate(body, compression, state.config.max_body_bytes)
        message = parse(body, JSON, state.choices.most_parts)
        return decode(message, state.choices, state.intervals)


def _partly(points: Points, batch: Batch, receipt: Receipt) -> tuple[int, str]:
    """How many data points were not taken, or not whole, and why the first of them."""
    refused = {points.places[one.index] for one in receipt.rejected}
    refused |= {one.index for one in points.rejected}
    if points.rejected:
        return len(refused), points.rejected[0].reason
    if receipt.rejected:
        first = receipt.rejected[0]
        metric = batch.metrics[int(batch.samples.metric[first.index])]
        return len(refused), f"{metric}: {first.reason}"
    return 0, ""


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    kinds = [kind for kind in type(error).__mro__ if kind in _STATUS]
    status, after = _STATUS[kinds[0]]
    headers = {} if after is None else {"Retry-After": str(after)}
    return _told(request, status, str(error), headers)


def _refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return _told(request, error.status_code, error.detail, dict(error.headers or {}))


def _told(
    request: Request[Any, Any, Any], status: int, message: str, headers: dict[str, str]
) -> Response[bytes]:
    """An error in the request's encoding."""
    asked = request.headers.get("content-type", "").lower()
    encoding = PROTOBUF if asked.startswith(PROTOBUF) else JSON
    body = failure(encoding, _CODES.get(status, _UNKNOWN), message)
    return Response(body, status_code=status, headers=headers, media_type=encoding)
