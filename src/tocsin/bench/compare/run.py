"""Run Tocsin and public peers over NAB and labelled series, and weigh them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.compare.peers import Peer
from tocsin.bench.judges import Judge, Judged, Score, Stopwatch, through_our_likelihood
from tocsin.bench.labelled.corpus import DataSet
from tocsin.bench.labelled.run import Report, judge_data_set
from tocsin.bench.nab.corpus import Corpus
from tocsin.bench.nab.run import Row, row_of
from tocsin.bench.nab.scoring import false_episodes, windows_hit

__all__ = ["Line", "compare", "is_installed"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[str], None]

#: Rows that a peer scores first, unmeasured: it imports and compiles what it needs.
_WARM_UP: Final = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One detector's figures on everything."""

    detector: str
    nab: Row | None
    reports: tuple[Report, ...]
    us_per_sample: float
    state_bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "detector": self.detector,
            "nab": None if self.nab is None else self.nab.as_dict(),
            "labelled": [report.as_dict() for report in self.reports],
            "us_per_sample": self.us_per_sample,
            "state_bytes": self.state_bytes,
        }


def is_installed(peer: Peer) -> bool:
    """Whether what a peer imports is there."""
    return not peer.module or find_spec(peer.module) is not None


def compare(
    ours: Judge,
    peers: Sequence[Peer],
    corpus: Corpus | None,
    sets: Sequence[DataSet],
    progress: Progress = lambda _: None,
) -> Iterator[Line]:
    """A line for ours, and two for each peer: by its own scores, and through our likelihood.

    Cost: every peer scores every series once.
    """
    yield _line(ours, corpus, sets, progress)
    for peer in peers:
        remembered = _Remembered(peer.score)
        own = _line(_Own(peer.name, remembered, peer.threshold), corpus, sets, progress)
        judge = through_our_likelihood(f"{peer.name}, our likelihood", remembered)
        through = _line(judge, corpus, sets, progress)
        cost = remembered.us_per_sample
        yield Line(own.detector, own.nab, own.reports, cost, own.state_bytes)
        whole = cost + through.us_per_sample
        yield Line(through.detector, through.nab, through.reports, whole, through.state_bytes)


@dataclass(frozen=True, slots=True)
class _Own:
    """A peer by its own scores; it alarms from its own threshold on, if it names one."""

    name: str
    score: Score
    threshold: float | None

    def run(self, timestamps: Ints, values: Floats, timezone: str = "UTC") -> Judged:
        raw, size = self.score(timestamps, values)
        alarms = None if self.threshold is None else raw >= self.threshold
        return Judged(raw, raw, alarms, size)


@dataclass(slots=True)
class _Remembered:
    """A score that is computed once per series: slow peers are judged twice."""

    score: Score
    known: dict[bytes, tuple[Floats, int | None]] = field(default_factory=dict)
    spent: float = 0.0
    rows: int = 0

    def __call__(self, times: Ints, values: Floats) -> tuple[Floats, int | None]:
        if not self.rows:
            self.score(times[:_WARM_UP], values[:_WARM_UP])
        key = blake2b(times.tobytes() + values.tobytes()).digest()
        if key not in self.known:
            begin = time.process_time()
            self.known[key] = self.score(times, values)
            self.spent += time.process_time() - begin
            self.rows += len(values)
        return self.known[key]

    @property
    def us_per_sample(self) -> float:
        return self.spent / max(self.rows, 1) * 1e6


def _line(judge: Judge, corpus: Corpus | None, sets: Sequence[DataSet], progress: Progress) -> Line:
    reports = tuple(judge_data_set(judge, one, progress=progress) for one in sets)
    nab = None if corpus is None else _nab_row(judge, corpus, progress)
    costs = [report.us_per_sample for report in reports]
    costs += [nab.us_per_sample] if nab is not None and nab.us_per_sample is not None else []
    sizes = [one.state_bytes for one in reports if one.state_bytes is not None]
    return Line(judge.name, nab, reports, float(np.mean(costs)), max(sizes, default=None))


def _nab_row(judge: Judge, corpus: Corpus, progress: Progress) -> Row:
    watch = Stopwatch(judge)
    alerts, alarms = [], []
    for file in corpus.files:
        progress(f"{judge.name}: {file.name}")
        judged = watch.run(file.timestamps, file.values)
        alerts.append(judged.alert_score)
        if judged.alarms is not None:
            alarms.append(judged.alarms.astype(np.float64))
    row = row_of(judge.name, corpus, alerts, watch.us_per_sample)
    if len(alarms) < len(corpus.files):
        return row
    hit, episodes = windows_hit(corpus, alarms, 1.0), false_episodes(corpus, alarms, 1.0)
    return Row(row.detector, row.scores, row.episodes, hit, episodes, row.us_per_sample)
