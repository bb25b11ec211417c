"""``POST /api/v1/samples``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request, post
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from tocsin.api.models import ReceiptOut, RejectedOut
from tocsin.api.parts import Parts
from tocsin.engine.batch import Receipt
from tocsin.ingest.http_json import PROTOCOL, Decoded, decode

__all__ = ["receive"]

#: Larger bodies are decoded beside the event loop, so that others need not wait.
_LARGE: Final = 256 * 1024

_SAMPLE: Final = Schema(
    type=OpenAPIType.OBJECT,
    required=["metric", "timestamp", "value"],
    properties={
        "metric": Schema(type=OpenAPIType.STRING),
        "labels": Schema(
            type=OpenAPIType.OBJECT, additional_properties=Schema(type=OpenAPIType.STRING)
        ),
        "timestamp": Schema(
            description="epoch seconds, or ISO 8601 with zone",
            one_of=[Schema(type=OpenAPIType.NUMBER), Schema(type=OpenAPIType.STRING)],
        ),
        "value": Schema(type=OpenAPIType.NUMBER),
    },
)
_EXAMPLE: Final = {
    "samples": [
        {
            "metric": "web.latency",
            "labels": {"host": "a"},
            "timestamp": 1443197361.5,
            "value": 21.0,
        }
    ]
}


@dataclass
class _Operation(Operation):
    """Tells OpenAPI of the body, which is decoded here and not by the framework."""

    def __post_init__(self) -> None:
        body = Schema(
            type=OpenAPIType.OBJECT,
            required=["samples"],
            properties={"samples": Schema(type=OpenAPIType.ARRAY, items=_SAMPLE)},
        )
        media = OpenAPIMediaType(schema=body, examples={"one": Example(value=_EXAMPLE)})
        self.request_body = RequestBody(content={"application/json": media}, required=True)


@post("/samples", status_code=200, operation_class=_Operation, summary="Send samples")
async def receive(request: Request[Any, Any, Any], state: Parts) -> ReceiptOut:
    """Store and score samples; answers after the commit. A bad sample is refused by itself.

    400: the body cannot be read; 413: it is too large; 429 and 503: send it again later.
    """
    decoded = await _decode(await request.body(), state.config.max_body_samples)
    receipt = await asyncio.wrap_future(state.engine.submit(decoded.batch))
    state.engine.telemetry.refused(PROTOCOL, decoded.rejected)
    return _out(decoded.merged(receipt))


async def _decode(body: bytes, most: int) -> Decoded:
    if len(body) < _LARGE:
        return decode(body, most)
    return await asyncio.to_thread(decode, body, most)


def _out(receipt: Receipt) -> ReceiptOut:
    rejected = [RejectedOut(r.index, r.reason) for r in receipt.rejected]
    return ReceiptOut(receipt.accepted, receipt.duplicates, rejected)
