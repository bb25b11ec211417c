"""A replay of outages that hit many metrics at once: from samples to messages."""
