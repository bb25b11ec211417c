"""Numbers as text, in compiled code: those that one division or product makes exact."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tocsin.detect.compile import kernel

__all__ = ["decimal", "is_digit", "whole"]

Bytes = NDArray[np.uint8]

_ZERO: Final = 0x30
#: Digits that surely fit into 64 bits.
_DIGITS: Final = 19
#: Whole numbers up to here, and powers of ten up to 22, are floats exactly; so a product or
#: quotient of two of them is the nearest float to the decimal.
_EXACT: Final = 2**53
_POWERS: Final = np.array([10.0**i for i in range(23)])
_POINT, _PLUS, _MINUS = ord("."), ord("+"), ord("-")
_SMALL_E, _LARGE_E = ord("e"), ord("E")


@kernel
def is_digit(byte: int) -> Any:
    """Whether a byte is one of 0 to 9."""
    return _ZERO <= byte <= _ZERO + 9


@kernel
def decimal(data: Bytes, at: int, stop: int, strict: bool) -> tuple[float, int, bool]:
    """The number that begins here, where it ends (-1: there is none), and whether it is exact.

    What is not exact is left to be read by others. ``strict``: only what is a number in JSON, in
    which a whole zero has no sign; else also ``+1``, ``01``, ``1.`` and ``.5``.
    """
    negative = False
    if at < stop and (data[at] == _MINUS or (data[at] == _PLUS and not strict)):
        negative = data[at] == _MINUS
        at += 1
    mantissa, digits, lost, power = uint64(0), 0, False, 0
    begun = at
    while at < stop and is_digit(data[at]):
        if digits < _DIGITS:
            mantissa = mantissa * uint64(10) + uint64(data[at] - _ZERO)
            digits += mantissa > uint64(0)
        else:
            lost = True
        at += 1
    before = at - begun
    if strict and (before == 0 or (before > 1 and data[begun] == _ZERO)):
        return 0.0, -1, False
    plain = True
    after = 0
    if at < stop and data[at] == _POINT:
        plain = False
        at += 1
        begun = at
        while at < stop and is_digit(data[at]):
            if digits < _DIGITS:
                mantissa = mantissa * uint64(10) + uint64(data[at] - _ZERO)
                digits += mantissa > uint64(0)
                power -= 1
            else:
                lost = True
            at += 1
        after = at - begun
        if strict and after == 0:
            return 0.0, -1, False
    if before + after == 0:
        return 0.0, -1, False
    if at < stop and (data[at] == _SMALL_E or data[at] == _LARGE_E):
        plain = False
        shift, at, fits = _exponent(data, at + 1, stop)
        if at < 0:
            return 0.0, -1, False
        lost = lost or not fits
        power += shift
    if strict and plain and mantissa == uint64(0):
        return 0.0, at, True
    value, exact = _scaled(mantissa, power)
    return -value if negative else value, at, exact and not lost


@kernel
def _exponent(data: Bytes, at: int, stop: int) -> tuple[int, int, bool]:
    """Its number, where it ends (-1: there is none), and whether it is small enough to matter."""
    down = False
    if at < stop and (data[at] == _MINUS or data[at] == _PLUS):
        down = data[at] == _MINUS
        at += 1
    begun, shift, fits = at, 0, True
    while at < stop and is_digit(data[at]):
        if shift < 10_000:
            shift = shift * 10 + int(data[at] - _ZERO)
        else:
            fits = False
        at += 1
    if at == begun:
        return 0, -1, False
    return -shift if down else shift, at, fits


@kernel
def _scaled(mantissa: Any, power: int) -> tuple[float, bool]:
    if mantissa > uint64(_EXACT) or not -22 <= power <= 22:
        return 0.0, False
    if power < 0:
        return np.float64(mantissa) / _POWERS[-power], True
    return np.float64(mantissa) * _POWERS[power], True


@kernel
def whole(data: Bytes, at: int, stop: int) -> tuple[Any, int]:
    """An unsigned whole number of at most 19 digits, and where its digits end; -1: nowhere."""
    number, begun = np.int64(0), at
    while at < stop and is_digit(data[at]):
        if at - begun == _DIGITS:
            return number, -1
        digit = np.int64(data[at] - _ZERO)
        if number > (np.int64(2**63 - 1) - digit) // np.int64(10):
            return number, -1
        number = number * np.int64(10) + digit
        at += 1
    return number, at if at > begun else -1
