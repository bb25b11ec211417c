"""Benchmarks that a user can run: detection quality, speed, memory."""
