"""Graphite: plaintext over TCP and UDP, and carbon's pickles over TCP."""
