"""Which metric is which row, and how far each one is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.samples import Metric

__all__ = ["NEVER", "Registry", "Status", "labels_json", "uid_of"]

Ints = NDArray[np.int64]

#: The time of the last sample of a metric that has none.
NEVER: Final = int(np.iinfo(np.int64).min)

_POSITION: Final = np.dtype(
    [
        ("id", "i8"),
        ("seq", "i8"),
        ("timestamp", "i8"),
        ("value", "f8"),
        ("snapshot_seq", "i8"),
        ("learns", "?"),
        ("ready", "?"),
        ("stored", "?"),
    ]
)


class Status(StrEnum):
    """What is being done with a metric."""

    UNMONITORED = "unmonitored"
    WARMING_UP = "warming_up"
    ACTIVE = "active"
    PAUSED = "paused"
    ERROR = "error"


#: A metric in one of these is scored, and learns.
_LEARNING: Final = (Status.WARMING_UP, Status.ACTIVE)


def labels_json(metric: Metric) -> str:
    """Labels as canonical JSON: sorted keys, no spaces."""
    return json.dumps(
        dict(metric.labels), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def uid_of(metric: Metric, generation: int) -> str:
    """A short name that is the same wherever the metric is: 80 bits of a hash."""
    told = json.dumps([metric.name, metric.labels, generation], ensure_ascii=False)
    return hashlib.blake2b(told.encode(), digest_size=10).hexdigest()


class Registry:
    """Rows 0, 1, 2 … of metrics, the same numbers as in the fleet.

    ``position`` has one record per row; its columns move on only after a commit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: dict[Metric, int] = {}
        self._position: NDArray[np.void] = np.zeros(16, dtype=_POSITION)
        self.metrics: list[Metric] = []
        self.uids: list[str] = []
        self.status: list[str] = []
        self._next_id = 1

    def __len__(self) -> int:
        return len(self.metrics)

    @property
    def position(self) -> NDArray[np.void]:
        """The records of all rows (a view)."""
        return self._position[: len(self.metrics)]

    def find(self, metrics: Iterable[Metric]) -> Ints:
        """Rows of these metrics; -1 for those that are new."""
        return np.array([self._rows.get(metric, -1) for metric in metrics], dtype=np.int64)

    def row_of_id(self, metric_id: int) -> int:
        """The row of a stored metric's id. Ids rise with rows."""
        return int(np.searchsorted(self.position["id"], metric_id))

    def add(self, metric: Metric) -> int:
        """Give a new metric a row, or -1 when there are as many as there may be."""
        if len(self.metrics) >= self._limit:
            return -1
        row = self._append(metric, uid_of(metric, 1), Status.WARMING_UP, self._next_id)
        self._position[row]["timestamp"] = NEVER
        return row

    def restore(self, stored: Mapping[str, Any]) -> int:
        """Give a metric from the database a row. Feed them by rising id."""
        metric = Metric.of(stored["name"], json.loads(stored["labels"]))
        row = self._append(metric, stored["uid"], stored["status"], stored["id"])
        record = self._position[row]
        record["seq"], record["stored"] = stored["last_seq"], True
        record["ready"] = stored["status"] == Status.ACTIVE
        last, value = stored["last_timestamp"], stored["last_value"]
        record["timestamp"] = NEVER if last is None else last
        record["value"] = np.nan if value is None else value
        return row

    def _append(self, metric: Metric, uid: str, status: str, metric_id: int) -> int:
        row = len(self.metrics)
        if row == len(self._position):
            self._position = np.concatenate([self._position, np.zeros_like(self._position)])
        record = self._position[row]
        record["id"], record["learns"] = metric_id, status in _LEARNING
        self._next_id = metric_id + 1
        self._rows[metric] = row
        self.uids.append(uid)
        self.status.append(status)
        self.metrics.append(metric)  # last: from here on other threads see the row
        return row

    def new_rows(self, rows: Ints, now: int) -> list[dict[str, Any]]:
        """What the database must hold of those rows that it does not know yet."""
        return [self._as_stored(int(row), now) for row in rows if not self._position[row]["stored"]]

    def _as_stored(self, row: int, now: int) -> dict[str, Any]:
        metric = self.metrics[row]
        return {
            "id": int(self._position[row]["id"]),
            "uid": self.uids[row],
            "name": metric.name,
            "labels": labels_json(metric),
            "title": str(metric),
            "generation": 1,
            "status": self.status[row],
            "last_seq": 0,
            "created": now,
        }
