"""A database that is written to as the engine does, without the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Engine

from tocsin.detect.events import Event
from tocsin.detect.result import NUMBERS, RESULT
from tocsin.engine.committed import UNSCORED, Committed
from tocsin.engine.events import Changed
from tocsin.engine.registry import Registry
from tocsin.publish.delivery import Delivery, Gap, Identity, Item
from tocsin.publish.outbox import Outbox
from tocsin.samples import SECOND_NS, Metric
from tocsin.store.commits import Commit, SampleColumns, Writer

START = 1_700_000_000 * SECOND_NS


def an_event(at: int, *, open: bool = True) -> Event:
    return Event(at, at, at, 9.0, 1.0, 0.5, 1.5, 0.6, 0.999999, 1, open)


def _event_row(metric: int, changed: Changed) -> dict[str, Any]:
    event = changed.event
    names = ("start", "peak", "end", "open", "value", "samples", "expected", "lower", "upper")
    numbers = {name: getattr(event, name) for name in (*names, "anomaly_score", "likelihood")}
    known = {name: None if number != number else number for name, number in numbers.items()}
    return {"id": changed.id, "metric": metric, **known}


@dataclass
class World:
    """Metrics m0, m1, …; every commit adds samples to some of them."""

    database: Engine
    registry: Registry = field(default_factory=lambda: Registry(100_000))
    position: int = 0
    clock: int = START
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    def __post_init__(self) -> None:
        self.writer = Writer(self.database)
        self.outbox = Outbox(self.database)

    def commit(
        self, rows: Sequence[int], *, events: Sequence[tuple[int, Event]] = (), skip: int = 1
    ) -> Committed:
        """One sample for each mention of a row, rows sorted; ``skip``: to the next position."""
        row = np.sort(np.array(rows, dtype=np.int64))
        while len(self.registry) <= max(rows, default=-1):
            self.registry.add(Metric.of(f"m{len(self.registry)}", {"host": "a", "dc": "b"}))
        touched, first, counts = np.unique(row, return_index=True, return_counts=True)
        records = self.registry.position
        nth = np.arange(len(row)) - np.repeat(first, counts)
        before = np.repeat(records["seq"][touched], counts)
        seq = before + 1 + nth
        self.position += skip
        changed = [Changed(self.position * 10 + i, r, e, True) for i, (r, e) in enumerate(events)]
        what = Committed(
            self.position,
            row,
            seq,
            START + seq * SECOND_NS,
            1.5 * seq.astype(np.float64),
            self._scored(seq),
            changed,
        )
        ids = records["id"]
        self.writer.commit(
            Commit(
                position=self.position,
                at=self.clock,
                metrics=self.registry.new_rows(touched, self.clock),
                samples=SampleColumns(ids[row], seq, what.timestamp, what.value, what.scored)
                if len(row)
                else None,
                ranges=np.stack([ids[touched], seq[first], seq[first + counts - 1]], axis=1),
                events=[_event_row(int(ids[c.row]), c) for c in changed],
            )
        )
        records["seq"][touched] = seq[first + counts - 1]
        records["stored"][touched] = True
        return what

    def _scored(self, seq: Any) -> Any:
        scored = np.zeros(len(seq), dtype=RESULT)
        for name in NUMBERS:
            scored[name] = self.random.random(len(seq))
        scored["event"] = seq % 4
        scored["likelihood"][seq < 3] = np.nan
        scored["event"][seq == 2] = UNSCORED
        return scored


def rows_of(item: Item) -> list[tuple[Any, ...]]:
    """A delivery's samples, one tuple each; not-a-number as None."""
    assert isinstance(item, Delivery), item
    who: list[Identity] = [item.metrics[i] for i in item.metric.tolist()]
    scored = [
        tuple(None if x != x else x for x in row)
        for row in item.scored[[*NUMBERS, "event"]].tolist()
    ]
    columns = (item.seq.tolist(), item.timestamp.tolist(), item.value.tolist(), scored)
    return list(zip(who, *columns, strict=True))


def positions(items: Sequence[Item]) -> list[int]:
    assert not [item for item in items if isinstance(item, Gap)]
    return [item.position for item in items]
