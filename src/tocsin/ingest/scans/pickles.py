"""Carbon's pickles into columns: ``[(path, (time, value)), …]`` as Python's own pickler says it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.ingest.scans.hashing import hash_bytes

__all__ = ["SHORTEST", "scan"]

#: The fewest bytes of a sample: two of a text and of each number, an opcode for each pair.
SHORTEST: Final = 8

_PROTO, _FRAME, _STOP = 0x80, 0x95, ord(".")
_LIST, _MARK, _APPEND, _APPENDS, _PAIR = ord("]"), ord("("), ord("a"), ord("e"), 0x86
_PUT, _LONG_PUT, _MEMOIZE = ord("q"), ord("r"), 0x94
#: Texts and bytes whose length is one byte; four bytes.
_SHORT_TEXT, _SHORT_STRING, _SHORT_BYTES = 0x8C, ord("U"), ord("C")
_TEXT, _STRING, _BYTES = ord("X"), ord("T"), ord("B")
_BYTE, _TWO_BYTES, _FOUR_BYTES, _INTEGER, _FLOAT = ord("K"), ord("M"), ord("J"), 0x8A, ord("G")
_LAST_PROTOCOL = 5

Data = NDArray[np.uint8]
Words = NDArray[np.uint64]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@kernel
def scan(data: Data, key: Words, hashes: Words, spans: Ints, times: Floats, values: Floats) -> int:
    """Read a message that is plain all through; how many samples, or -1: it is not.

    Plain is one list of pairs of protocol 2 to 5, with names in ASCII and numbers of at most 64
    bits, in which each object is remembered once at most, and none is referred to. ``times`` are as
    they stand there; ``spans`` from where to where names go. There must be room for a sample every
    `SHORTEST` bytes.
    """
    # Whatever goes wrong, goes on at the end, where nothing can be read.
    end, count, many = len(data), 0, False
    at = 2 if end >= 2 and data[0] == _PROTO and data[1] <= _LAST_PROTOCOL else 0
    at = _remembered(data, _code(data, at, _LIST))
    times_bits, values_bits = times.view(np.uint64), values.view(np.uint64)
    while True:
        at = _past_frames(data, at)
        if at >= end:
            return -1
        code = data[at]
        if code == _STOP and not many:
            return count
        if code == _MARK and not many:
            many, at = True, at + 1
        elif code == _APPENDS and many:
            many, at = False, at + 1
        else:
            at = _name(data, at, spans[count])
            if at < end:
                hash_bytes(data, spans[count, 0], spans[count, 1], key, hashes[count])
            at = _number(data, at, count, times, times_bits)
            at = _number(data, at, count, values, values_bits)
            at = _remembered(data, _code(data, at, _PAIR))
            at = _remembered(data, _code(data, at, _PAIR))
            at = at if many else _code(data, at, _APPEND)
            count += 1


@kernel
def _past_frames(data: Data, at: int) -> int:
    """Where the next opcode is: how long a frame is does not matter, everything is here."""
    while at < len(data) and data[at] == _FRAME:
        at += 9
    return at


@kernel
def _code(data: Data, at: int, code: int) -> int:
    """Past this opcode; the end, where another one stands."""
    at = _past_frames(data, at)
    return at + 1 if at < len(data) and data[at] == code else len(data)


@kernel
def _remembered(data: Data, at: Any) -> Any:
    """Past an opcode that remembers what stands before it, if there is one."""
    at = _past_frames(data, at)
    if at >= len(data):
        return len(data)
    if data[at] == _MEMOIZE:
        return at + 1
    if data[at] == _PUT:
        return at + 2
    return at + 5 if data[at] == _LONG_PUT else at


@kernel
def _name(data: Data, at: int, span: Ints) -> Any:
    """Past a text, or bytes, in ASCII."""
    end = len(data)
    if at + 5 > end:  # as long as any sample's opcodes from here on
        return end
    code = data[at]
    if code in (_SHORT_TEXT, _SHORT_STRING, _SHORT_BYTES):
        start, size = at + 2, np.int64(data[at + 1])
    elif code in (_TEXT, _STRING, _BYTES):
        start, size = at + 5, np.int64(_little(data, at + 1, 4))
    else:
        return end
    stop = start + size
    if stop > end:
        return end
    for i in range(start, stop):
        if data[i] > 0x7F:
            return end
    span[0], span[1] = start, stop
    return _remembered(data, stop)


@kernel
def _number(data: Data, at: int, n: int, numbers: Floats, bits: Words) -> Any:
    """Past a number, which becomes the ``n``-th."""
    at, end = _past_frames(data, at), len(data)
    if at + 2 > end:
        return end
    code, at = data[at], at + 1
    if code == _FLOAT:
        if at + 8 > end:
            return end
        told = uint64(0)
        for i in range(8):
            told = told << uint64(8) | uint64(data[at + i])
        bits[n] = told
        return at + 8
    if code == _BYTE:
        size = np.int64(1)
    elif code == _TWO_BYTES:
        size = np.int64(2)
    elif code == _FOUR_BYTES:
        size = np.int64(4)
    elif code == _INTEGER and data[at] <= 8:
        size, at = np.int64(data[at]), at + 1
    else:
        return end
    if at + size > end:
        return end
    told = _little(data, at, size)
    signed = code in (_FOUR_BYTES, _INTEGER)
    if signed and 0 < size < 8 and data[at + size - 1] > 0x7F:
        told |= ~uint64(0) << uint64(8 * size)
    numbers[n] = np.float64(np.int64(told))
    return at + size


@kernel
def _little(data: Data, at: int, size: Any) -> Any:
    """A number of so many bytes, the lowest first."""
    told = uint64(0)
    for i in range(size):
        told |= uint64(data[at + i]) << uint64(8 * i)
    return told
