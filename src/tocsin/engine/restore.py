"""Going on where the last process stopped: snapshots, then the samples after them."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from tocsin.detect.events import EventFold
from tocsin.detect.fleet import Fleet
from tocsin.engine.events import Events
from tocsin.engine.registry import Registry
from tocsin.errors import StateError
from tocsin.store.commits import Writer
from tocsin.store.resume import Resume

__all__ = ["restore"]

_log: Final = structlog.get_logger("tocsin.engine")


def restore(fleet: Fleet, registry: Registry, resume: Resume, writer: Writer) -> Events:
    """Bring fleet and registry to the last commit; returns the events that are still open.

    The same samples give the same bits, so replayed ones need no new results. A state that
    cannot be used is dropped and learnt anew from all of the metric's samples.
    Cost: O(metrics + samples after their snapshots). Errors: `StoreError`.
    """
    for stored in resume.metrics():
        registry.restore(stored)
    fleet.add(len(registry))
    _load(fleet, registry, resume, writer)
    events = Events(resume.last_event())
    forgotten = _replay(fleet, registry, resume)
    for event in resume.open_events():
        row = registry.row_of_id(event["metric"])
        if row in forgotten:
            writer.close_event(event["id"])
        else:
            events.resume(row, event)
    return events


def _load(fleet: Fleet, registry: Registry, resume: Resume, writer: Writer) -> None:
    useless: dict[int, str] = {}
    for metric, seq, state in resume.snapshots():
        row = registry.row_of_id(metric)
        try:
            fleet.load(row, state)
        except StateError as error:
            useless[metric] = str(error)
        else:
            registry.position["snapshot_seq"][row] = seq
    for metric in useless:
        writer.drop_snapshot(metric)
    for reason, count in Counter(useless.values()).items():
        _log.warning("states_dropped", metrics=count, reason=reason, then="learnt anew")


def _replay(fleet: Fleet, registry: Registry, resume: Resume) -> set[int]:
    """Learn what came after the snapshots.

    Returns the rows that were learnt from their first sample and are in no event at the end:
    with other settings than before, an event may never have been.
    """
    position = registry.position
    forgotten: set[int] = set()
    for row in np.flatnonzero(position["seq"] > position["snapshot_seq"]).tolist():
        fold = EventFold()
        seq = int(position["snapshot_seq"][row])
        for stored in resume.learnt_after(int(position["id"][row]), seq):
            scored = fleet.update(_same(row, len(stored.value)), stored.timestamp, stored.value)
            for _ in fold.feed(stored.timestamp, stored.value, scored):
                pass
        if seq == 0 and fold.current is None:
            forgotten.add(row)
    return forgotten


def _same(row: int, count: int) -> NDArray[np.int64]:
    return np.full(count, row, dtype=np.int64)
