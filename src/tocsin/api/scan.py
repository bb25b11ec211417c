"""``POST /api/v1/scan``: what was odd in a file; nothing of it is stored."""

from __future__ import annotations

import asyncio
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import QueryParameter

from tocsin.api.parts import Parts
from tocsin.errors import BadInputError
from tocsin.publish.upload import scan_apart

__all__ = ["scan"]

#: The largest file that is taken.
_MOST_BYTES: Final = 64 * 2**20
_LONGEST: Final = 100

Name = Annotated[
    str,
    QueryParameter(description="the file's name: its ending says what it holds", max_length=400),
]
Zone = Annotated[
    str, QueryParameter(description="of times that have none: Europe/Berlin", max_length=100)
]


class FoundEvent(msgspec.Struct):
    """An event of a file."""

    start: str
    peak: str
    end: str
    open: bool
    value: float | None
    expected: float | None
    anomaly_score: float
    samples: int
    pattern: str
    why: str


class FoundSeries(msgspec.Struct):
    """A series of a file, its largest events, and its course in few points."""

    title: str
    name: str
    labels: dict[str, str]
    samples: int
    #: Samples seen, of those needed before there are likelihoods.
    readiness: dict[str, int]
    events_total: int
    events: list[FoundEvent]
    #: t (seconds since 1970), min, max, expected, lower, upper, score; null: not known.
    columns: dict[str, list[float | None]]


class Report(msgspec.Struct):
    """What was odd in a file: the most unusual series first."""

    rows: int
    samples: int
    series_total: int
    events_total: int
    #: How columns, times and zone were understood, in a sentence.
    guess: str
    notices: list[str]
    #: How many rows or cells were not taken, by reason.
    refused: dict[str, int]
    series: list[FoundSeries]


@dataclass
class _File(Operation):
    """Tells OpenAPI of the body, which is not decoded by the framework."""

    def __post_init__(self) -> None:
        whole = OpenAPIMediaType(
            schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        )
        self.request_body = RequestBody(content={"application/octet-stream": whole}, required=True)


@post(
    "/scan",
    opt={"scope": "read"},
    status_code=200,
    operation_class=_File,
    request_max_body_size=_MOST_BYTES,
    summary="What was odd in a file",
)
async def scan(
    request: Request[Any, Any, Any], state: Parts, name: Name = "file.csv", timezone: Zone = "UTC"
) -> Response[Report]:
    """Scan a CSV, NDJSON or Parquet file as ``tocsin scan`` does; nothing of it is stored."""
    with state.scans.place(), tempfile.TemporaryDirectory(prefix="tocsin-scan-") as folder:
        path = Path(folder) / _safe(name)
        await _receive(request, path)
        async with state.scans.one:
            report = await asyncio.to_thread(scan_apart, path, timezone)
    # It is JSON already.
    return Response(report, media_type="application/json")  # type: ignore[arg-type]


async def _receive(request: Request[Any, Any, Any], path: Path) -> None:
    with path.open("wb") as file:
        async for piece in request.stream():
            await asyncio.to_thread(file.write, piece)
        if not file.tell():
            raise BadInputError(f"{path.name}: the file is empty")


def _safe(name: str) -> str:
    """A file's name that is only a name: no folders, nothing that cannot be shown."""
    plain = re.sub(r"[^\w .()+=@-]", "_", re.split(r"[/\\]", name)[-1]).strip(" .")
    return plain[-_LONGEST:] or "file.csv"
