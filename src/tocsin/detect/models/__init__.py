"""Models: sample -> raw anomaly score, learning as they go; one file or folder each."""
