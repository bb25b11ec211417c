"""The few numbers that say whether a detector finds what it must, and keeps quiet where it must."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tocsin.bench.injected.run import USUAL, Cell, Still

__all__ = ["FOUND", "KEPT_QUIET", "Goal", "Reached", "reached"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A number to reach."""

    name: str
    must: float
    moonshot: float
    kinds: tuple[str, ...]
    #: Sizes below are not asked for.
    least: float = 0.0


#: Shares found, at least.
FOUND: Final = (
    Goal("spikes, 6 sigma and more", 0.95, 0.99, ("spike",), 6.0),
    Goal("dips, 6 sigma and more", 0.95, 0.99, ("dip",), 6.0),
    Goal("level shifts, 4 sigma and more", 0.95, 0.99, ("level shift",), 4.0),
    Goal("flat lines", 0.95, 0.99, ("flat line",)),
    Goal("silence", 0.95, 0.99, ("silence",)),
)
#: Alarms per 20 series more than without it, at most.
KEPT_QUIET: Final = (
    Goal("slow drift", 1.0, 0.0, ("slow drift",)),
    Goal("week of a clock change", 1.0, 0.0, ("clock change",)),
    Goal("weekends after two", 1.0, 0.0, ("weekends after two",)),
    Goal("batch job after three", 1.0, 0.0, ("batch job after three",)),
)


@dataclass(frozen=True, slots=True)
class Reached:
    """What one judge reached of a goal on backgrounds of one origin."""

    judge: str
    goal: Goal
    origin: str
    #: A share found, or alarms per 20 series.
    value: float
    #: Anomalies tried, or series.
    tried: int

    @property
    def ok(self) -> bool:
        """Whether what must be reached is."""
        found = self.goal in FOUND
        return self.value >= self.goal.must if found else self.value <= self.goal.must

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "ok": self.ok}


def reached(cells: Sequence[Cell], still: Sequence[Still]) -> list[Reached]:
    """Every goal that was tried, per judge and origin; what is usual does not count."""
    told = []
    columns = [(one.judge, one.origin) for one in cells]
    columns += [(one.judge, one.origin) for one in still]
    for judge, origin in dict.fromkeys(columns):
        if origin == USUAL:
            continue
        for goal in FOUND:
            mine = [one for one in cells if (one.judge, one.origin) == (judge, origin)]
            told += _found(judge, origin, goal, mine)
        for goal in KEPT_QUIET:
            quiet = [one for one in still if (one.judge, one.origin) == (judge, origin)]
            told += _quiet(judge, origin, goal, quiet)
    return told


def _found(judge: str, origin: str, goal: Goal, cells: Sequence[Cell]) -> list[Reached]:
    mine = [one for one in cells if one.kind in goal.kinds and one.size >= goal.least]
    tried = sum(one.tried for one in mine)
    found = sum(len(one.delays) for one in mine)
    return [Reached(judge, goal, origin, found / tried, tried)] if tried else []


def _quiet(judge: str, origin: str, goal: Goal, still: Sequence[Still]) -> list[Reached]:
    mine = [one for one in still if one.kind in goal.kinds]
    return [
        Reached(judge, goal, origin, one.per_20(one.alarms - one.without), one.series)
        for one in mine
    ]
