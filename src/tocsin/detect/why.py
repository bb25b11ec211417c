"""Why: what is said of an anomaly, in words, from the numbers that it was found with.

One sentence: how the value compares with what was expected, then what else was unusual, the most
telling first. Each view of the default model has a phrase in `PHRASES`; a view without one is
called by its name. Other models say what they can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from tocsin.samples import civil_ns

__all__ = ["JUMPS", "PHRASES", "Facts", "Phrase", "Why", "duration", "explain", "number", "odds"]

#: Evidence (decades, by weight) from which a view spoke, or its share of all evidence.
_SPOKE: Final = 0.5
_SPOKE_SHARE: Final = 0.2
#: How many views get words of their own.
_MOST_TOLD: Final = 3
#: A ratio beyond this says nothing: what was expected is next to nothing.
_LARGEST_RATIO: Final = 1_000.0
#: Evidence of the forecast from which a value is far from what was expected.
_FAR: Final = 0.3
#: Numbers are told to this many digits, or as many more as tell two of them apart.
_DIGITS: Final = 4
_MOST_DIGITS: Final = 17
_LARGE: Final = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
#: Kinds of a single value that is far from the others.
JUMPS: Final = frozenset({"spike", "dip", "new_high", "new_low"})
_DAYS: Final = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_DAY_NS: Final = _DAY * 1_000_000_000
_MINUTE_NS: Final = _MINUTE * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """One sample of an event; not-a-number is not known."""

    #: Nanoseconds since 1970, UTC, and the zone whose clock people read.
    timestamp: int
    value: float
    expected: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    likelihood: float = math.nan
    #: How far above the highest value before, or (negative) below the lowest.
    beyond: float = 0.0
    #: Seconds since the metric's first sample, and since the one before.
    age: float = 0.0
    pause: float = 0.0
    #: The evidence that each view of the default model brought; none of other models.
    views: Mapping[str, float] = field(default_factory=dict)
    timezone: str = "UTC"
    #: What the event was taken for so far.
    before: str = ""

    @property
    def direction(self) -> int:
        """1: above what was expected, -1: below, 0: neither or unknown."""
        away = self.value - self.expected
        if math.isnan(away) or away == 0.0:
            away = self.beyond
        return (away > 0.0) - (away < 0.0)


class Why(NamedTuple):
    """What an anomaly is, the views that spoke (the loudest first), and the same in words."""

    kind: str
    views: tuple[str, ...]
    text: str

    def stayed(self) -> Why:
        """The same where the values after a jump are nearer to it than to what was expected."""
        return Why("level_shift", self.views, f"{self.text}; it has stayed there since")


Words = Callable[[Facts], str]


class Phrase(NamedTuple):
    """What a view's evidence means."""

    #: The kind of an event that it leads, by the facts.
    kind: Words
    #: What it says; "" when the comparison with the expected value says it.
    words: Words
    #: The share of all evidence from which it is said.
    share: float = 0.15


def explain(facts: Facts) -> Why:
    """What to say of a sample. Cost: some ten microseconds."""
    ranked = sorted(
        ((name, told) for name, told in facts.views.items() if told > 0.0),
        key=lambda one: -one[1],
    )
    total = sum(told for _, told in ranked)
    spoke = tuple(name for name, told in ranked if told >= min(_SPOKE, _SPOKE_SHARE * total))
    if not ranked:
        return Why(_plain_kind(facts), (), _sentence([_compared(facts), *_plain(facts)]))
    said = ((_phrase(name), much) for name, much in ranked)
    told = [phrase.words(facts) for phrase, much in said if much >= phrase.share * total]
    kind = _phrase(ranked[0][0]).kind(facts)
    return Why(kind, spoke, _sentence([_compared(facts), *told[:_MOST_TOLD]]))


# --- views ----------------------------------------------------------------------------------------


def _phrase(name: str) -> Phrase:
    known = PHRASES.get(name)
    if known is not None:
        return known
    called = name.replace("_", " ")
    return Phrase(lambda _: f"unusual_{name}", lambda _: f"unusual {called}")


def _always(text: str) -> Words:
    return lambda _: text


def _far(facts: Facts) -> bool:
    """Whether the value is far from what was expected, going by the metric's forecasts."""
    return facts.views.get("forecast", 0.0) >= _FAR


def _jump(facts: Facts) -> str:
    return "dip" if facts.direction < 0 else "spike"


def _kind_of_value(facts: Facts) -> str:
    if facts.beyond == 0.0 or _far(facts):
        return _jump(facts)
    return "new_high" if facts.beyond > 0.0 else "new_low"


def _record(facts: Facts) -> str:
    if facts.beyond == 0.0:
        return f"a value not seen before {_in_all(facts)}"
    return f"the {'highest' if facts.beyond > 0.0 else 'lowest'} {_in_all(facts)}"


def _in_all(facts: Facts) -> str:
    return f"in {duration(facts.age)}" if facts.age >= 1.0 else "so far"


def _kind_of_level(facts: Facts) -> str:
    """A shift began with a value far from what was expected; a drift never has one."""
    return "level_shift" if _far(facts) or facts.before in JUMPS | {"level_shift"} else "drift"


def _kind_of_shape(facts: Facts) -> str:
    return _jump(facts) if _far(facts) else "unusual_shape"


def _silence(facts: Facts) -> str:
    return f"no sample for {duration(facts.pause)} before it"


