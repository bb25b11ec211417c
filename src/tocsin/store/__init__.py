"""What must last: schema, metrics, samples, snapshots and events, in SQLAlchemy Core."""
