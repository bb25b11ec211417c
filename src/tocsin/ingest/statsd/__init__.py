"""StatsD over UDP: many small messages, aggregated into samples on round times."""
