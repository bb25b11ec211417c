"""What may be asked of a metric. In the engine's thread: call these through `Engine.control`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog

from tocsin.detect.models.foreign.names import permitted
from tocsin.detect.result import Readiness
from tocsin.detect.settings import Settings
from tocsin.engine.committed import UNSCORED, Committed, unscored
from tocsin.engine.events import Changed
from tocsin.engine.lifecycle import Action, Standing, Status, after, step
from tocsin.engine.rows import event_row
from tocsin.errors import ConfigurationError, UnknownMetricError
from tocsin.store.commits import Commit

if TYPE_CHECKING:
    from tocsin.engine.engine import Engine

__all__ = ["Actions"]

_log: Final = structlog.get_logger("tocsin.engine")


class Actions:
    """Each is one commit: it is done as a whole, or not at all. Doing it twice is doing it once.

    Every method that is given a uid: errors `UnknownMetricError`, `ActionRefusedError` (nothing
    has changed then), `StoreError` (tocsin stops).
    """

    def __init__(self, engine: Engine, clock: Callable[[], int] = time.time_ns) -> None:
        self._engine = engine
        self._clock = clock

    def row(self, uid: str) -> int:
        """A metric's row. Errors: `UnknownMetricError`."""
        row = self._engine.registry.row_of_uid(uid)
        if row < 0:
            raise UnknownMetricError(f"no metric has the uid {uid[:40]!r}")
        return row

    def pause(self, uid: str, until: int | None = None) -> None:
        """Store without scoring, from the next sample on; go on at ``until`` (ns, UTC)."""
        row = self.row(uid)
        self._stand(row, self._next(row, Action.PAUSE, until=until))

    def resume(self, uid: str) -> None:
        """Go on scoring with what was learnt; try a metric in error again."""
        row = self.row(uid)
        failed = self._engine.registry.standings[row].failures > 0
        self._stand(row, self._next(row, Action.RESUME))
        # Whatever the model had learnt when it failed is of no use.
        if failed and not self._engine.registry.position[row]["slow"]:
            self._engine.relearn(row)
        self._engine.wake(row)

    def monitor(self, uid: str) -> None:
        """Score from the next sample on, whatever the rules say."""
        row = self.row(uid)
        self._begin(row, self._own(row) | {"monitor": True})

    def unmonitor(self, uid: str) -> None:
        """Store only, whatever the rules say; forget what was learnt."""
        row = self.row(uid)
        self._end(row, self._next(row, Action.UNMONITOR), self._own(row) | {"monitor": False})

    def reset(self, uid: str) -> None:
        """Forget what was learnt: begin anew with what is scored next."""
        row = self.row(uid)
        standing = self._next(row, Action.RESET)
        registry = self._engine.registry
        settings = self._engine.watching.settings(registry.metrics[row])
        self.place(row, settings)
        upto = int(registry.position[row]["scored_seq"])
        self._learns_after(row, upto)
        self._stand(row, standing, forget=True, columns={"learns_after": upto})
        self._engine.wake(row)

    def change(self, uid: str, settings: Mapping[str, Any]) -> None:
        """Set settings for this metric alone (None: no longer); learn anew from what is stored.

        Errors: `ConfigurationError` names the key and what is allowed.
        """
        row = self.row(uid)
        own = self._merged(row, settings)
        chosen = self._engine.watching.choose(self._engine.registry.metrics[row], own)
        self.check_allowed(chosen.settings)
        lane = self._engine.lanes.of(row)
        if lane is None or lane.settings == chosen.settings:
            after(self._engine.registry.standings[row].status, Action.CHANGE)
            self._stand(row, self._engine.registry.standings[row], own=own)
        else:
            self._relearn(row, chosen.settings, own)

    def delete(self, uid: str) -> None:
        """Make it disappear; samples, events and states are removed by and by."""
        row = self.row(uid)
        engine = self._engine
        standing, metric = self._next(row, Action.DELETE), int(engine.registry.position[row]["id"])
        self._drop(row)
        engine.lanes.leave(row)
        engine.scoring.held = engine.scoring.held.without(row)
        engine.scoring.events.mark(row, ())
        self._stand(row, standing, forget=True, columns={"deleted": self._clock()})
        engine.registry.remove(row)
        engine.sweeper.add(metric)

    def follow_rules(self, wanted: Sequence[tuple[int, Standing]]) -> None:
        """Do what the rules of this start say of metrics that stand otherwise."""
        for row, standing in wanted:
            if standing.status is Status.UNMONITORED:
                self._end(row, standing, None)
            else:
                self._begin(row, None)
        if wanted:
            _log.info("rules_followed", metrics=len(wanted))

    def check_allowed(self, settings: Settings) -> None:
        """Refuse somebody else's model that the operator has not allowed."""
        allowed = self._engine.config.allow_models
        if settings.foreign and not permitted(settings.model, allowed):
            raise ConfigurationError(
                f"model = {settings.model!r}: this is code of somebody else's; "
                "allow it in the configuration first: allow_models"
            )

    def _own(self, row: int) -> dict[str, Any]:
        return self._engine.watching.own(self._engine.registry.metrics[row])

    def _merged(self, row: int, settings: Mapping[str, Any]) -> dict[str, Any]:
        if "monitor" in settings:
            raise ConfigurationError("monitor: is an action of its own, and no setting")
        merged = self._own(row) | dict(settings)
        return {key: value for key, value in merged.items() if value is not None}

    def _next(self, row: int, action: Action, **told: Any) -> Standing:
        """Where an action leads, before anything has changed. Errors: `ActionRefusedError`."""
        return step(self._engine.registry.standings[row], action, now=self._clock(), **told)

    def _begin(self, row: int, own: dict[str, Any] | None) -> None:
        """Monitor; ``own``: what is chosen for it from now on (None: as before, by the rules)."""
        registry, engine = self._engine.registry, self._engine
        standing = self._next(row, Action.MONITOR)
        columns: dict[str, Any] = {}
        if registry.standings[row].status is Status.UNMONITORED:
            metric = registry.metrics[row]
            settings = engine.watching.choose(metric, own).settings if own else None
            self.place(row, settings or engine.watching.settings(metric))
            upto = int(registry.position[row]["seq"])
            self._learns_after(row, upto)
            columns = {"learns_after": upto}
        counts = own is not None
        self._stand(row, standing, forget=bool(columns), columns=columns, own=own, counts=counts)

    def _end(self, row: int, standing: Standing, own: dict[str, Any] | None) -> None:
        """Unmonitor; samples that wait to be scored never will be."""
        record = self._engine.registry.position[row]
        if self._engine.lanes.of(row) is not None:
            self._drop(row)
            self._engine.lanes.leave(row)
            self._engine.registry.note_readiness(row, self._nothing_learnt(row))
        first, last = int(record["scored_seq"]) + 1, int(record["seq"])
        record["scored_seq"] = last
        self._stand(
            row,
            standing,
            forget=True,
            columns={"scored_seq": last},
            own=own,
            abandon=(first, last) if first <= last else None,
            counts=own is not None,
        )

    def _relearn(self, row: int, settings: Settings, own: dict[str, Any]) -> None:
        """Learn from the stored samples with other settings; results stay as they were."""
        engine = self._engine
        standing = self._next(row, Action.CHANGE)
        self.place(row, settings)
        # First the old states go: a state that is there would be believed.
        self._stand(row, standing, forget=True, own=own)
        if not engine.registry.position[row]["slow"]:
            engine.relearn(row)
        engine.wake(row)

    def relearnt(self, row: int, standing: Standing) -> Standing:
        """What follows from its state being learnt anew."""
        return self._active_if_ready(row, step(standing, Action.RELEARN))

    def settle(self, row: int) -> None:
        """A metric that has learnt enough already is active at once."""
        registry = self._engine.registry
        standing = registry.standings[row]
        if registry.position[row]["ready"] and standing.status is Status.WARMING_UP:
            self._stand(row, step(standing, Action.READY))

    def place(self, row: int, settings: Settings) -> None:
        """A place in the lane of these settings, with nothing learnt."""
        engine = self._engine
        self._drop(row)
        engine.lanes.leave(row)
        engine.lanes.place(row, settings)
        slow = bool(engine.registry.position[row]["slow"])
        readiness = self._nothing_learnt(row) if slow else engine.lanes.readiness(row)
        engine.registry.note_readiness(row, readiness)

    def _nothing_learnt(self, row: int) -> Readiness:
        return Readiness(0, max(1, int(self._engine.registry.position[row]["needed"])))

    def _learns_after(self, row: int, upto: int) -> None:
        record = self._engine.registry.position[row]
        # There is nothing to save before something is learnt.
        record["learns_after"] = record["snapshot_seq"] = upto

    def _drop(self, row: int) -> None:
        if self._engine.lanes.of(row) is not None:
            self._engine.drop_state(row)

    def _stand(
        self,
        row: int,
        standing: Standing,
        *,
        forget: bool = False,
        columns: Mapping[str, Any] | None = None,
        own: dict[str, Any] | None = None,
        abandon: tuple[int, int] | None = None,
        counts: bool = True,
    ) -> None:
        """Put a metric into a standing, in memory and in the database.

        ``forget``: its states and its open event go, too; ``abandon``: (first, last) seq of
        samples that will never be scored; ``counts``: its rule is to hear of it.
        """
        engine, metric = self._engine, self._engine.registry.metrics[row]
        metric_id = int(engine.registry.position[row]["id"])
        before = engine.registry.standings[row]
        status = engine.registry.put(row, self._active_if_ready(row, standing))
        if counts:
            engine.watching.moved(metric, before, standing, own)
        engine.deadlines.put(row, standing.deadline)
        closed = engine.scoring.events.close(row) if forget else None
        changes = dict(columns or {}) | self.described(row, forget, own)
        commit = Commit(
            at=self._clock(),
            statuses=[status],
            changes=[{"id": metric_id, **changes}] if changes else [],
            forget=[metric_id] if forget else [],
            abandon=[metric_id] if abandon else [],
            events=[event_row(metric_id, closed)] if closed else [],
        )
        if abandon:
            commit.ranges = np.array([(metric_id, *abandon)], dtype=np.int64)
        self.write(commit, [closed] if closed else [])

    def _active_if_ready(self, row: int, standing: Standing) -> Standing:
        ready = bool(self._engine.registry.position[row]["ready"])
        if ready and standing.status is Status.WARMING_UP:
            return step(standing, Action.READY)
        return standing

    def described(self, row: int, forget: bool, own: dict[str, Any] | None) -> dict[str, Any]:
        """Columns that say what a metric is watched with, where that may have changed."""
        told: dict[str, Any] = {}
        if forget:
            lane = self._engine.lanes.of(row)
            told["model"] = lane.settings.model if lane else None
            told["likelihood"] = lane.settings.likelihood if lane else None
        if own is not None:
            told["settings"] = json.dumps(own, sort_keys=True) if own else None
        return told

    def write(self, commit: Commit, events: Sequence[Changed] = ()) -> None:
        """Write it; what others are to hear of gets a position."""
        if not commit.events and commit.ranges is None:
            self._engine.write(commit)
            return
        self._engine.scoring.position += 1
        commit.position = self._engine.scoring.position
        self._engine.write(commit)
        none = np.empty(0, dtype=np.int64)
        told = Committed(
            commit.position,
            none,
            none,
            none,
            np.empty(0),
            unscored(0, UNSCORED),
            events,
            whole=commit.ranges is None and len(events) == len(commit.events),
        )
        for listener in self._engine.listeners:
            listener(told)
