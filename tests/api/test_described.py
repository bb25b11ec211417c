"""The OpenAPI description, and a service that is asked everything that it allows, and more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Service, running
from tests.signals import as_samples

LONG = os.environ.get("TOCSIN_SCHEMA") == "long"
#: How much is asked; the long form also tries every single way to be wrong, and sequences.
MUCH = (
    ["--phases", "examples,coverage,fuzzing,stateful", "-n", "100"]
    if LONG
    else ["--phases", "examples,fuzzing", "-n", "2"]
)
CONFIG = """
[[channel]]
kind = "webhook"
name = "ops"
url = "http://127.0.0.1:9/"
timeout_s = 1
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("described")
    (folder / "tocsin.toml").write_text(CONFIG)
    config = ("--config", str(folder / "tocsin.toml"))
    with running(folder / "data", *config) as service:
        service.post(as_samples("known", [1.0, 2.0], host="a"))
        yield service


@pytest.fixture(scope="module")
def described(service: Service) -> dict[str, Any]:
    whole: dict[str, Any] = service.client.get("/schema/openapi.json").json()
    return whole


def _configured(folder: Path) -> Path:
    told = 'include-path = "/api/v1/samples"\nchecks.negative_data_rejection.enabled = false\n'
    (folder / "schemathesis.toml").write_text(f"[[operations]]\n{told}")
    return folder


@pytest.mark.timeout(3_600 if LONG else 300)
def test_nothing_is_found_by_asking_what_the_description_allows(
    service: Service, tmp_path: Path
) -> None:
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{service.client.base_url}/schema/openapi.json".replace("//schema", "/schema"),
            *MUCH,
            # The stream does not end. What a description cannot say (that an end comes after its
            # begin, say) is refused although it allows it.
            *("--exclude-path", "/api/v1/stream"),
            *("--exclude-checks", "positive_data_acceptance"),
            *("--seed", "1", "--no-color", "--request-timeout", "60"),
        ],
        # Of many samples, a wrong one does not keep the others out: each has its verdict.
        cwd=_configured(tmp_path),
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0, asked.stdout[-20_000:] + asked.stderr[-2_000:]
    tested = re.search(r"Tested: (\d+)", asked.stdout)
    assert tested
    assert int(tested[1]) > 60
    assert service.client.get("/healthz").json() == {"status": "ok"}


def test_every_operation_says_what_it_does_and_how_it_refuses(described: dict[str, Any]) -> None:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert {"400", "401", "403", "503"} <= operation["responses"].keys(), where
            if "{" in path:
                assert "404" in operation["responses"], where


def test_bodies_that_refuse_unknown_fields_say_so(
    service: Service, described: dict[str, Any]
) -> None:
    schemas = described["components"]["schemas"]
    assert schemas["TokenIn"]["additionalProperties"] is False
    asked = {"name": "x", "scope": "admin", "more": 1}
    assert service.client.post("/api/v1/tokens", json=asked).status_code == 400


def test_what_may_be_done_with_a_path_is_told_whole(
    service: Service, described: dict[str, Any]
) -> None:
    for path, item in described["paths"].items():
        answer = service.client.options(re.sub("{.*?}", "1", path))
        told = {one.lower() for one in answer.headers["allow"].split(", ")}
        assert {*item, "options"} == told - {"head"}, path
    refused = service.client.put("/api/v1/tokens")
    assert refused.status_code == 405


@pytest.mark.parametrize(
    "path", ["/metrics/scores", "/metrics/scores?match=a&limit=0", "/metrics?name[]=no-body"]
)
def test_what_is_wrong_is_told_in_json_whatever_the_right_answer_is(
    service: Service, path: str
) -> None:
    answer = service.client.get(path)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["detail"]
