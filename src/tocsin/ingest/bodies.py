"""Compressed request bodies, unpacked within a bound."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final

from tocsin.errors import BadInputError, MissingExtraError, TooLargeError

__all__ = ["ENCODINGS", "inflate"]

#: The largest header of a snappy block: its length as a varint.
_VARINT: Final = 5


def inflate(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was before compression; ``encoding`` as in the Content-Encoding header.

    Errors: `BadInputError` for an unknown encoding or a damaged body, `TooLargeError` when more
    than ``most`` bytes would come out; never more than that is held. Cost: O(bytes out).
    """
    unpack = ENCODINGS.get(encoding.strip().lower())
    if unpack is None:
        raise BadInputError(
            f"Content-Encoding: {encoding!r}: must be one of {', '.join(filter(None, ENCODINGS))}"
        )
    return unpack(body, most)


def _identity(body: bytes, most: int) -> bytes:
    return _bounded(body, most)


def _bounded(body: bytes, most: int) -> bytes:
    if len(body) > most:
        raise TooLargeError(f"the body holds more than {most} bytes: send fewer samples at once")
    return body


def _gzip(body: bytes, most: int) -> bytes:
    """Gzip or zlib, by what the bytes say; several members after each other are one."""
    out, rest = b"", body
    try:
        while rest:
            unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
            out = _bounded(out + unpacker.decompress(rest, most + 1 - len(out)), most)
            if not unpacker.eof:
                raise BadInputError("the body is not complete gzip")
            rest = unpacker.unused_data
    except zlib.error as error:
        raise BadInputError(f"the body is not gzip: {error}") from error
    return out


def _snappy(body: bytes, most: int) -> bytes:
    """Snappy's block format, which begins with the length of what comes out."""
    cramjam = _cramjam()
    if _snappy_length(body) > most:
        raise TooLargeError(f"the body holds more than {most} bytes: send fewer samples at once")
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise BadInputError(f"the body is not a snappy block: {error}") from error


def _snappy_length(body: bytes) -> int:
    length = 0
    for place, byte in enumerate(body[:_VARINT]):
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return length
    raise BadInputError("the body is not a snappy block: it does not begin with a length")


def _zstd(body: bytes, most: int) -> bytes:
    cramjam = _cramjam()
    room = bytearray(most)  # the system gives memory only where it is written
    try:
        length = cramjam.zstd.decompress_into(body, room)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):
            raise TooLargeError(
                f"the body holds more than {most} bytes: send fewer samples at once"
            ) from error
        raise BadInputError(f"the body is not zstd: {error}") from error
    return bytes(memoryview(room)[:length])


def _cramjam() -> Any:
    try:
        import cramjam
    except ImportError as error:
        raise MissingExtraError("snappy and zstd bodies", "server") from error
    return cramjam


ENCODINGS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "": _identity,
    "identity": _identity,
    "gzip": _gzip,
    "deflate": _gzip,
    "snappy": _snappy,
    "zstd": _zstd,
}
