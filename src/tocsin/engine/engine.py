"""The engine: its thread orders and scores, a second one commits, others follow behind."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Engine as Database

from tocsin.config import Config
from tocsin.detect.fleet import Fleet
from tocsin.detect.memory import Memory
from tocsin.detect.result import Readiness
from tocsin.detect.settings import Settings
from tocsin.engine.actions import Actions
from tocsin.engine.admission import Gate, Newcomers
from tocsin.engine.aside import Aside
from tocsin.engine.batch import Batch, Receipt
from tocsin.engine.behind import Follower
from tocsin.engine.committed import Behind, Committed
from tocsin.engine.committing import Committing, Job
from tocsin.engine.deadlines import Deadlines
from tocsin.engine.deliveries import Deliveries
from tocsin.engine.foreign import TAKES_DOWN, Workshop
from tocsin.engine.forgetting import Forgetting
from tocsin.engine.heard import Heard
from tocsin.engine.keeping import Keeping
from tocsin.engine.lanes import Lanes
from tocsin.engine.lifecycle import Action, Standing, Status
from tocsin.engine.maintenance import Maintenance
from tocsin.engine.marking import Marking
from tocsin.engine.order import Known, Policy
from tocsin.engine.queue import Control, Entry, Queue
from tocsin.engine.registry import Registry
from tocsin.engine.scoring import Intaken, Prepared, Scoring
from tocsin.engine.snapshots import Snapshots
from tocsin.engine.states import States
from tocsin.engine.sweeping import Sweeper
from tocsin.engine.telemetry import Telemetry
from tocsin.engine.watching import Watching
from tocsin.engine.windows import Windows
from tocsin.errors import StoreError, TocsinError
from tocsin.rules import settings_hash
from tocsin.samples import SECOND_NS, Metric
from tocsin.store.calendars import Calendars
from tocsin.store.commits import Commit, Writer
from tocsin.store.intake import Intake
from tocsin.store.queries import Reader
from tocsin.store.resume import Resume

__all__ = ["Engine", "Listener"]

_log: Final = structlog.get_logger("tocsin.engine")
T = TypeVar("T")

#: About how many samples one commit holds at most.
_GROUP: Final = 50_000
#: How long to wait before asking a database that is away again.
_AWAY_S: Final = 0.2
#: Samples learnt anew between two groups.
_PIECE: Final = 5_000
#: How many sources' positions are read at the start.
_SOURCES: Final = 200_000

#: Told about every commit, in the committing thread: must be quick.
Listener = Callable[[Committed], None]


class Engine:
    """Accepts batches, scores and stores them, then answers.

    ``submit`` may be called from any thread; a receipt means stored, and scored unless the
    metric's model is scored behind the commit.
    """

    def __init__(self, database: Database, config: Config) -> None:
        """Restore everything from the database. Errors: `StoreError`, `ConfigurationError`."""
        self.telemetry = Telemetry()
        self.heard = Heard()
        self.listeners: list[Listener] = []
        self.config = config
        self.database = database
        self.registry = Registry(config.max_metrics)
        self.watching = Watching(config.rules)
        folder = Path(config.data) / "states"
        shutil.rmtree(folder, ignore_errors=True)
        self.memory = Memory(config.memory_mb * 2**20, folder)
        self.workshop = Workshop(config)
        self.writer, self.resume = Writer(database), Resume(database)
        # Before any state is made anew: it must learn what it learnt before, and no more.
        stored = Calendars(database, self.writer).all()
        self.windows = Windows(self.registry.metrics, stored)
        self.lanes = Lanes(
            self.registry, self.memory, self.workshop.lane, config.max_metrics, self.windows
        )
        self.states = States(self.registry, self.lanes, self.resume)
        self.deadlines = Deadlines()
        self.queue = Queue(config.queue_samples)
        self.gate = Gate(config.filters, config.max_metrics)
        _compile(config.settings)
        self._reader, self.intake = Reader(database), Intake(database)
        self.committing = Committing(self.writer, self._refused)
        self._slow, self._foreign, self._suspects = map(
            self._follower_named, ("behind", "foreign", "suspects")
        )
        self.actions = Actions(self)
        # What the rules of this start say of stored metrics that stand otherwise.
        self._ruled: list[tuple[int, Standing]] = []
        self.scoring = self._restore(config)
        self.marking = Marking(self)
        self.marking.restore()
        self.maintenance = Maintenance(self)
        self.scoring.events.windows = self.windows
        self.snapshots = Snapshots(
            self.registry, self.lanes, every_s=config.snapshot_s, restart_s=config.restart_s
        )
        self.sweeper = Sweeper(self.committing.put, (m["id"] for m in self.resume.deleted()))
        self.forgetting = Forgetting(self.committing.put)
        self.keeping = Keeping(
            database, self.writer, config, self.registry, self.lanes, self.committing.put
        )
        self._catching_up: dict[int, None] = dict.fromkeys(self._fast_behind())
        self._relearning: dict[int, Iterator[int]] = {}
        self.telemetry.watch(lambda: len(self.queue), self.by_status, self.gauges)
        self._saved = 0
        #: Since when the oldest sample of each group that is being stored has waited (monotonic).
        self._under_way: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="tocsin-engine", daemon=True)

    # What others ask for

    def start(self) -> None:
        """Begin to take batches."""
        for row, standing in enumerate(self.registry.standings):
            if standing.reason in TAKES_DOWN:
                self.workshop.suspect(int(self.registry.position["id"][row]))
        self.committing.start()
        self._slow.start()
        self._foreign.start()
        self._suspects.start()
        self._thread.start()
        for row in self._slow_behind():
            self.follower(row).wake(row)

    def submit(self, batch: Batch) -> Future[Receipt]:
        """Queue what the rules of intake let in; the future resolves after its commit.

        Errors: `QueueFullError`, `StoreError`; from the future: `StoreError`, and the sender
        should try again.
        """
        passed = self.gate.pass_(batch)
        if not len(passed.batch) and batch.source is None:
            receipt: Future[Receipt] = Future()
            receipt.set_result(passed.receipt(Receipt(0, 0)))
        else:
            receipt = passed.promised(self.queue.put(passed.batch))
        self.telemetry.kept_out(batch.protocol, passed.filtered, passed.rejected)
        return receipt

    def control(self, function: Callable[[], T]) -> Future[T]:
        """Do something in the engine's thread, with memory and database in step.

        Errors: `StoreError` when stopping; from the future: whatever ``function`` raises.
        """
        return self.queue.put_control(function)

    def stop(self) -> int:
        """Store what waits, save all states, end the threads; says how many states were saved."""
        self.queue.close()
        self.committing.hurry()
        self._thread.join()
        self._slow.stop()
        self._foreign.stop()
        self._suspects.stop()
        self.workshop.stop()
        self.committing.stop()
        return self._saved

    def waits_s(self) -> float:
        """For how long the oldest sample that is not stored yet has been waiting (seconds)."""
        queued, now = self.queue.oldest(), time.monotonic()
        since = [*self._under_way.copy().values(), now if queued is None else queued]
        return now - min(since)

    @property
    def trouble(self) -> str | None:
        """Why samples cannot be stored at the moment; None when all is well."""
        alive = self._thread.is_alive() and self.committing.alive
        if not alive and not self.queue.closed:
            return "the engine's thread has ended"
        return self.committing.trouble

    def readiness(self, metric_id: int) -> Readiness:
        """How far a stored metric's warm-up is."""
        row = self.registry.row_of_id(metric_id)
        if row < 0:
            return Readiness(0, 0)
        record = self.registry.position[row]
        if record["lane"] < 0 or record["slow"]:
            return self.registry.readiness(row)
        return self.lanes.readiness(row)

    @property
    def catching_up(self) -> int:
        """How many fast metrics learn anew, or score what was stored meanwhile."""
        return len(self._relearning) + len(self._catching_up)

    def kind(self, metric_id: int) -> str | None:
        """What a metric is watched as (`Settings.kind`); None: it is not monitored."""
        row = self.registry.row_of_id(metric_id)
        lane = self.lanes.of(row) if row >= 0 else None
        return None if lane is None else lane.settings.kind

    def timezone(self, metric_id: int) -> str:
        """A metric's civil time; of one that is not monitored, the service's."""
        row = self.registry.row_of_id(metric_id)
        lane = self.lanes.of(row) if row >= 0 else None
        return (self.config.settings if lane is None else lane.settings).timezone

    def lag(self, metric_id: int) -> int:
        """How many stored samples of a metric wait to be scored."""
        row = self.registry.row_of_id(metric_id)
        if row < 0:
            return 0
        record = self.registry.position[row]
        return int(record["seq"] - record["scored_seq"])

    # For what is done through `control`, in the engine's thread

    def follower(self, row: int) -> Follower:
        """Whose turn a row behind the commit is."""
        lane = self.lanes.of(row)
        if lane is None or not lane.foreign:
            return self._slow
        suspected = int(self.registry.position["id"][row]) in self.workshop.suspects
        return self._suspects if suspected else self._foreign

    def write(self, commit: Commit) -> None:
        """Have something written, and wait for it. Errors: `StoreError` when it is lost."""
        job = _Write(commit)
        self.committing.put(job)
        self.committing.drain()
        if job.error is not None:
            raise job.error

    def wake(self, row: int) -> None:
        """A row may have samples that wait to be scored (it was resumed, say)."""
        record = self.registry.position[row]
        if not record["learns"] or record["relearns"] or record["scored_seq"] >= record["seq"]:
            return
        if record["slow"]:
            self.follower(row).wake(row)
        else:
            self._catching_up.setdefault(row)

    def relearn(self, row: int) -> None:
        """Learn a fast metric's state anew from the database, piece by piece between groups.

        What arrives meanwhile is stored, and scored when the state is there.
        """
        lane = self.lanes.of(row)
        if lane is not None:
            self.registry.position[row]["relearns"] = True
            self._relearning[row] = self.states.learning(lane, row, _PIECE)

    def drop_state(self, row: int) -> None:
        """A row's state, and results that are under way, are of no use any more."""
        self.registry.position[row]["epoch"] += 1
        self.registry.position[row]["relearns"] = False
        self._catching_up.pop(row, None)
        self._relearning.pop(row, None)
        if self.registry.position[row]["slow"]:
            self.follower(row).forget(row)

    # Start

    def _restore(self, config: Config) -> Scoring:
        began = time.perf_counter()
        for (name, labels), generation in self.resume.generations().items():
            self.registry.remember_deleted(Metric.of(name, json.loads(labels)), generation)
        self.registry.ids_after(self.resume.last_metric())
        metrics = self.resume.metrics()
        self.registry.restore(metrics)
        for row, stored in enumerate(metrics):
            self._admit_again(row, stored["settings"], bool(stored["counter"]))
        self.states.restore_fast(self.telemetry.replaying)
        events = self.states.restore_events(self.writer.close_event)
        took = time.perf_counter() - began
        self.telemetry.restarted(took, self.states.replayed)
        _log.info(
            "restored", metrics=len(self.registry), samples=self.states.replayed, seconds=took
        )
        return Scoring(
            self.registry,
            self.lanes,
            events,
            self._intaken(config),
            self.watching,
            self.telemetry,
            position=self.resume.last_position(),
            isolate=self._isolate,
        )

    def _admit_again(self, row: int, settings: str | None, counter: bool) -> None:
        """A stored metric, under the configuration of this start."""
        metric, own = self.registry.metrics[row], json.loads(settings) if settings else None
        stands = self.registry.standings[row]
        ruled = self.watching.restored(metric, own, stands, counter)
        if ruled != stands:
            self._ruled.append((row, ruled))
        if stands.status is not Status.UNMONITORED:
            self.lanes.place(row, self.watching.settings(metric))
        self.deadlines.put(row, stands.deadline)

    def _intaken(self, config: Config) -> Intaken:
        return Intaken(
            Policy.of(config),
            Known(self._stored, self._late),
            Deliveries(self.intake.deliveries(_SOURCES), self._delivery),
            Aside.restored(self.resume.held(), self.registry.row_of_id),
            Newcomers(config.max_new_metrics_per_hour or config.max_metrics),
        )

    def _stored(self, row: int, times: Sequence[int]) -> dict[int, float]:
        self.committing.drain()
        return self._reader.values_at(int(self.registry.position["id"][row]), times)

    def _late(self, row: int, times: Sequence[int]) -> dict[int, float]:
        self.committing.drain()
        return self.intake.late_at(int(self.registry.position["id"][row]), times)

    def _delivery(self, source: str) -> Mapping[Any, Any] | None:
        self.committing.drain()
        return self.intake.delivery(source)

    def _isolate(self, row: int) -> None:
        self.committing.drain()
        self.states.rebuild(row)

    def _fast_behind(self) -> list[int]:
        p = self.registry.position
        rows: list[int] = np.flatnonzero(
            p["learns"] & ~p["slow"] & (p["scored_seq"] < p["seq"])
        ).tolist()
        return rows

    def _slow_behind(self) -> list[int]:
        p = self.registry.position
        rows: list[int] = np.flatnonzero(
            p["learns"] & p["slow"] & (p["scored_seq"] < p["seq"])
        ).tolist()
        return rows

    # The thread

    def _run(self) -> None:
        self._guard(lambda: self.actions.follow_rules(self._ruled))
        while True:
            work = self.queue.take(_GROUP, self._wait())
            if work.controls:
                self._group([], work.scored)
                for control in work.controls:
                    self._control(control)
                work.scored = []
            if work.entries or work.scored or self._overdue():
                self._group(work.entries, work.scored)
            elif not work and self.queue.closed:
                break
            self._guard(self._beside)
        self._guard(self._save_all)

    def _wait(self) -> float:
        """How long the thread may sleep when nothing comes."""
        if self._catching_up or self._relearning:
            return 0.0
        beside = (self.snapshots, self.deadlines, self.sweeper, self.forgetting, self.keeping)
        waits = [one.seconds_left() for one in beside]
        held = self.scoring.held_for(time.time_ns())
        if held is not None:
            waits.append(held / SECOND_NS)
        return min(waits)

    def _overdue(self) -> bool:
        return self.scoring.held_for(time.time_ns()) == 0

    def _group(self, entries: list[Entry], scored: list[Behind]) -> None:
        # A sender that has gone away is owed no answer, but its samples are taken all the same.
        for entry in entries:
            entry.receipt.set_running_or_notify_cancel()
        if not entries and not scored and not self._overdue():
            return
        job = _Group(self, entries, scored)
        if entries:
            self._under_way[id(job)] = min(entry.since for entry in entries)
        try:
            job.prepared = self.scoring.prepare([entry.batch for entry in entries], scored)
        except StoreError as error:
            self._refused(error)
            job.lost(error)
            return
        except Exception as error:
            # Memory may have moved on without the database: only a restart mends that.
            _log.error("group_failed", reason=str(error), exc_info=True)
            self.committing.give_up(f"internal error ({error}): restart tocsin")
            job.lost(StoreError(f"not stored: {error}"))
            return
        self.deadlines.put_all(self.registry, job.prepared.commit.statuses)
        self.committing.put(job)

    def _control(self, control: Control) -> None:
        if not control.result.set_running_or_notify_cancel():
            return
        self.committing.drain()
        try:
            control.result.set_result(control.function())
        except Exception as error:
            if not isinstance(error, TocsinError):
                _log.error("control_failed", reason=str(error), exc_info=True)
            control.result.set_exception(error)

    def _beside(self) -> None:
        """Everything that is done between groups."""
        for row in self.deadlines.due(time.time_ns()):
            self._retry(row)
        if self._relearning:
            self._relearn_piece(next(iter(self._relearning)))
        elif self._catching_up:
            self._catch_up(next(iter(self._catching_up)))
        with self.telemetry.stage("save"):
            rows = self.snapshots.due()
        if rows:
            self.committing.put(_Save(self, rows))
        self.sweeper.work()
        self.forgetting.work()
        self.keeping.work()

    def _retry(self, row: int) -> None:
        """A status' deadline is over."""
        action = self.registry.standings[row].due(time.time_ns())
        if action is None:
            return
        status = self.registry.step(row, action)
        self.committing.put(_Write(Commit(statuses=[status])))
        if action is Action.RETRY and not self.registry.position[row]["slow"]:
            self.relearn(row)
        self.wake(row)

    def _relearn_piece(self, row: int) -> None:
        try:
            more = next(self._relearning[row], None) is not None
        except StoreError:
            # The database is away: from the beginning, when it is back.
            self.committing.drain()
            self.relearn(row)
            return
        except Exception as error:
            self._fail(row, error)
            return
        if more:
            return
        self.registry.position[row]["relearns"] = False
        self.states.note(row)
        self.actions.settle(row)
        self.wake(row)
        del self._relearning[row]

    def _fail(self, row: int, error: Exception) -> None:
        """A fast metric's model failed while it was learning anew."""
        _log.error("relearning_failed", reason=str(error), exc_info=True)
        self.registry.position[row]["relearns"] = False
        del self._relearning[row]
        told = {"reason": "model_raised", "detail": f"{type(error).__name__}: {error}"}
        status = self.registry.step(row, Action.FAIL, now=time.time_ns(), **told)
        self.deadlines.put(row, status["deadline"])
        self.committing.put(_Write(Commit(statuses=[status])))

    def _catch_up(self, row: int) -> None:
        """Score a piece of what waits of a fast metric."""
        try:
            behind = self._slow.piece_of(row)
        except StoreError as error:
            _log.warning("catching_up_waits", reason=str(error))
            time.sleep(_AWAY_S)
            return
        if behind is not None:
            self._group([], [behind])
        # Metrics take turns; one that has caught up is not woken again.
        del self._catching_up[row]
        self.wake(row)

    def _save_all(self) -> None:
        for piece in self.snapshots.at_the_end():
            self.committing.put(_Save(self, self.snapshots.rows(piece)))
        self.committing.drain()

    def _hand_on(self, behind: Behind) -> None:
        self.queue.put_scored(behind)

    def _refused(self, error: Exception) -> None:
        self.telemetry.commit_failures.inc()

    def _guard(self, work: Callable[[], T]) -> T | None:
        """Nothing beside the samples themselves may end the thread."""
        try:
            return work()
        except Exception as error:
            _log.error("engine_work_failed", reason=str(error), exc_info=True)
            return None

    # After a commit, in the committing thread

    def _written(self, job: _Group, prepared: Prepared) -> None:
        seconds = time.perf_counter() - prepared.began
        new = sum(change.new for change in prepared.committed.events)
        self.telemetry.committed(prepared.scored, new, seconds)
        news = set(prepared.fresh)
        self.telemetry.repeated.inc(len(job.entries) - len(news))
        for place, (entry, receipt) in enumerate(zip(job.entries, prepared.receipts, strict=True)):
            taken = receipt.accepted + receipt.late if place in news else 0
            self.heard.note(entry.batch.protocol, entry.batch.sender, taken)
            if place in news:
                self.telemetry.received(entry.batch.protocol, receipt)
            if entry.receipt.running():
                entry.receipt.set_result(receipt)
        self._follow(job, prepared)
        if prepared.empty:
            return
        for listener in self.listeners:
            self._guard(partial(listener, prepared.committed))

    def _follow(self, job: _Group, prepared: Prepared) -> None:
        """Behind the commit: what is to be scored now, and what was."""
        rows, seq, times, values = prepared.waiting
        if len(rows):
            for follower, which in self._by_follower(rows):
                if which.any():
                    follower.stored(rows[which], seq[which], times[which], values[which])
        for behind in job.scored:
            self.save_behind(behind)
            behind.settle()

    def _by_follower(self, rows: NDArray[np.int64]) -> list[tuple[Follower, NDArray[np.bool_]]]:
        foreign = self.lanes.foreign(rows)
        suspects = np.fromiter(self.workshop.suspects, dtype=np.int64)
        suspected = foreign & np.isin(self.registry.position["id"][rows], suspects)
        return [
            (self._slow, ~foreign),
            (self._foreign, foreign & ~suspected),
            (self._suspects, suspected),
        ]

    def _follower_named(self, name: str) -> Follower:
        def mine(row: int) -> bool:
            # A fast metric that catches up does so in the engine's own thread.
            return bool(self.registry.position[row]["slow"]) and self.follower(row) is made

        made = Follower(
            name, self.registry, self.lanes, self.states, self.resume, self._hand_on, mine
        )
        return made

    def save_behind(self, behind: Behind) -> None:
        """Save the state that came with results. Errors: `StoreError`."""
        lane = self.lanes.of(behind.row)
        if behind.snapshot is None or behind.refused or lane is None:
            return
        row = {
            "metric": behind.metric,
            "seq": behind.upto,
            "settings_hash": settings_hash(lane.settings),
            "made": time.time_ns(),
            "state": behind.snapshot,
        }
        self._guard(lambda: self.writer.save_snapshots([row], self.config.snapshots_kept))
        self.telemetry.snapshots.inc()

    def saved(self, rows: list[dict[str, Any]]) -> None:
        """States of fast metrics are in the database."""
        self._saved += len(rows)
        self.telemetry.snapshots.inc(len(rows))

    def gauges(self) -> dict[str, float]:
        """What there is to say of memory, lag and restarts."""
        p = self.registry.position
        lag = (p["seq"] - p["scored_seq"])[p["learns"] | p["waits"]]
        return {
            "tocsin_samples_unscored": float(lag.sum()),
            "tocsin_samples_held": float(len(self.scoring.held)),
            "tocsin_metric_lag_samples_most": float(lag.max(initial=0)),
            "tocsin_state_bytes": float(self.memory.bytes),
            "tocsin_states_returned": float(self.memory.returned),
            "tocsin_states_released": float(self.memory.released),
            "tocsin_restart_seconds_expected": self.snapshots.replay_s,
        }

    def by_status(self) -> dict[str, float]:
        """How many metrics there are in each status."""
        return {status: float(n) for status, n in self.registry.by_status().items()}


