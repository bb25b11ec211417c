"""Samples as JSON, written as nearly all of them are, into columns."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.ingest.scans.decimals import decimal
from tocsin.ingest.scans.hashing import begin, end, hash_bytes, mix

__all__ = ["AT", "COUNT", "PLACE", "SPANS", "TEXT", "TIME", "VALUE", "scan_body", "scan_lines"]

#: Places in ``state``: how many samples there are, where the next line begins, and its number.
COUNT: Final = 0
AT: Final = 1
PLACE: Final = 2
#: From and to of a sample's metric, labels (0, 0: none), timestamp and value.
SPANS: Final = 8

#: Bits of ``kinds``: what must be read by others; the timestamp is a number, the value is one.
TIME: Final = 1
VALUE: Final = 2
#: The timestamp is a text.
TEXT: Final = 4

_NEWLINE, _RETURN, _TAB, _SPACE = ord("\n"), ord("\r"), ord("\t"), ord(" ")
_QUOTE, _BACKSLASH, _COLON, _COMMA = ord('"'), ord("\\"), ord(":"), ord(",")
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = ord("{"), ord("}"), ord("["), ord("]")

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

_SAMPLES = np.frombuffer(b'"samples"', dtype=np.uint8)
_METRIC = np.frombuffer(b'"metric"', dtype=np.uint8)
_LABELS = np.frombuffer(b'"labels"', dtype=np.uint8)
_TIMESTAMP = np.frombuffer(b'"timestamp"', dtype=np.uint8)
_VALUE = np.frombuffer(b'"value"', dtype=np.uint8)


@kernel
def scan_body(
    data: Bytes,
    key: Words,
    hashes: Words,
    spans: Ints,
    seconds: Floats,
    values: Floats,
    kinds: Bytes,
    state: Ints,
) -> bool:
    """Read ``{"samples": [{…}, …]}``; False: not written plainly, or more than there is room.

    Strings are not looked into: that they are valid is for whoever reads one for the first time.
    """
    stop = len(data)
    at = _after(data, _blank(data, 0, stop), stop, _OPEN)
    if at < 0 or not _same(data, at, stop, _SAMPLES):
        return False
    at = _after(data, _blank(data, at + len(_SAMPLES), stop), stop, _COLON)
    if at < 0:
        return False
    at = _after(data, at, stop, _OPEN_LIST)
    if at < 0:
        return False
    scratch = np.zeros((2, 2), dtype=np.uint64)
    if not (at < stop and data[at] == _CLOSE_LIST):
        while True:
            at = _sample(data, at, stop, key, hashes, spans, seconds, values, kinds, state, scratch)
            if at < 0:
                return False
            at = _blank(data, at, stop)
            if at < stop and data[at] == _COMMA:
                at = _blank(data, at + 1, stop)
            else:
                break
    at = _after(data, at, stop, _CLOSE_LIST)
    if at < 0:
        return False
    return bool(_after(data, at, stop, _CLOSE) == stop)


@kernel
def scan_lines(
    data: Bytes,
    key: Words,
    hashes: Words,
    spans: Ints,
    seconds: Floats,
    values: Floats,
    kinds: Bytes,
    places: Ints,
    state: Ints,
) -> bool:
    """Read a sample a line from ``state[AT]`` on; False: at a line that is not written plainly.

    Empty lines are passed over. Nothing was taken of the line at which it stopped.
    """
    scratch = np.zeros((2, 2), dtype=np.uint64)
    while state[AT] < len(data):
        at = state[AT]
        stop = at
        while stop < len(data) and data[stop] != _NEWLINE:
            stop += 1
        at = _blank(data, at, stop)
        if at < stop:
            before = state[COUNT]
            at = _sample(data, at, stop, key, hashes, spans, seconds, values, kinds, state, scratch)
            if at < 0 or _blank(data, at, stop) != stop:
                state[COUNT] = before
                return False
            places[before] = state[PLACE]
        state[AT] = stop + 1
        state[PLACE] += 1
    return True


@kernel
def _blank(data: Bytes, at: int, stop: int) -> Any:
    """Where what is no space begins."""
    while at < stop and (
        data[at] == _SPACE or data[at] == _NEWLINE or data[at] == _RETURN or data[at] == _TAB
    ):
        at += 1
    return at


@kernel
def _after(data: Bytes, at: int, stop: int, sign: int) -> Any:
    """Where what follows a sign and spaces begins; -1: the sign is not here."""
    if at < 0 or at >= stop or data[at] != sign:
        return -1
    return _blank(data, at + 1, stop)


@kernel
def _same(data: Bytes, at: int, stop: int, text: Bytes) -> bool:
    if stop - at < len(text):
        return False
    same = True
    for i in range(len(text)):
        same = same and data[at + i] == text[i]
    return same


@kernel
def _string(data: Bytes, at: int, stop: int) -> Any:
    """Where a string ends, behind its quote; -1: there is none."""
    if at >= stop or data[at] != _QUOTE:
        return -1
    at += 1
    while at < stop:
        byte = data[at]
        if byte == _QUOTE:
            return at + 1
        if byte < _SPACE:
            return -1
        at += 2 if byte == _BACKSLASH else 1
    return -1


@kernel
def _labels(data: Bytes, at: int, stop: int) -> Any:
    """Where an object of strings ends; -1: there is none."""
    at = _after(data, at, stop, _OPEN)
    if at < 0:
        return -1
    if at < stop and data[at] == _CLOSE:
        return at + 1
    while True:
        at = _string(data, at, stop)
        if at < 0:
            return -1
        at = _after(data, _blank(data, at, stop), stop, _COLON)
        if at < 0:
            return -1
        at = _string(data, at, stop)
        if at < 0:
            return -1
        at = _blank(data, at, stop)
        if at < stop and data[at] == _CLOSE:
            return at + 1
        at = _after(data, at, stop, _COMMA)
        if at < 0:
            return -1


@kernel
def _member(data: Bytes, at: int, stop: int) -> tuple[int, int]:
    """Which member's name stands here (0: another), and where its value begins; -1: nowhere."""
    which, length = 0, 0
    if _same(data, at, stop, _METRIC):
        which, length = 1, len(_METRIC)
    elif _same(data, at, stop, _LABELS):
        which, length = 2, len(_LABELS)
    elif _same(data, at, stop, _TIMESTAMP):
        which, length = 3, len(_TIMESTAMP)
    elif _same(data, at, stop, _VALUE):
        which, length = 4, len(_VALUE)
    return which, _after(data, _blank(data, at + length, stop), stop, _COLON)


