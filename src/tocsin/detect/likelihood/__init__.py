"""Likelihoods: raw anomaly score -> how improbable, from a metric's own past; one file each."""
