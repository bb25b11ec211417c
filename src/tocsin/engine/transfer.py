"""A metric with all its data out into an archive, and in again under any name."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tocsin import __version__
from tocsin.detect.events import AFTER
from tocsin.detect.result import NUMBERS, RESULT
from tocsin.engine.archive import ROW, Archive, write
from tocsin.engine.archive_parts import EventRow, Identity, Manifest, Point
from tocsin.engine.committed import WAITING
from tocsin.engine.lifecycle import Standing, Status, Why
from tocsin.engine.registry import labels_json, uid_of
from tocsin.engine.rows import ranges_of
from tocsin.errors import ActionRefusedError, StoreError, UnknownMetricError
from tocsin.rules import settings_hash
from tocsin.samples import Metric, iso
from tocsin.store import schema
from tocsin.store.commits import Commit, SampleColumns
from tocsin.store.whole import Whole, reading

if TYPE_CHECKING:
    from tocsin.engine.engine import Engine

__all__ = ["export_metric", "import_metric"]

T = TypeVar("T")


def export_metric(engine: Engine, uid: str, target: IO[bytes]) -> None:
    """Write a metric's archive, as the metric is at one moment; in any thread.

    Cost: O(samples); memory: one chunk. Errors: `UnknownMetricError`, `StoreError`.
    """
    with reading(engine.database, uid) as whole:
        row = engine.registry.row_of_uid(uid)
        if whole is None or row < 0:
            raise UnknownMetricError(f"no metric has the uid {uid[:40]!r}")
        state = whole.newest_state()
        write(
            target,
            _manifest(engine, engine.registry.metrics[row], whole),
            whole.samples(ROW),
            state=None if state is None else state["state"],
            events=whole.events(),
            annotations=whole.annotations(),
        )


def _manifest(engine: Engine, metric: Metric, whole: Whole) -> Manifest:
    row, state = whole.row, whole.newest_state()
    settings = engine.watching.settings(metric)
    return Manifest(
        metric=Identity(
            name=metric.name,
            labels=dict(metric.labels),
            uid=row["uid"],
            generation=row["generation"],
            created=row["created"],
        ),
        point=Point(**{name: row[name] for name in Point.__struct_fields__}),
        own=engine.watching.own(metric),
        settings=asdict(settings),
        settings_hash=settings_hash(settings) if state is None else state["settings_hash"],
        made=iso(time.time_ns()),
        by=f"tocsin {__version__}",
        samples=row["last_seq"] + 1 - whole.first_seq(),
        state_seq=None if state is None else state["seq"],
    )


def import_metric(engine: Engine, archive: Archive, metric: Metric) -> str:
    """Make a metric of an archive; returns its uid. Not in the engine's thread.

    It goes on exactly where the one in the archive stood: with the same settings, whatever the
    configuration and rules are here. It appears as a whole, or not at all.
    Errors: `ActionRefusedError` when there is a metric of this name already, or no room;
    `ConfigurationError`, `FileFormatError`, `StoreError`.
    """
    return _Import(engine, archive, metric).run()


class _Import:
    def __init__(self, engine: Engine, archive: Archive, metric: Metric) -> None:
        self._engine = engine
        self._archive = archive
        self._metric = metric
        point = archive.manifest.point
        self._standing = Standing(
            Status(point.status), point.reason, point.detail, point.deadline, point.failures
        )
        self._own = self._chosen()
        self._id = 0
        self._columns: dict[str, Any] = {}
        self._ranges: list[NDArray[np.int64]] = []

    def run(self) -> str:
        # Rows that no database takes are found before anything is written.
        self._events, self._notes = self._archive.events(), self._archive.annotations()
        self._state = self._archive.state()
        self._in_engine(self._begin)
        try:
            for chunk in self._archive.samples():
                self._in_engine(partial(self._add, chunk))
            return self._in_engine(self._finish)
        except BaseException:
            with suppress(StoreError):
                self._in_engine(lambda: self._engine.sweeper.add(self._id))
            raise

    def _in_engine(self, work: Callable[[], T]) -> T:
        return self._engine.control(work).result()

    def _chosen(self) -> dict[str, Any]:
        """What must be chosen for this metric alone, so that it is watched as it was."""
        manifest, watching = self._archive.manifest, self._engine.watching
        own = dict(manifest.own)
        wanted = watching.choose(self._metric, manifest.settings).settings
        self._engine.actions.check_allowed(wanted)
        here = asdict(watching.choose(self._metric, own).settings)
        own |= {key: value for key, value in asdict(wanted).items() if here[key] != value}
        monitored = self._standing.status is not Status.UNMONITORED
        if monitored and not watching.choose(self._metric, own).monitor:
            own["monitor"] = True
        return own

    def _begin(self) -> None:
        """A row that nobody sees: as long as it is not whole, it counts as deleted."""
        self._check_room()
        registry, now = self._engine.registry, time.time_ns()
        self._id, generation = registry.reserve(self._metric)
        self._columns = {
            "id": self._id,
            "uid": uid_of(self._metric, generation),
            "name": self._metric.name,
            "labels": labels_json(self._metric),
            "title": str(self._metric),
            "generation": generation,
            "status": Status.UNMONITORED.value,
            "reason": Why.IMPORTING.value,
            "created": now,
            "deleted": now,
        }
        self._engine.writer.commit(Commit(metrics=[self._columns]))

    def _check_room(self) -> None:
        registry = self._engine.registry
        if registry.find([self._metric])[0] >= 0:
            raise ActionRefusedError(
                f"there is a metric {self._metric} already: delete it first, or give another name"
            )
        if registry.full:
            raise ActionRefusedError("there are already as many metrics as max_metrics allows")

    def _add(self, chunk: NDArray[np.void]) -> None:
        ids, scored = np.full(len(chunk), self._id), np.zeros(len(chunk), RESULT)
        for name in (*NUMBERS, "event"):
            scored[name] = chunk[name]
        seq, times, values = (chunk[name].copy() for name in ("seq", "timestamp", "value"))
        samples = SampleColumns(ids, seq, times, values, scored)
        self._engine.writer.commit(Commit(samples=samples))
        final = seq[scored["event"] != WAITING]
        self._ranges.append(ranges_of(ids[: len(final)], final))
        self._columns["last_timestamp"] = int(times[-1])
        self._columns["last_value"] = float(values[-1])
        known = scored["anomaly_score"][scored["event"] >= 0]
        if len(known):
            self._columns["anomaly_score"] = None if np.isnan(known[-1]) else float(known[-1])

    def _finish(self) -> str:
        """Everything is stored: now it appears."""
        self._check_room()
        engine, point = self._engine, self._archive.manifest.point
        events = self._numbered()
        self._save_beside(events)
        self._columns |= {"last_seq": point.last_seq, "scored_seq": point.scored_seq}
        self._columns |= {"learns_after": point.learns_after, "deleted": None}
        row = self._enter()
        status = engine.registry.put(row, self._standing)
        columns = self._columns | status | engine.actions.described(row, True, self._own)
        commit = Commit(at=time.time_ns(), changes=[columns], events=events)
        commit.ranges = np.concatenate([np.empty((0, 3), dtype=np.int64), *self._ranges])
        engine.actions.write(commit)
        engine.watching.moved(self._metric, Standing(Status.UNMONITORED), self._standing, self._own)
        engine.deadlines.put(row, self._standing.deadline)
        engine.marking.look(row)
        for event in events:
            if event["open"]:
                engine.scoring.events.resume(row, event, engine.resume.begun(event, AFTER + 1))
        engine.wake(row)
        return engine.registry.uids[row]

    def _numbered(self) -> list[dict[str, Any]]:
        """Rows of the table `event`, with ids of this database."""
        ids = self._engine.scoring.events.take_ids(len(self._events))
        self._new_id = dict(zip((event.id for event in self._events), ids, strict=True))
        return [_event(event, self._id, new) for event, new in zip(self._events, ids, strict=True)]

    def _save_beside(self, events: list[dict[str, Any]]) -> None:
        """State and notes."""
        writer, manifest = self._engine.writer, self._archive.manifest
        if self._state is not None:
            row = {
                "metric": self._id,
                "seq": manifest.state_seq,
                "settings_hash": manifest.settings_hash,
                "made": time.time_ns(),
                "state": self._state,
            }
            writer.save_snapshots([row], 1)
        notes = [
            {
                "metric": self._id,
                "event": None if note.event is None else self._new_id.get(note.event),
                **{key: getattr(note, key) for key in _NOTE},
            }
            for note in self._notes
        ]
        if notes:
            writer.write(lambda connection: connection.execute(schema.annotation.insert(), notes))

    def _enter(self) -> int:
        """Give it a row in memory and bring its state to where it stood."""
        engine = self._engine
        # Columns that nothing was said of.
        columns = (*schema.metric.c, *schema.progress.c)
        empty = dict.fromkeys(column.name for column in columns)
        row = engine.registry.restore_one(empty | {"failures": 0} | self._columns)
        if self._standing.status is Status.UNMONITORED:
            return row
        settings = engine.watching.choose(self._metric, self._own).settings
        try:
            engine.actions.place(row, settings)
            if not engine.registry.position[row]["slow"]:
                engine.states.rebuild(row)
                self._standing = engine.actions.relearnt(row, self._standing)
        except BaseException:
            engine.lanes.leave(row)
            engine.registry.remove(row)
            raise
        return row


#: Columns of the table `annotation` that stay as they are.
_NOTE = (
    *("start", "end", "kind", "text", "author", "created"),
    *("signature", "since_seq", "until_seq"),
)


def _event(event: EventRow, metric: int, new_id: int) -> dict[str, Any]:
    columns = {name: getattr(event, name) for name in EventRow.__struct_fields__}
    return columns | {"id": new_id, "metric": metric}
