"""Tocsin beside public peers, all run through the very same code."""
