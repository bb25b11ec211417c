from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.engine.test_engine import engine_on
from tests.engine.test_marks import at, batch, signal
from tocsin.engine.history import DAY_NS, History, scored_again
from tocsin.engine.what_if import what_if
from tocsin.store.queries import Reader


def test_a_short_history_scored_again_gives_what_was_told_live(tmp_path: Path) -> None:
    values = signal()
    with engine_on(tmp_path) as engine:
        engine.submit(batch(values)).result(120)
        metric = int(engine.registry.position[0]["id"])
        course = History(Reader(engine.database)).stored(metric, at(len(values) - 1) - DAY_NS)
        assert len(course.seq) == len(values), "all of its three weeks, not 14 days and one"
        again = scored_again(course, engine.lanes.settings(0))
        for name in ("anomaly_score", "alert_score", "event"):
            np.testing.assert_array_equal(again.scored[name], course.scored[name])

        told = what_if(engine, engine.registry.uids[0], {}, 30)
        stored = Reader(engine.database).events(
            metrics=[metric], start=None, end=None, before=None, limit=100
        )
        starts = sorted(event["start"] for event in stored if not event["muted"])
        assert len(starts) >= 3
        assert [one.event.start for one in told.told] == starts
        assert (told.now, told.then) == (len(starts), len(starts))
