"""Metric identity and the samples batch: the one thing that flows through the house."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import BadInputError, ConfigurationError, TimestampError

__all__ = [
    "LATEST_NS",
    "SECOND_NS",
    "Metric",
    "Samples",
    "Times",
    "Unit",
    "civil_ns",
    "iso",
    "parse_metric",
    "to_ns",
    "zone",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Times as a caller may give them (see `to_ns`).
Times = ArrayLike | Sequence[dt.datetime]

#: What a number means when it stands for a time: epoch seconds, milli-, micro-, nanoseconds.
Unit = Literal["s", "ms", "us", "ns"]

SECOND_NS: Final = 1_000_000_000
#: Times from here on (2262-01-01) are refused: 64-bit nanoseconds end in April of that year.
LATEST_NS: Final = 9_214_646_400 * SECOND_NS

_PER_UNIT: Final[dict[str, int]] = {"s": SECOND_NS, "ms": 1_000_000, "us": 1_000, "ns": 1}


@dataclass(frozen=True, slots=True)
class Metric:
    """The identity of a series: a name and labels in canonical (sorted) order.

    >>> str(Metric.of("web.latency", {"host": "a", "az": "1"}))
    'web.latency{az="1",host="a"}'
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, name: str, labels: Mapping[str, str] | None = None) -> Metric:
        """Make a metric from a name and labels in any order.

        Errors: `BadInputError` when the name is empty.
        """
        if not name:
            raise BadInputError("a metric needs a name that is not empty")
        return cls(name, tuple(sorted((labels or {}).items())))

    def __str__(self) -> str:
        if not self.labels:
            return self.name
        return f"{self.name}{{{','.join(self.label_texts)}}}"

    @property
    def label_texts(self) -> list[str]:
        """Its labels as they stand in its text: ``key="value"``."""
        return [f'{key}="{_escape(value)}"' for key, value in self.labels]


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_LABEL: Final = re.compile(r'([^=,{}"\s]+)="((?:[^"\\]|\\.)*)"(?:,|$)')
_ESCAPED: Final = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse_metric(text: str) -> Metric:
    """Read ``name{key="value",…}`` back into a `Metric`.

    >>> parse_metric('up{job="x"}')
    Metric(name='up', labels=(('job', 'x'),))

    A text whose braces do not hold labels is a plain name.
    """
    head, brace, rest = text.partition("{")
    if not brace or not rest.endswith("}") or not head:
        return Metric.of(text)
    inside, labels, at = rest[:-1], {}, 0
    while at < len(inside):
        found = _LABEL.match(inside, at)
        if not found:
            return Metric.of(text)
        labels[found[1]] = re.sub(r"\\[\\\"n]", lambda m: _ESCAPED[m[0]], found[2])
        at = found.end()
    return Metric.of(head, labels)


@dataclass(frozen=True, slots=True)
class Samples:
    """A batch of samples as columns of equal length.

    ``metric`` holds indices into whatever list of metrics goes with the batch, ``timestamp``
    nanoseconds since 1970 (UTC), ``value`` the numbers.
    """

    metric: Ints
    timestamp: Ints
    value: Floats

    def __post_init__(self) -> None:
        if not len(self.metric) == len(self.timestamp) == len(self.value):
            raise BadInputError(
                "the columns of a samples batch differ in length: "
                f"{len(self.metric)}, {len(self.timestamp)}, {len(self.value)}"
            )

    def __len__(self) -> int:
        return len(self.value)


@lru_cache(maxsize=64)
def zone(name: str) -> dt.tzinfo:
    """The time zone of this IANA name, for example ``Europe/Berlin``.

    Errors: `ConfigurationError` when there is no such zone.
    """
    if name.upper() in ("UTC", "Z"):
        return dt.UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"timezone = {name!r}: no such time zone; give an IANA name such as "
            "'Europe/Berlin', 'America/New_York' or 'UTC'"
        ) from error


def to_ns(
    timestamps: Times,
    *,
    unit: Unit | None = None,
    timezone: str = "UTC",
) -> Ints:
    """Turn times into nanoseconds since 1970 (UTC).

    Takes ``datetime`` objects (without a zone: civil time of ``timezone``), ``datetime64``
    arrays (UTC, as NumPy means them), and numbers, whose ``unit`` must be said.

    >>> to_ns([1.5], unit="s").tolist()
    [1500000000]

    Errors: `TimestampError` for numbers without a unit, for not-a-time, and for times from
    2262 on. Cost: O(n).
    """
    if unit is not None and unit not in _PER_UNIT:
        raise TimestampError(f"unit = {unit!r} is not one of {', '.join(get_args(Unit))}")
    given: NDArray[Any] = np.asarray(timestamps)
    if given.dtype.kind == "M":
        return _from_datetime64(given)
    if given.dtype.kind in "iu":
        return _from_integers(given, unit)
    if given.dtype.kind == "f":
        return _from_floats(given, unit)
    if given.size and all(isinstance(t, dt.datetime) for t in given.ravel()):
        return np.array([_from_datetime(t, timezone) for t in given.ravel()], dtype=np.int64)
    if not given.size:
        return np.empty(0, dtype=np.int64)
    raise TimestampError(
        f"cannot read {given.ravel()[0]!r} as a time: give datetime objects, datetime64 values, "
        "or numbers with unit='s', 'ms', 'us' or 'ns'"
    )


