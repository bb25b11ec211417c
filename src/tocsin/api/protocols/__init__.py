"""Protocols of others over HTTP: one file each, over its decoder in `tocsin.ingest`."""
