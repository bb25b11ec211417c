"""Graphite's lines into columns: of a name, a plain number and epoch seconds."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.ingest.scans.decimals import decimal, whole
from tocsin.ingest.scans.hashing import hash_bytes
from tocsin.samples import SECOND_NS

__all__ = ["COUNT", "LEFT", "LINE", "SPANS", "STATE", "TIME", "TOO_LONG", "VALUE", "scan"]

#: Places in ``state``: how many rows there are, how many of them are in part left to others, and
#: how many lines are too long.
COUNT: Final = 0
LEFT: Final = 1
TOO_LONG: Final = 2
STATE: Final = 3
#: From and to of a row's name, its value and its time.
SPANS: Final = 6
#: What must be read by others: a number, but not one that is read exactly here; epoch seconds
#: with decimals; a line that is not plain.
VALUE: Final = 1
TIME: Final = 2
LINE: Final = 4

_NEWLINE, _SPACE, _POINT = ord("\n"), ord(" "), ord(".")
_TAB, _RETURN = ord("\t"), ord("\r")
_MINUS, _ONE, _N = ord("-"), ord("1"), ord("N")
_SMALL_A, _SMALL_N = ord("a"), ord("n")

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


@kernel
def scan(
    data: Bytes,
    key: Words,
    longest: int,
    latest: int,
    now: int,
    hashes: Words,
    spans: Ints,
    times: Ints,
    values: NDArray[np.float64],
    others: NDArray[np.uint8],
    places: Ints,
    state: Ints,
) -> None:
    """Read all lines of at most ``longest`` bytes, and append a row for each with a word in it.

    Times are of seconds below ``latest``, and in nanoseconds; ``now`` (ns) is that of -1 and N.
    ``others``: what of a row is left to others, as `VALUE`, `TIME` or `LINE`; of such a line
    ``spans`` has the first word, and where it begins and ends. There must be room for all lines.
    """
    at, place = 0, 0
    while at < len(data):
        stop = at
        while stop < len(data) and data[stop] != _NEWLINE:
            stop += 1
        if stop - at > longest:
            state[TOO_LONG] += 1
            at = stop + 1
            continue
        start, end = _word(data, at, stop)
        if start < stop:
            n = state[COUNT]
            spans[n, 0], spans[n, 1] = start, end
            hash_bytes(data, start, end, key, hashes[n])
            places[n] = place
            if not _numbers(data, end, stop, latest, now, n, spans, times, values, others):
                spans[n, 2], spans[n, 3] = at, stop
                others[n] = LINE
            state[LEFT] += others[n] > 0
            state[COUNT] += 1
        at = stop + 1
        place += 1


@kernel
def _numbers(
    data: Bytes,
    at: int,
    stop: int,
    latest: int,
    now: int,
    n: int,
    spans: Ints,
    times: Ints,
    values: NDArray[np.float64],
    others: NDArray[np.uint8],
) -> bool:
    """What follows a line's name, as sample ``n``; whether it is plain."""
    value_at, value_end = _word(data, at, stop)
    time_at, time_end = _word(data, value_end, stop)
    rest, _ = _word(data, time_end, stop)
    if time_at == stop or rest < stop:
        return False
    value, after, exact = decimal(data, value_at, value_end, False)
    if after != value_end:
        if not _is_nan(data, value_at, value_end):
            return False
        value, exact = np.nan, True
    time, whole_seconds = _time(data, time_at, time_end, latest, now)
    if time < 0:
        return False
    values[n], times[n] = value, time
    others[n] = (0 if exact else VALUE) | (0 if whole_seconds else TIME)
    spans[n, 2], spans[n, 3] = value_at, value_end
    spans[n, 4], spans[n, 5] = time_at, time_end
    return True


@kernel
def _is_nan(data: Bytes, at: int, stop: int) -> Any:
    """Whether a word is "nan", in small or large letters, which many send for no value."""
    if stop - at != 3:
        return False
    # As small letters.
    return (
        data[at] | 32 == _SMALL_N
        and data[at + 1] | 32 == _SMALL_A
        and data[at + 2] | 32 == _SMALL_N
    )


@kernel
def _time(data: Bytes, at: int, stop: int, latest: int, now: int) -> tuple[Any, bool]:
    """Nanoseconds, and True; False where there are decimals; -1 for what is not plain."""
    if stop - at == 1 and data[at] == _N:
        return now, True
    if stop - at == 2 and data[at] == _MINUS and data[at + 1] == _ONE:
        return now, True
    seconds, end = whole(data, at, stop)
    if end == stop and seconds < latest:
        return seconds * SECOND_NS, True
    # Rounded to a float, it is at most the next whole second.
    if 0 <= end < stop and data[end] == _POINT and seconds + 1 < latest:
        _, end = whole(data, end + 1, stop)
        if end == stop:
            return np.int64(0), False
    return np.int64(-1), True


@kernel
def _word(data: Bytes, at: int, stop: int) -> tuple[int, int]:
    """The next word, as `bytes.split` has them; none: both are ``stop``."""
    while at < stop and _is_space(data[at]):
        at += 1
    end = at
    while end < stop and not _is_space(data[end]):
        end += 1
    return at, end


@kernel
def _is_space(byte: int) -> Any:
    return byte == _SPACE or _TAB <= byte <= _RETURN
