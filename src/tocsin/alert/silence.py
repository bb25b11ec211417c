"""Silence: metrics that fell silent against their own habit, told while they are silent.

A sample that comes late is told of when it comes (`tocsin.detect.models.views.habit`); one that
does not come at all is told of here, by the wall clock. No score depends on it: a silence is a
report to the incidents, beside the events that samples make, and no event of the metric. Its
number is below zero; it is kept where incidents are.

A silence is open until something comes, or the metric is no longer watched, or nothing has come
for so long that it is not expected any more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Gauge

from tocsin.alert.incidents import Incident, Report
from tocsin.alert.judging import DECADES
from tocsin.alert.pauses import Pauses
from tocsin.detect.events import Event
from tocsin.detect.why import duration
from tocsin.publish.delivery import Change, Identity
from tocsin.samples import SECOND_NS

if TYPE_CHECKING:
    from tocsin.alarms import AlertRules, Silence
    from tocsin.alert.judging import Judge
    from tocsin.samples import Metric

__all__ = ["PATTERN", "Fleet", "Silences", "sentence"]

#: What an event of missing samples is called, here and by the default model.
PATTERN: Final = "silence"

#: A look that comes so much too late (looks, seconds), or the wall clock having moved by so much
#: against the other one: nobody listened.
_LATE: Final = 3.0
_LATE_S: Final = 10.0
#: How many new silences are told at a look; the others follow.
_AT_ONCE: Final = 1_000
_DAY_NS: Final = 86_400 * SECOND_NS


#: Which rows alarm nobody at a time (ns).
Muted = Callable[[NDArray[np.int64], int], NDArray[np.bool_]]


class Fleet(Protocol):
    """What is read of `tocsin.engine.registry.Registry`."""

    metrics: list[Metric]
    uids: list[str]
    generations: list[int]

    @property
    def position(self) -> NDArray[np.void]:
        """The records of all rows."""
        ...

    def row_of_uid(self, uid: str) -> int:
        """The row of a metric; -1: it is not there (any more)."""
        ...


@dataclass(slots=True)
class _Silence:
    """One that is open; times in ns."""

    number: int
    uid: str
    title: str
    start: int
    #: What was reported last, and when there is more to say.
    end: int
    next: int
    why: str
    decades: float


class Silences:
    """Which metrics are silent. One thread uses it, or whoever holds its lock.

    Cost of a look: O(metrics), 2 ms per 100,000 with a sample a minute; O(1) per silence.
    """

    def __init__(
        self,
        fleet: Fleet,
        options: Silence,
        hearing: Callable[[], bool],
        *,
        muted: Muted = lambda rows, _at: np.zeros(len(rows), dtype=np.bool_),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``hearing``: whether everything that is sent is taken at the moment; ``muted``: which
        rows alarm nobody at a time (ns): what is silent then is told afterwards, if it still is.
        """
        self.pauses = Pauses(options.false_alarms_per_week, options.least_s)
        self.gauge = Gauge(
            "tocsin_metrics_silent", "Metrics that fell silent against their habit", registry=None
        )
        self._fleet = fleet
        self._options = options
        self._forget = int(options.forget_days * _DAY_NS)
        self._hearing = hearing
        self._muted = muted
        self._monotonic = monotonic
        self._looked: tuple[int, float] | None = None
        self._open: dict[int, _Silence] = {}
        #: Of metrics that are not there any more.
        self._gone: list[_Silence] = []
        #: Rows that are told of, or need not be, until something comes.
        self._told = np.zeros(0, dtype=np.bool_)
        self._rules: AlertRules | None = None
        self._next = -1

    def begin(self, known: Mapping[int, np.void]) -> None:
        """Go on with the pauses that were kept, by the metrics' ids."""
        p = self._fleet.position
        self.pauses.begin(p["id"].copy(), p["seq"].copy(), p["timestamp"].copy(), known)

    def restore(self, incidents: Iterable[Incident], lowest: int) -> None:
        """Go on with the silences that incidents know of; ``lowest``: the last number given."""
        self._next = min(lowest, 0) - 1
        self._open, self._gone = {}, []
        self._told[:] = False
        for incident in incidents:
            for one in incident.members.values():
                if one.event < 0 and one.open:
                    times = one.start, one.end, one.end
                    self._adopt(
                        _Silence(one.event, one.metric, one.title, *times, one.why, one.decades)
                    )

    def due(self) -> bool:
        """Whether it is time to look again."""
        return self._looked is None or self._monotonic() >= self._looked[1] + self._options.look_s

    def look(self, now: int, judge: Judge) -> list[Report]:
        """What there is to say now (ns): silences that end, last and begin."""
        p = self._fleet.position
        seq = p["seq"].copy()  # before the times: a time may be newer than its number, not older
        self._listen(now)
        came = self.pauses.look(now, p["id"], seq, p["timestamp"])
        self._room(len(p))
        self._told[came] = False
        if self._rules is not judge.rules:
            self._reconsider(judge.rules)
        told = [*self._ended(now, judge), *self._lasting(now, judge), *self._begun(now, judge, p)]
        self.gauge.set(len(self._open))
        return told

    def _listen(self, now: int) -> None:
        """Note since when everything that is sent is heard."""
        at, before = self._monotonic(), self._looked
        self._looked = (now, at)
        if before is None:
            self.pauses.listening = now
            return
        passed, ticked = (now - before[0]) / SECOND_NS, at - before[1]
        late = ticked > _LATE * self._options.look_s + _LATE_S
        if not self._hearing() or late or abs(passed - ticked) > _LATE_S:
            self.pauses.listening = now

    def _room(self, rows: int) -> None:
        if rows > len(self._told):
            more = np.zeros(rows - len(self._told), dtype=np.bool_)
            self._told = np.concatenate([self._told, more])

    def _reconsider(self, rules: AlertRules) -> None:
        """Other rules: what need not be told may have to be."""
        self._rules = rules
        self._told[:] = False
        self._told[list(self._open)] = True

    def _adopt(self, one: _Silence) -> None:
        row = self._fleet.row_of_uid(one.uid)
        if row < 0:
            self._gone.append(one)
            return
        self._room(row + 1)
        self._told[row] = True
        self._open[row] = one

    def _ended(self, now: int, judge: Judge) -> Iterator[Report]:
        """Those that are over: something came, or the metric is not watched any more."""
        rows = np.fromiter(self._open, dtype=np.int64)
        over = ~self._told[rows] | ~self._watched(rows)
        for row, ended in zip(rows.tolist(), over.tolist(), strict=True):
            if ended or now - self._open[row].start > self._forget:
                one = self._open.pop(row)
                one.end = now
                if self._fleet.row_of_uid(one.uid) == row:
                    yield judge.report(self._change(row, one, open=False))
                else:
                    self._gone.append(one)
        gone, self._gone = self._gone, []
        for one in gone:
            yield _vanished(one, now)

    def _lasting(self, now: int, judge: Judge) -> Iterator[Report]:
        """Those that have become twice as long, or old enough to be worse."""
        for row, one in self._open.items():
            if now >= one.next:
                one.end, one.why = now, self._sentence(row, now, one.start) or one.why
                one.next = self._again(row, one, judge)
                yield judge.report(self._change(row, one, open=True))

    def _begun(self, now: int, judge: Judge, position: NDArray[np.void]) -> Iterator[Report]:
        overdue = self.pauses.overdue(now)
        overdue = overdue[~self._told[overdue]]
        need = self._watched(overdue) & (now - self.pauses.last(overdue) <= self._forget)
        self._told[overdue[~need]] = True
        need[need] = ~self._muted(overdue[need], now)
        room = max(0, min(_AT_ONCE, self._options.most - len(self._open)))
        for row in overdue[need][:room].tolist():
            metric = self._fleet.metrics[row]
            self._told[row] = True
            if not judge.heeds_silence(metric):
                continue
            start = min(int(position["timestamp"][row]), now)
            number, self._next = self._next, self._next - 1
            why = self._sentence(row, now, start)
            decades = self.pauses.decades(row)
            uid = self._fleet.uids[row]
            one = _Silence(number, uid, str(metric), start, now, now, why, decades)
            one.next = self._again(row, one, judge)
            self._adopt(one)
            yield judge.report(self._change(row, one, open=True))

    def _watched(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        position = self._fleet.position
        watched: NDArray[np.bool_] = position["learns"][rows] & position["ready"][rows]
        return watched

    def _again(self, row: int, one: _Silence, judge: Judge) -> int:
        """When there is more to say of it."""
        doubled = one.end + max(one.end - one.start, SECOND_NS)
        worse = one.start + judge.worse_after_ns(self._fleet.metrics[row])
        return min(doubled, worse) if one.end < worse else doubled

    def _sentence(self, row: int, now: int, start: int) -> str:
        """Why, in words; "": how often it comes is not known, since a restart."""
        interval, longest, _ = self.pauses.of(row)
        if interval <= 0:
            return ""
        return sentence((now - start) / SECOND_NS, interval, longest)

    def _change(self, row: int, one: _Silence, *, open: bool) -> Change:
        """As an event, for the rules."""
        metric, unknown = self._fleet.metrics[row], math.nan
        return Change(
            one.number,
            Identity(one.uid, metric.name, metric.labels, self._fleet.generations[row]),
            Event(
                start=one.start,
                end=one.end,
                peak=one.end,
                value=unknown,
                expected=unknown,
                lower=unknown,
                upper=unknown,
                anomaly_score=one.decades / DECADES,
                likelihood=1.0 - 10.0**-one.decades,
                samples=0,
                open=open,
                pattern=PATTERN,
                why=one.why,
            ),
        )


def sentence(silent_s: float, interval_s: float, longest_s: float) -> str:
    """Why a silence is one, in words.

    >>> sentence(600, 60, 61)
    'silent for 10 minutes; a sample came every 60 seconds, 61 seconds apart at most'
    """
    usual = f"a sample came every {duration(interval_s)}"
    return f"silent for {duration(silent_s)}; {usual}, {duration(longest_s)} apart at most"


def _vanished(one: _Silence, now: int) -> Report:
    """The last that is said of a metric that is not there any more."""
    return Report(
        event=one.number,
        metric=one.uid,
        title=one.title,
        bonds=(),
        peers={},
        start=one.start,
        end=now,
        open=False,
        decades=one.decades,
        severity=0,
        alarms=False,
        routes=None,
        why=one.why,
    )
