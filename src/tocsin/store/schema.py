"""The tables. All times are nanoseconds since 1970 (UTC); NULL means not known (yet)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = ["VERSION", "event", "metadata", "metric", "sample", "snapshot", "version"]

#: Version of everything below; a database of a newer one is refused.
VERSION: Final = 1

metadata = MetaData()

version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

metric = Table(
    "metric",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("uid", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    # Canonical JSON: keys sorted, no spaces.
    Column("labels", Text, nullable=False),
    # `name{key="value",…}`: what people search in.
    Column("title", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_timestamp", BigInteger),
    Column("last_value", Double),
    Column("anomaly_score", Double),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("name", "labels", "generation"),
)

# Times rise with seq in every metric, so the primary key finds times too (by bisection), and a
# second index, which would double the writing, is not needed.
sample = Table(
    "sample",
    metadata,
    Column("metric", ForeignKey("metric.id"), primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("value", Double, nullable=False),
    Column("raw_score", Double),
    Column("likelihood", Double),
    Column("anomaly_score", Double),
    Column("alert_score", Double),
    Column("expected", Double),
    Column("lower", Double),
    Column("upper", Double),
    # Code of the event state; NULL: the sample was stored without being scored or learnt.
    Column("event", SmallInteger),
    sqlite_with_rowid=False,
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("metric", ForeignKey("metric.id"), primary_key=True, autoincrement=False),
    # The state is the one after this sample.
    Column("seq", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("metric", ForeignKey("metric.id"), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("peak", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("value", Double, nullable=False),
    Column("expected", Double),
    Column("lower", Double),
    Column("upper", Double),
    Column("anomaly_score", Double),
    Column("likelihood", Double),
    Column("samples", BigInteger, nullable=False),
    Index("event_start", "start", "id"),
    Index("event_metric_start", "metric", "start"),
)
