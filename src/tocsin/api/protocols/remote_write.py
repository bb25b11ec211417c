"""``POST /api/v1/write``: Prometheus remote write, 1.0 and 2.0."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from email.message import Message
from typing import Any, Final, Protocol

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from tocsin.api.committing import committed
from tocsin.api.parts import Parts
from tocsin.config import Config
from tocsin.engine.batch import Reason, Receipt
from tocsin.engine.telemetry import Telemetry
from tocsin.errors import QueueFullError
from tocsin.ingest.bodies import ENCODINGS, inflate
from tocsin.ingest.remote_write import v1, v2
from tocsin.ingest.remote_write.content import PROTOCOL, Content

__all__ = ["Receiver", "handler"]

_MEDIA: Final = "application/x-protobuf"
#: Larger bodies are read beside the event loop, so that others need not wait.
_LARGE: Final = 2**20
#: Answers that tell of samples which are no numbers: Prometheus has those as a matter of course
#: (the quantiles of a summary without observations), and nothing is lost with them.
_NO_VALUE: Final = Reason.NOT_FINITE

_WRITTEN: Final = "X-Prometheus-Remote-Write-{}-Written"


class _Decoder(Protocol):
    def decode(self, body: bytes, most: int) -> Content: ...


class Receiver:
    """The decoders of both versions, which remember what they have read; one request at a time."""

    def __init__(self, config: Config) -> None:
        self._most = config.max_body_samples
        self._most_bytes = config.max_body_bytes
        # Every metric that there may be, and a request of others.
        limit = config.max_metrics + self._most
        self._decoders: dict[str, _Decoder] = {
            v1.MESSAGE: v1.Decoder(limit),
            v2.MESSAGE: v2.Decoder(limit),
        }
        self._warm: set[str] = set()
        self._turn = asyncio.Lock()

    async def content(
        self, message: str, body: bytes, encoding: str, telemetry: Telemetry
    ) -> Content:
        """A body's content; its cost is counted. Errors: `BadInputError`, `TooLargeError`."""
        async with self._turn:
            if message in self._warm and len(body) < _LARGE:
                return self._content(message, body, encoding, telemetry)
            # The first of a kind may have to wait for a compiler.
            content = await asyncio.to_thread(self._content, message, body, encoding, telemetry)
            self._warm.add(message)
            return content

    def _content(self, message: str, body: bytes, encoding: str, telemetry: Telemetry) -> Content:
        with telemetry.stage("decode"):
            told = inflate(body, encoding, self._most_bytes)
            return self._decoders[message].decode(told, self._most)


def handler(config: Config) -> HTTPRouteHandler:
    """``POST /write`` with decoders of its own."""
    receiver = Receiver(config)

    @post("/write", opt={"scope": "ingest"}, status_code=200, summary="Prometheus remote write")
    async def write(request: Request[Any, Any, Any], state: Parts) -> Response[Any]:
        """Store and score the samples of a remote write request (1.0 or 2.0) before answering.

        204: everything is stored. 400: the rest is stored, and the answer says what was refused.
        415: another media type, message or encoding. 503: send it again later.
        """
        return await _write(receiver, request, state)

    return write


async def _write(
    receiver: Receiver, request: Request[Any, Any, Any], state: Parts
) -> Response[Any]:
    message = _message(request.headers.get("content-type", ""))
    encoding = request.headers.get("content-encoding", "snappy").strip().lower()
    if message is None or encoding not in ENCODINGS:
        return _unsupported(encoding)
    content = await receiver.content(
        message, await request.body(), encoding, state.engine.telemetry
    )
    sender = f"{PROTOCOL} {request.client.host}" if request.client else PROTOCOL
    try:
        receipt = await committed(state, replace(content.batch, sender=sender))
    except QueueFullError as error:
        # As it comes, Prometheus drops what is answered 429, and repeats what is answered 503.
        return _told(503, str(error), {"Retry-After": "1"})
    _count(state.engine.telemetry, content)
    return _answer(content, receipt, strict=message == v2.MESSAGE)


def _message(content_type: str) -> str | None:
    """Which message a Content-Type says; None: another one."""
    header = Message()
    header["content-type"] = content_type or _MEDIA
    if header.get_content_type() != _MEDIA:
        return None
    told = str(header.get_param("proto", v1.MESSAGE))
    return told if told in (v1.MESSAGE, v2.MESSAGE) else None


def _unsupported(encoding: str) -> Response[dict[str, Any]]:
    return _told(
        415,
        f"send {_MEDIA}, of {v1.MESSAGE} or {v2.MESSAGE} (;proto=…), with Content-Encoding: "
        f"{', '.join(filter(None, ENCODINGS))}; not {encoding[:40]!r}",
    )


def _told(
    status: int, detail: str, headers: dict[str, str] | None = None
) -> Response[dict[str, Any]]:
    told = {"status_code": status, "detail": detail}
    return Response(told, status_code=status, headers=headers or {})


def _count(telemetry: Telemetry, content: Content) -> None:
    telemetry.refused(PROTOCOL, content.rejected)
    telemetry.refused_many(PROTOCOL, Reason.NATIVE_HISTOGRAM, content.histograms)
    telemetry.refused_many(PROTOCOL, Reason.EXEMPLAR, content.exemplars)
    telemetry.ended(PROTOCOL, content.markers)


def _answer(content: Content, receipt: Receipt, *, strict: bool) -> Response[Any]:
    """``strict``: as 2.0 wants it."""
    refused = Counter(str(r.code) for r in (*content.rejected, *receipt.rejected))
    # Understood, and said not to be a value: dealt with as it should be.
    del refused[_NO_VALUE]
    written = len(content.batch) + len(content.rejected) + content.markers - refused.total()
    if content.histograms:
        refused[Reason.NATIVE_HISTOGRAM] = content.histograms
    if content.exemplars and strict:
        refused[Reason.EXEMPLAR] = content.exemplars
    headers = {}
    if strict:
        headers = {
            _WRITTEN.format("Samples"): str(written),
            _WRITTEN.format("Histograms"): "0",
            _WRITTEN.format("Exemplars"): "0",
        }
    if not refused:
        return Response(None, status_code=204, headers=headers)
    reasons = ", ".join(f"{count} {reason}" for reason, count in refused.most_common())
    first = next((r.detail for r in (*content.rejected, *receipt.rejected)
                  if r.code != _NO_VALUE), "")  # fmt: skip
    detail = f"not stored: {reasons}" + (f"; the first: {first}" if first else "")
    return _told(400, detail, headers)
