"""Compiled scans of bytes into columns: one file a format, and what they share."""
