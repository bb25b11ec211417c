"""Lines of InfluxDB's protocol in which nothing is escaped, quoted or wrong, into columns."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.ingest.scans.decimals import decimal, whole
from tocsin.ingest.scans.hashing import begin, end, hash_bytes, mix, word

__all__ = ["AT", "COUNT", "PLACE", "SPANS", "TOO_MANY", "scan"]

#: Places in ``state``: how many samples there are, where the next line begins, and its number.
COUNT: Final = 0
AT: Final = 1
PLACE: Final = 2
#: From and to of a sample's line, its key (measurement and tags), its field's name and value.
SPANS: Final = 8

#: What `scan` returns beside whether everything has been read.
TOO_MANY: Final = 2

_NEWLINE, _RETURN, _TAB = ord("\n"), ord("\r"), ord("\t")
_SPACE, _COMMA, _EQUALS, _HASH = ord(" "), ord(","), ord("="), ord("#")
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_SIGNED, _UNSIGNED = ord("i"), ord("u")

#: The longest number that is read.
_LONGEST: Final = 1_000

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

_YES = [np.frombuffer(text, dtype=np.uint8) for text in (b"t", b"T", b"true", b"True", b"TRUE")]
_NO = [np.frombuffer(text, dtype=np.uint8) for text in (b"f", b"F", b"false", b"False", b"FALSE")]
#: The words for true and false: their bytes, in rows, and how many those are.
_WORDS = np.zeros((10, 5), dtype=np.uint8)
_LENGTHS = np.array([len(text) for text in (*_YES, *_NO)])
for _row, _text in enumerate((*_YES, *_NO)):
    _WORDS[_row, : len(_text)] = _text


@kernel
def scan(
    data: Bytes,
    key: Words,
    unit: int,
    latest: int,
    now: int,
    hashes: Words,
    spans: Ints,
    times: Ints,
    values: NDArray[np.float64],
    inexact: NDArray[np.bool_],
    places: Ints,
    state: Ints,
) -> int:
    """Read lines from ``state[AT]`` on, and append a sample for each of their fields.

    ``unit``: nanoseconds of one step of the times, which must stay below ``latest`` (ns); ``now``:
    what stands for a missing one. ``inexact``: values that are numbers, but must be read by
    others. Returns 1 when all is read, 0 at a line that is not plain and of which nothing was
    taken, `TOO_MANY` for more samples than there is room.
    """
    scratch = np.zeros(2, dtype=np.uint64)
    while state[AT] < len(data):
        at = state[AT]
        stop = at
        plain = True
        while stop < len(data) and data[stop] != _NEWLINE:
            plain = plain and data[stop] != _QUOTE and data[stop] != _BACKSLASH
            stop += 1
        if not plain:
            return 0
        before = state[COUNT]
        outcome = _line(
            data, at, stop, key, unit, latest, now, hashes, spans, times, values, inexact, state,
            scratch,
        )  # fmt: skip
        if outcome != 1:
            state[COUNT] = before
            return outcome
        for i in range(before, state[COUNT]):
            spans[i, 0], spans[i, 1] = at, stop
            places[i] = state[PLACE]
        state[AT] = stop + 1
        state[PLACE] += 1
    return 1


@kernel
def _line(
    data: Bytes,
    at: int,
    stop: int,
    key: Words,
    unit: int,
    latest: int,
    now: int,
    hashes: Words,
    spans: Ints,
    times: Ints,
    values: NDArray[np.float64],
    inexact: NDArray[np.bool_],
    state: Ints,
    scratch: Words,
) -> int:
    """One line: 1, 0 (not plain) or `TOO_MANY`."""
    if stop > at and data[stop - 1] == _RETURN:
        stop -= 1
    if at == stop or data[at] == _HASH or data[at] == _TAB or data[at] == _RETURN:
        return 0
    key_end = _until_space(data, at, stop)
    if key_end in (at, stop):
        return 0
    fields_end = _until_space(data, key_end + 1, stop)
    time = now
    if fields_end < stop:
        number, after = whole(data, fields_end + 1, stop)
        # Not by multiplying, which could go beyond 64 bits.
        if after != stop or number > (latest - 1) // unit:
            return 0
        time = number * unit
    hash_bytes(data, at, key_end, key, scratch)
    begun = key_end + 1
    while True:
        n = state[COUNT]
        if n == len(values):
            return TOO_MANY
        name_end = begun
        while name_end < fields_end and data[name_end] != _EQUALS and data[name_end] != _COMMA:
            name_end += 1
        if name_end in (begun, fields_end) or data[name_end] == _COMMA:
            return 0
        text_end = name_end + 1
        while text_end < fields_end and data[text_end] != _COMMA:
            text_end += 1
        value, kind = _value(data, name_end + 1, text_end)
        if kind < 0:
            return 0
        values[n], inexact[n], times[n] = value, kind == 1, time
        spans[n, 2], spans[n, 3] = at, key_end
        spans[n, 4], spans[n, 5] = begun, name_end
        spans[n, 6], spans[n, 7] = name_end + 1, text_end
        _hash_both(data, begun, name_end, key, scratch, hashes[n])
        state[COUNT] += 1
        if text_end == fields_end:
            return 1
        begun = text_end + 1


@kernel
def _until_space(data: Bytes, at: int, stop: int) -> Any:
    while at < stop and data[at] != _SPACE:
        at += 1
    return at


@kernel
def _value(data: Bytes, at: int, stop: int) -> tuple[float, int]:
    """A field's value, and 0; 1 where it must be read by others, -1 where it is not plain."""
    if at == stop or stop - at > _LONGEST:
        return 0.0, -1
    value, after, exact = decimal(data, at, stop, False)
    if after == stop:
        return value, 0 if exact else 1
    last = data[stop - 1]
    if after == stop - 1 and last in (_SIGNED, _UNSIGNED):
        return _integer(data, at, stop - 1, last == _SIGNED)
    for i in range(len(_LENGTHS)):
        if _LENGTHS[i] == stop - at:
            same = True
            for j in range(stop - at):
                same = same and data[at + j] == _WORDS[i, j]
            if same:
                return 1.0 if i < 5 else 0.0, 0
    return 0.0, -1


@kernel
def _integer(data: Bytes, at: int, stop: int, signed: bool) -> tuple[float, int]:
    negative = data[at] == ord("-")
    if negative or data[at] == ord("+"):
        at += 1
    number, after = whole(data, at, stop)
    if after != stop or (negative and not signed):
        return 0.0, -1
    return np.float64(-number if negative else number), 0


@kernel
def _hash_both(data: Bytes, at: int, stop: int, key: Words, first: Words, out: Words) -> None:
    """Hash a field's name after the hash of its line's key."""
    a, b, c, d = begin(key)
    a, b, c, d = mix(a, b, c, d, first[0])
    a, b, c, d = mix(a, b, c, d, first[1])
    start = at
    while stop - at >= 8:
        a, b, c, d = mix(a, b, c, d, word(data, at))
        at += 8
    last = uint64(stop - start + 16) << uint64(56)
    for i in range(stop - at):
        last |= uint64(data[at + i]) << uint64(8 * i)
    end(a, b, c, d, last, out)
