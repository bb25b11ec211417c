"""The Numenta Anomaly Benchmark: corpus, official scoring, and a run of our detectors over it."""
