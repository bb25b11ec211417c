"""The fields of a Graphite sample: name with tags, value, time."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from tocsin.errors import BadInputError, TimestampError
from tocsin.ingest.identity import metric_of
from tocsin.ingest.moments import LATEST_S, seconds_ns
from tocsin.samples import SECOND_NS, Metric

__all__ = ["NOW", "fresh_metric", "metric", "number", "time_ns"]

#: Carbon's time for "when it arrives".
NOW: Final = -1.0
#: Longer names are rare, and not worth their memory.
_USUAL: Final = 200


def metric(name: bytes | str) -> Metric:
    """The metric of ``path;tag=value;…``. Errors: `BadInputError`.

    Cost: 5 µs the first time, 0.1 µs for names that came lately. Memory: 20 MB of such names.
    """
    return _remembered(name) if len(name) <= _USUAL else fresh_metric(name)


def fresh_metric(name: bytes | str) -> Metric:
    """As `metric`, remembering nothing."""
    try:
        text = name.decode("utf-8") if isinstance(name, bytes) else name
    except UnicodeDecodeError:
        raise BadInputError("the name is not UTF-8") from None
    path, *tags = text.split(";")
    return metric_of(path, dict(_tag(tag) for tag in tags))


_remembered = lru_cache(maxsize=32_768)(fresh_metric)


def _tag(tag: str) -> tuple[str, str]:
    key, equals, value = tag.partition("=")
    if not equals:
        raise BadInputError(f"the tag {tag[:40]!r} is not key=value")
    return key, value


def number(text: bytes | str) -> float:
    """A number as text. Errors: ValueError."""
    # Python reads 1_000 as a number; nobody else does.
    if (b"_" if isinstance(text, bytes) else "_") in text:  # type: ignore[operator]
        raise ValueError
    return float(text)


def time_ns(seconds: float, now: int) -> int:
    """Nanoseconds of epoch seconds; -1 stands for ``now``. Errors: `BadInputError`."""
    if seconds == NOW:
        return now
    if 0 <= seconds < LATEST_S and seconds == (whole := int(seconds)):
        return whole * SECOND_NS
    try:
        return seconds_ns(seconds)
    except TimestampError:
        raise BadInputError(
            "the time is not epoch seconds within the years up to 2261; is it in milliseconds?"
        ) from None
