"""The database against an undisturbed run, to the bit."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, create_engine, func, select
from sqlalchemy.pool import NullPool

from tests.faults.workload import Series
from tocsin.detect.events import Event
from tocsin.engine.registry import labels_json
from tocsin.samples import Metric
from tocsin.store import schema

NUMBERS = (
    "raw_score",
    "likelihood",
    "anomaly_score",
    "alert_score",
    "expected",
    "lower",
    "upper",
    "rate",
)
_EVENT = ("value", "expected", "lower", "upper", "anomaly_score", "likelihood")


@dataclass
class Findings:
    """How much was compared, and what was not as it should be."""

    samples: int = 0
    events: int = 0
    mismatches: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.mismatches

    def wrong(self, what: str) -> None:
        self.mismatches.append(what)

    def add(self, other: Findings) -> None:
        self.samples += other.samples
        self.events += other.events
        self.mismatches += other.mismatches


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def counts(url: str, metrics: Sequence[Metric]) -> list[int]:
    """How many samples are stored of each metric (all generations)."""
    m, s = schema.metric.c, schema.sample.c
    query = (
        select(m.name, m.labels, func.count(s.seq))
        .join_from(schema.metric, schema.sample, m.id == s.metric)
        .group_by(m.name, m.labels)
    )
    with reading(url) as connection:
        found = {(name, labels): count for name, labels, count in connection.execute(query)}
    return [found.get((metric.name, labels_json(metric)), 0) for metric in metrics]


def waiting(url: str) -> int:
    """How many samples wait for a model that is scored behind, or in the reorder window."""
    m, p = schema.metric.c, schema.progress.c
    lag = select(func.sum(p.last_seq - p.scored_seq)).join(schema.metric, m.id == p.metric)
    lag = lag.where(m.deleted.is_(None))
    held = select(func.count()).select_from(schema.held)
    with reading(url) as connection:
        return sum(int(connection.execute(query).scalar() or 0) for query in (lag, held))


def judge(url: str, series: Sequence[Series], expected: Sequence[int]) -> Findings:
    """Each metric has exactly so many samples, in order, with an undisturbed run's scores."""
    found = Findings()
    with reading(url) as connection:
        for one, count in zip(series, expected, strict=True):
            _judge_one(connection, one, count, found)
    return found


def _judge_one(connection: Connection, series: Series, count: int, found: Findings) -> None:
    ids = _ids(connection, series.metric)
    if count == 0 and not ids:
        return
    if len(ids) != 1:
        found.wrong(f"{series.metric}: {len(ids)} rows of `metric`")
        return
    rows = _samples(connection, ids[0])
    found.samples += len(rows)
    if len(rows) != count:
        found.wrong(f"{series.metric}: {len(rows)} samples stored, {count} acknowledged")
    _judge_rows(series, rows, found)
    _judge_position(connection, ids[0], series, rows, found)
    _judge_events(connection, ids[0], series, len(rows), found)


def _ids(connection: Connection, metric: Metric) -> list[int]:
    c = schema.metric.c
    query = select(c.id).where(c.name == metric.name, c.labels == labels_json(metric))
    return list(connection.execute(query.order_by(c.generation)).scalars())


def _samples(connection: Connection, metric: int) -> list[Any]:
    query = select(schema.sample).where(schema.sample.c.metric == metric)
    return list(connection.execute(query.order_by(schema.sample.c.seq)))


def bits(number: float | None) -> bytes | None:
    """A float's bits; NULL and not-a-number are the same here."""
    return None if number is None or number != number else struct.pack("<d", number)


def _judge_rows(series: Series, rows: Sequence[Any], found: Findings) -> None:
    rows = rows[: len(series.values)]
    if not rows:
        return
    stored, told = _columns(rows), series.scored(len(rows))
    expected = {
        "seq": np.arange(1, len(rows) + 1),
        "timestamp": series.times[: len(rows)],
        "value": series.values[: len(rows)],
        **{name: told[name] for name in (*NUMBERS, "event")},
    }
    for name, right in expected.items():
        wrong = np.flatnonzero(_as_bits(stored[name]) != _as_bits(np.ascontiguousarray(right)))
        if len(wrong):
            first = int(wrong[0])
            found.wrong(
                f"{series.metric}: {name} differs in {len(wrong)} samples, first at place "
                f"{first + 1}: {stored[name][first]!r} is not {right[first]!r}"
            )


def _columns(rows: Sequence[Any]) -> dict[str, NDArray[Any]]:
    names = rows[0]._fields
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    numbers = {name: np.array(columns[name], dtype=np.float64) for name in ("value", *NUMBERS)}
    event = [-1 if code is None else code for code in columns["event"]]
    return numbers | {
        "event": np.array(event),
        "seq": np.array(columns["seq"]),
        "timestamp": np.array(columns["timestamp"]),
    }


