"""The dashboards, and the files by which Grafana finds them."""

from __future__ import annotations

import json
from typing import Any, Final

from tocsin.grafana.panels import annotation, dashboard, prometheus, sql, table, timeseries

__all__ = ["files", "over_prometheus", "over_sql"]

Json = dict[str, Any]

_PROMETHEUS: Final = {"type": "prometheus", "uid": "${source}"}
_POSTGRESQL: Final = {"type": "grafana-postgresql-datasource", "uid": "${source}"}
_OF_METRIC: Final = '{metric="$metric"}'
#: Where Grafana looks, when the files are put where docs/grafana.md says.
_FOLDER: Final = "/var/lib/grafana/dashboards/tocsin"


def over_prometheus() -> Json:
    """Over the series of `tocsin.publish.series`, and Tocsin's own (``/metrics``)."""
    source = _PROMETHEUS

    def of(family: str, name: str) -> Json:
        return prometheus(f"{family}{_OF_METRIC}", name)

    panels = [
        timeseries(
            "Value, expectation and band",
            [
                of("tocsin_value", "{{metric}}"),
                of("tocsin_expected", "expected"),
                of("tocsin_lower", "lower"),
                of("tocsin_upper", "upper"),
            ],
            source,
        ),
        timeseries(
            "Anomaly score",
            [of("tocsin_anomaly_score", "{{metric}}"), of("tocsin_alert_score", "told")],
            source,
            wide=12,
        ),
        timeseries(
            "The most unusual now",
            [prometheus("topk(10, tocsin_anomaly_score)", "{{metric}}")],
            source,
            wide=12,
        ),
        timeseries(
            "Samples per second",
            [
                prometheus("sum(rate(tocsin_samples_accepted_total[5m]))", "accepted"),
                prometheus("rate(tocsin_samples_scored_total[5m])", "scored"),
                prometheus("sum(rate(tocsin_samples_rejected_total[5m]))", "refused"),
            ],
            source,
            wide=12,
        ),
        timeseries(
            "What waits, and who is silent",
            [
                prometheus("tocsin_queue_samples", "to be stored"),
                prometheus("tocsin_samples_unscored", "to be scored"),
                prometheus("tocsin_metrics_silent", "silent metrics"),
            ],
            source,
            wide=12,
        ),
    ]
    told = prometheus(f"tocsin_alert_score{_OF_METRIC} > 0", "{{metric}}")
    marks = annotation("Events", {**told, "titleFormat": "{{metric}}", "step": "15s"}, source)
    metric = _variable("metric", "label_values(tocsin_anomaly_score, metric)", source)
    variables = [_source("prometheus"), metric]
    return dashboard("tocsin-prometheus", "Tocsin: metrics", panels, variables, [marks])


def over_sql() -> Json:
    """Over the SQL views, on PostgreSQL."""
    source = _POSTGRESQL
    where = (
        "metric = (SELECT id FROM v_metric WHERE title = ${metric:sqlstring}) "
        "AND timestamp >= $__unixEpochNanoFrom() AND timestamp <= $__unixEpochNanoTo() "
        "ORDER BY seq"
    )
    between = "opened <= $__unixEpochNanoTo() AND updated >= $__unixEpochNanoFrom()"
    panels = [
        table(
            "Incidents",
            sql(
                "SELECT id, severity, state, title, opened_time, lasted_s, metrics, why "
                f"FROM v_incident WHERE {between} ORDER BY evidence DESC LIMIT 50",
                table=True,
            ),
            source,
        ),
        timeseries(
            "Value, expectation and band",
            [sql(f"SELECT time, value, expected, lower, upper FROM v_sample WHERE {where}")],
            source,
        ),
        timeseries(
            "Anomaly score",
            [sql(f"SELECT time, anomaly_score, alert_score FROM v_sample WHERE {where}")],
            source,
            wide=12,
        ),
        table(
            "The most unusual now",
            sql(
                "SELECT title, anomaly_score, last_value, last_time FROM v_metric "
                "WHERE status = 'active' ORDER BY anomaly_score DESC NULLS LAST LIMIT 20",
                table=True,
            ),
            source,
            wide=12,
        ),
        table(
            "Events",
            sql(
                "SELECT start_time, lasted_s, title, pattern, why FROM v_event "
                "WHERE start >= $__unixEpochNanoFrom() AND start <= $__unixEpochNanoTo() "
                "ORDER BY start DESC LIMIT 100",
                table=True,
            ),
            source,
        ),
    ]
    told = sql(
        "SELECT opened_time AS time, COALESCE(resolved_time, updated_time) AS timeend, "
        f"title AS text, severity AS tags FROM v_incident WHERE {between} "
        "ORDER BY opened LIMIT 500",
        table=True,
    )
    variables = [
        _source("grafana-postgresql-datasource"),
        _variable("metric", "SELECT title FROM v_metric ORDER BY title LIMIT 5000", source),
    ]
    marks = annotation("Incidents", told, source)
    return dashboard("tocsin-sql", "Tocsin: incidents and metrics", panels, variables, [marks])


def files() -> dict[str, str]:
    """All files by their path below Grafana's folders; see docs/grafana.md."""
    return {
        "dashboards/tocsin-prometheus.json": _text(over_prometheus()),
        "dashboards/tocsin-sql.json": _text(over_sql()),
        "provisioning/dashboards/tocsin.yaml": _PROVIDER,
        "provisioning/datasources/tocsin.yaml": _SOURCES,
    }


def _source(kind: str) -> Json:
    return {"name": "source", "type": "datasource", "query": kind, "label": "Data source"}


def _variable(name: str, query: str, source: Json) -> Json:
    return {
        "name": name,
        "type": "query",
        "label": name.capitalize(),
        "datasource": source,
        "definition": query,
        "query": query,
        "refresh": 2,
        "sort": 1,
        "multi": False,
        "includeAll": False,
    }


def _text(content: Json) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


_PROVIDER: Final = f"""\
apiVersion: 1
providers:
- name: tocsin
  folder: Tocsin
  type: file
  options:
    path: {_FOLDER}
"""
_SOURCES: Final = """\
# Change the addresses to yours; leave out what you do not have.
apiVersion: 1
datasources:
- name: Prometheus with Tocsin's scores
  type: prometheus
  uid: tocsin-prometheus
  access: proxy
  url: http://127.0.0.1:9090
- name: Tocsin's database
  type: grafana-postgresql-datasource
  uid: tocsin-postgresql
  access: proxy
  url: 127.0.0.1:5432
  user: tocsin_reader
  jsonData:
    database: tocsin
    sslmode: prefer
    postgresVersion: 1500
  secureJsonData:
    password: $TOCSIN_READER_PASSWORD
"""
