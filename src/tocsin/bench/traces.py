"""Replay what HTM Engine's own likelihood returned, through ours; count the rows each reads.

A trace is a table of one metric's rows (``.csv`` or ``.csv.gz``: rowid, timestamp, value,
raw_anomaly_score and, for every plan, anomaly_score_<plan>) and a ``.json`` of the same stem: the
configuration, and every plan's batch sizes (one size alone: always this size), with what the
original read from its database.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.likelihood.parameters import Parameters
from tocsin.detect.likelihood.policy import StreamingPolicy, StreamingSettings
from tocsin.detect.likelihood.rows import CountedRows, MemoryRows, Rows
from tocsin.errors import BadSampleError, ConfigurationError, FileFormatError, MissingDataError

__all__ = ["TOLERANCE", "Plan", "Reads", "Replay", "Trace", "load_traces", "replay", "replay_all"]

Floats = NDArray[np.float64]

#: Largest difference from the original that counts as the same.
TOLERANCE: Final = 1e-9
#: The original's configuration keys and ours.
_KEYS: Final = {
    "statistics_min_sample_size": "minimum_sample_size",
    "statistics_sample_size": "sample_size",
    "statistics_refresh_rate": "refresh_interval",
}


@dataclass(frozen=True, slots=True)
class Reads:
    """What was read from stored rows: queries for their number, for the newest, and rows."""

    count: int
    tail: int
    tail_rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One way to cut a trace into batches, and what the original did with it."""

    name: str
    #: Rows of each batch; one size alone holds for all.
    batch_sizes: tuple[int, ...]
    #: The original's anomaly score of every row, as a probability.
    expected: Floats
    #: What the original read; None: not recorded.
    reads: Reads | None

    def batches(self, rows: Rows) -> Iterator[Rows]:
        """The rows, batch by batch."""
        sizes = self.batch_sizes
        if len(sizes) == 1:
            sizes *= -(-len(rows) // sizes[0])
        begin = 0
        for size in sizes:
            yield rows[begin : begin + size]
            begin += size


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One metric's rows, the configuration, and the plans."""

    name: str
    settings: StreamingSettings
    rows: Rows
    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """How a plan's replay compares."""

    trace: str
    plan: str
    rows: int
    #: The largest absolute difference of an anomaly score from the original's.
    difference: float
    #: What the original read, and what its way of reading reads here.
    original: Reads | None
    same_way: Reads
    #: What is read when the metric's last rows are kept in memory.
    ours: Reads
    #: The parameters after the last row.
    parameters: Parameters | None

    @property
    def exact(self) -> bool:
        """Whether every score is the original's, within `TOLERANCE`."""
        return self.difference <= TOLERANCE  # not-a-number is not


def load_traces(folder: Path) -> list[Trace]:
    """All traces of a folder, by name.

    Errors: `MissingDataError` if there are none, `FileFormatError` for one that is not whole.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise MissingDataError(
            f"{folder} holds no traces: it must contain <series>.json and <series>.csv.gz pairs "
            "with the columns rowid, timestamp, value, raw_anomaly_score, anomaly_score_<plan>"
        )
    return [_load(path) for path in paths]


def _load(path: Path) -> Trace:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        cells = _cells(path)
        rows = Rows.of(*(_column(cells, k) for k in ("rowid", "value", "raw_anomaly_score")))
        if not len(rows):
            raise ValueError("it has no rows")
        plans = tuple(_plan(name, plan, cells) for name, plan in told["plans"].items())
        return Trace(path.stem.replace("__", "/"), _settings(told["config"]), rows, plans)
    except KeyError as error:
        raise FileFormatError(f"{path}: the trace has no {error}") from error
    except (BadSampleError, ConfigurationError, TypeError, AttributeError, ValueError) as error:
        raise FileFormatError(f"{path}: the trace cannot be used: {error}") from error


def _cells(path: Path) -> list[dict[str, str]]:
    plain, packed = path.with_suffix(".csv"), path.with_suffix(".csv.gz")
    if plain.is_file():
        return list(csv.DictReader(plain.read_text(encoding="utf-8").splitlines()))
    if not packed.is_file():
        raise MissingDataError(f"{path} is there, but {packed} is not")
    with gzip.open(packed, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _column(cells: list[dict[str, str]], name: str) -> Floats:
    return np.array([float(row[name]) for row in cells])


def _settings(told: dict[str, Any]) -> StreamingSettings:
    return StreamingSettings(**{_KEYS[key]: value for key, value in told.items()})


def _plan(name: str, told: dict[str, Any], cells: list[dict[str, str]]) -> Plan:
    sizes = told["batch_sizes"]
    sizes = tuple(sizes) if isinstance(sizes, list) else (sizes,)
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(f"plan {name}: batch sizes must be whole numbers above 0")
    if len(sizes) != 1 and sum(sizes) != len(cells):
        raise ValueError(f"plan {name}: its batches have {sum(sizes)} rows, not {len(cells)}")
    reads = told.get("db_reads")
    expected = _column(cells, f"anomaly_score_{name}")
    return Plan(name, sizes, expected, None if reads is None else Reads(**reads))


def replay_all(
    traces: list[Trace], progress: Callable[[str], None] = lambda _: None
) -> Iterator[Replay]:
    """Every trace by every plan. Cost: about a second for 25,000 rows and four plans."""
    for trace in traces:
        for plan in trace.plans:
            progress(f"{trace.name}, {plan.name}")
            yield replay(trace, plan)


def replay(trace: Trace, plan: Plan) -> Replay:
    """One trace by one plan, twice: reading as the original did, and from memory."""
    capacity = trace.settings.sample_size
    stored = MemoryRows(capacity)
    database = CountedRows(stored)
    scores, parameters = _run(trace, plan, database, stored)
    # In memory: the database is asked once, at the start.
    asked = CountedRows(MemoryRows(capacity))
    kept = MemoryRows.of(asked, capacity)
    again, _ = _run(trace, plan, kept, kept)
    return Replay(
        trace.name,
        plan.name,
        len(trace.rows),
        float(np.abs(np.stack((scores, again)) - plan.expected).max(initial=0.0)),
        plan.reads,
        _reads(database),
        _reads(asked),
        parameters,
    )


def _run(
    trace: Trace, plan: Plan, source: CountedRows | MemoryRows, stored: MemoryRows
) -> tuple[Floats, Parameters | None]:
    """Score batch by batch from ``source``; each is ``stored`` before the next."""
    policy = StreamingPolicy(trace.settings)
    parameters: Parameters | None = None
    scores = [np.empty(0)]
    for batch in plan.batches(trace.rows):
        scored = policy.score(parameters, batch, source)
        parameters = scored.parameters
        scores.append(scored.anomaly_scores)
        stored.append(batch)
    return np.concatenate(scores), parameters


def _reads(counted: CountedRows) -> Reads:
    return Reads(counted.counts, counted.tails, counted.rows)
