"""The views, and every example of docs/sql.md, on both kinds of database."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.store.making import MINUTE, a_metric, results, samples
from tocsin.store import schema
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import claim

DOCS = Path(__file__).parents[2] / "docs" / "sql.md"
EXAMPLES = re.findall(r"```sql\n(.*?)```", DOCS.read_text("utf-8"), flags=re.DOTALL)
NOON = 1_700_000_000 * 10**9


def fill(engine: Engine) -> None:
    """A metric with three samples, an event, and an incident of it and of a silence."""
    metric = a_metric(1) | {
        "name": "web.latency",
        "title": 'web.latency{host="a"}',
        "labels": '{"host":"a"}',
        "status": "active",
    }
    scored = results(3, anomaly_score=0.6, expected=1.0, lower=0.5, upper=1.5)
    scored["event"] = [0, 1, 4]
    times = [NOON, NOON + MINUTE, NOON + 2 * MINUTE]
    event = {
        "metric": 1,
        "start": times[1],
        "peak": times[1],
        "end": times[2],
        "open": False,
        "value": 9.0,
        "samples": 2,
        "pattern": "spike",
        "why": "spike: it is far",
        "id": 7,
    }
    writer = Writer(engine)
    writer.commit(
        Commit(metrics=[metric], samples=samples(1, times, scored=scored), events=[event])
    )
    incident: dict[str, Any] = dict.fromkeys((c.name for c in schema.incident.c), None)
    incident |= {
        "id": 1,
        "state": "open",
        "severity": "warning",
        "title": "web.latency on a",
        "group": "host=a",
        "opened": times[1],
        "updated": times[2],
        "evidence": 6.0,
        "why": "spike: it is far",
        "first_metric": 1,
        "metrics": 1,
        "events": 2,
        "revision": 1,
        "bonds": "[]",
        "together": "",
        "kept": False,
    }
    member = {
        "incident": 1,
        "metric": 1,
        "start": times[1],
        "end": times[2],
        "open": False,
        "decades": 6.0,
        "severity": "warning",
        "title": 'web.latency{host="a"}',
        "why": "spike: it is far",
    }

    def put(connection: Any) -> None:
        connection.execute(schema.incident.insert(), [incident])
        rows = [member | {"event": 7}, member | {"event": -1, "why": "silent for 2 minutes"}]
        connection.execute(schema.incident_event.insert(), rows)

    writer.write(put)


def ask(engine: Engine, query: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        rows = connection.execute(text(query.replace(":", "\\:"))).mappings().all()
    return [dict(row) for row in rows]


def moment(told: Any) -> datetime:
    return told if isinstance(told, datetime) else datetime.fromisoformat(told)


def test_views_say_what_is_stored_in_words_and_times(database_url: str) -> None:
    with claim(database_url) as engine:
        fill(engine)
        rows = ask(engine, "SELECT * FROM v_sample ORDER BY seq")
        assert [row["event"] for row in rows] == ["", "start", "end"]
        assert moment(rows[0]["time"]) == datetime.fromtimestamp(1.7e9, UTC)
        assert rows[0]["title"] == 'web.latency{host="a"}'
        assert (rows[1]["expected"], rows[1]["upper"], rows[1]["anomaly_score"]) == (1.0, 1.5, 0.6)
        (event,) = ask(engine, "SELECT * FROM v_event")
        assert (event["pattern"], event["lasted_s"], event["name"]) == ("spike", 60, "web.latency")
        (incident,) = ask(engine, "SELECT * FROM v_incident")
        assert (incident["place"], incident["first_metric"]) == ("host=a", 'web.latency{host="a"}')
        assert incident["resolved_time"] is None
        members = ask(engine, "SELECT * FROM v_incident_event ORDER BY event")
        assert [row["pattern"] for row in members] == ["silence", "spike"]


@pytest.mark.parametrize("query", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_run(query: str, database_url: str) -> None:
    with claim(database_url) as engine:
        fill(engine)
        found = ask(engine, query.strip().rstrip(";"))
        if "state = 'resolved'" not in query and "unscored > 0" not in query:
            assert found


def test_a_deleted_metric_is_in_no_view_of_metrics(database_url: str) -> None:
    with claim(database_url) as engine:
        fill(engine)
        Writer(engine).change_metric(1, deleted=1)
        for view in ("v_metric", "v_sample", "v_event"):
            assert ask(engine, f"SELECT * FROM {view}") == []