def _as_bits(column: NDArray[Any]) -> NDArray[np.int64]:
    """Integers as they are, floats as their bits, with one kind of not-a-number."""
    if column.dtype.kind != "f":
        return column.astype(np.int64)
    return np.where(np.isnan(column), np.nan, column).view(np.int64)


def _judge_position(
    connection: Connection, metric: int, series: Series, rows: Sequence[Any], found: Findings
) -> None:
    query = select(schema.progress).where(schema.progress.c.metric == metric)
    row = connection.execute(query).one()
    last = rows[-1] if rows else None
    told = (row.last_seq, row.last_timestamp, bits(row.last_value), bits(row.anomaly_score))
    if last is not None and told != (
        last.seq,
        last.timestamp,
        bits(last.value),
        bits(last.anomaly_score),
    ):
        found.wrong(f"{series.metric}: its position {told} is not its last sample")
    scored = row.scored_seq
    if last is not None and scored != last.seq:
        found.wrong(f"{series.metric}: scored up to {scored} of {last.seq}")


def _judge_events(
    connection: Connection, metric: int, series: Series, count: int, found: Findings
) -> None:
    query = select(schema.event).where(schema.event.c.metric == metric)
    rows = list(connection.execute(query.order_by(schema.event.c.start)))
    expected = series.events(count)
    found.events += len(rows)
    told = [_event(row) for row in rows]
    if told != [_event(event) for event in expected]:
        found.wrong(f"{series.metric}: events {told} are not {expected}")


def _event(event: Event | Any) -> tuple[Any, ...]:
    numbers = (bits(getattr(event, name)) for name in _EVENT)
    return (event.start, event.peak, event.end, bool(event.open), event.samples, *numbers)


def judge_outbox(url: str, findings: Findings) -> None:
    """Every scored sample left through the outbox exactly once, per metric in order."""
    with reading(url) as connection:
        rows = connection.execute(select(schema.outbox.c.ranges).order_by(schema.outbox.c.id))
        told = [np.frombuffer(row.ranges, dtype="<i8").reshape(-1, 3) for row in rows]
        c = schema.sample.c
        query = select(c.metric, func.max(c.seq).label("last")).group_by(c.metric)
        last = {row.metric: row.last for row in connection.execute(query)}
    reached: dict[int, int] = {}
    for metric, first, end in np.concatenate(told).tolist() if told else []:
        if first != reached.get(metric, 0) + 1 or end < first:
            findings.wrong(f"outbox: metric {metric} goes from {reached.get(metric, 0)} to {first}")
        reached[metric] = end
    if reached != last:
        findings.wrong(f"outbox: ends at {reached}, samples at {last}")


def judge_generations(url: str, series: Sequence[Series], acknowledged: Sequence[int]) -> Findings:
    """Of a metric that was deleted again and again, only the last generation is there.

    It holds what came since, in order and scored as by a model that knows nothing else.
    """
    found = Findings()
    with reading(url) as connection:
        for one, count in zip(series, acknowledged, strict=True):
            _judge_last(connection, one, count, found)
    return found


def _judge_last(connection: Connection, series: Series, count: int, found: Findings) -> None:
    c = schema.metric.c
    mine = (c.name == series.metric.name, c.labels == labels_json(series.metric))
    rows = list(connection.execute(select(schema.metric).where(*mine).order_by(c.generation)))
    if [row.generation for row in rows] != list(range(1, len(rows) + 1)):
        found.wrong(f"{series.metric}: generations {[row.generation for row in rows]}")
    if len({row.uid for row in rows}) != len(rows):
        found.wrong(f"{series.metric}: a uid twice")
    for row in rows[:-1]:
        if row.deleted is None:
            found.wrong(f"{series.metric}: generation {row.generation} of {len(rows)} still lives")
        if _samples(connection, row.id):
            found.wrong(f"{series.metric}: samples of generation {row.generation} are left")
    if not rows or rows[-1].deleted is not None:
        return
    samples = _samples(connection, rows[-1].id)
    found.samples += len(samples)
    if samples:
        _judge_run(connection, rows[-1].id, series, count, samples, found)


def _judge_run(
    connection: Connection,
    metric: int,
    series: Series,
    count: int,
    samples: Sequence[Any],
    found: Findings,
) -> None:
    first = int(np.searchsorted(series.times, samples[0].timestamp))
    if first + len(samples) != count:
        found.wrong(f"{series.metric}: samples {first} to {first + len(samples)} of {count}")
        return
    part = Series(
        series.metric, series.times[first:count], series.values[first:count], series.settings
    )
    _judge_rows(part, samples, found)
    _judge_position(connection, metric, part, samples, found)
    _judge_events(connection, metric, part, len(samples), found)
