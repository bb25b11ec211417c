"""One module a protocol: a pure decoder from bytes to samples batches, and its listener."""
