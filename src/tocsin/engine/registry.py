"""Which metric is which row, and how far each one is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from json.encoder import encode_basestring as _quoted
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import Readiness
from tocsin.engine.lifecycle import BEGUN, LEARNING, Action, Standing, Status, settled, step
from tocsin.samples import Metric

__all__ = ["GONE", "NEVER", "STATUSES", "Registry", "labels_json", "uid_of"]

Ints = NDArray[np.int64]

#: What ``status`` of a record counts, and what it says of a metric that is deleted.
STATUSES: Final = tuple(Status)
GONE: Final = -1
_CODE: Final = {status: code for code, status in enumerate(STATUSES)}

#: The time of the last sample of a metric that has none.
NEVER: Final = int(np.iinfo(np.int64).min)

_POSITION: Final = np.dtype(
    [
        ("id", "i8"),
        ("seq", "i8"),
        ("timestamp", "i8"),
        ("value", "f8"),
        ("score", "f8"),
        # Everything up to here is scored, or will never be.
        ("scored_seq", "i8"),
        # The state knows nothing of samples up to here.
        ("learns_after", "i8"),
        ("snapshot_seq", "i8"),
        # The place of the state: a lane and a slot in it; -1: none.
        ("lane", "i4"),
        ("slot", "i8"),
        # Scored behind the commit.
        ("slow", "?"),
        # New samples are to be scored (and learnt).
        ("learns", "?"),
        # In error: new samples wait.
        ("waits", "?"),
        # The state is being learnt anew: new samples wait, too.
        ("relearns", "?"),
        # Learnt enough for likelihoods: ``seen`` of ``needed`` samples.
        ("ready", "?"),
        ("seen", "i8"),
        ("needed", "i8"),
        # Not before this seq: each sample is one more that was seen.
        ("ready_at", "i8"),
        # The database knows the metric.
        ("stored", "?"),
        # Its first sender declared it as a counter.
        ("counter", "?"),
        # Rises with whatever makes results that are under way worthless.
        ("epoch", "i8"),
        # The place of its status in `STATUSES`; `GONE`: it is deleted.
        ("status", "i1"),
    ]
)

#: Fields that come from columns of the tables `metric` and `progress`, and what stands for NULL.
_STORED: Final = (
    ("id", "id", 0),
    ("seq", "last_seq", 0),
    ("scored_seq", "scored_seq", 0),
    ("learns_after", "learns_after", 0),
    ("timestamp", "last_timestamp", NEVER),
    ("value", "last_value", np.nan),
    ("score", "anomaly_score", np.nan),
    ("counter", "counter", False),
)


#: What a record holds before anything is known.
_BLANK: Final = np.zeros((), dtype=_POSITION)
for _name, _missing in (("lane", -1), ("slot", -1), ("timestamp", NEVER)):
    _BLANK[_name] = _missing
_BLANK["value"] = _BLANK["score"] = np.nan


def labels_json(metric: Metric) -> str:
    """Labels as canonical JSON: sorted keys, no spaces."""
    labels = sorted(dict(metric.labels).items())
    return f"{{{','.join([f'{_quoted(key)}:{_quoted(value)}' for key, value in labels])}}}"


def uid_of(metric: Metric, generation: int) -> str:
    """A short name that is the same wherever the metric is: 80 bits of a hash."""
    labels = ", ".join([f"[{_quoted(key)}, {_quoted(value)}]" for key, value in metric.labels])
    told = f"[{_quoted(metric.name)}, [{labels}], {generation}]"
    return hashlib.blake2b(told.encode(), digest_size=10).hexdigest()


class Registry:
    """Rows 0, 1, 2 … of metrics; a deleted metric's row is not used again.

    ``position`` has one record per row. The engine's thread changes it; others may read.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: dict[Metric, int] = {}
        self._of_id: dict[int, int] = {}
        self._of_uid: dict[str, int] = {}
        self._position: NDArray[np.void] = np.full(16, _BLANK)
        self.metrics: list[Metric] = []
        self.uids: list[str] = []
        self.generations: list[int] = []
        self.standings: list[Standing] = []
        #: Most metrics stand alike: they share what says how.
        self._alike: dict[Standing, Standing] = {}
        self._by_status: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._next_id = 1
        #: The last generation of metrics that were deleted.
        self._gone: dict[Metric, int] = {}

    def __len__(self) -> int:
        return len(self.metrics)

    @property
    def live(self) -> int:
        """How many metrics there are that are not deleted."""
        return len(self._rows)

    @property
    def full(self) -> bool:
        """Whether there are as many metrics as there may be."""
        return self.live >= self._limit

    def by_status(self) -> dict[str, int]:
        """How many metrics there are in each status, without those that are deleted."""
        return {status: count for status, count in self._by_status.items() if count}

    def errors(self) -> dict[str, int]:
        """How many metrics are in error for each reason, without those that are deleted."""
        return {reason: count for reason, count in self._errors.most_common() if count}

    @property
    def position(self) -> NDArray[np.void]:
        """The records of all rows (a view)."""
        return self._position[: len(self.metrics)]

    def find(self, metrics: Iterable[Metric]) -> Ints:
        """Rows of these metrics; -1 for those that are new."""
        of = self._rows.get
        return np.array([of(metric, -1) for metric in metrics], dtype=np.int64)

    def row_of(self, metric: Metric) -> int:
        """The row of a metric; -1 when it is new."""
        return self._rows.get(metric, -1)

    def row_of_id(self, metric_id: int) -> int:
        """The row of a metric's id; -1 when it is not there (any more)."""
        return self._of_id.get(metric_id, -1)

    def row_of_uid(self, uid: str) -> int:
        """The row of a metric's uid; -1 when it is not there (any more)."""
        return self._of_uid.get(uid, -1)

    def add(
        self, metric: Metric, standing: Standing | None = None, *, counter: bool = False
    ) -> int:
        """Give a new metric a row, or -1 when there are as many as there may be."""
        if self.full:
            return -1
        generation = self._gone.get(metric, 0) + 1
        begins = standing or BEGUN
        row = self._append(metric, generation, begins, self._next_id)
        if counter:
            self._position["counter"][row] = True
        return row

    def restore(self, stored: Sequence[Mapping[Any, Any]]) -> None:
        """Give metrics from the database rows, in this order. Cost: some µs each."""
        first = len(self.metrics)
        self._make_room(first + len(stored))
        records = self._position[first : first + len(stored)]
        for name, column, missing in _STORED:
            values = [told[column] for told in stored]
            records[name] = [missing if value is None else value for value in values]
        records["lane"], records["stored"] = -1, True
        for told in stored:
            self._name(
                Metric.of(told["name"], json.loads(told["labels"])),
                told["uid"],
                told["generation"],
                Standing(
                    Status(told["status"]),
                    told["reason"],
                    told["detail"],
                    told["deadline"],
                    told["failures"],
                ),
                told["id"],
            )

    def restore_one(self, stored: Mapping[Any, Any]) -> int:
        """Give one metric from the database a row, which is returned."""
        self.restore([stored])
        return len(self.metrics) - 1

    def reserve(self, metric: Metric) -> tuple[int, int]:
        """An id and a generation that nobody else gets, for a metric that is made elsewhere."""
        metric_id, generation = self._next_id, self._gone.get(metric, 0) + 1
        self._next_id += 1
        self._gone[metric] = generation
        return metric_id, generation

    def remember_deleted(self, metric: Metric, generation: int) -> None:
        """A deleted metric's generation must not be given again."""
        self._gone[metric] = max(generation, self._gone.get(metric, 0))

    def ids_after(self, last: int) -> None:
        """New metrics get ids after this one."""
        self._next_id = max(self._next_id, last + 1)

    def remove(self, row: int) -> None:
        """Forget a deleted metric; its name may come again as a new generation."""
        metric, metric_id = self.metrics[row], int(self._position[row]["id"])
        self.remember_deleted(metric, self.generations[row])
        del self._rows[metric], self._of_id[metric_id], self._of_uid[self.uids[row]]
        self.put(row, step(self.standings[row], Action.DELETE))
        self._count(self.standings[row], -1)
        self._position[row]["status"] = GONE

    def put(self, row: int, standing: Standing) -> dict[str, Any]:
        """Set a row's standing, and what follows from it; returns what the database is told."""
        self._count(self.standings[row], -1)
        self._count(standing, 1)
        self.standings[row] = self._shared(standing)
        record = self._position[row]
        record["learns"] = standing.status in LEARNING
        record["waits"] = standing.status == Status.ERROR
        record["status"] = _CODE[standing.status]
        return {
            "id": int(record["id"]),
            "status": standing.status.value,
            "reason": standing.reason,
            "detail": standing.detail,
            "deadline": standing.deadline,
            "failures": standing.failures,
        }

    def step(self, row: int, action: Action, **told: Any) -> dict[str, Any]:
        """Do what `lifecycle.step` says; a metric that has learnt enough is active at once.

        Errors: `ActionRefusedError`, `MetricNotActiveError`; nothing has changed then.
        """
        standing = step(self.standings[row], action, **told)
        status = settled(standing.status, bool(self._position[row]["ready"]))
        return self.put(row, replace(standing, status=status))

    def note_readiness(self, row: int, readiness: Readiness) -> bool:
        """Note how far a row's warm-up is; says whether it is over since now."""
        record = self._position[row]
        before = bool(record["ready"])
        record["seen"], record["needed"] = readiness.seen, readiness.needed
        record["ready"] = readiness.ready
        record["ready_at"] = record["scored_seq"] + readiness.needed - readiness.seen
        return readiness.ready and not before

    def readiness(self, row: int) -> Readiness:
        """How far a row's warm-up is."""
        record = self._position[row]
        return Readiness(int(record["seen"]), int(record["needed"]))

    def _append(self, metric: Metric, generation: int, standing: Standing, metric_id: int) -> int:
        row = len(self.metrics)
        self._make_room(row + 1)
        self._position["id"][row] = metric_id
        self._name(metric, uid_of(metric, generation), generation, standing, metric_id)
        return row

    def _make_room(self, rows: int) -> None:
        if rows > len(self._position):
            more = np.full(max(rows, 2 * len(self._position)), _BLANK)
            more[: len(self._position)] = self._position
            self._position = more

    def _name(
        self, metric: Metric, uid: str, generation: int, standing: Standing, metric_id: int
    ) -> None:
        """Make the next row this metric's."""
        row = len(self.metrics)
        self._next_id = max(self._next_id, metric_id + 1)
        self._rows[metric], self._of_id[metric_id], self._of_uid[uid] = row, row, row
        self.uids.append(uid)
        self.generations.append(generation)
        self.standings.append(self._shared(standing))
        self._count(standing, 1)
        self._position["status"][row] = _CODE[standing.status]
        self._position["learns"][row] = standing.status in LEARNING
        self._position["waits"][row] = standing.status == Status.ERROR
        self.metrics.append(metric)  # last: from here on other threads see the row

    def _count(self, standing: Standing, by: int) -> None:
        self._by_status[standing.status.value] += by
        if standing.status is Status.ERROR:
            self._errors[standing.reason or ""] += by

    def _shared(self, standing: Standing) -> Standing:
        """The same, made once, where nothing in it is the metric's own."""
        if (
            standing is BEGUN
            or standing.detail is not None
            or standing.deadline is not None
            or standing.failures
        ):
            return standing
        return self._alike.setdefault(standing, standing)

    def new_rows(self, rows: Ints, now: int) -> list[dict[str, Any]]:
        """What the database must hold of those rows that it does not know yet."""
        new = rows[~self._position["stored"][rows]]
        ids, counters = (self._position[name][new].tolist() for name in ("id", "counter"))
        told = zip(new.tolist(), ids, counters, strict=True)
        return [self._as_stored(row, metric_id, counter, now) for row, metric_id, counter in told]

    def _as_stored(self, row: int, metric_id: int, counter: bool, now: int) -> dict[str, Any]:
        metric, standing = self.metrics[row], self.standings[row]
        return {
            "id": metric_id,
            "uid": self.uids[row],
            "name": metric.name,
            "labels": labels_json(metric),
            "title": str(metric),
            "generation": self.generations[row],
            "status": standing.status.value,
            "reason": standing.reason,
            "detail": standing.detail,
            "counter": counter,
            "created": now,
        }