@kernel
def _sample(
    data: Bytes,
    at: int,
    stop: int,
    key: Words,
    hashes: Words,
    spans: Ints,
    seconds: Floats,
    values: Floats,
    kinds: Bytes,
    state: Ints,
    scratch: Words,
) -> Any:
    """One sample; where it ends, or -1."""
    n = state[COUNT]
    if n == len(values):
        return -1
    at = _after(data, at, stop, _OPEN)
    if at < 0:
        return -1
    spans[n, 2] = spans[n, 3] = 0
    kind, seen = 0, 0
    while True:
        which, at = _member(data, at, stop)
        if which == 0 or at < 0 or seen & (1 << which):
            return -1
        seen |= 1 << which
        begun = at
        if which == 1:
            at = _string(data, at, stop)
        elif which == 2:
            at = _labels(data, at, stop)
        elif which == 3 and at < stop and data[at] == _QUOTE:
            at = _string(data, at, stop)
            kind |= TEXT
            seconds[n] = 0.0
        else:
            number, at, exact = decimal(data, at, stop, True)
            if which == 3:
                seconds[n] = number
                kind |= 0 if exact else TIME
            else:
                values[n] = number
                kind |= 0 if exact else VALUE
        if at < 0:
            return -1
        spans[n, 2 * which - 2], spans[n, 2 * which - 1] = begun, at
        at = _blank(data, at, stop)
        if at < stop and data[at] == _CLOSE:
            break
        at = _after(data, at, stop, _COMMA)
        if at < 0:
            return -1
    if seen | (1 << 2) != 0b11110:
        return -1
    kinds[n] = kind
    _hash_both(data, spans, n, key, scratch, hashes)
    state[COUNT] += 1
    return at + 1


@kernel
def _hash_both(data: Bytes, spans: Ints, n: int, key: Words, scratch: Words, hashes: Words) -> None:
    """Hash the hashes of a sample's metric and labels."""
    a, b, c, d = begin(key)
    for i in range(2):
        hash_bytes(data, spans[n, 2 * i], spans[n, 2 * i + 1], key, scratch[i])
        a, b, c, d = mix(a, b, c, d, scratch[i, 0])
        a, b, c, d = mix(a, b, c, d, scratch[i, 1])
    end(a, b, c, d, uint64(32) << uint64(56), hashes[n])
