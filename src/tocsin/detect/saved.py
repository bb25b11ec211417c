"""A whole fleet as one file: a head, its rows as they lie in memory, and checksums.

==================  ============================================================================
head                magic, version, lengths, and the head's own checksum; settings as JSON
from ``offset`` on  the rows: ``np.memmap(path, fleet.row_type, "r", offset)``
after the rows      a CRC-32 for each MiB of them
==================  ============================================================================
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.kernels import kernel_of
from tocsin.detect.settings import Settings
from tocsin.detect.snapshot import layout, settings_of
from tocsin.errors import OutputError, StateError

__all__ = ["VERSION", "open_rows", "save_rows"]

Rows = NDArray[np.void]

MAGIC: Final = b"TOCSINF"
VERSION: Final = 1
#: Magic, version, layout, bytes of settings, offset of the rows, their number; then a checksum.
_HEAD: Final = struct.Struct("<7sB16sIQQ")
_SUM: Final = struct.Struct("<I")
_BLOCK: Final = 2**20


def save_rows(path: Path, rows: Rows, settings: Settings) -> None:
    """Write rows to ``path``, whole or not at all. Errors: `OutputError`. Cost: O(bytes)."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with part.open("xb") as file:
            _write(file, rows, settings)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _write(file: IO[bytes], rows: Rows, settings: Settings) -> None:
    told = json.dumps(asdict(settings), sort_keys=True).encode()
    offset = -(-(_HEAD.size + len(told) + _SUM.size) // mmap.ALLOCATIONGRANULARITY)
    offset *= mmap.ALLOCATIONGRANULARITY
    shape = layout(rows.dtype, kernel_of(settings).revision)
    head = _HEAD.pack(MAGIC, VERSION, shape, len(told), offset, len(rows)) + told
    file.write((head + _SUM.pack(zlib.crc32(head))).ljust(offset, b"\0"))
    sums = []
    for block in _blocks(rows.view(np.uint8).reshape(-1) if len(rows) else np.empty(0, np.uint8)):
        file.write(block.data)
        sums.append(zlib.crc32(block.data))
    file.write(np.array(sums, dtype="<u4").tobytes())


def open_rows(path: Path, *, check: bool) -> tuple[Rows, Settings]:
    """Rows, mapped, and their settings; what is written to them does not reach the file.

    ``check``: read all of it and compare its checksums. Errors: `StateError` says whether the file
    is missing, foreign, damaged, or of another version.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise StateError(f"{path} cannot be read: {error}") from error
    settings, offset, count = _head(path, mapped)
    row = kernel_of(settings).row
    size = count * row.itemsize
    if len(mapped) != offset + size + 4 * -(-size // _BLOCK):
        raise StateError(f"{path} is damaged: its length does not fit")
    if check and not _is_whole(mapped, offset, size):
        raise StateError(f"{path} is damaged: a checksum of its rows does not fit")
    return np.frombuffer(mapped, dtype=row, count=count, offset=offset), settings


def _head(path: Path, mapped: mmap.mmap) -> tuple[Settings, int, int]:
    if len(mapped) < _HEAD.size + _SUM.size or mapped[: len(MAGIC)] != MAGIC:
        raise StateError(f"{path} is not a saved fleet of Tocsin")
    _, version, shape, told, offset, count = _HEAD.unpack_from(mapped)
    if version > VERSION:
        raise StateError(
            f"{path} has version {version}, newer than this Tocsin knows ({VERSION}): upgrade"
        )
    end = _HEAD.size + told
    if len(mapped) < offset or end + _SUM.size > offset:
        raise StateError(f"{path} is damaged: its length does not fit")
    if zlib.crc32(mapped[:end]) != _SUM.unpack_from(mapped, end)[0]:
        raise StateError(f"{path} is damaged: the checksum of its head does not fit")
    settings = settings_of(mapped[_HEAD.size : end])
    kernel = kernel_of(settings)
    if shape != layout(kernel.row, kernel.revision):
        raise StateError(f"{path} was saved by another version of the model: learn anew")
    return settings, offset, count


def _is_whole(mapped: mmap.mmap, offset: int, size: int) -> bool:
    told = np.frombuffer(mapped, dtype="<u4", offset=offset + size)
    whole = np.frombuffer(mapped, dtype=np.uint8, count=size, offset=offset)
    return all(
        zlib.crc32(block.data) == wanted
        for block, wanted in zip(_blocks(whole), told.tolist(), strict=True)
    )


def _blocks(data: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK))
