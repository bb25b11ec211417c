"""Run Tocsin and public peers over NAB and labelled series, and weigh them alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.compare.peers import Peer
from tocsin.bench.compare.scores import Known, score_all
from tocsin.bench.judges import Judge, Judged, Score, Stopwatch, through_our_likelihood
from tocsin.bench.labelled.corpus import DataSet
from tocsin.bench.labelled.run import Report, judge_data_set
from tocsin.bench.nab.corpus import Corpus
from tocsin.bench.nab.run import Row, row_of
from tocsin.bench.nab.scoring import false_episodes, windows_hit

__all__ = ["Line", "Options", "compare", "is_installed"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How peers are run."""

    #: A folder in which their scores are kept.
    scores_out: Path | None = None
    #: Seconds per peer after which no further series is begun.
    limit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One detector's figures on everything that it has scored."""

    detector: str
    nab: Row | None
    #: One per data set of which it has scored a series.
    reports: tuple[Report, ...]
    us_per_sample: float
    state_bytes: int | None
    #: Series scored, and series there were.
    scored: int
    wanted: int
    #: Why it scored nothing in some of them.
    failures: tuple[str, ...] = ()
    #: Processor time of the detector's scores alone; None: not measured apart.
    seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "detector": self.detector,
            "nab": None if self.nab is None else self.nab.as_dict(),
            "labelled": [report.as_dict() for report in self.reports],
            "us_per_sample": self.us_per_sample,
            "state_bytes": self.state_bytes,
            "scored": self.scored,
            "wanted": self.wanted,
            "failures": list(self.failures),
            "seconds": self.seconds,
        }


def is_installed(peer: Peer) -> bool:
    """Whether what a peer imports is there."""
    return not peer.module or find_spec(peer.module) is not None


def compare(
    ours: Judge,
    peers: Sequence[Peer],
    corpus: Corpus | None,
    sets: Sequence[DataSet],
    options: Options | None = None,
    progress: Progress = lambda _: None,
) -> Iterator[Line]:
    """A line for ours, and two for each peer: by its own scores, and through our likelihood.

    What a peer has not scored for want of time is left out of its lines.
    Cost: every peer scores every series once, or never if its scores are kept.
    """
    series = _in_turn(corpus, sets)
    yield _line(ours, corpus, sets, len(series), progress)
    chosen = options or Options()
    for peer in peers:
        known = score_all(peer, series, chosen.scores_out, chosen.limit_s, progress)
        yield from _lines(known, corpus, sets, len(series), progress)


def _in_turn(corpus: Corpus | None, sets: Sequence[DataSet]) -> list[tuple[Ints, Floats]]:
    """Series of all sets in turn, so that a time limit leaves some of each."""
    groups = [[(one.timestamps, one.values) for one in data.series] for data in sets]
    if corpus is not None:
        groups.append([(file.timestamps, file.values) for file in corpus.files])
    return [one for several in zip_longest(*groups) for one in several if one is not None]


def _lines(
    known: Known, corpus: Corpus | None, sets: Sequence[DataSet], wanted: int, progress: Progress
) -> Iterator[Line]:
    peer = known.peer
    there = None if corpus is None else _scored_files(known, corpus)
    some = [_scored_series(known, one) for one in sets]
    own = _line(_Own(peer.name, known.score, peer.threshold), there, some, wanted, progress)
    judge = through_our_likelihood(f"{peer.name}, our likelihood", known.score)
    through = _line(judge, there, some, wanted, progress)
    failures, cost = tuple(known.failures), known.us_per_sample
    for line, us in ((own, cost), (through, cost + through.us_per_sample)):
        yield Line(
            line.detector,
            line.nab,
            line.reports,
            us,
            line.state_bytes,
            line.scored,
            wanted,
            failures,
            known.seconds,
        )


def _scored_files(known: Known, corpus: Corpus) -> Corpus:
    return Corpus(tuple(one for one in corpus.files if known.has(one.timestamps, one.values)))


def _scored_series(known: Known, data: DataSet) -> DataSet:
    there = (one for one in data.series if known.has(one.timestamps, one.values))
    return DataSet(data.name, tuple(there))


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


def _line(
    judge: Judge,
    corpus: Corpus | None,
    sets: Sequence[DataSet],
    wanted: int,
    progress: Progress,
) -> Line:
    reports = tuple(judge_data_set(judge, one, progress=progress) for one in sets if one.series)
    nab = _nab_row(judge, corpus, progress) if corpus is not None and corpus.files else None
    costs = [report.us_per_sample for report in reports]
    costs += [nab.us_per_sample] if nab is not None and nab.us_per_sample is not None else []
    sizes = [one.state_bytes for one in reports if one.state_bytes is not None]
    scored = sum(one.series for one in reports) + (len(corpus.files) if corpus is not None else 0)
    us = float(np.mean(costs)) if costs else 0.0
    return Line(judge.name, nab, reports, us, max(sizes, default=None), scored, wanted)


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