@dataclass(slots=True)
class _Group:
    """A group of batches, scored, on its way into the database."""

    engine: Engine
    entries: list[Entry]
    scored: list[Behind]
    prepared: Prepared | None = None
    #: Groups that came after it and are written with it.
    also: list[_Group] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(entry.batch) for entry in self.entries) + sum(map(len, self.also))

    def join(self, other: Job) -> bool:
        if not isinstance(other, _Group) or len(self) + len(other) > _GROUP:
            return False
        self.also.append(other)
        return True

    def write(self, writer: Writer, *, again: bool) -> None:
        prepared = [group.prepared for group in (self, *self.also)]
        commits = [one.commit for one in prepared if one is not None and not one.empty]
        if commits:
            with self.engine.telemetry.stage("commit"):
                writer.commit(*commits, again=again)

    def done(self) -> None:
        for group in (self, *self.also):
            self.engine._guard(group._tell)

    def _tell(self) -> None:
        assert self.prepared is not None
        self.engine._under_way.pop(id(self), None)
        self.engine._written(self, self.prepared)

    def lost(self, error: StoreError) -> None:
        for group in self.also:
            group.lost(error)
        self.engine._under_way.pop(id(self), None)
        for entry in self.entries:
            if entry.receipt.running():
                entry.receipt.set_exception(error)
        for behind in self.scored:
            behind.refused = True
            behind.settle()


@dataclass(slots=True)
class _Write:
    """Something that was changed through `Engine.control`."""

    commit: Commit
    error: StoreError | None = None

    def write(self, writer: Writer, *, again: bool) -> None:
        writer.commit(self.commit, again=again)

    def done(self) -> None:
        pass

    def lost(self, error: StoreError) -> None:
        self.error = error


@dataclass(slots=True)
class _Save:
    """States of fast metrics."""

    engine: Engine
    rows: list[dict[str, Any]] = field(default_factory=list)

    def write(self, writer: Writer, *, again: bool) -> None:
        del again
        with self.engine.telemetry.stage("save"):
            writer.save_snapshots(self.rows, self.engine.config.snapshots_kept)

    def done(self) -> None:
        self.engine.saved(self.rows)

    def lost(self, error: StoreError) -> None:
        del error


def _compile(settings: Settings) -> None:
    """Have the kernels ready, so that the first sample need not wait for them."""
    if settings.model == "views":
        one = np.zeros(1, dtype=np.int64)
        Fleet(settings, 1).update(one, one + 1, np.zeros(1))
