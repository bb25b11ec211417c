"""The web application: which handlers there are, who may call them, and how errors are told."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from litestar import Litestar, MediaType, Request, Response, Router
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.types import Scope

from tocsin import __version__
from tocsin.alert.delivering import Delivering
from tocsin.alert.duty import Duty
from tocsin.alert.pictures.stored import Pictures
from tocsin.api import (
    alert_rules,
    calendars,
    changes,
    channels,
    control,
    groups,
    incidents,
    intake,
    listeners,
    live,
    login,
    marks,
    notes,
    now,
    page,
    pictures,
    query,
    receive,
    scan,
    scores,
    search,
    series,
    statuses,
    subscribers,
    tokens,
    what_if,
)
from tocsin.api.access import Access
from tocsin.api.decoding import OneByOne
from tocsin.api.described import Described
from tocsin.api.guard import guard, settle
from tocsin.api.headers import add_headers
from tocsin.api.lookups import Lookups
from tocsin.api.matching import Matching
from tocsin.api.parts import Parts
from tocsin.api.protocols import collectd, influx, otlp, remote_write
from tocsin.api.stream import Hub
from tocsin.api.turns import Turns
from tocsin.config import Config
from tocsin.engine.engine import Engine
from tocsin.errors import (
    ActionRefusedError,
    BadInputError,
    ConfigurationError,
    QueueFullError,
    StoreError,
    TocsinError,
    TooLargeError,
    UnknownMetricError,
)
from tocsin.ingest import http_json
from tocsin.ingest.influx import Decoder
from tocsin.ingest.otlp import Choices, Intervals
from tocsin.ingest.otlp import Decoder as OtlpDecoder
from tocsin.publish.publishing import Publishing
from tocsin.store.courses import Courses
from tocsin.store.queries import Reader

__all__ = ["make_app"]

_log: Final = structlog.get_logger("tocsin.api")

#: How many large bodies are decoded at once.
_DECODING: Final = 2
#: How many files may be scanned, or wait for that.
_SCANS: Final = 4
#: Status, and after how many seconds to try again.
_STATUS: Final[dict[type[TocsinError], tuple[int, int | None]]] = {
    BadInputError: (400, None),
    ConfigurationError: (400, None),
    UnknownMetricError: (404, None),
    ActionRefusedError: (409, None),
    TooLargeError: (413, None),
    QueueFullError: (429, 1),
    StoreError: (503, 2),
}


def make_app(
    config: Config,
    engine: Engine,
    reader: Reader,
    publishing: Publishing,
    hub: Hub,
    duty: Duty,
    delivering: Delivering,
    lookups: Lookups,
) -> Litestar:
    """The application over the service's parts."""
    api = Router(
        "/api/v1",
        route_handlers=[
            receive.receive,
            remote_write.handler(config),
            *collectd.HANDLERS,
            query.list_metrics,
            query.show_metric,
            query.list_samples,
            query.list_events,
            now.show_now,
            now.list_heard,
            search.search,
            series.show_series,
            series.show_profile,
            groups.list_groups,
            control.pause,
            control.resume,
            control.monitor,
            control.unmonitor,
            control.reset,
            control.remove,
            control.show_settings,
            control.change_settings,
            control.export,
            control.import_,
            control.clone,
            notes.list_annotations,
            notes.add_annotation,
            notes.change_annotation,
            notes.remove_annotation,
            marks.list_marks,
            marks.add_mark,
            marks.take_back_mark,
            intake.list_refusals,
            intake.list_late,
            intake.show_source,
            *incidents.HANDLERS,
            live.follow,
            listeners.list_listeners,
            subscribers.list_subscribers,
            subscribers.confirm,
            subscribers.forget,
            login.show_session,
            login.login,
            login.logout,
            tokens.list_tokens,
            tokens.create_token,
            tokens.revoke_token,
            changes.list_changes,
            channels.list_channels,
            channels.test_channel,
            channels.list_notifications,
            channels.retry_notification,
            pictures.picture_of_event,
            pictures.picture_of_incident,
            scan.scan,
            statuses.list_statuses,
            *alert_rules.HANDLERS,
            *calendars.HANDLERS,
            what_if.try_settings,
        ],
    )
    # Every metric that there may be, and a request of others.
    known = config.max_metrics + config.max_body_samples
    quantiles = sorted(set(config.otlp_quantiles))
    choices = Choices(config.otlp_resource_labels, quantiles, config.max_body_samples)
    intervals = Intervals()
    parts = {
        "config": config,
        "access": Access(config, engine.database),
        "engine": engine,
        "reader": reader,
        "matching": Matching(engine.registry),
        "publishing": publishing,
        "duty": duty,
        "hub": hub,
        "delivering": delivering,
        "pictures": Pictures(engine.database),
        "index": lookups.index,
        "groups": lookups.groups,
        "courses": Courses(engine.database),
        "overview": now.Overview(),
        "influx": OneByOne(Decoder(known), engine.telemetry),
        "json": OneByOne(http_json.Decoder(known), engine.telemetry),
        "choices": choices,
        "intervals": intervals,
        "otlp": OneByOne(OtlpDecoder(known, choices, intervals), engine.telemetry),
        "decoding": asyncio.Semaphore(_DECODING),
        "scans": Turns(_SCANS, "several files are being scanned: send it again a little later"),
    }
    return Litestar(
        [
            api,
            influx.router(),
            otlp.router(),
            live.healthz,
            live.own_metrics,
            scores.scores,
            page.index,
            page.icon,
            page.asset,
        ],
        state=Parts(parts),
        guards=[guard],
        before_send=[settle, add_headers],
        exception_handlers={HTTPException: _refused, **dict.fromkeys(_STATUS, _told)},
        after_exception=[_log_unexpected],
        request_max_body_size=config.max_body_bytes,
        openapi_config=OpenAPIConfig(
            title="Tocsin",
            version=__version__,
            path="/schema",
            render_plugins=[Described(path=["/", "/openapi.json"])],
        ),
        logging_config=None,
        debug=False,
    )


def _told(_request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    kinds = [kind for kind in type(error).__mro__ if kind in _STATUS]
    status, after = _STATUS[kinds[0]]
    headers = {} if after is None else {"Retry-After": str(after)}
    told = {"status_code": status, "detail": str(error)}
    return Response(told, status_code=status, headers=headers, media_type=MediaType.JSON)


def _refused(_request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    """As the library tells it, and in JSON where the right answer would be something else, too."""
    told: dict[str, Any] = {"status_code": error.status_code, "detail": error.detail}
    if error.extra:
        told["extra"] = error.extra
    status, headers = error.status_code, error.headers
    return Response(told, status_code=status, headers=headers, media_type=MediaType.JSON)


async def _log_unexpected(error: Exception, scope: Scope) -> None:
    if not isinstance(error, HTTPException | TocsinError):
        _log.error("request_failed", path=scope["path"], exc_info=error)
