"""Columns on their way to the database, and what each kind of database does with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import NUMBERS
from tocsin.store import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Executable

__all__ = ["COLUMNS", "RESULTS", "UNSCORED", "Bulk", "PositionColumns", "SampleColumns", "bulk_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: The columns of `sample` that hold results, without ``event``.
RESULTS: Final = NUMBERS
#: All columns of `sample`, in the order in which rows are written.
COLUMNS: Final = ("metric", "seq", "timestamp", "value", *RESULTS, "event")
#: In ``scored["event"]``: stored without being scored or learnt; NULL in the database.
UNSCORED: Final = -1


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """Samples with their results, one array element a sample; (metric, seq) is unique.

    ``scored`` are rows of `tocsin.detect.result.RESULT`; NaN is stored as NULL, and so is event
    -1 (never to be scored); event -2 (`schema.WAITING`) stays: to be scored later. Every other
    number comes back bit by bit, but for -0.0, which SQLite stores as 0.0.
    """

    metric: Ints
    seq: Ints
    timestamp: Ints
    value: Floats
    scored: NDArray[np.void]

    def __len__(self) -> int:
        return len(self.seq)


@dataclass(frozen=True, slots=True)
class PositionColumns:
    """How far metrics are, one array element a metric; NaN is stored as NULL."""

    id: Ints
    last_seq: Ints
    last_timestamp: Ints
    last_value: Floats
    anomaly_score: Floats
    scored_seq: Ints

    def __len__(self) -> int:
        return len(self.id)


class Bulk(Protocol):
    """The writing that one kind of database does in its own way. Used within a transaction."""

    @property
    def epoch(self) -> Executable:
        """Reads the owner's epoch, and keeps it from changing until the transaction ends."""

    def prepare(self, engine: Engine, samples: SampleColumns) -> None:
        """Make what `insert` needs; in a transaction of its own, before."""

    def forget_partitions(self) -> None:
        """What `prepare` made may be gone."""

    def new_metrics(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add new rows of `metric`, which all have the same columns."""
        ...

    def insert(self, connection: Connection, samples: SampleColumns) -> None:
        """Add new rows of `sample`. Cost: O(rows)."""

    def rescore(self, connection: Connection, samples: SampleColumns) -> None:
        """Set the results of rows of `sample` that are there. Cost: O(rows log stored rows)."""

    def move(self, connection: Connection, positions: PositionColumns) -> None:
        """Set rows of `progress`."""

    def upsert(self, table: Any) -> Any:
        """An INSERT of this table that can say what to do when the row is there."""


def bulk_of(engine: Engine) -> Bulk:
    """How this kind of database writes."""
    if engine.dialect.name == "postgresql":
        from tocsin.store.postgresql import PostgresBulk

        return PostgresBulk()
    from tocsin.store.sqlite import SqliteBulk

    return SqliteBulk()


assert {column.name for column in schema.sample.c} == set(COLUMNS)
