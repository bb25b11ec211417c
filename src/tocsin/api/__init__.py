"""HTTP: ingest, queries, the live stream and the page."""
