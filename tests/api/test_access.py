"""Tokens, sessions, scopes and the book of changes, on a running service."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Service, run, run_up, running
from tests.signals import START, as_samples

PAGE = {"X-Tocsin-Page": "1"}
CONFIGURED = "a secret of the configuration"
OTLP = {"content-type": "application/json"}
LINE = f"m v=1 {START}000000000"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("access") / "data"
    with running(folder, TOCSIN_TOKEN=CONFIGURED) as service:
        yield service


@pytest.fixture(scope="module")
def tokens(service: Service) -> dict[str, str]:
    """A secret for each scope."""
    made = {}
    for scope in ("ingest", "read", "admin"):
        answer = service.client.post(
            "/api/v1/tokens",
            json={"name": f"a {scope}", "scope": scope},
            headers=bearer(CONFIGURED),
        )
        assert answer.status_code == 201, answer.text
        made[scope] = answer.json()["secret"]
    return made


@pytest.fixture
def browser(service: Service) -> Iterator[httpx.Client]:
    """A client with cookies of its own."""
    with httpx.Client(base_url=service.client.base_url, timeout=60) as client:
        yield client


def asked(service: Service, method: str, path: str, token: str | None, **more: Any) -> int:
    headers = {**more.pop("headers", {}), **({} if token is None else bearer(token))}
    return service.client.request(method, path, headers=headers, **more).status_code


#: A request, and the status that each scope gets.
ROUTES: list[tuple[str, str, dict[str, Any], dict[str, int]]] = [
    ("GET", "/api/v1/metrics", {}, {"ingest": 403, "read": 200, "admin": 200}),
    ("GET", "/api/v1/events", {}, {"ingest": 403, "read": 200, "admin": 200}),
    ("GET", "/metrics", {}, {"ingest": 403, "read": 200, "admin": 200}),
    ("GET", "/schema/openapi.json", {}, {"ingest": 403, "read": 200, "admin": 200}),
    ("GET", "/api/v1/source?source=x", {}, {"ingest": 404, "read": 404, "admin": 404}),
    ("GET", "/api/v1/tokens", {}, {"ingest": 403, "read": 403, "admin": 200}),
    ("GET", "/api/v1/audit", {}, {"ingest": 403, "read": 403, "admin": 200}),
    ("DELETE", "/api/v1/metrics/nobody", {}, {"ingest": 403, "read": 403, "admin": 404}),
    ("DELETE", "/api/v1/tokens/99999", {}, {"ingest": 403, "read": 403, "admin": 404}),
    (
        "POST",
        "/api/v1/samples",
        {"json": {"samples": as_samples("sent", [1.0])}},
        {"ingest": 200, "read": 403, "admin": 200},
    ),
    ("POST", "/api/v1/write", {"content": b""}, {"ingest": 400, "read": 403, "admin": 400}),
    ("POST", "/write", {"content": LINE}, {"ingest": 204, "read": 403, "admin": 204}),
    ("POST", "/api/v2/write", {"content": LINE}, {"ingest": 204, "read": 403, "admin": 204}),
    (
        "POST",
        "/v1/metrics",
        {"content": b"{}", "headers": OTLP},
        {"ingest": 200, "read": 403, "admin": 200},
    ),
]


@pytest.mark.parametrize(("method", "path", "more", "statuses"), ROUTES)
def test_every_scope_may_do_its_own(
    service: Service,
    tokens: dict[str, str],
    method: str,
    path: str,
    more: dict[str, Any],
    statuses: dict[str, int],
) -> None:
    found = {scope: asked(service, method, path, tokens[scope], **more) for scope in statuses}
    if path == "/api/v1/write":  # its bodies are compressed; an empty one is refused or nothing
        assert found["read"] == 403
        assert {found["ingest"], found["admin"]} <= {204, 400}
    else:
        assert found == statuses
    assert asked(service, method, path, None, **more) == 401
    assert asked(service, method, path, "tocsin_nonsense", **more) == 401


def test_every_route_is_closed_unless_it_says_otherwise(service: Service) -> None:
    schema = service.client.get("/schema/openapi.json", headers=bearer(CONFIGURED)).json()
    is_open = set()
    for path, methods in schema["paths"].items():
        for method in methods:
            answer = service.client.request(method, re.sub("{.*?}", "1", path))
            if answer.status_code != 401:
                is_open.add((method, path))
    assert is_open == {
        ("get", "/healthz"),
        ("get", "/health"),
        ("get", "/ping"),
        ("get", "/api/v1/session"),
        ("post", "/api/v1/login"),
        ("post", "/api/v1/logout"),
    }


def test_influx_clients_show_a_token_in_their_own_ways(
    service: Service, tokens: dict[str, str]
) -> None:
    ingest = tokens["ingest"]
    basic = base64.b64encode(f"anybody:{ingest}".encode()).decode()
    for headers in (
        {"Authorization": f"Token {ingest}"},
        {"Authorization": f"Basic {basic}"},
        bearer(ingest),
    ):
        for path in ("/write", "/api/v2/write"):
            answer = service.client.post(path, content=LINE, headers=headers)
            assert answer.status_code == 204, answer.text
    assert asked(service, "POST", f"/write?u=x&p={ingest}", None, content=LINE) == 204
    assert asked(service, "POST", f"/write?u=x&p={tokens['read']}", None, content=LINE) == 403
    # Not elsewhere: browsers add these by themselves.
    answer = service.client.get("/api/v1/metrics", headers={"Authorization": f"Basic {basic}"})
    assert answer.status_code == 401


def test_a_revoked_token_is_of_no_use(service: Service) -> None:
    made = service.client.post(
        "/api/v1/tokens", json={"name": "gone", "scope": "read"}, headers=bearer(CONFIGURED)
    ).json()
    assert asked(service, "GET", "/api/v1/metrics", made["secret"]) == 200
    number = made["token"]["id"]
    assert asked(service, "DELETE", f"/api/v1/tokens/{number}", CONFIGURED) == 204
    assert asked(service, "GET", "/api/v1/metrics", made["secret"]) == 401


def test_an_expired_token_is_of_no_use(service: Service) -> None:
    wanted = {"name": "short", "scope": "read", "days": 1e-6}
    made = service.client.post("/api/v1/tokens", json=wanted, headers=bearer(CONFIGURED)).json()
    time.sleep(0.1)
    assert made["token"]["expires"] is not None
    assert asked(service, "GET", "/api/v1/metrics", made["secret"]) == 401


def test_tokens_are_listed_without_secrets(service: Service, tokens: dict[str, str]) -> None:
    answer = service.client.get("/api/v1/tokens", headers=bearer(CONFIGURED))
    told = answer.json()
    assert told["configured"] is True
    assert {"a ingest", "a read", "a admin"} <= {token["name"] for token in told["tokens"]}
    assert {token["creator"] for token in told["tokens"]} == {"configuration"}
    assert not any(secret in answer.text for secret in (*tokens.values(), CONFIGURED))


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"name": "x", "scope": "root"}, 400),
        ({"name": "", "scope": "read"}, 400),
        ({"name": "local", "scope": "read"}, 400),
        ({"name": "x", "scope": "read", "days": -1}, 400),
        ({"name": "x", "scope": "read", "hash": "0"}, 400),
        ({"name": "a read", "scope": "read"}, 409),
    ],
)
def test_a_token_that_cannot_be(
    service: Service, tokens: dict[str, str], wanted: dict[str, Any], status: int
) -> None:
    assert asked(service, "POST", "/api/v1/tokens", CONFIGURED, json=wanted) == status


# Browsers


def test_a_browser_logs_in_and_out(browser: httpx.Client, tokens: dict[str, str]) -> None:
    nobody = {"scope": None, "name": None, "needs_token": True}
    assert browser.get("/api/v1/session").json() == nobody
    answer = browser.post("/api/v1/login", json={"token": tokens["admin"]}, headers=PAGE)
    assert answer.status_code == 200
    assert answer.json() == {"scope": "admin", "name": "a admin", "needs_token": True}
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    assert tokens["admin"] not in cookie
    assert browser.get("/api/v1/metrics").status_code == 200
    assert browser.get("/api/v1/session").json()["name"] == "a admin"
    kept = dict(browser.cookies)
    assert browser.post("/api/v1/logout", headers=PAGE).status_code == 204
    assert browser.get("/api/v1/metrics").status_code == 401
    browser.cookies.update(kept)  # kept by somebody: it is of no use any more
    assert browser.get("/api/v1/metrics").status_code == 401


def test_a_cookie_alone_changes_nothing(browser: httpx.Client, tokens: dict[str, str]) -> None:
    browser.post("/api/v1/login", json={"token": tokens["admin"]}, headers=PAGE)
    refused = browser.delete("/api/v1/metrics/nobody")
    assert refused.status_code == 403
    assert "X-Tocsin-Page" in refused.json()["detail"]
    foreign = {**PAGE, "Sec-Fetch-Site": "cross-site"}
    assert browser.delete("/api/v1/metrics/nobody", headers=foreign).status_code == 403
    assert browser.delete("/api/v1/metrics/nobody", headers=PAGE).status_code == 404
    assert browser.post("/api/v1/logout").status_code == 403


def test_logging_in_is_only_for_the_page(browser: httpx.Client, tokens: dict[str, str]) -> None:
    answer = browser.post("/api/v1/login", json={"token": tokens["admin"]})
    assert answer.status_code == 403
    assert not browser.cookies


def test_a_session_has_the_scope_of_its_token(
    browser: httpx.Client, tokens: dict[str, str]
) -> None:
    browser.post("/api/v1/login", json={"token": tokens["read"]}, headers=PAGE)
    assert browser.get("/api/v1/metrics").status_code == 200
    assert browser.delete("/api/v1/metrics/nobody", headers=PAGE).status_code == 403
    sending = browser.post("/api/v1/login", json={"token": tokens["ingest"]}, headers=PAGE)
    assert sending.status_code == 403


def test_behind_tls_the_cookie_is_only_for_tls(
    browser: httpx.Client, tokens: dict[str, str]
) -> None:
    forwarded = {**PAGE, "X-Forwarded-Proto": "https"}
    answer = browser.post("/api/v1/login", json={"token": tokens["read"]}, headers=forwarded)
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_revoked_token_ends_its_sessions_and_streams(
    service: Service, browser: httpx.Client
) -> None:
    admin = bearer(CONFIGURED)
    wanted = {"name": "watcher", "scope": "read"}
    made = service.client.post("/api/v1/tokens", json=wanted, headers=admin).json()
    browser.post("/api/v1/login", json={"token": made["secret"]}, headers=PAGE)
    with browser.stream("GET", "/api/v1/stream") as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        assert next(lines).startswith(": welcome")
        service.client.delete(f"/api/v1/tokens/{made['token']['id']}", headers=admin)
        service.post(as_samples("after.revoking", [1.0]), headers=admin)
        assert not any("after.revoking" in line or "samples" in line for line in lines)
    assert browser.get("/api/v1/metrics").status_code == 401


def test_guessing_is_slowed_down_by_address(tmp_path: Path) -> None:
    with running(tmp_path / "data", TOCSIN_TOKEN="guess this") as service:
        statuses = []
        for number in range(14):
            wrong = {"token": f"wrong {number}"}
            answer = service.client.post("/api/v1/login", json=wrong, headers=PAGE)
            statuses.append(answer.status_code)
        assert statuses[:10] == [401] * 10
        assert statuses[-1] == 429
        assert int(answer.headers["retry-after"]) >= 1
        right = service.client.post("/api/v1/login", json={"token": "guess this"}, headers=PAGE)
        assert right.status_code == 429  # or the limit would tell when a guess is right
        # Headers have a limit of their own, for different guesses.
        same = [asked(service, "GET", "/api/v1/metrics", "wrong") for _ in range(80)]
        assert set(same) == {401}
        guesses = [asked(service, "GET", "/api/v1/metrics", f"no {n}") for n in range(80)]
        assert guesses[0] == 401
        assert guesses[-1] == 429


# Without a token


def test_without_tokens_this_machine_may_do_everything(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        local = {"scope": "admin", "name": "local", "needs_token": False}
        assert service.get("session") == local
        login = service.client.post("/api/v1/login", json={"token": "any"}, headers=PAGE)
        assert login.json() == local
        assert "set-cookie" not in login.headers
        forwarded = service.client.get("/api/v1/metrics", headers={"X-Forwarded-For": "10.0.0.1"})
        assert forwarded.status_code == 403
        assert "proxy" in forwarded.json()["detail"]
        first = service.client.post("/api/v1/tokens", json={"name": "a", "scope": "ingest"})
        assert first.status_code == 409
        assert "admin" in first.json()["detail"]
        made = service.client.post("/api/v1/tokens", json={"name": "a", "scope": "admin"}).json()
        assert service.client.get("/api/v1/metrics").status_code == 401
        assert asked(service, "GET", "/api/v1/metrics", made["secret"]) == 200
        rows = service.client.get("/api/v1/audit", headers=bearer(made["secret"])).json()["changes"]
        told = [(row["who"], row["what"], row["target"], row["status"]) for row in rows]
        assert told == [
            ("local", "token.create", "a", 201),
            ("local", "token.create", "a", 409),
        ]


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_others_are_not_let_in_by_mistake(tmp_path: Path, address: str) -> None:
    data = tmp_path / "data"
    ended = run_up("--data", str(data), "--http", address, "--graphite", "off", cwd=tmp_path)
    assert ended.returncode == 2
    assert "token" in ended.stderr
    assert "--insecure" in ended.stderr


def test_others_are_let_in_with_a_token_or_when_that_is_wanted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--insecure", http="0.0.0.0:0") as service:
        named = service.client.get("/api/v1/metrics", headers={"Host": "tocsin.example"})
        assert named.status_code == 200
        origin = {"Origin": "http://evil.example"}
        assert service.client.get("/api/v1/metrics", headers=origin).status_code == 403
    made = run("token", "create", "me", "--scope", "admin", "--data", str(data), cwd=tmp_path)
    with running(data, http="0.0.0.0:0") as service:
        assert service.client.get("/api/v1/metrics").status_code == 401
        assert asked(service, "GET", "/api/v1/metrics", made.stdout.strip()) == 200
        # The last one is gone: nobody is let in, instead of everybody.
        run("token", "revoke", "me", "--data", str(data), cwd=tmp_path)
        time.sleep(1.1)
        assert service.client.get("/api/v1/metrics").status_code == 401


# The command


def test_tokens_from_the_command_line_while_the_service_runs(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    made = run("token", "create", "early", "--scope", "admin", "--data", data, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    early = made.stdout.strip()
    with running(Path(data)) as service:
        assert asked(service, "GET", "/api/v1/metrics", early) == 200
        made = run("token", "create", "sender", "--scope", "ingest", "--data", data, cwd=tmp_path)
        assert made.returncode == 0, made.stderr
        late = made.stdout.strip()
        time.sleep(1.1)
        service.post(as_samples("m", [1.0]), headers=bearer(late))
        listed = run("token", "list", "--data", data, cwd=tmp_path)
        assert "early" in listed.stdout
        assert "sender" in listed.stdout
        assert late not in listed.stdout
        gone = run("token", "revoke", "sender", "--data", data, cwd=tmp_path)
        assert gone.returncode == 0, gone.stderr
        time.sleep(1.1)
        assert asked(service, "POST", "/api/v1/samples", late, json={"samples": []}) == 401
        rows = service.client.get("/api/v1/audit", headers=bearer(early)).json()["changes"]
        assert [(row["what"], row["target"]) for row in rows] == [
            ("token.revoke", "sender"),
            ("token.create", "sender"),
            ("token.create", "early"),
        ]
        assert all("command line" in row["who"] for row in rows)
        uses = service.client.get("/api/v1/tokens", headers=bearer(early)).json()["tokens"]
        assert [token["name"] for token in uses] == ["early"]
    known = sqlite3.connect(Path(data) / "tocsin.db")
    assert known.execute("SELECT used IS NOT NULL FROM token").fetchall() == [(1,)]
    known.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("revoke", "nobody"), "no token 'nobody'"),
        (("create", "x", "--scope", "root"), "root"),
        (("create", "x"), "--scope"),
        (("create", "x", "--scope", "read", "--days", "-1"), "--days"),
        (("create", "", "--scope", "read"), "name"),
    ],
)
def test_the_command_says_what_is_wrong(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = run("token", *arguments, "--data", str(tmp_path / "data"), cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr


# The book of changes


def test_changes_are_noted_and_looking_is_not(service: Service, tokens: dict[str, str]) -> None:
    admin = bearer(tokens["admin"])
    service.post(as_samples("noted", [1.0]), headers=admin)
    found = service.client.get("/api/v1/metrics?match=noted", headers=admin).json()["metrics"]
    uid = found[0]["uid"]
    service.client.post(f"/api/v1/metrics/{uid}/pause", headers=admin)
    service.client.patch(f"/api/v1/metrics/{uid}/settings", json={"nonsense": 1}, headers=admin)
    service.client.delete(f"/api/v1/metrics/{uid}", headers=admin)
    page = service.client.get("/api/v1/audit?limit=3", headers=admin).json()
    told = [(c["who"], c["what"], c["target"], c["status"]) for c in page["changes"]]
    assert told == [
        ("a admin", "DELETE /api/v1/metrics/{uid}", uid, 204),
        ("a admin", "PATCH /api/v1/metrics/{uid}/settings", uid, 400),
        ("a admin", "POST /api/v1/metrics/{uid}/pause", uid, 200),
    ]
    assert {change["address"] for change in page["changes"]} == {"127.0.0.1"}
    older = service.client.get(f"/api/v1/audit?cursor={page['cursor']}", headers=admin).json()
    assert older["changes"][0]["id"] < page["changes"][-1]["id"]
    book = json.dumps(page) + json.dumps(older)
    assert not any(secret in book for secret in (*tokens.values(), CONFIGURED))


# Every answer


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/metrics", "/nothing", "/healthz", "/api/v1/metrics/x", "/static/none.js"]
)
def test_every_answer_says_what_a_browser_may_do_with_it(service: Service, path: str) -> None:
    for headers in ({}, bearer(CONFIGURED)):
        answer = service.client.get(path, headers=headers)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