def _need_unit(unit: Unit | None, example: object) -> int:
    if unit is None:
        raise TimestampError(
            f"the time {example!r} is a number: say what it counts since 1970 with "
            "unit='s', 'ms', 'us' or 'ns'"
        )
    return _PER_UNIT[unit]


def _from_integers(given: NDArray[Any], unit: Unit | None) -> Ints:
    if not given.size:
        return np.empty(0, dtype=np.int64)
    per = _need_unit(unit, int(given.flat[0]))
    limit = LATEST_NS // per
    if int(given.max()) >= limit or int(given.min()) <= -limit:
        raise TimestampError(_too_far(unit))
    return given.astype(np.int64) * per


def _from_floats(given: NDArray[Any], unit: Unit | None) -> Ints:
    if not given.size:
        return np.empty(0, dtype=np.int64)
    per = _need_unit(unit, float(given.flat[0]))
    if not np.all(np.isfinite(given)):
        raise TimestampError("a time is not a finite number")
    if np.abs(given).max() >= LATEST_NS // per:
        raise TimestampError(_too_far(unit))
    # The whole part is exact as an integer; the rest is kept to the unit's own precision, so
    # that 1443197361.1 s is .1 s and not .099999905 s.
    whole = np.floor(given)
    part = np.rint((given - whole) * min(per, 1_000_000)).astype(np.int64)
    moments: Ints = whole.astype(np.int64) * per + part * (per // min(per, 1_000_000))
    return moments


def _too_far(unit: Unit | None) -> str:
    return (
        f"a time lies beyond the year 2261 when read as unit={unit!r}; if it is right, the unit is "
        "probably finer (milliseconds are near 1.7e12, nanoseconds near 1.7e18 today)"
    )


def _from_datetime64(given: NDArray[Any]) -> Ints:
    if np.any(np.isnat(given)):
        raise TimestampError("a time is missing (NaT)")
    seconds = given.astype("datetime64[s]").astype(np.int64)
    if given.size and np.abs(seconds).max() >= LATEST_NS // SECOND_NS:
        raise TimestampError("a time lies beyond the year 2261")
    return given.astype("datetime64[ns]").astype(np.int64)


_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _from_datetime(moment: dt.datetime, timezone: str) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone(timezone))
    since = aware - _EPOCH
    ns = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    if not -LATEST_NS < ns < LATEST_NS:
        raise TimestampError("a time lies beyond the year 2261")
    # pandas' Timestamp is a datetime with nanoseconds of its own.
    return ns + int(getattr(moment, "nanosecond", 0))


def civil_ns(timestamps: Ints, timezone: str) -> Ints:
    """The same moments as read off a clock on the wall of ``timezone``, as if that were UTC.

    Cost: O(n), plus one look-up of the zone per quarter of an hour touched (offsets change on
    quarters of an hour only).
    """
    where = zone(timezone)
    if where is dt.UTC or not len(timestamps):
        return timestamps
    quarter = 900 * SECOND_NS
    quarters, place = np.unique(timestamps // quarter, return_inverse=True)
    offsets = np.array([_offset(where, int(q) * 900) for q in quarters], dtype=np.int64)
    civil: Ints = timestamps + offsets[place]
    return civil


@lru_cache(maxsize=4096)
def _offset(where: dt.tzinfo, second: int) -> int:
    moment = _EPOCH + dt.timedelta(seconds=second)
    offset = moment.astimezone(where).utcoffset() or dt.timedelta()
    return int(offset.total_seconds()) * SECOND_NS


def iso(timestamp: int, timezone: str = "UTC") -> str:
    """A time as ISO 8601 with its zone, with no more decimals than it has.

    >>> iso(1_500_000_000)
    '1970-01-01T00:00:01.5Z'
    """
    second, rest = divmod(int(timestamp), SECOND_NS)
    moment = (_EPOCH + dt.timedelta(seconds=second)).astimezone(zone(timezone))
    text = moment.replace(tzinfo=None).isoformat()
    if rest:
        text += f".{rest:09d}".rstrip("0")
    offset = moment.isoformat()[19:]
    return text + ("Z" if offset == "+00:00" else offset)
