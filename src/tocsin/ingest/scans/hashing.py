"""Keyed hashes of bytes, and a table of them, in compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tocsin.detect.compile import kernel

__all__ = ["begin", "distinct", "end", "find", "hash_bytes", "mix", "put", "word"]

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Numbers = NDArray[np.int32]


@kernel
def word(data: Bytes, at: int) -> Any:
    """Eight bytes, the lowest first."""
    eight = uint64(data[at])
    for i in range(1, 8):
        eight |= uint64(data[at + i]) << uint64(8 * i)
    return eight


# SipHash-1-3 with 128 bits: nobody without the key can make two series fall together.


@kernel
def _left(word: Any, bits: int) -> Any:
    return (word << uint64(bits)) | (word >> uint64(64 - bits))


@kernel
def _round(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, Any, Any, Any]:
    a += b
    b = _left(b, 13) ^ a
    a = _left(a, 32)
    c += d
    d = _left(d, 16) ^ c
    a += d
    d = _left(d, 21) ^ a
    c += b
    b = _left(b, 17) ^ c
    c = _left(c, 32)
    return a, b, c, d


@kernel
def begin(key: Words) -> tuple[Any, Any, Any, Any]:
    """The state of a hash of which nothing has been read."""
    return (
        key[0] ^ uint64(0x736F6D6570736575),
        key[1] ^ uint64(0x646F72616E646F6D) ^ uint64(0xEE),
        key[0] ^ uint64(0x6C7967656E657261),
        key[1] ^ uint64(0x7465646279746573),
    )


@kernel
def mix(a: Any, b: Any, c: Any, d: Any, word: Any) -> tuple[Any, Any, Any, Any]:
    """The state after eight bytes more."""
    a, b, c, d = _round(a, b, c, d ^ word)
    return a ^ word, b, c, d


@kernel
def end(a: Any, b: Any, c: Any, d: Any, last: Any, out: Words) -> None:
    """Write the hash; ``last``: up to seven bytes more, and the length in the highest one."""
    a, b, c, d = mix(a, b, c, d, last)
    c ^= uint64(0xEE)
    for _ in range(3):
        a, b, c, d = _round(a, b, c, d)
    out[0] = a ^ b ^ c ^ d
    b ^= uint64(0xDD)
    for _ in range(3):
        a, b, c, d = _round(a, b, c, d)
    out[1] = a ^ b ^ c ^ d


@kernel
def hash_bytes(data: Bytes, start: int, stop: int, key: Words, out: Words) -> None:
    """Write the hash of the bytes from ``start`` to ``stop``."""
    a, b, c, d = begin(key)
    at = start
    while stop - at >= 8:
        a, b, c, d = mix(a, b, c, d, word(data, at))
        at += 8
    last = uint64(stop - start) << uint64(56)
    for i in range(stop - at):
        last |= uint64(data[at + i]) << uint64(8 * i)
    end(a, b, c, d, last, out)


@kernel
def find(keys: Words, values: Numbers, hashes: Words, out: Numbers) -> None:
    """Look hashes up in a table whose length is a power of two; -1 for those that are not there."""
    mask = uint64(len(keys) - 1)
    for i in range(len(hashes)):
        slot = hashes[i, 0] & mask
        out[i] = -1
        while values[slot] >= 0:
            if keys[slot, 0] == hashes[i, 0] and keys[slot, 1] == hashes[i, 1]:
                out[i] = values[slot]
                break
            slot = (slot + uint64(1)) & mask


@kernel
def put(keys: Words, values: Numbers, hashes: Words, numbers: Numbers) -> None:
    """Put hashes that are not there yet into a table, which must have room; -1 is left out."""
    mask = uint64(len(keys) - 1)
    for i in range(len(hashes)):
        if numbers[i] < 0:
            continue
        slot = hashes[i, 0] & mask
        while values[slot] >= 0:
            slot = (slot + uint64(1)) & mask
        keys[slot, 0], keys[slot, 1] = hashes[i, 0], hashes[i, 1]
        values[slot] = numbers[i]


@kernel
def distinct(
    entries: Numbers, turn: int, turns: NDArray[np.int64], places: Numbers, order: Numbers,
    which: NDArray[np.int64],
) -> int:  # fmt: skip
    """Number entries as they first come; returns how many there are.

    ``which``: of each its number; ``order``: the entry of each number. ``turns`` and ``places``
    have room for every entry, and keep what earlier turns wrote; ``turn`` must be a new number.
    """
    count = 0
    for i in range(len(entries)):
        entry = entries[i]
        if turns[entry] != turn:
            turns[entry] = turn
            places[entry] = count
            order[count] = entry
            count += 1
        which[i] = places[entry]
    return count
