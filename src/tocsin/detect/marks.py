"""Marks: what people said of events, acting on later ones that are like them.

Two events are alike when they have the same pattern (all single jumps count as one) and direction,
and, where a mark says so, come within an hour of the same time of day. Then

- "not an anomaly": what is alike and at most 1.25 times as large is still an event, but muted;
- "anomaly": what is alike and at least 0.8 times as large is told at up to 100 times the share of
  samples that the metric's false-alarm budget allows;
- "known change": the level that the metric changed to is wanted. An event whose peak lies within a
  quarter of the change of that level, of whatever pattern and from whichever side, is muted.

Where marks of the first two kinds are about an event, the one nearest to it in size counts.

A mark holds for the samples after the one it was made at, so that the same samples and the same
marks at the same places give the same events, whenever they are computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.events import Event, EventFold, Mute, facts_of
from tocsin.detect.result import EVENT_CODES, EventState
from tocsin.detect.settings import Settings
from tocsin.detect.why import JUMPS, explain, number
from tocsin.samples import civil_ns

__all__ = [
    "KINDS",
    "Course",
    "Kind",
    "Lowered",
    "Mark",
    "Signature",
    "Wish",
    "limit_of",
    "muted_by",
]

Kind = Literal["anomaly", "not_anomaly", "known_change"]
KINDS: Final[tuple[Kind, ...]] = ("anomaly", "not_anomaly", "known_change")

#: How much larger, or smaller, something alike may be.
_MARGIN: Final = 1.25
#: How far from a known level another is the same, as a share of the change to it.
_SAME_LEVEL: Final = 0.25
#: How far apart two times of day may be that are the same (minutes).
_SAME_HOUR: Final = 60
_DAY_MINUTES: Final = 24 * 60
_MINUTE_NS: Final = 60 * 1_000_000_000
#: How many times its share of samples a metric's marked anomalies may be told at, and at most.
_TIMES_SHARE: Final = 100.0
_LARGEST_LIMIT: Final = 0.05
#: The share of samples that may be told, whatever budget and interval say: as the alarm has it.
_SMALLEST_SHARE: Final = 1e-8
_LARGEST_SHARE: Final = 1e-3
_WEEK_NS: Final = 7 * 86_400 * 1_000_000_000
#: Samples that say how far apart they are.
_RECENT: Final = 1_000
#: When an event is over: as the alarm has it.
_QUIET_FOR: Final = 10
_RELEASE: Final = 0.6

_START, _ONGOING, _QUIET, _END = (
    EVENT_CODES.index(state)
    for state in (EventState.START, EventState.ONGOING, EventState.QUIET, EventState.END)
)
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What an event is like."""

    #: "": of any.
    pattern: str
    #: 1: above what was expected, -1: below, 0: neither.
    direction: int
    #: How far from it, in the metric's units; None: not known.
    size: float | None
    #: Minute of the civil day and day of the week (0: Monday) of its peak.
    minute: int
    weekday: int
    #: From its first anomalous sample to its last (ns).
    lasted: int = 0
    #: What each view found.
    views: Mapping[str, float] = field(default_factory=dict)
    #: Its value at its peak; None: not known.
    level: float | None = None

    @classmethod
    def of(cls, event: Event, timezone: str) -> Signature:
        """Of an event, as it stands."""
        civil = int(civil_ns(np.array([event.peak], dtype=np.int64), timezone)[0]) // _MINUTE_NS
        away = event.value - event.expected
        return cls(
            pattern=event.pattern,
            direction=0 if math.isnan(away) else (away > 0) - (away < 0),
            size=abs(away) if math.isfinite(away) else None,
            minute=civil % _DAY_MINUTES,
            weekday=(civil // _DAY_MINUTES + 3) % 7,
            lasted=event.end - event.start,
            views=event.views,
            level=event.value if math.isfinite(event.value) else None,
        )

    def away(self, other: Signature) -> float:
        """How different two sizes are: the absolute logarithm of their ratio; 0 if unknown."""
        if not self.size or not other.size:
            return 0.0
        return abs(math.log(self.size) - math.log(other.size))

    def __str__(self) -> str:
        side = {1: " above what is expected", -1: " below what is expected", 0: ""}[self.direction]
        return f"{self.pattern.replace('_', ' ') or 'an event'}{side}"


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody said of an event, and what follows for others."""

    kind: Kind
    signature: Signature
    #: When its peak was (ns, UTC), for words.
    peak: int
    #: It holds for samples with a larger seq, up to ``until``; None: it was not taken back.
    since: int = 0
    until: int | None = None
    #: Whether only events within an hour of the same time of day are alike.
    same_hour: bool = False
    #: For an anomaly: how probable a score may be that is told.
    limit: float = 0.0
    timezone: str = "UTC"
    #: For a known change: the level that it led to.
    level: float | None = None

    def holds(self, seq: int) -> bool:
        """Whether it acts on this sample."""
        return self.since < seq and (self.until is None or seq <= self.until)

    def like(self, other: Signature) -> bool:
        """Whether it is about such an event."""
        mine = self.signature
        if self.kind == "known_change":
            return self._same_level(other) and self._same_time(other)
        if mine.pattern and _family(mine.pattern) != _family(other.pattern):
            return False
        if mine.direction != other.direction or (mine.size is None) != (other.size is None):
            return False
        if not self._same_time(other):
            return False
        if mine.size is None or other.size is None:
            return True
        if self.kind == "not_anomaly":
            return other.size <= _MARGIN * mine.size
        return other.size >= mine.size / _MARGIN

    def _same_time(self, other: Signature) -> bool:
        return not self.same_hour or _apart(self.signature.minute, other.minute) <= _SAME_HOUR

    def _same_level(self, other: Signature) -> bool:
        if self.level is None or other.level is None:
            return False
        return abs(other.level - self.level) <= self.reach

    @property
    def reach(self) -> float:
        """How far from a known level another is the same."""
        return _SAME_LEVEL * (self.signature.size or 0.0)

    @property
    def reason(self) -> str:
        """Why an event that is alike is muted, or told: "like the one of 3 July 2026 …"."""
        civil = int(civil_ns(np.array([self.peak], dtype=np.int64), self.timezone)[0])
        year, month, day = str(np.datetime64(civil, "ns").astype("datetime64[D]")).split("-")
        if self.kind == "known_change":
            return f"the level of {int(day)} {_MONTHS[int(month) - 1]} {year}, a known change"
        called = "not an anomaly" if self.kind == "not_anomaly" else "an anomaly"
        return f"like the one of {int(day)} {_MONTHS[int(month) - 1]} {year} marked {called}"

    @property
    def rule(self) -> str:
        """What it does, in a sentence."""
        mine = self.signature
        if self.kind == "known_change" and self.level is not None:
            return (
                f"not alarmed: levels within {number(self.reach)} of {number(self.level)}, "
                "a known change"
            )
        size = ""
        if mine.size is not None:
            most = self.kind == "not_anomaly"
            bound = mine.size * _MARGIN if most else mine.size / _MARGIN
            size = f" by at {'most' if most else 'least'} {number(bound)}"
        when = ""
        if self.same_hour:
            when = f", within an hour of {mine.minute // 60:02d}:{mine.minute % 60:02d}"
        if self.kind == "not_anomaly":
            return f"not alarmed: {mine}{size}{when}"
        odds = number(float(f"{1.0 / max(self.limit, 1e-12):.2g}"))
        return f"alarmed from 1 in {odds} on: {mine}{size}{when}"


def _family(pattern: str) -> str:
    return "jump" if pattern in JUMPS else pattern


def _apart(one: int, other: int) -> int:
    """Minutes between two times of day."""
    away = abs(one - other)
    return min(away, _DAY_MINUTES - away)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to be marked: a stretch of a metric's time."""

    kind: Kind
    #: Nanoseconds since 1970, UTC.
    start: int
    end: int
    same_hour: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """One metric's samples with their results, in order; columns of one length."""

    seq: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    values: NDArray[np.float64]
    #: Rows of `RESULT`.
    scored: NDArray[np.void]

    def meant(self, wish: Wish, events: Sequence[Event]) -> Event | None:
        """What a wish is about: the highest of the events that it touches, else the most
        improbable sample in it (with no pattern); None: nothing is there.
        """
        touched = [event for event in events if event.start <= wish.end and event.end >= wish.start]
        if touched:
            return max(touched, key=lambda event: event.anomaly_score)
        inside = (self.timestamps >= wish.start) & (self.timestamps <= wish.end)
        scores = np.where(inside, self.scored["anomaly_score"], np.nan)
        if not np.isfinite(scores).any():
            return None
        at = int(np.nanargmax(scores))
        return _as_event(int(self.timestamps[at]), float(self.values[at]), self.scored[at])

    def mark(self, wish: Wish, events: Sequence[Event], settings: Settings) -> Mark | None:
        """The mark that a wish becomes: it holds from the first sample after it on."""
        event = self.meant(wish, events)
        if event is None:
            return None
        known = int(np.searchsorted(self.timestamps, wish.end, side="right"))
        return Mark(
            kind=wish.kind,
            signature=Signature.of(event, settings.timezone),
            peak=event.peak,
            since=int(self.seq[known - 1]) if known else 0,
            same_hour=wish.same_hour,
            limit=limit_of(settings.false_alarms_per_week, self.timestamps[:known]),
            timezone=settings.timezone,
            level=self._level(event, wish) if wish.kind == "known_change" else None,
        )

    def _level(self, event: Event, wish: Wish) -> float:
        """The level that an event led to: the middle of its values from its peak on."""
        after = (self.timestamps >= event.peak) & (self.timestamps <= max(event.end, wish.end))
        after &= (self.scored["event"] == _START) | (self.scored["event"] == _ONGOING)
        rate = self.scored["rate"][after]
        seen = np.where(np.isnan(rate), self.values[after], rate)
        return float(np.median(seen)) if len(seen) else event.value

    def told(
        self, marks: Sequence[Mark], timezone: str, mute: Mute = lambda _event, _seq: ""
    ) -> list[Event]:
        """The events with these marks; ``scored["event"]`` changes where they begin one.

        ``mute``: why others are muted that no mark mutes.
        """
        begun = Lowered().tell(marks, self.seq, self.timestamps, self.values, self.scored)
        because = {int(self.seq[i]): why for i, why in begun.items()}
        by_mark = partial(muted_by, marks)
        fold = EventFold(
            timezone=timezone, mute=lambda event, seq: by_mark(event, seq) or mute(event, seq)
        )
        found = fold.feed(self.timestamps, self.values, self.scored, self.seq, because)
        return list({id(event): event for event in found}.values())


def _rarity(scores: Any) -> Any:
    """How rare anomalies so strong are, of anomaly scores."""
    return 10.0 ** (-10.0 * scores)


def limit_of(budget: float, timestamps: NDArray[np.int64]) -> float:
    """How probable a score may be that a marked anomaly's likes are told at.

    ``budget``: false alarms per week; ``timestamps``: the metric's newest ones (ns), rising.
    """
    steps = np.diff(timestamps[-_RECENT:])
    interval = float(np.median(steps)) if len(steps) else 60e9
    share = min(max(budget * interval / _WEEK_NS, _SMALLEST_SHARE), _LARGEST_SHARE)
    return min(_TIMES_SHARE * share, _LARGEST_LIMIT)


def muted_by(marks: Sequence[Mark], event: Event, seq: int) -> str:
    """Why an event as it stands at this sample is to be muted; "": it is not."""
    holding = [mark for mark in marks if mark.holds(seq)]
    if not holding:
        return ""
    found = Signature.of(event, holding[0].timezone)
    like = [mark for mark in holding if mark.like(found)]
    known = next((mark for mark in like if mark.kind == "known_change"), None)
    if known is not None:
        return known.reason
    nearest = min(like, key=lambda mark: mark.signature.away(found), default=None)
    return nearest.reason if nearest and nearest.kind == "not_anomaly" else ""


@dataclass(slots=True)
class Lowered:
    """Begins events where something like a marked anomaly is improbable enough.

    State: the level at which such an event began, or 0, and the quiet samples since it was last
    reached; both follow from the event's samples.
    """

    level: float = 0.0
    quiet: int = 0

    def tell(
        self,
        marks: Sequence[Mark],
        seq: NDArray[np.int64],
        timestamps: NDArray[np.int64],
        values: NDArray[np.float64],
        scored: NDArray[np.void],
    ) -> dict[int, str]:
        """Set ``event`` of scored rows of one metric, in order, where a mark says so.

        Returns the reasons of the events begun, by row. Cost: a look at every column, and some
        tens of microseconds for each row that is improbable enough.
        """
        begun: dict[int, str] = {}
        told = [mark for mark in marks if mark.kind == "anomaly"]
        if not told and self.level == 0.0:
            return begun
        limit = max((mark.limit for mark in told), default=0.0)
        codes, scores = scored["event"], scored["anomaly_score"]
        news = (_rarity(scores) <= limit) & (scored["alert_score"] > 0.0) & (codes == 0)
        candidates = np.flatnonzero(news).tolist()
        done = 0
        for at in [*candidates, len(codes)]:
            done = self._follow(codes, scores, done, at)
            if at < len(codes) and done == at and self.level == 0.0:
                reason = _reason(told, int(seq[at]), timestamps[at], values[at], scored[at])
                if reason:
                    self.level, self.quiet = float(scores[at]), 0
                    codes[at], begun[at] = _START, reason
                    done = at + 1
        return begun

    def _follow(
        self, codes: NDArray[np.int64], scores: NDArray[np.float64], done: int, upto: int
    ) -> int:
        """Go on with an open event up to a row; returns the first row that is not looked at."""
        while done < upto and self.level > 0.0:
            if codes[done] >= 0:
                codes[done] = self._go_on(int(codes[done]), float(scores[done]))
            done += 1
        return upto if self.level == 0.0 else done

    def _go_on(self, code: int, score: float) -> int:
        """The code of a sample while such an event is open; the kernel's own goes first."""
        if code == _END:
            self.level = 0.0
            return _END
        if code == _START:
            self.quiet = 0
            return _ONGOING
        if code != 0:
            return code
        if score >= _RELEASE * self.level:
            self.quiet = 0
            return _ONGOING
        self.quiet += 1
        if self.quiet >= _QUIET_FOR:
            self.level = 0.0
            return _END
        return _QUIET


def _reason(
    marks: Sequence[Mark], seq: int, timestamp: np.int64, value: np.float64, row: np.void
) -> str:
    p = _rarity(float(row["anomaly_score"]))
    holding = [mark for mark in marks if mark.holds(seq) and p <= mark.limit]
    if not holding:
        return ""
    timezone = holding[0].timezone
    event = _as_event(int(timestamp), float(value), row)
    event.pattern = explain(facts_of(event.peak, event.value, row, timezone)).kind
    found = Signature.of(event, timezone)
    return next((mark.reason for mark in holding if mark.like(found)), "")


def _as_event(timestamp: int, value: float, row: np.void) -> Event:
    """A sample as an event of its own, without a pattern; of a counter, its rate is what counts."""
    value = value if math.isnan(row["rate"]) else float(row["rate"])
    return Event(
        start=timestamp,
        end=timestamp,
        peak=timestamp,
        value=value,
        expected=float(row["expected"]),
        lower=float(row["lower"]),
        upper=float(row["upper"]),
        anomaly_score=float(row["anomaly_score"]),
        likelihood=float(row["likelihood"]),
        samples=1,
    )
