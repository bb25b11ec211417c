"""Dashboards for Grafana, over Prometheus and over the SQL views (docs/grafana.md)."""
