"""Dashboards: what Grafana needs is there, and every query is answered by the real thing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.clients.prometheus import free_port, prometheus, wait_until
from tests.clients.test_scores import ODD
from tests.running import run, running
from tests.store.test_views import NOON, fill
from tocsin.grafana.dashboards import over_prometheus, over_sql
from tocsin.grafana.panels import SCHEMA_VERSION
from tocsin.store.database import claim

NAME = "web.latency"


def queries(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of panels, and of what is marked."""
    for panel in dashboard["panels"]:
        yield from panel["targets"]
    for one in dashboard["annotations"]["list"]:
        yield one["target"]


@pytest.mark.parametrize("dashboard", [over_prometheus(), over_sql()], ids=["prometheus", "sql"])
def test_a_dashboard_has_what_grafana_needs(dashboard: dict[str, Any]) -> None:
    assert dashboard["schemaVersion"] == SCHEMA_VERSION
    assert re.fullmatch(r"[\w-]{1,40}", dashboard["uid"])
    assert {"title", "panels", "templating", "annotations", "time"} <= dashboard.keys()
    source, metric = dashboard["templating"]["list"]
    assert (source["name"], source["type"]) == ("source", "datasource")
    assert (metric["name"], metric["type"]) == ("metric", "query")
    places: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["type"] in ("timeseries", "table")
        assert panel["datasource"] == {"type": source["query"], "uid": "${source}"}
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        cells = {(x, grid["y"]) for x in range(grid["x"], grid["x"] + grid["w"])}
        assert not places & cells
        places |= cells
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    variables = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
    assert {name for name in variables if not name.startswith("__")} == {"source", "metric"}


def test_they_are_written_by_the_command(tmp_path: Path) -> None:
    done = run("grafana", "export", "here", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert sorted(done.stdout.split()) == written
    told = json.loads((tmp_path / "here/dashboards/tocsin-sql.json").read_text("utf-8"))
    assert told == over_sql()
    (tmp_path / "file").write_text("")
    done = run("grafana", "export", "file", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_sql_is_answered(database_url: str) -> None:
    with claim(database_url) as engine:
        fill(engine)
        variable = over_sql()["templating"]["list"][1]["query"]
        with engine.connect() as connection:
            (title,) = connection.execute(text(variable)).scalars().all()
            for target in queries(over_sql()):
                query = target["rawSql"].replace("$__unixEpochNanoFrom()", str(NOON - 10**12))
                query = query.replace("$__unixEpochNanoTo()", str(NOON + 10**12))
                query = query.replace("${metric:sqlstring}", f"'{title}'").replace(":", "\\:")
                assert "$" not in query
                rows = connection.execute(text(query)).mappings().all()
                assert rows, query
                if target["format"] == "time_series":
                    assert next(iter(rows[0])) == "time"
                    assert any(row[name] is not None for row in rows for name in row)


def test_promql_is_answered(tmp_path: Path) -> None:
    """Prometheus begins first: it looks for targets once in five seconds."""
    target = f"127.0.0.1:{free_port()}"
    scrape = (
        f"- job_name: scores\n  honor_labels: true\n  metrics_path: /metrics/scores\n"
        f"  params: {{match: ['web.*']}}\n  static_configs: [{{targets: ['{target}']}}]\n"
        f"- job_name: tocsin\n  static_configs: [{{targets: ['{target}']}}]\n"
    )
    dashboard = over_prometheus()
    with (
        prometheus(tmp_path / "scraping", scrape=scrape) as server,
        running(tmp_path / "data", http=target) as service,
    ):
        answer = service.post(samples(time.time()))
        assert [one["index"] for one in answer["rejected"]] == [201]
        for query in queries(dashboard):
            expression = query["expr"].replace("$metric", NAME)
            assert "$" not in expression
            wait_until(lambda asked=expression: server.query(asked), 30, expression)
        asked = re.fullmatch(
            r"label_values\((\w+), (\w+)\)", dashboard["templating"]["list"][1]["query"]
        )
        assert asked
        family, label = asked.groups()
        told = server.client.get(f"/api/v1/label/{label}/values", params={"match[]": family})
        assert told.json()["data"] == [NAME]


def samples(now: float) -> list[dict[str, Any]]:
    """Of one metric, the newest odd enough to be told; and one that is refused."""
    metric = {"metric": NAME, "labels": {"host.name": "a", "odd": ODD}}
    values = [float(n % 7) for n in range(200)] + [9_999.0]
    found = [
        {**metric, "timestamp": now - 200 + n, "value": value} for n, value in enumerate(values)
    ]
    return [*found, {**metric, "timestamp": now + 86_400, "value": 1.0}]
