"""Views for people who ask in SQL: times as times, and names beside numbers (docs/sql.md).

They hold nothing and are made anew whenever the schema changes: tables that views look at cannot
be altered.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from tocsin.detect.result import EVENT_CODES

__all__ = ["VIEWS", "drop_views", "make_views"]

#: In the order in which they are made.
VIEWS: Final = ("v_metric", "v_sample", "v_event", "v_incident", "v_incident_event")

_TIME: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000000.0, 'unixepoch')",
    "postgresql": "(timestamptz 'epoch' + ({0} / 1000) * interval '1 microsecond')",
}
_LABELS: Final = {"sqlite": "m.labels", "postgresql": "m.labels::jsonb"}
_EVENTS: Final = " ".join(
    f"WHEN {code} THEN '{state.value}'" for code, state in enumerate(EVENT_CODES)
)


def make_views(connection: Connection) -> None:
    """Make all views, in place of those that are there."""
    drop_views(connection)
    kind = connection.dialect.name
    for name, query in zip(VIEWS, _queries(_TIME[kind], _LABELS[kind]), strict=True):
        connection.execute(text(f"CREATE VIEW {name} AS {query}".replace(":", "\\:")))


def drop_views(connection: Connection) -> None:
    """Drop all views; before tables are altered."""
    for name in reversed(VIEWS):
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))


def _queries(time: str, labels: str) -> tuple[str, ...]:
    def at(column: str, name: str) -> str:
        return f"{time.format(column)} AS {name}"

    def lasting(alias: str) -> str:
        return f'({alias}."end" - {alias}.start) / 1e9 AS lasted_s'

    metric = f"m.uid, m.name, m.title, {labels} AS labels"
    return (
        f"""
        SELECT m.id, {metric}, m.generation, m.status, m.reason, m.detail,
               {at("p.last_timestamp", "last_time")}, p.last_value, p.anomaly_score,
               p.last_seq AS samples, p.last_seq - p.scored_seq AS unscored,
               {at("m.created", "created_time")}, m.model, m.counter
        FROM metric m JOIN progress p ON p.metric = m.id WHERE m.deleted IS NULL""",
        f"""
        SELECT s.metric, {metric}, s.seq, s.timestamp, {at("s.timestamp", "time")},
               s.value, s.rate, s.raw_score, s.likelihood, s.anomaly_score, s.alert_score,
               s.expected, s.lower, s.upper, CASE s.event {_EVENTS} END AS event
        FROM sample s JOIN metric m ON m.id = s.metric WHERE m.deleted IS NULL""",
        f"""
        SELECT e.id, e.metric, {metric}, e.start, {at("e.start", "start_time")},
               {at("e.peak", "peak_time")}, e."end", {at('e."end"', "end_time")},
               {lasting("e")}, e.open, e.value, e.expected, e.lower, e.upper,
               e.anomaly_score, e.likelihood, e.samples, e.pattern, e.why, e.muted, e.because
        FROM event e JOIN metric m ON m.id = e.metric WHERE m.deleted IS NULL""",
        f"""
        SELECT i.id, i.state, i.severity, i.title, i."group" AS place, i.opened,
               {at("i.opened", "opened_time")}, i.updated, {at("i.updated", "updated_time")},
               i.resolved, {at("i.resolved", "resolved_time")},
               (COALESCE(i.resolved, i.updated) - i.opened) / 1e9 AS lasted_s,
               {at("i.snoozed_until", "snoozed_until_time")}, i.assignee, i.evidence, i.why,
               m.title AS first_metric, i.metrics, i.events
        FROM incident i LEFT JOIN metric m ON m.id = i.first_metric""",
        f"""
        SELECT e.incident, e.event, e.metric, {metric}, e.start, {at("e.start", "start_time")},
               e."end", {at('e."end"', "end_time")}, {lasting("e")}, e.open, e.severity,
               e.decades, CASE WHEN e.event < 0 THEN 'silence' ELSE v.pattern END AS pattern, e.why
        FROM incident_event e JOIN metric m ON m.id = e.metric
        LEFT JOIN event v ON v.id = e.event""",
    )
