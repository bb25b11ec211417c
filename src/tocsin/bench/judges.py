"""What every benchmark judges: something that scores a series of samples, causally.

Tocsin's models, its ablations, trivial baselines and public peers all go through `Judge`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.baselines import told_once
from tocsin.detect.fleet import Fleet
from tocsin.detect.result import EVENT_CODES, EventState
from tocsin.detect.settings import Settings

if TYPE_CHECKING:
    from tocsin.bench.branches import Tail

__all__ = [
    "Judge",
    "Judged",
    "Score",
    "ScoreJudge",
    "Stopwatch",
    "TocsinJudge",
    "baseline_judge",
    "through_our_likelihood",
    "values_only",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_START: Final = EVENT_CODES.index(EventState.START)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a detector said about a series, a number per row (0: nothing, or not ready yet)."""

    #: How anomalous each row is, for ranking.
    anomaly_score: Floats
    #: The same where it is news.
    alert_score: Floats
    #: Rows at which it raised an alarm, with its own default setting; None: it has none.
    alarms: Bools | None
    #: Bytes of its state at the end; None: not known.
    state_bytes: int | None = None


class Judge(Protocol):
    """A detector under judgement; every call of ``run`` starts from nothing."""

    @property
    def name(self) -> str:
        """Its line in the tables."""

    def run(self, timestamps: Ints, values: Floats, timezone: str = "UTC") -> Judged:
        """Score samples (times in ns, UTC; finite values) in order, each before it is learnt.

        ``timezone``: the metric's civil time (IANA name), for detectors that know about it.
        """


@dataclass(frozen=True, slots=True)
class TocsinJudge:
    """Tocsin itself, with any settings."""

    name: str = "tocsin"
    settings: Settings = field(default_factory=Settings)

    def run(self, timestamps: Ints, values: Floats, timezone: str = "UTC") -> Judged:
        """As `Fleet.update` of one metric."""
        fleet = Fleet(replace(self.settings, timezone=timezone), 1)
        scored = fleet.update(np.zeros(len(values), dtype=np.int64), timestamps, values)
        return _judged(scored, fleet.row_bytes)

    def branch(
        self, timestamps: Ints, values: Floats, timezone: str, tails: Sequence[Tail]
    ) -> tuple[Bools, list[Bools]]:
        """Alarms of a series, and of every tail: see `tocsin.bench.branches.alarms_of`."""
        settings = replace(self.settings, timezone=timezone)
        fleet = Fleet(settings, 1)
        whole = np.zeros(len(values), dtype=np.bool_)
        told: dict[int, Bools] = {}
        at = 0
        for row in (*sorted({tail.row for tail in tails}), len(values)):
            whole[at:row] = _update(fleet, [(timestamps[at:row], values[at:row])])[0]
            at = row
            mine = [k for k, tail in enumerate(tails) if tail.row == row]
            if mine:
                others = Fleet(settings, len(mine))
                others.put(np.arange(len(mine)), fleet.take(np.zeros(len(mine), dtype=np.int64)))
                pieces = [(tails[k].timestamps, tails[k].values) for k in mine]
                told |= zip(mine, _update(others, pieces), strict=True)
        return whole, [told[k] for k in range(len(tails))]


def _update(fleet: Fleet, pieces: Sequence[tuple[Ints, Floats]]) -> list[Bools]:
    """Alarms of each metric's next samples."""
    lengths = [len(values) for _, values in pieces]
    scored = fleet.update(
        np.repeat(np.arange(len(pieces)), lengths),
        np.concatenate([times for times, _ in pieces]),
        np.concatenate([values for _, values in pieces]),
    )
    return np.split(np.asarray(scored["event"] == _START), np.cumsum(lengths)[:-1])


def _judged(scored: NDArray[np.void], state_bytes: int | None) -> Judged:
    return Judged(
        np.nan_to_num(scored["anomaly_score"], nan=0.0),
        np.nan_to_num(scored["alert_score"], nan=0.0),
        np.asarray(scored["event"] == _START),
        state_bytes,
    )


#: Times and values to a raw score per row, and the bytes of state at the end.
Score = Callable[[Ints, Floats], tuple[Floats, int | None]]


@dataclass(frozen=True, slots=True)
class ScoreJudge:
    """Somebody else's score; it has no threshold of its own.

    ``once``: the alert score is the score told once (it has to exceed the last one told).
    """

    name: str
    score: Score
    once: bool = False

    def run(self, timestamps: Ints, values: Floats, timezone: str = "UTC") -> Judged:
        """The score is both anomaly score and alert score."""
        raw, size = self.score(timestamps, values)
        return Judged(raw, told_once(raw) if self.once else raw, None, size)


@dataclass(frozen=True, slots=True)
class _Likelihood:
    """Somebody else's score behind our likelihood, alarm and events."""

    name: str
    score: Score

    def run(self, timestamps: Ints, values: Floats, timezone: str = "UTC") -> Judged:
        raw, size = self.score(timestamps, values)
        fleet = Fleet(Settings(model="peer.Score"), 1)
        zeros = np.zeros(len(values), dtype=np.int64)
        scored = fleet.judge(zeros, timestamps, values, raw)
        return _judged(scored, None if size is None else size + fleet.row_bytes)


def through_our_likelihood(name: str, score: Score) -> Judge:
    """A judge whose raw scores (finite, >= 0) go the way of any foreign model in the product."""
    return _Likelihood(name, score)


class Stopwatch:
    """Runs a judge over many series and keeps what it cost: processor time, largest state."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._spent = 0.0
        self._rows = 0
        #: The largest state so far, in bytes; None: not known.
        self.state_bytes: int | None = None

    def run(self, timestamps: Ints, values: Floats, timezone: str = "UTC") -> Judged:
        """As the judge's; the first of all calls also compiles, unmeasured."""
        if not self._rows:
            self._judge.run(timestamps[:200], values[:200], timezone)
        begin = time.process_time()
        judged = self._judge.run(timestamps, values, timezone)
        self._spent += time.process_time() - begin
        self._rows += len(values)
        if judged.state_bytes is not None:
            self.state_bytes = max(self.state_bytes or 0, judged.state_bytes)
        return judged

    @property
    def us_per_sample(self) -> float:
        """Microseconds of one core per sample."""
        return self._spent / max(self._rows, 1) * 1e6


def baseline_judge(name: str, score: Callable[[Floats], Floats], once: bool = False) -> Judge:
    """A trivial baseline; ``once``: its alert score is its score told once."""
    return ScoreJudge(name, values_only(score), once)


def values_only(score: Callable[[Floats], Floats]) -> Score:
    """A score that asks for values alone, as a `Score`."""
    return lambda _, values: (score(values), None)
