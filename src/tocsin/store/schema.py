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
    false,
)

__all__ = [
    "WAITING",
    "annotation",
    "audit",
    "calendar",
    "delivery",
    "event",
    "held",
    "incident",
    "incident_event",
    "incident_note",
    "late",
    "metadata",
    "metric",
    "notification",
    "outbox",
    "owner",
    "pause",
    "progress",
    "refusal",
    "rule_set",
    "sample",
    "snapshot",
    "status_change",
    "subscriber",
    "token",
]

#: In `sample.event`: stored, and still to be scored (NULL: will never be scored).
WAITING: Final = -2

metadata = MetaData()
#: On SQLite the number of the row itself: no index beside it.
_ROW_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

# A row stays when its metric is deleted (`deleted` is set): it remembers the generation, and
# results that are still on their way find that they belong to nobody.
metric = Table(
    "metric",
    metadata,
    Column(
        "id",
        _ROW_NUMBER,
        primary_key=True,
        autoincrement=False,
    ),
    Column("uid", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    # Canonical JSON: keys sorted, no spaces.
    Column("labels", Text, nullable=False),
    # `name{key="value",…}`: what people search in.
    Column("title", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("status", Text, nullable=False),
    # Why it is in this status (a code), in words, and when that is looked at again.
    Column("reason", Text),
    Column("detail", Text),
    Column("deadline", BigInteger),
    # Failures in a row: what the back-off grows with.
    Column("failures", Integer, nullable=False, server_default="0"),
    # JSON of what was chosen for this metric alone, over configuration and rules.
    Column("settings", Text),
    Column("model", Text),
    Column("likelihood", Text),
    # The state knows nothing of samples up to this seq: it was reset there.
    Column("learns_after", BigInteger, nullable=False, server_default="0"),
    Column("created", BigInteger, nullable=False),
    Column("deleted", BigInteger),
    # Whether its first sender declared it to be a monotonic counter.
    Column("counter", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("name", "labels", "generation"),
)

# How far each metric is. It moves with every sample, so that it is apart from what does not: such
# short rows cost a quarter to write.
progress = Table(
    "progress",
    metadata,
    Column(
        "metric",
        _ROW_NUMBER,
        primary_key=True,
        autoincrement=False,
    ),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("last_timestamp", BigInteger),
    Column("last_value", Double),
    Column("anomaly_score", Double),
    # Everything up to this seq is scored, or will never be.
    Column("scored_seq", BigInteger, nullable=False, server_default="0"),
)

# Times rise with seq in every metric, so the primary key finds times too (by bisection), and a
# second index, which would double the writing, is not needed. On PostgreSQL it is partitioned by
# month of `timestamp`, which is therefore part of its primary key there (see postgresql.py).
sample = Table(
    "sample",
    metadata,
    Column("metric", BigInteger, primary_key=True, autoincrement=False),
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
    # Code of the event state; NULL: stored without being scored or learnt; -2: see `WAITING`.
    Column("event", SmallInteger),
    # Of a counter: its rate per second, which was watched.
    Column("rate", Double),
    sqlite_with_rowid=False,
)

# How a metric stood since when; the newest rows of each are kept.
status_change = Table(
    "status_change",
    metadata,
    Column("metric", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    sqlite_with_rowid=False,
)

# Samples that came too late to be scored, where the policy is to keep them.
late = Table(
    "late",
    metadata,
    Column("metric", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
    Column("arrived", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Samples that wait in the reorder window for older ones.
held = Table(
    "held",
    metadata,
    Column("metric", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
    Column("arrived", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The quarantine's book: refused samples by metric and reason, with the last of them.
refusal = Table(
    "refusal",
    metadata,
    Column("metric", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    # Text: the value may be what no number column holds.
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

# States of models; the last few of each metric are kept.
snapshot = Table(
    "snapshot",
    metadata,
    Column("metric", ForeignKey("metric.id"), primary_key=True, autoincrement=False),
    # The state is the one after this sample.
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    # Of the settings that the state was learnt with.
    Column("settings_hash", Text, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True),
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
    # What it is and why, in words, and what each view found (JSON: name to evidence).
    Column("pattern", Text),
    Column("why", Text),
    Column("views", Text),
    # Why nobody is alarmed; NULL: somebody is.
    Column("muted", Text),
    # The mark that it was told for; NULL: it needed none.
    Column("because", Text),
    Index("event_start", "start", "id"),
    Index("event_metric_start", "metric", "start"),
)

# What people said about a stretch of time: a note, or a label that a model may act on.
annotation = Table(
    "annotation",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True),
    Column("metric", ForeignKey("metric.id"), nullable=False),
    Column("event", BigInteger),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    # "note", "anomaly", "not_anomaly" or "known_change".
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    # A label that acts, on the metric's samples after ``since_seq`` up to ``until_seq`` (NULL: it
    # was not taken back): what events it is about, as JSON.
    Column("signature", Text),
    Column("since_seq", BigInteger),
    Column("until_seq", BigInteger),
    Index("annotation_metric_start", "metric", "start"),
)

# Events that belong together: what people are alarmed by.
incident = Table(
    "incident",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    # "open", "acknowledged" or "resolved"; "info", "warning" or "critical".
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    # What its metrics share: "host=web-1".
    Column("group", Text, nullable=False),
    # Begin of its first event, its last change, and when it was over (times of samples).
    Column("opened", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("resolved", BigInteger),
    Column("snoozed_until", BigInteger),
    Column("assignee", Text),
    # Decades against chance, and in words.
    Column("evidence", Double, nullable=False),
    Column("why", Text, nullable=False),
    # The metric (id) whose event began first; how many metrics and events.
    Column("first_metric", BigInteger, nullable=False),
    Column("metrics", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    # Rises with every change.
    Column("revision", BigInteger, nullable=False),
    # Everything that all its metrics share, of which another one must share some to join, and how
    # many metrics share the rarest of it (JSON).
    Column("bonds", Text, nullable=False),
    # Why these belong together, in words; "": it is one metric.
    Column("together", Text, nullable=False),
    # Channels that are told (JSON list; NULL: all), and the severity that they were told.
    Column("routes", Text),
    Column("told", Text),
    # When somebody said that it is over (ns; NULL: nobody has).
    Column("closed", BigInteger),
    # Whether it is open until somebody says that it is over.
    Column("kept", Boolean, nullable=False, server_default=false()),
    Index("incident_opened", "opened", "id"),
    Index("incident_state", "state", "evidence", "id"),
    Index("incident_group", "group", "opened"),
)

# Events of incidents as they stood when the incident was last changed.
incident_event = Table(
    "incident_event",
    metadata,
    Column("event", BigInteger, primary_key=True, autoincrement=False),
    Column("incident", BigInteger, nullable=False),
    Column("metric", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False),
    # Its improbability in decades, and the severity that its rule gives it.
    Column("decades", Double, nullable=False),
    Column("severity", Text, nullable=False),
    # The metric's name and labels, and why it is one, in words.
    Column("title", Text, nullable=False),
    Column("why", Text, nullable=False),
    Index("incident_event_incident", "incident", "start"),
)

# What became of an incident, and what people said of it.
incident_note = Table(
    "incident_note",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True),
    Column("incident", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    # "opened", "worsened", "resolved", "reopened", "acknowledged", "snoozed", "assigned", "note",
    # "known_change".
    Column("kind", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("incident_note_incident", "incident", "id"),
)

# Times in which metrics do not alarm, or do not learn.
calendar = Table(
    "calendar",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True),
    # As in a rule.
    Column("match", Text, nullable=False),
    # One window (start <= time < end; NULL: without bound), or within it every week: JSON.
    Column("start", BigInteger),
    Column("end", BigInteger),
    Column("weekly", Text),
    Column("timezone", Text, nullable=False),
    Column("alarm", Boolean, nullable=False),
    Column("learn", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    # "Do not learn" holds for samples after the one time and up to the other (NULL: it was not
    # taken back).
    Column("since", BigInteger),
    Column("until", BigInteger),
)

# Rules about alarms that were set through the interface; the newest counts.
rule_set = Table(
    "rule_set",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    # JSON; NULL: those of the configuration file.
    Column("rules", Text),
)

# One row a commit: which results it made. The results themselves are in `sample`.
outbox = Table(
    "outbox",
    metadata,
    # The position that subscribers count in; rises, gaps are possible.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    # How many samples.
    Column("count", BigInteger, nullable=False),
    # Triples of int64 (little-endian): metric id, first seq, last seq.
    Column("ranges", LargeBinary, nullable=False),
    # Events as they stood after the commit: JSON list of rows of `event`.
    Column("events", Text, nullable=False),
)

# How far each named subscriber has confirmed; the name "": up to where the outbox was pruned.
subscriber = Table(
    "subscriber",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

# How far each sender that counts its batches has been taken, and what the last was answered.
delivery = Table(
    "delivery",
    metadata,
    Column("source", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    # JSON: accepted, duplicates, rejected [[index, code, detail], …].
    Column("receipt", Text, nullable=False),
    Index("delivery_at", "at"),
)

# When metrics are heard of, by which silence is known: some thousand metrics a row.
pause = Table(
    "pause",
    metadata,
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("saved", BigInteger, nullable=False),
    # Records of `tocsin.alert.pauses.KEPT`.
    Column("rows", LargeBinary, nullable=False),
)

# Messages to people, one row a channel; written together with what they tell.
notification = Table(
    "notification",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True),
    # What the receiver gets as the message's id, at every try the same.
    Column("uid", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("incident", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # "opened", "worsened", "resolved" or "reminder"; and which reminder (else 0).
    Column("change", Text, nullable=False),
    Column("number", Integer, nullable=False, server_default="0"),
    # "pending", "sent", "dead" (given up), or "skipped" (a newer one says it all).
    Column("status", Text, nullable=False),
    # The incident as it stood then: JSON.
    Column("incident_then", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    # When it is to be tried (again), and when it was taken.
    Column("due", BigInteger, nullable=False),
    Column("sent", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # When somebody asked to try it again after all (ns).
    Column("retried", BigInteger),
    Column("error", Text),
    UniqueConstraint("channel", "incident", "revision", "change", "number"),
    Index("notification_due", "channel", "status", "due"),
)

# Who may write: the newest start. Whoever started before finds its number gone.
owner = Table(
    "owner",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("epoch", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)

# Who may use the service. Ids are never used again, so that none stands for another token later.
token = Table(
    "token",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # "ingest", "read" or "admin".
    Column("scope", Text, nullable=False),
    # SHA-256 (hex) of the secret, which has 256 bits of chance and is kept nowhere.
    Column("hash", Text, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("creator", Text, nullable=False),
    Column("expires", BigInteger),
    # When it was last shown, to the hour or so.
    Column("used", BigInteger),
    sqlite_autoincrement=True,
)

# Who changed what; the newest rows are kept.
audit = Table(
    "audit",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True),
    Column("at", BigInteger, nullable=False),
    # The token's name, or "local" where none is needed.
    Column("who", Text, nullable=False),
    Column("address", Text, nullable=False),
    # What was asked for, of whom, and more as JSON; no secrets.
    Column("what", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Text, nullable=False),
    # How it ended, as a status of HTTP; NULL: not yet, or the service ended first.
    Column("status", Integer),
)
