"""Protobuf's wire format in compiled code."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tocsin.detect.compile import kernel

__all__ = ["BYTES", "FIXED32", "FIXED64", "VARINT", "skip", "span", "tag", "varint"]

#: Wire types.
VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

Bytes = NDArray[np.uint8]


@kernel
def varint(data: Bytes, at: int, stop: int) -> tuple[Any, int]:
    """A number and where it ends; -1: nowhere."""
    value = uint64(0)
    shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        value |= uint64(byte & 0x7F) << uint64(shift)
        if byte < 0x80:
            return value, at
        shift += 7
    return value, -1


@kernel
def tag(data: Bytes, at: int, stop: int) -> tuple[Any, Any, int]:
    """A field's number, its wire type, and where its content begins; -1: damaged."""
    told, at = varint(data, at, stop)
    if at < 0 or told > uint64(0xFFFFFFFF) or told < uint64(8):
        return 0, 0, -1
    return np.int64(told >> uint64(3)), np.int64(told & uint64(7)), at


@kernel
def span(data: Bytes, at: int, stop: int) -> tuple[Any, Any]:
    """Where a content with a length before it begins and ends; the end is -1: nowhere."""
    length, at = varint(data, at, stop)
    if at < 0 or length > uint64(stop - at):
        return at, -1
    return at, at + np.int64(length)


@kernel
def skip(data: Bytes, at: int, stop: int, wire: int) -> Any:
    """Where a field that is of no interest ends; -1: nowhere."""
    if wire == VARINT:
        return varint(data, at, stop)[1]
    if wire == BYTES:
        return span(data, at, stop)[1]
    size = 8 if wire == FIXED64 else 4
    if wire in (FIXED64, FIXED32) and stop - at >= size:
        return at + size
    return -1
