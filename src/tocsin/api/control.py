"""What may be asked of a metric: pause it, give it settings, clone it, take it elsewhere."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import IO, Annotated, Any, Final, TypeVar

import msgspec
from litestar import Request, delete, get, patch, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import BodyKwarg, FromPath, QueryParameter
from litestar.response import Stream

from tocsin.api.models import MetricOut
from tocsin.api.parts import Parts
from tocsin.api.query import Moment, metric_out, moment_of, stored_metric
from tocsin.engine.archive import open_archive
from tocsin.engine.transfer import export_metric, import_metric
from tocsin.errors import StoreError
from tocsin.ingest.identity import metric_of
from tocsin.samples import Metric, parse_metric

__all__ = [
    "change_settings",
    "clone",
    "done",
    "export",
    "import_",
    "monitor",
    "pause",
    "remove",
    "reset",
    "resume",
    "show_settings",
    "unmonitor",
]

T = TypeVar("T")

#: The largest archive that is taken.
_MOST_BYTES: Final = 1 << 32
#: Up to this many bytes of an archive are kept in memory.
_IN_MEMORY: Final = 1 << 20
_PIECE: Final = 1 << 18

As = Annotated[
    str | None, QueryParameter(name="as", description="another name for it: name{labels}")
]


class IdentityIn(msgspec.Struct):
    """The name and labels of a metric that is to be."""

    name: str
    labels: dict[str, str] = {}

    def metric(self) -> Metric:
        """The metric. Errors: `BadInputError`."""
        return metric_of(self.name, self.labels)


class SettingsOut(msgspec.Struct):
    """How a metric is watched; ``own``: what of it was chosen for this metric alone."""

    settings: dict[str, Any]
    own: dict[str, Any]


@post("/metrics/{uid:str}/pause", status_code=200, summary="Stop scoring for a while")
async def pause(state: Parts, uid: FromPath[str], until: Moment = None) -> MetricOut:
    """Store samples without scoring or learning them; ``until``: go on by itself then."""
    actions = state.engine.actions
    return await _act(state, uid, partial(actions.pause, uid, moment_of("until", until)))


@post("/metrics/{uid:str}/resume", status_code=200, summary="Go on scoring")
async def resume(state: Parts, uid: FromPath[str]) -> MetricOut:
    """End a pause; try a metric in error again at once."""
    return await _act(state, uid, partial(state.engine.actions.resume, uid))


@post("/metrics/{uid:str}/monitor", status_code=200, summary="Monitor it, whatever the rules say")
async def monitor(state: Parts, uid: FromPath[str]) -> MetricOut:
    """Score a metric from its next sample on."""
    return await _act(state, uid, partial(state.engine.actions.monitor, uid))


@post("/metrics/{uid:str}/unmonitor", status_code=200, summary="Only store it from now on")
async def unmonitor(state: Parts, uid: FromPath[str]) -> MetricOut:
    """Forget what was learnt of a metric, and only store its samples."""
    return await _act(state, uid, partial(state.engine.actions.unmonitor, uid))


@post("/metrics/{uid:str}/reset", status_code=200, summary="Learn anew from now on")
async def reset(state: Parts, uid: FromPath[str]) -> MetricOut:
    """Forget what was learnt of a metric; samples and results stay."""
    return await _act(state, uid, partial(state.engine.actions.reset, uid))


@delete("/metrics/{uid:str}", summary="Delete a metric and its data")
async def remove(state: Parts, uid: FromPath[str]) -> None:
    """Delete a metric; should its name come again, it is a new generation."""
    await done(state, partial(state.engine.actions.delete, uid))


@get("/metrics/{uid:str}/settings", sync_to_thread=True, summary="How a metric is watched")
def show_settings(state: Parts, uid: FromPath[str]) -> SettingsOut:
    """The settings of a metric, and what of them was chosen for it alone."""
    return _settings(state, uid)


def _settings(state: Parts, uid: str) -> SettingsOut:
    row = stored_metric(state, uid)
    metric = Metric.of(row["name"], msgspec.json.decode(row["labels"], type=dict[str, str]))
    watching = state.engine.watching
    return SettingsOut(asdict(watching.settings(metric)), watching.own(metric))


@patch("/metrics/{uid:str}/settings", summary="Choose settings for one metric")
async def change_settings(
    state: Parts, uid: FromPath[str], data: Annotated[dict[str, Any], BodyKwarg()]
) -> SettingsOut:
    """Set what is named, null: as configured. What was learnt is learnt anew from the samples."""
    await done(state, partial(state.engine.actions.change, uid, data))
    return await asyncio.to_thread(_settings, state, uid)


@get("/metrics/{uid:str}/export", summary="A metric as one file", media_type="application/zip")
async def export(state: Parts, uid: FromPath[str]) -> Stream:
    """A metric with settings, learnt state, samples, results, events and notes."""
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
        await asyncio.to_thread(export_metric, state.engine, uid, file)
        headers = {
            "Content-Length": str(file.tell()),
            "Content-Disposition": f'attachment; filename="{uid}.tocsin.zip"',
        }
        # Closed by whoever sends it.
        stack.pop_all()
    return Stream(_pieces(file), media_type="application/zip", headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


@dataclass
class _Zip(Operation):
    """Tells OpenAPI of the body, which is not decoded by the framework."""

    def __post_init__(self) -> None:
        whole = OpenAPIMediaType(
            schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        )
        self.request_body = RequestBody(
            content={"application/zip": whole, "application/octet-stream": whole}, required=True
        )


@post(
    "/metrics/import",
    operation_class=_Zip,
    request_max_body_size=_MOST_BYTES,
    summary="Make a metric of an exported file",
)
async def import_(request: Request[Any, Any, Any], state: Parts, name: As = None) -> MetricOut:
    """Take a metric in that was exported here or elsewhere; it goes on where it stood."""
    given = parse_metric(name) if name else None
    metric = metric_of(given.name, dict(given.labels)) if given else None
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        await _receive(request.stream(), file)
        uid = await asyncio.to_thread(_import, state, file, metric)
    return await asyncio.to_thread(_show, state, uid)


async def _receive(stream: AsyncIterator[bytes], file: IO[bytes]) -> None:
    async for piece in stream:
        await asyncio.to_thread(file.write, piece)


@post("/metrics/{uid:str}/clone", summary="Copy a metric with all its data")
async def clone(
    state: Parts, uid: FromPath[str], data: Annotated[IdentityIn, BodyKwarg()]
) -> MetricOut:
    """A metric under another name, with samples, results and learnt state of this one."""
    made = await asyncio.to_thread(_clone, state, uid, data.metric())
    return await asyncio.to_thread(_show, state, made)


def _clone(state: Parts, uid: str, metric: Metric) -> str:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        export_metric(state.engine, uid, file)
        return _import(state, file, metric)


def _import(state: Parts, file: IO[bytes], metric: Metric | None) -> str:
    with open_archive(file) as archive:
        told = archive.manifest.metric
        return import_metric(state.engine, archive, metric or metric_of(told.name, told.labels))


async def _act(state: Parts, uid: str, action: Callable[[], None]) -> MetricOut:
    await done(state, action)
    return await asyncio.to_thread(_show, state, uid)


async def done(state: Parts, action: Callable[[], T]) -> T:
    """Have the engine do it. Errors: `StoreError` when the database does not take it in time."""
    doing = asyncio.wrap_future(state.engine.control(action))
    try:
        return await asyncio.wait_for(doing, state.config.answer_s)
    except TimeoutError:
        trouble = state.engine.trouble or "the engine is busy"
        raise StoreError(f"not done in time, ask again a little later: {trouble}") from None


def _show(state: Parts, uid: str) -> MetricOut:
    return metric_out(state, stored_metric(state, uid))
