"""``POST /api/v1/samples``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from litestar import Request, post
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import HeaderParameter

from tocsin.api.committing import committed
from tocsin.api.models import ReceiptOut, RejectedOut
from tocsin.api.parts import Parts
from tocsin.engine.batch import Receipt
from tocsin.engine.deliveries import KEY
from tocsin.errors import BadInputError
from tocsin.ingest.bodies import inflate
from tocsin.ingest.http_json import PROTOCOL, Decoded, Decoder

__all__ = ["receive"]

#: The longest name of a source or key.
_LONGEST: Final = 200
#: The largest number that a database keeps.
_LARGEST: Final = 2**63 - 1

Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=_LONGEST,
        description="names this request alone: sent again within a day, it is answered the same "
        "and has no other effect",
    ),
]
Source = Annotated[
    str | None,
    HeaderParameter(
        name="Tocsin-Source",
        min_length=1,
        max_length=_LONGEST,
        description="names a sender that counts its requests",
    ),
]
Position = Annotated[
    int | None,
    HeaderParameter(
        name="Tocsin-Position",
        ge=0,
        le=_LARGEST,
        description="this request's number, larger than that of the one before, which must have "
        "been answered: what is at or below the last position has no effect",
    ),
]
Bulk = Annotated[
    bool,
    HeaderParameter(name="Tocsin-Bulk", description="part of a large load, which waits for others"),
]

#: Content types of one sample a line.
LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")

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
        lines = OpenAPIMediaType(schema=_SAMPLE)
        content = {"application/json": media, LINES[0]: lines}
        self.request_body = RequestBody(content=content, required=True)


@post(
    "/samples",
    opt={"scope": "ingest"},
    status_code=200,
    operation_class=_Operation,
    summary="Send samples",
)
async def receive(
    request: Request[Any, Any, Any],
    state: Parts,
    key: Key = None,
    source: Source = None,
    position: Position = None,
    bulk: Bulk = False,
) -> ReceiptOut:
    """Store and score samples; answers after the commit. A bad sample is refused by itself.

    A request without an answer may be sent again: samples that are stored are duplicates. With
    an `Idempotency-Key`, or `Tocsin-Source` and `Tocsin-Position`, the answer is the same too.

    As `application/x-ndjson` the body is one sample a line, and rejected ones are told with their
    line. `Content-Encoding` may be gzip, deflate, zstd or snappy.

    400: the body cannot be read; 413: it is too large; 429 and 503: send it again later.
    """
    origin = _origin(key, source, position)
    told = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _Body(await request.body(), request.headers.get("content-encoding", ""), told in LINES)
    decoded = await body.decode(state)
    batch = replace(decoded.batch, sender=_sender(request, source), bulk=bulk, **origin)
    receipt = await committed(state, batch)
    state.engine.telemetry.refused(PROTOCOL, decoded.rejected)
    return _out(decoded.merged(receipt), body.lines)


def _origin(key: str | None, source: str | None, position: int | None) -> dict[str, Any]:
    """Under which name and number the request is remembered."""
    if (source is None) != (position is None):
        raise BadInputError("give both Tocsin-Source and Tocsin-Position, or neither")
    if source is None:
        return {} if key is None else {"source": KEY + key, "position": 1}
    if key is not None:
        raise BadInputError("give either Idempotency-Key or Tocsin-Source, not both")
    if source.startswith(KEY):
        raise BadInputError(f"Tocsin-Source must not begin with {KEY!r}")
    return {"source": source, "position": position}


def _sender(request: Request[Any, Any, Any], source: str | None) -> str:
    """Who takes turns with others."""
    if source is not None:
        return f"source {source}"
    return f"http {request.client.host}" if request.client else PROTOCOL


@dataclass(frozen=True, slots=True)
class _Body:
    """A request's body as it came, and how it is to be read."""

    data: bytes
    encoding: str
    lines: bool

    async def decode(self, state: Parts) -> Decoded:
        """Its samples. Errors: `BadInputError`, `TooLargeError`."""
        config = state.config

        def read(decoder: Decoder) -> Decoded:
            data = inflate(self.data, self.encoding, config.max_body_bytes)
            decode = decoder.decode_lines if self.lines else decoder.decode
            return decode(data, config.max_body_samples)

        return await state.json.take(read, self.data, self.encoding)


def _out(receipt: Receipt, lines: bool) -> ReceiptOut:
    rejected = [
        RejectedOut(r.index, r.reason, r.index + 1 if lines else None) for r in receipt.rejected
    ]
    told = receipt.accepted, receipt.duplicates, rejected, receipt.late, receipt.filtered
    return ReceiptOut(*told)