#: What each view's evidence means. Views that are not here are called by their names.
PHRASES: Final[Mapping[str, Phrase]] = {
    "value": Phrase(_kind_of_value, _record),
    "level": Phrase(
        _kind_of_level, _always("the values of late lie away from where it usually is")
    ),
    "forecast": Phrase(_jump, _always("")),
    # A single unusual value makes eight unusual shapes: that much is no news.
    "shape": Phrase(_kind_of_shape, _always("an unusual shape of the last 8 values"), share=0.35),
    "profile": Phrase(_jump, _always("")),
    "spread": Phrase(_always("noise"), _always("it varies otherwise than it used to")),
    "flat": Phrase(_always("flat_line"), _always("no change for unusually long")),
    "silence": Phrase(_always("silence"), _silence),
}


# --- models without views -------------------------------------------------------------------------


def _plain_kind(facts: Facts) -> str:
    """Of a model that only says what it expected, or not even that."""
    if math.isnan(facts.expected):
        return "unusual"
    inside = facts.lower <= facts.value <= facts.upper
    return "unusual_shape" if inside or not facts.direction else _jump(facts)


def _plain(facts: Facts) -> list[str]:
    told = [_record(facts)] if facts.beyond != 0.0 else []
    return [*told, odds(facts.likelihood)]


# --- sentences ------------------------------------------------------------------------------------


def _sentence(parts: Sequence[str]) -> str:
    """The comparison, what goes with it after a comma, the rest after semicolons."""
    first, *rest = [part for part in parts if part]
    if not rest:
        return first
    return "; ".join([f"{first}, {rest[0]}", *rest[1:]])


def _compared(facts: Facts) -> str:
    value, expected = facts.value, facts.expected
    if not math.isfinite(value) or not math.isfinite(expected):
        return f"{number(value)} is unusual" if math.isfinite(value) else "an unusual value"
    here, there = _apart(value, expected)
    if value == expected:
        return f"{here} as expected{_when(facts)}"
    return f"{_how_much(value, expected)} than expected{_when(facts)} ({here} against {there})"


def _how_much(value: float, expected: float) -> str:
    """Such as "3 times higher" or "40 % lower"; "12 higher" where a ratio says nothing."""
    higher = "higher" if value > expected else "lower"
    ratio = value / expected if value > 0.0 < expected else 0.0
    if not 1.0 / _LARGEST_RATIO < ratio < _LARGEST_RATIO:
        away = value - expected
        return f"{number(abs(away))} {higher}" if math.isfinite(away) else f"much {higher}"
    if ratio >= 1.95:
        return f"{_two_digits(ratio)} times higher"
    if ratio <= 0.05:
        return f"{_two_digits(1.0 / ratio)} times lower"
    share = 100.0 * abs(ratio - 1.0)
    return f"{_two_digits(share)} % {higher}" if share >= 0.01 else f"slightly {higher}"


def _two_digits(x: float) -> str:
    """Two digits, or all before the point."""
    return f"{x:,.0f}" if x >= 9.95 else f"{float(f'{x:.2g}'):g}"


def _when(facts: Facts) -> str:
    """The time of the week, where a view knows what is usual then."""
    if facts.views.get("profile", 0.0) <= 0.0:
        return ""
    civil = int(civil_ns(np.array([facts.timestamp], dtype=np.int64), facts.timezone)[0])
    minutes = civil % _DAY_NS // _MINUTE_NS
    day = _DAYS[(civil // _DAY_NS + 3) % 7]  # 1970 began on a Thursday
    return f" on {day} at {minutes // 60:02d}:{minutes % 60:02d}"


def _apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers, with as many digits as tell them apart."""
    for digits in range(_DIGITS, _MOST_DIGITS):
        told = number(one, digits), number(other, digits)
        if told[0] != told[1]:
            return told
    return number(one), number(other)


def number(x: float, digits: int = _DIGITS) -> str:
    """A number as people write it.

    >>> number(1234567), number(30.0), number(0.1234567), number(3e-7), number(250_000)
    ('1.235 million', '30', '0.1235', '3e-07', '250,000')
    """
    rounded = float(f"{x:.{digits}g}")
    size = abs(rounded)
    if size >= 1e15 or 0.0 < size < 1e-4 or not math.isfinite(rounded):
        return f"{x:.{digits}g}"
    for unit, name in _LARGE:
        if size >= unit:
            return f"{_grouped(rounded / unit, digits)} {name}"
    return _grouped(rounded, digits)


def _grouped(x: float, digits: int) -> str:
    if x == 0.0:
        return "0"
    told = f"{x:,.{max(0, digits - 1 - math.floor(math.log10(abs(x))))}f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


def duration(seconds: float) -> str:
    """A time in words, in whole units, at least two of them.

    >>> duration(45), duration(7200), duration(1_100_000), duration(4e7)
    ('45 seconds', '2 hours', '12 days', '15 months')
    """
    units = (
        (_MINUTE * 2, 1, "second"),
        (_HOUR * 2, _MINUTE, "minute"),
        (_DAY * 2, _HOUR, "hour"),
        (_DAY * 61, _DAY, "day"),
        (_DAY * 730, _DAY * 30.4375, "month"),
        (math.inf, _DAY * 365.25, "year"),
    )
    for most, size, name in units:
        if seconds < most:
            count = math.floor(seconds / size)
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    return "ever"


def odds(likelihood: float) -> str:
    """How improbable, by a metric's own past; "" when that is not known.

    >>> odds(0.999996)
    'a score seen once in 250,000 samples'
    """
    if not 0.0 <= likelihood <= 1.0:
        return ""
    rarity = 1.0 / max(1.0 - likelihood, 1e-10)
    return f"a score seen once in {number(float(f'{rarity:.2g}'))} samples"
