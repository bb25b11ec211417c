"""A file's bytes as clean UTF-8 text."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Final

from tocsin.errors import FileFormatError

__all__ = ["load_text"]

_GZIP: Final = b"\x1f\x8b"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def load_text(path: Path) -> bytes:
    """The text of a file as UTF-8 without byte-order mark, its lines ended by line feeds.

    Takes UTF-8, and UTF-16 with a byte-order mark; unpacks gzip when the name ends in ``.gz``.
    Errors: `FileFormatError` when it cannot be read or unpacked, is empty, or is not text.
    Cost: two to three times the (unpacked) file in memory at the peak.
    """
    data = _read(path)
    if path.name.lower().endswith(".gz"):
        data = _unpack(data)
    if data.startswith(_UTF16_MARKS):
        data = _from_utf16(data)
    _check_text(data)
    data = _with_plain_lines(data.removeprefix(_UTF8_MARK))
    if not data.strip():
        raise FileFormatError("the file is empty")
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"cannot be read: {error.strerror or error}") from error


def _unpack(data: bytes) -> bytes:
    if not data:
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise FileFormatError(f"damaged gzip file: {error}") from error


def _from_utf16(data: bytes) -> bytes:
    try:
        return data.decode("utf-16").encode()
    except UnicodeError as error:
        at = getattr(error, "start", len(data))
        raise FileFormatError(f"not text: invalid UTF-16 at byte {at}") from error


def _check_text(data: bytes) -> None:
    at = data.find(b"\0")
    if at >= 0:
        raise FileFormatError(f"not text: NUL at byte {at}{_hint(data)}")
    if data.isascii():
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileFormatError(
            f"not text: byte {error.start} (line {line}) is not UTF-8{_hint(data)}"
        ) from error


def _hint(data: bytes) -> str:
    if data.startswith(_GZIP):
        return "; it looks gzipped: name it .csv.gz"
    if data.startswith(b"PAR1"):
        return "; it looks like Parquet: name it .parquet"
    return "; save it as UTF-8 text"


def _with_plain_lines(data: bytes) -> bytes:
    if b"\r" not in data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
