"""Parts of dashboards as Grafana's JSON has them (schema version 39: Grafana 10 and later)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

__all__ = ["SCHEMA_VERSION", "annotation", "dashboard", "prometheus", "sql", "table", "timeseries"]

Json = dict[str, Any]

SCHEMA_VERSION: Final = 39
#: Columns of Grafana's grid.
_WIDTH: Final = 24


def prometheus(query: str, name: str) -> Json:
    """A query in PromQL; ``name``: of its series."""
    return {"expr": query, "legendFormat": name}


def sql(query: str, *, table: bool = False) -> Json:
    """A query in SQL that gives a column ``time``, or a table."""
    form = "table" if table else "time_series"
    return {"rawSql": query, "rawQuery": True, "editorMode": "code", "format": form}


def timeseries(
    title: str, queries: Sequence[Json], source: Json, *, unit: str = "short", wide: int = _WIDTH
) -> Json:
    """A chart over time; where there are lower and upper, the band between them is filled."""
    fill = [
        _override("lower", "custom.fillBelowTo", "none"),
        _override("upper", "custom.fillBelowTo", "lower"),
        _override("lower", "custom.lineWidth", 0),
        _override("upper", "custom.lineWidth", 0),
    ]
    return {
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "targets": _targets(queries, source),
        "fieldConfig": {
            "defaults": {"unit": unit, "custom": {"fillOpacity": 10, "spanNulls": False}},
            "overrides": fill,
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        "gridPos": {"h": 9, "w": wide, "x": 0, "y": 0},
    }


def table(title: str, query: Json, source: Json, *, wide: int = _WIDTH) -> Json:
    """Rows as they come."""
    return {
        "type": "table",
        "title": title,
        "datasource": source,
        "targets": _targets([query], source),
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {"showHeader": True},
        "gridPos": {"h": 8, "w": wide, "x": 0, "y": 0},
    }


def annotation(name: str, query: Json, source: Json) -> Json:
    """What is marked in every chart."""
    return {
        "name": name,
        "datasource": source,
        "enable": True,
        "iconColor": "red",
        "target": {"refId": "Anno", "datasource": source, **query},
        **query,
    }


def dashboard(
    uid: str,
    title: str,
    panels: Sequence[Json],
    variables: Sequence[Json],
    annotations: Sequence[Json],
) -> Json:
    """The whole, its panels laid out in rows from left to right."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["tocsin"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "panels": _laid_out(panels),
    }


def _override(field: str, key: str, value: Any) -> Json:
    properties = [{"id": key, "value": value}]
    return {"matcher": {"id": "byName", "options": field}, "properties": properties}


def _targets(queries: Sequence[Json], source: Json) -> list[Json]:
    letters = "ABCDEFGH"
    return [{"refId": letters[n], "datasource": source, **query} for n, query in enumerate(queries)]


def _laid_out(panels: Sequence[Json]) -> list[Json]:
    found, x, y, high = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        size = panel["gridPos"]
        if x + size["w"] > _WIDTH:
            x, y, high = 0, y + high, 0
        found.append({"id": number, **panel, "gridPos": {**size, "x": x, "y": y}})
        x, high = x + size["w"], max(high, size["h"])
    return found
