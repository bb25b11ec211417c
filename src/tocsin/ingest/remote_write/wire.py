"""Protobuf's wire format, field by field: for the little that is read once and remembered."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["fields"]


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and contents of a message's fields; those of fixed width are left out.

    Errors: `ValueError`. Cost: half a microsecond a field.
    """
    at, stop = 0, len(message)
    while at < stop:
        tag, at = (message[at], at + 1) if message[at] < 0x80 else _varint(message, at)
        wire = tag & 7
        if wire == 2:
            if at < stop and message[at] < 0x80:
                length, at = message[at], at + 1
            else:
                length, at = _varint(message, at)
            if length > stop - at:
                raise ValueError("a field is cut off")
            yield tag >> 3, message[at : at + length]
            at += length
        elif wire == 0:
            number, at = _varint(message, at)
            yield tag >> 3, number
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
            if at > stop:
                raise ValueError("a field is cut off")
        else:
            raise ValueError(f"there is no wire type {wire}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for byte in message[at : at + 10]:
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number is cut off")
