"""Every handler there is: who may ask, and that every change leaves a row in the book."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import signature
from typing import Any
from unittest.mock import MagicMock

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from tests.running import Service, running
from tocsin.api.app import make_app
from tocsin.config import Config
from tocsin.store.database import claim

ADMIN = "the administrator's token"
LOOKING = {"GET", "HEAD", "OPTIONS"}
#: Handlers that are no looking and ask for less than "admin", and why that is right. They leave
#: no row: samples are not changes that people make, and a session changes nothing.
LESS: dict[tuple[str, str], tuple[Any, str]] = {
    ("POST", "/api/v1/samples"): ("ingest", "samples"),
    ("POST", "/api/v1/write"): ("ingest", "samples, by remote write"),
    ("POST", "/api/v1/collectd"): ("ingest", "samples, by collectd"),
    ("PUT", "/api/v1/collectd"): ("ingest", "the same"),
    ("POST", "/write"): ("ingest", "samples, by InfluxDB 1.x"),
    ("POST", "/api/v2/write"): ("ingest", "samples, by InfluxDB 2.x"),
    ("POST", "/v1/metrics"): ("ingest", "samples, by OpenTelemetry"),
    ("POST", "/query"): ("ingest", "clients create a database before they write; does nothing"),
    ("POST", "/api/v1/login"): ("open", "shows a token, which is judged; rate-limited"),
    ("POST", "/api/v1/logout"): ("open", "ends the session that is shown"),
}
#: Handlers that only look and are open to everybody, and why.
OPEN = {
    "/healthz": "for load balancers; reasons only for those who may read",
    "/health": "the same, as InfluxDB's clients ask for it",
    "/ping": "the same",
    "/api/v1/session": "says who asks",
}
#: What only looks but is sent as POST, because what is looked at is long: "read" is enough.
QUESTIONS: dict[tuple[str, str], str] = {
    ("POST", "/api/v1/metrics/{uid}/what-if"): "what other settings would have told",
    ("POST", "/api/v1/rules/preview"): "what other rules would have told",
    ("POST", "/api/v1/scan"): "what is odd in a file, which is kept nowhere",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litestar]:
    """The application over parts that are not there: its handlers are only looked at."""
    folder = tmp_path_factory.mktemp("routes")
    with claim(f"sqlite:///{folder / 't.db'}") as database:
        parts: dict[str, Any] = dict.fromkeys(signature(make_app).parameters, MagicMock())
        engine = MagicMock(database=database)
        yield make_app(**{**parts, "config": Config(), "engine": engine})


def handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    # OPTIONS are answered by the framework, which says which methods there are.
                    if method != "OPTIONS":
                        yield method, route.path_format, handler


def test_whoever_changes_something_must_be_an_administrator_or_is_listed(app: Litestar) -> None:
    found = [*handlers(app)]
    assert len(found) > 60
    less = {}
    for method, path, handler in found:
        scope = handler.opt.get("scope")
        if method not in LOOKING and scope not in (None, "admin"):
            less[method, path] = scope
    assert less == {where: scope for where, (scope, _) in LESS.items()} | dict.fromkeys(
        QUESTIONS, "read"
    )


def test_whoever_looks_must_be_let_in_or_is_listed(app: Litestar) -> None:
    is_open = {
        path
        for method, path, one in handlers(app)
        # The page's files hold nothing of anybody's.
        if one.opt.get("scope") == "open" and one.fn.__module__ != "tocsin.api.page"
        if method in LOOKING
    }
    assert is_open == OPEN.keys()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("every") / "data", TOCSIN_TOKEN=ADMIN) as service:
        service.client.headers["Authorization"] = f"Bearer {ADMIN}"
        yield service


def changing(service: Service) -> Iterator[tuple[str, str]]:
    """Method and path of what must leave a row, with something in place of its parameters."""
    schema = service.client.get("/schema/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method in map(str.upper, methods):
            if method not in LOOKING and (method, path) not in {*LESS, *QUESTIONS}:
                yield method, path


def test_every_change_leaves_a_row_and_is_refused_to_those_who_only_look(service: Service) -> None:
    ask = {"name": "reader", "scope": "read"}
    reader = service.client.post("/api/v1/tokens", json=ask).json()["secret"]
    asked = sorted(changing(service))
    assert len(asked) > 25
    for method, path in asked:
        where = re.sub("{.*?}", "999", path)
        refused = service.client.request(
            method, where, json={}, headers={"Authorization": f"Bearer {reader}"}
        )
        assert refused.status_code == 403, (method, path, refused.text)
        before = service.get("audit", limit=1)["changes"][0]["id"]
        answer = service.client.request(method, where, json={})
        rows = service.get("audit", limit=2)["changes"]
        assert rows[0]["id"] == before + 1, (method, path, answer.text)
        assert (rows[0]["who"], rows[0]["status"]) == ("configuration", answer.status_code)
        assert answer.status_code < 500, (method, path, answer.text)


def test_questions_are_bounded(service: Service) -> None:
    schema = service.client.get("/schema/openapi.json").json()
    limits = []
    for path, item in schema["paths"].items():
        for one in item.get("get", {}).get("parameters", ()):
            if one["name"] in ("limit", "points", "weeks", "days"):
                limits.append((path, one["name"]))
                assert one["schema"].get("maximum", 10**9) <= 10_000, (path, one)
                where = re.sub("{.*?}", "1", path)
                answer = service.client.get(where, params={one["name"]: 10**9})
                assert answer.status_code == 400, (path, one["name"])
    assert len(limits) > 8


def test_no_answer_shows_the_configured_token(service: Service) -> None:
    schema = service.client.get("/schema/openapi.json").json()
    for path in schema["paths"]:
        if path != "/api/v1/stream" and "get" in schema["paths"][path]:
            assert ADMIN not in service.client.get(re.sub("{.*?}", "1", path)).text, path
