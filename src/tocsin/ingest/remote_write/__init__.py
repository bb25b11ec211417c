"""Prometheus remote write: one file a version, both with the same scan, cache and rules."""
