"""Bringing states to where their metrics are: the newest usable snapshot, then what came after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from tocsin.detect.events import AFTER
from tocsin.engine.apart import stretches
from tocsin.engine.committed import WAITING
from tocsin.engine.events import Events
from tocsin.engine.lanes import FleetLane, Lane, Lanes
from tocsin.engine.registry import Registry
from tocsin.errors import StateError
from tocsin.rules import settings_hash
from tocsin.store.resume import Resume, State

__all__ = ["States"]

_log: Final = structlog.get_logger("tocsin.engine")

#: Samples replayed in one piece.
_PIECE: Final = 20_000

Ints = NDArray[np.int64]


class States:
    """Restores states. The same samples give the same bits, so replayed ones need no new results.

    A state that is damaged, too new, or learnt with other settings is passed over for the one
    before it; where none is left, the metric is learnt anew from its stored samples.
    """

    def __init__(self, registry: Registry, lanes: Lanes, resume: Resume) -> None:
        self._registry = registry
        self._lanes = lanes
        self._resume = resume
        #: Samples that were replayed, and snapshots that could not be used.
        self.replayed = 0
        self.useless = 0

    def restore_fast(self, told: Callable[[int, int], None]) -> None:
        """Restore all fast metrics at a start; ``told`` hears of (done, all) samples.

        Cost: O(metrics + samples after their snapshots). Errors: `StoreError`.
        """
        wanted = {int(self._registry.position["id"][row]): row for row in self._fast_rows()}
        self._load_all(wanted)
        position = self._registry.position
        rows = np.array(list(wanted.values()), dtype=np.int64)
        after = np.maximum(position["snapshot_seq"], position["learns_after"])
        rows = rows[position["scored_seq"][rows] > after[rows]]
        if not len(rows):
            self._note_all(wanted)
            return
        behind = int((position["scored_seq"][rows] - after[rows]).sum())
        for chunk in self._resume.replay(position["id"][rows], after[rows]):
            self.replayed += self._learn(chunk, wanted)
            told(self.replayed, behind)
        self._note_all(wanted)

    def rebuild(self, row: int) -> None:
        """Restore one fast metric from the database; everything accepted is stored.

        Errors: `StoreError`, and whatever the model raises.
        """
        lane = self._lanes.of(row)
        if lane is not None:
            self.learn(lane, row)
            self.note(row)

    def learn(self, lane: Lane, row: int) -> int:
        """Make a metric's state in its lane stand at its ``scored_seq``.

        Returns the seq of the snapshot that was used (0: none). May be called by the thread that
        owns the lane. Errors: `StoreError`, and whatever the model raises.
        """
        return max(self.learning(lane, row, _PIECE))

    def learning(self, lane: Lane, row: int, piece: int) -> Iterator[int]:
        """The same in pieces of so many samples; gives the seq of the snapshot after each."""
        record = self._registry.position[row].copy()
        metric, upto = int(record["id"]), int(record["scored_seq"])
        lane.open(metric)
        after = int(record["learns_after"])
        used = self._load_one(lane, metric, after, upto)
        yield used
        seq = max(used, after)
        while seq < upto:
            stored = self._resume.samples_after(metric, seq, piece)
            if not len(stored):
                break
            seq = int(stored["seq"][-1])
            stored = stored[(stored["event"] > WAITING) & (stored["seq"] <= upto)]
            for run in _runs(stored):
                if run["event"][0] >= 0:
                    lane.update(metric, run["timestamp"].copy(), run["value"].copy())
                    self.replayed += len(run)
                else:
                    self._lanes.pass_over(row, run["timestamp"][-1], run["value"][-1])
            yield used

    def note(self, row: int) -> None:
        """Note how far the warm-up of a fast metric is."""
        self._registry.note_readiness(row, self._lanes.readiness(row))

    def restore_events(self, close: Callable[[int], None]) -> Events:
        """Go on with the events that are open; ``close`` those whose metric forgot them."""
        events = Events(self._resume.last_event(), self._lanes.timezone)
        for event in self._resume.open_events():
            row = self._registry.row_of_id(event["metric"])
            # A mark's event is none of the model's.
            if row < 0 or (not event["because"] and self._has_forgotten(row)):
                close(event["id"])
            else:
                events.resume(row, event, self._resume.begun(event, AFTER + 1))
        return events

    def _has_forgotten(self, row: int) -> bool:
        """Whether a state that was learnt with other settings knows of no event."""
        lane = self._lanes.of(row)
        if not isinstance(lane, FleetLane) or lane.slow:
            return False
        return not lane.in_event(int(self._registry.position[row]["id"]))

    def _fast_rows(self) -> list[int]:
        position = self._registry.position
        rows: list[int] = np.flatnonzero((position["lane"] >= 0) & ~position["slow"]).tolist()
        return rows

    def _load_all(self, wanted: dict[int, int]) -> None:
        useless: Counter[str] = Counter()
        loaded: set[int] = set()
        hashes: dict[int, str] = {}
        for state in self._resume.snapshots():
            row = wanted.get(state.metric)
            if row is None or row in loaded:
                continue
            lane = self._lanes.of(row)
            record = self._registry.position[row]
            if lane is None or not record["learns_after"] <= state.seq <= record["scored_seq"]:
                continue
            told = hashes.setdefault(id(lane), settings_hash(lane.settings))
            if reason := _load(lane, state, told):
                useless[reason] += 1
            else:
                loaded.add(row)
                record["snapshot_seq"] = state.seq
        self._say(useless)

    def _load_one(self, lane: Lane, metric: int, after: int, upto: int) -> int:
        told = settings_hash(lane.settings)
        useless: Counter[str] = Counter()
        used = 0
        for state in self._resume.snapshots_of(metric):
            if after <= state.seq <= upto:
                reason = _load(lane, state, told)
                if not reason:
                    used = state.seq
                    break
                useless[reason] += 1
                lane.open(metric)
        self._say(useless)
        return used

    def _say(self, useless: Counter[str]) -> None:
        self.useless += useless.total()
        for reason, count in useless.items():
            then = "an older one, or all stored samples, are used"
            _log.warning("states_passed_over", snapshots=count, reason=reason, then=then)

    def _learn(self, chunk: NDArray[np.void], wanted: dict[int, int]) -> int:
        """Learn what was scored and pass over the rest; returns how many were learnt."""
        ids, place = np.unique(chunk["metric"], return_inverse=True)
        rows = np.array([wanted[metric] for metric in ids.tolist()], dtype=np.int64)[place]
        # What may still be scored is none of the state's.
        known = chunk["seq"] <= self._registry.position["scored_seq"][rows]
        chunk, rows = chunk[known], rows[known]
        learnt = chunk["event"] >= 0
        for turn in stretches(rows, ~learnt, np.arange(len(rows))):
            good, others = turn[learnt[turn]], turn[~learnt[turn]]
            if len(good):
                some = chunk[good]
                self._lanes.update(rows[good], some["timestamp"].copy(), some["value"].copy())
            last = others[np.append(rows[others][1:] != rows[others][:-1], True)[: len(others)]]
            for row, one in zip(rows[last].tolist(), chunk[last], strict=True):
                self._lanes.pass_over(row, one["timestamp"], one["value"])
        return int(np.count_nonzero(learnt))

    def _note_all(self, wanted: dict[int, int]) -> None:
        for row in wanted.values():
            self.note(row)


def _runs(stored: NDArray[np.void]) -> list[NDArray[np.void]]:
    """One metric's samples, cut where scored ones meet others."""
    learnt = stored["event"] >= 0
    cuts = np.flatnonzero(learnt[1:] != learnt[:-1]) + 1
    return [run for run in np.split(stored, cuts) if len(run)]


def _load(lane: Lane, state: State, told: str) -> str:
    """Try a snapshot; says why not, empty when it is loaded."""
    if state.settings_hash != told:
        return "it was learnt with other settings"
    try:
        lane.load(state.metric, state.state)
    except StateError as error:
        return str(error)
    return ""
