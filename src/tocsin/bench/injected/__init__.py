"""Detection judged on anomalies of known kind and size, put into quiet backgrounds."""
