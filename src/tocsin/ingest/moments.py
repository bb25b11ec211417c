"""Times as clients write them: epoch seconds, or ISO 8601 with a zone."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Final

from tocsin.errors import TimestampError
from tocsin.samples import LATEST_NS, SECOND_NS, to_ns

__all__ = ["LATEST_S", "iso_ns", "moment_ns", "seconds_ns"]

#: Seconds from here on cannot be times.
LATEST_S: Final = LATEST_NS // SECOND_NS

_FRACTION: Final = re.compile(r"[.,](\d+)")


def iso_ns(text: str) -> int:
    """Nanoseconds (UTC) of an ISO 8601 time with zone, to the last of up to nine decimals.

    >>> iso_ns("1970-01-01T01:00:01.5+01:00")
    1500000000

    Errors: `TimestampError`, also when the zone is missing.
    """
    fraction = _FRACTION.search(text)
    digits = fraction[1] if fraction else ""
    whole = text[: fraction.start()] + text[fraction.end() :] if fraction else text
    try:
        moment = dt.datetime.fromisoformat(whole)
    except ValueError:
        raise TimestampError(f"{text[:40]!r} is not an ISO 8601 time") from None
    if moment.tzinfo is None:
        raise TimestampError(f"{text[:40]!r} has no zone: add Z or an offset such as +02:00")
    if len(digits) > 9:
        raise TimestampError(f"{text[:40]!r} has more than nine decimals")
    return int(to_ns([moment])[0]) + int(digits.ljust(9, "0") or 0)


def seconds_ns(seconds: float) -> int:
    """Nanoseconds of epoch seconds, exact to the microsecond. Errors: `TimestampError`."""
    if not math.isfinite(seconds):
        raise TimestampError("the time is not a finite number")
    return int(to_ns([float(seconds)], unit="s")[0])


def moment_ns(given: str) -> int:
    """Nanoseconds of a parameter that holds epoch seconds or an ISO 8601 time.

    Errors: `TimestampError`.
    """
    try:
        seconds = float(given)
    except ValueError:
        return iso_ns(given)
    return seconds_ns(seconds)
