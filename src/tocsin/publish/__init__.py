"""Results out: one file a destination."""
