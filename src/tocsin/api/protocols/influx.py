"""InfluxDB's addresses for writing, in versions 1 and 2, and those that clients ask first."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from litestar import Request, Response, Router, get, head, post
from litestar.exceptions import ClientException, HTTPException

from tocsin import __version__
from tocsin.api.access import Connection
from tocsin.api.committing import committed
from tocsin.api.guard import OPEN
from tocsin.api.live import reason
from tocsin.api.parts import Parts
from tocsin.engine.batch import Batch, Reason, Receipt
from tocsin.errors import BadInputError, QueueFullError, StoreError, TocsinError, TooLargeError
from tocsin.ingest.bodies import inflate
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.influx import PROTOCOL, Decoder

__all__ = ["router"]

_HEADERS: Final = {"X-Influxdb-Version": f"tocsin-{__version__}", "X-Influxdb-Build": "tocsin"}
#: Version 2's words for what went wrong.
_CODES: Final = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    413: "request too large",
    429: "too many requests",
    503: "unavailable",
}
#: Status, and after how many seconds to try again.
_STATUS: Final[dict[type[TocsinError], tuple[int, int | None]]] = {
    BadInputError: (400, None),
    TooLargeError: (413, None),
    QueueFullError: (429, 1),
    StoreError: (503, 2),
}
_CREATES: Final = re.compile(r"\s*create\s+database\s", re.IGNORECASE)


def router() -> Router:
    """Everything that clients of InfluxDB ask for to write."""
    return Router(
        "/",
        route_handlers=[
            Router(
                "/",
                route_handlers=[write, write_2, query],
                opt={"scope": "ingest", "shown": _shown, "scheme": "Token"},
                exception_handlers={
                    HTTPException: _refused,
                    **dict.fromkeys(_STATUS, _failed),
                },
            ),
            ping,
            ping_head,
            health,
        ],
        response_headers=_HEADERS,
        tags=["InfluxDB"],
    )


def _shown(connection: Connection) -> Iterator[str]:
    """Tokens in any way that InfluxDB's clients have.

    ``Authorization: Token …``, ``Bearer …``, or as the password of ``Basic …`` or of ``?u=…&p=…``.
    """
    scheme, _, shown = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("token", "bearer"):
        yield shown.strip()
    elif scheme.lower() == "basic":
        with suppress(ValueError):
            yield base64.b64decode(shown, validate=True).decode().partition(":")[2]
    if password := connection.query_params.get("p"):
        yield password


@post("/write", status_code=204, summary="Write lines (InfluxDB 1.x)")
async def write(request: Request[Any, Any, Any], state: Parts) -> None:
    """Store and score lines; ``db`` and ``rp`` are not looked at.

    204: everything is stored; 400: some or all of it was refused, the rest is stored.
    """
    await _write(request, state)


@post("/api/v2/write", status_code=204, summary="Write lines (InfluxDB 2.x)")
async def write_2(request: Request[Any, Any, Any], state: Parts) -> None:
    """Store and score lines; ``org`` and ``bucket`` are not looked at.

    204: everything is stored; 400: some or all of it was refused, the rest is stored.
    """
    await _write(request, state)


async def _write(request: Request[Any, Any, Any], state: Parts) -> None:
    decoded = await _decode(request, state, await request.body())
    sender = f"influxdb {request.client.host}" if request.client else PROTOCOL
    batch = replace(decoded.batch, sender=sender)
    receipt = await committed(state, batch) if len(batch) else Receipt(0, 0)
    state.engine.telemetry.refused(PROTOCOL, decoded.rejected)
    told = _partly(decoded, batch, receipt)
    if told is not None:
        raise ClientException(told)


async def _decode(request: Request[Any, Any, Any], state: Parts, body: bytes) -> Decoded:
    encoding = request.headers.get("content-encoding", "")
    precision = str(request.query_params.get("precision", ""))
    config, now = state.config, time.time_ns()

    def read(decoder: Decoder) -> Decoded:
        lines = inflate(body, encoding, config.max_body_bytes)
        return decoder.decode(lines, now, precision=precision, most=config.max_body_samples)

    return await state.influx.take(read, body, encoding)


def _partly(decoded: Decoded, batch: Batch, receipt: Receipt) -> str | None:
    """What of a request was not taken, in InfluxDB's words; None: nothing.

    Clients know by them that the same again would be refused again.
    """
    bad = [one for one in decoded.rejected if one.code is not Reason.NOT_NUMERIC]
    dropped = len(bad) + len(receipt.rejected)
    if not dropped:
        return None
    if bad:
        first = f"line {bad[0].index + 1}: {bad[0].detail}"
    else:
        refused = receipt.rejected[0]
        first = f"{batch.metrics[int(batch.samples.metric[refused.index])]}: {refused.reason}"
    return f"partial write: {first} dropped={dropped}"


@post("/query", status_code=200, summary="Create a database (InfluxDB 1.x)")
async def query(request: Request[Any, Any, Any]) -> Response[Any]:
    """Answers ``CREATE DATABASE``, which clients ask for before they write, with success.

    There are no databases here, and nothing is answered to other statements.
    """
    asked = request.query_params.get("q") or (await request.form()).get("q")
    if _CREATES.match(str(asked or "")):
        return Response({"results": [{"statement_id": 0}]})
    return _told(request, 400, "tocsin takes what is written and answers no queries: see /api/v1")


@get("/ping", opt=OPEN, status_code=204, sync_to_thread=False, summary="Whether anybody is here")
def ping() -> None:
    """Always 204."""


@head("/ping", opt=OPEN, status_code=204, sync_to_thread=False, include_in_schema=False)
def ping_head() -> None:
    """As `ping`."""


@get(
    "/health", opt=OPEN, sync_to_thread=False, summary="Whether samples can be taken (InfluxDB 2.x)"
)
def health(request: Request[Any, Any, Any], state: Parts) -> Response[dict[str, Any]]:
    """As ``/healthz``, in InfluxDB's form."""
    trouble = state.engine.trouble
    told: dict[str, Any] = {
        "name": "tocsin",
        "message": "ready for writes",
        "status": "fail" if trouble else "pass",
        "checks": [],
        "version": __version__,
    }
    if trouble is not None:
        told["message"] = reason(request, trouble).get("reason", "cannot store")
    return Response(told, status_code=503 if trouble else 200)


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    kinds = [kind for kind in type(error).__mro__ if kind in _STATUS]
    status, after = _STATUS[kinds[0]]
    answer = _told(request, status, str(error))
    if after is not None:
        answer.headers["Retry-After"] = str(after)
    return answer


def _refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    answer = _told(request, error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


def _told(request: Request[Any, Any, Any], status: int, message: str) -> Response[Any]:
    """An error as the version that was asked has it."""
    told = {"error": message}
    if request.scope["path"].startswith("/api/v2/"):
        told = {"code": _CODES.get(status, "internal error"), "message": message}
    return Response(told, status_code=status, headers=_HEADERS)
