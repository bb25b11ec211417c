"""Calendars: times in which metrics do not alarm, or do not learn; in civil time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.errors import BadInputError, ConfigurationError
from tocsin.rules import matches
from tocsin.samples import Metric, civil_ns, zone

__all__ = ["Calendar", "Weekly"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_MINUTE_NS: Final = 60 * 1_000_000_000
_DAY_MINUTES: Final = 24 * 60
#: 1970 began on a Thursday.
_THURSDAY: Final = 3

Day = Annotated[int, msgspec.Meta(ge=0, le=6)]
Clock = Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")]


class Weekly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same hours every week, as a clock on the wall shows them: from <= time < to.

    Where ``to`` is not after ``from``, it is of the next day. An hour that the clocks show twice
    is in it twice, one that they skip never.
    """

    #: On which they begin: 0 (Monday) to 6.
    days: Annotated[tuple[Day, ...], msgspec.Meta(min_length=1, max_length=7)]
    begin: Clock = msgspec.field(name="from")
    end: Clock = msgspec.field(name="to")

    def covers(self, timestamps: Ints, timezone: str) -> Flags:
        """Which of these times (ns, UTC) are in it. Cost: O(n)."""
        minutes = civil_ns(timestamps, timezone) // _MINUTE_NS
        minute, day = minutes % _DAY_MINUTES, (minutes // _DAY_MINUTES + _THURSDAY) % 7
        on = np.zeros(7, dtype=np.bool_)
        on[list(self.days)] = True
        first, last = _minute_of(self.begin), _minute_of(self.end)
        inside: Flags = (
            on[day] & (minute >= first) & (minute < last)
            if first < last
            else (on[day] & (minute >= first)) | (on[day - 1] & (minute < last))
        )
        return inside


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """Times in which metrics that match do not alarm, or do not learn."""

    id: int
    #: As in a rule: a pattern of the name, or of ``name{key="value"}`` if it has a ``{``.
    match: str
    #: start <= time < end (ns, UTC; None: without bound), and within it the weekly hours.
    start: int | None = None
    end: int | None = None
    weekly: Weekly | None = None
    timezone: str = "UTC"
    #: Whether they do all the same.
    alarm: bool = True
    learn: bool = True
    text: str = ""
    author: str = ""
    created: int = 0
    #: "Do not learn" holds for samples after the one time and up to the other (None: it was not
    #: taken back), so that the same samples are learnt whenever states are made of them anew.
    since: int | None = None
    until: int | None = None

    def matches(self, metric: Metric) -> bool:
        """Whether it is about a metric."""
        return matches(self.match, metric)

    def covers(self, timestamps: Ints) -> Flags:
        """Which of these times (ns, UTC) are in it. Cost: O(n)."""
        inside = np.ones(len(timestamps), dtype=np.bool_)
        if self.start is not None:
            inside &= timestamps >= self.start
        if self.end is not None:
            inside &= timestamps < self.end
        if self.weekly is not None and inside.any():
            inside[inside] = self.weekly.covers(timestamps[inside], self.timezone)
        return inside

    def covers_one(self, timestamp: int) -> bool:
        """Whether a time is in it."""
        return bool(self.covers(np.array([timestamp], dtype=np.int64))[0])

    def unlearnt(self, timestamps: Ints) -> Flags:
        """Which samples with these times are not to be learnt."""
        inside = self.covers(timestamps)
        if self.since is not None:
            inside &= timestamps > self.since
        if self.until is not None:
            inside &= timestamps <= self.until
        return inside

    @property
    def reason(self) -> str:
        """Why an event is muted."""
        told = f": {self.text}" if self.text else ""
        return f"in a maintenance window (calendar {self.id}){told}"

    def check(self) -> None:
        """Errors: `BadInputError` names what cannot be."""
        if not self.match:
            raise BadInputError('match: must be a pattern such as "web.*"')
        if self.alarm and self.learn:
            raise BadInputError("alarm, learn: a calendar says false to one of them, or both")
        if self.start is None and self.end is None and self.weekly is None:
            raise BadInputError("say when: start and end, or weekly hours")
        if self.weekly is None and (self.start is None or self.end is None):
            raise BadInputError("a window that is not weekly needs start and end")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise BadInputError("end: must be after start")
        try:
            zone(self.timezone)
        except ConfigurationError as error:
            raise BadInputError(str(error)) from error

    @classmethod
    def of(cls, row: Any) -> Calendar:
        """From a row of the table `calendar`."""
        weekly = row["weekly"]
        told = {name: row[name] for name in cls.__struct_fields__ if name != "weekly"}
        return cls(
            weekly=None if weekly is None else msgspec.json.decode(weekly, type=Weekly), **told
        )

    def row(self) -> dict[str, Any]:
        """As a row of the table `calendar`, without its id."""
        weekly = None if self.weekly is None else msgspec.json.encode(self.weekly).decode()
        names: Sequence[str] = self.__struct_fields__
        told = {name: getattr(self, name) for name in names if name not in ("id", "weekly")}
        return told | {"weekly": weekly}


def _minute_of(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
