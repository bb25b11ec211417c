"""``POST /api/v1/collectd``: what collectd's write_http plugin posts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

from litestar import Request, post, put

from tocsin.api.committing import committed
from tocsin.api.models import ReceiptOut, RejectedOut
from tocsin.api.parts import Parts
from tocsin.engine.batch import Receipt
from tocsin.ingest.bodies import inflate
from tocsin.ingest.collectd import PROTOCOL, decode
from tocsin.ingest.http_json import Decoded

__all__ = ["HANDLERS"]

#: Larger bodies are decoded beside the event loop, so that others need not wait.
_LARGE: Final = 32 * 1024


@post(
    "/collectd",
    opt={"scope": "ingest"},
    status_code=200,
    summary="Value lists of collectd (write_http, Format JSON)",
)
async def receive(request: Request[Any, Any, Any], state: Parts) -> ReceiptOut:
    """Store and score values; answers after the commit. A bad value is refused by itself.

    400: the body cannot be read; 413: it is too large; 429 and 503: send it again later.
    """
    return await _receive(request, state)


@put("/collectd", opt={"scope": "ingest"}, summary="As POST")
async def receive_put(request: Request[Any, Any, Any], state: Parts) -> ReceiptOut:
    """As POST."""
    return await _receive(request, state)


HANDLERS: Final = (receive, receive_put)


async def _receive(request: Request[Any, Any, Any], state: Parts) -> ReceiptOut:
    encoding = request.headers.get("content-encoding", "")
    decoded = await _decode(await request.body(), encoding, state)
    sender = f"collectd {request.client.host}" if request.client else PROTOCOL
    batch = replace(decoded.batch, sender=sender)
    receipt = await committed(state, batch) if len(batch) else Receipt(0, 0)
    state.engine.telemetry.refused(PROTOCOL, decoded.rejected)
    return _out(decoded.merged(receipt))


async def _decode(body: bytes, encoding: str, state: Parts) -> Decoded:
    def read() -> Decoded:
        with state.engine.telemetry.stage("decode"):
            data = inflate(body, encoding, state.config.max_body_bytes)
            return decode(data, state.config.max_body_samples)

    if len(body) < _LARGE and not encoding:
        return read()
    async with state.decoding:
        return await asyncio.to_thread(read)


def _out(receipt: Receipt) -> ReceiptOut:
    """Refused values are told by their value list's number in the body."""
    rejected = [RejectedOut(one.index, one.reason) for one in receipt.rejected]
    told = receipt.accepted, receipt.duplicates, rejected, receipt.late, receipt.filtered
    return ReceiptOut(*told)
