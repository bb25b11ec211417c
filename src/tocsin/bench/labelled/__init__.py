"""Detection judged on series with labelled anomalies: ranking, events, false alarms."""
