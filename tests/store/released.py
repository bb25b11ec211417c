"""Databases as released versions made them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

#: Revision 0001, word for word.
FIRST = """
CREATE TABLE metric (
	id INTEGER NOT NULL,
	uid TEXT NOT NULL,
	name TEXT NOT NULL,
	labels TEXT NOT NULL,
	title TEXT NOT NULL,
	generation INTEGER NOT NULL,
	status TEXT NOT NULL,
	last_seq BIGINT NOT NULL,
	last_timestamp BIGINT,
	last_value DOUBLE,
	anomaly_score DOUBLE,
	created BIGINT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (name, labels, generation),
	UNIQUE (uid)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
CREATE TABLE event (
	id INTEGER NOT NULL,
	metric INTEGER NOT NULL,
	start BIGINT NOT NULL,
	peak BIGINT NOT NULL,
	"end" BIGINT NOT NULL,
	open BOOLEAN NOT NULL,
	value DOUBLE NOT NULL,
	expected DOUBLE,
	lower DOUBLE,
	upper DOUBLE,
	anomaly_score DOUBLE,
	likelihood DOUBLE,
	samples BIGINT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(metric) REFERENCES metric (id)
);
CREATE INDEX event_start ON event (start, id);
CREATE INDEX event_metric_start ON event (metric, start);
CREATE TABLE sample (
	metric INTEGER NOT NULL,
	seq BIGINT NOT NULL,
	timestamp BIGINT NOT NULL,
	value DOUBLE NOT NULL,
	raw_score DOUBLE,
	likelihood DOUBLE,
	anomaly_score DOUBLE,
	alert_score DOUBLE,
	expected DOUBLE,
	lower DOUBLE,
	upper DOUBLE,
	event SMALLINT,
	PRIMARY KEY (metric, seq),
	FOREIGN KEY(metric) REFERENCES metric (id)
)
 WITHOUT ROWID;
CREATE TABLE snapshot (
	metric INTEGER NOT NULL,
	seq BIGINT NOT NULL,
	state BLOB NOT NULL,
	PRIMARY KEY (metric),
	FOREIGN KEY(metric) REFERENCES metric (id)
);
INSERT INTO schema_version VALUES (1);
"""

CONTENT = """
INSERT INTO metric VALUES
  (1, 'u1', 'a', '{}', 'a', 1, 'active', 3, 30, 0.1, 0.25, 5),
  (2, 'u2', 'b', '{"x":"1"}', 'b{x="1"}', 1, 'warming_up', 0, NULL, NULL, NULL, 6);
INSERT INTO sample VALUES
  (1, 1, 10, 0.5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0),
  (1, 2, 20, 1e-300, 1, 0.5, 0.25, 0, 1, 2, 3, 1),
  (1, 3, 30, 0.1, 1, 0.5, 0.25, 0, 1, 2, 3, NULL);
INSERT INTO snapshot VALUES (1, 2, x'0102');
INSERT INTO event VALUES (7, 1, 20, 20, 20, 1, 1e-300, 1, 2, 3, 0.25, 0.5, 1);
"""


def make_first(file: Path) -> None:
    """A small database of revision 0001."""
    connection = sqlite3.connect(file)
    connection.executescript("PRAGMA journal_mode=WAL;" + FIRST + CONTENT)
    connection.close()
