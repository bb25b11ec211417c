"""A metric's state as bytes: versioned, checksummed, no code in it."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import asdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.kernels import kernel_of
from tocsin.detect.settings import Settings
from tocsin.errors import ConfigurationError, StateError

__all__ = ["OBJECT_MAGIC", "VERSION", "layout", "pack", "settings_of", "unpack"]

MAGIC: Final = b"TOCSIN\x00"
#: How the state of a model of somebody else's begins: see `tocsin.detect.objects`.
OBJECT_MAGIC: Final = b"TOCSINO"
#: Version of the envelope. What the rows hold is guarded by a hash of their layout.
VERSION: Final = 1
_HEAD: Final = struct.Struct("<7sB16sII")  # magic, version, layout, settings bytes, row bytes
_SUM: Final = struct.Struct("<I")


def layout(dtype: np.dtype[np.void], revision: int) -> bytes:
    """A 16-byte name of a row's fields, types and offsets, and of what its kernel computes.

    Another layout is another state, and a state that went on under another revision of its kernel
    would be a mixture of two models.
    """
    told = (dtype.descr, dtype.itemsize, revision)
    return hashlib.sha256(repr(told).encode()).digest()[:16]


def pack(rows: NDArray[np.void], settings: Settings) -> bytes:
    """State rows and their settings as bytes. Cost: O(bytes)."""
    told = json.dumps(asdict(settings), sort_keys=True).encode()
    body = rows.tobytes()
    shape = layout(rows.dtype, kernel_of(settings).revision)
    head = _HEAD.pack(MAGIC, VERSION, shape, len(told), len(body))
    whole = head + told + zlib.compress(body, 1)
    return whole + _SUM.pack(zlib.crc32(whole))


def unpack(data: bytes, *, expected: Settings | None = None) -> tuple[NDArray[np.void], Settings]:
    """Rows and settings from `pack`.

    Errors: `StateError` says whether the bytes are foreign, damaged, of another version, or
    (given ``expected``) learnt with other settings, and which.
    """
    if len(data) < _HEAD.size + _SUM.size or data[: len(MAGIC)] != MAGIC:
        hint = ": give the class of its model" if data.startswith(OBJECT_MAGIC) else ""
        raise StateError(f"these bytes are not a saved Tocsin state{hint}")
    _, version, shape, told, size = _HEAD.unpack_from(data)
    if version > VERSION:
        raise StateError(
            f"this state has version {version}, newer than this Tocsin knows ({VERSION}): upgrade"
        )
    if zlib.crc32(data[: -_SUM.size]) != _SUM.unpack(data[-_SUM.size :])[0]:
        raise StateError("this state is damaged: its checksum does not fit")
    start = _HEAD.size
    settings = settings_of(data[start : start + told])
    if expected is not None and settings != expected:
        raise StateError(_differing(settings, expected))
    kernel = kernel_of(settings)
    dtype = kernel.row
    if shape != layout(dtype, kernel.revision):
        raise StateError("this state was saved by another version of the model: learn anew")
    body = zlib.decompressobj().decompress(data[start + told : -_SUM.size], size + 1)
    if len(body) != size or size % dtype.itemsize:
        raise StateError("this state is damaged: its length does not fit")
    return np.frombuffer(body, dtype=dtype).copy(), settings


def settings_of(told: bytes) -> Settings:
    """Settings that were written as JSON. Errors: `StateError`."""
    try:
        return Settings.of(json.loads(told))
    except (ConfigurationError, ValueError) as error:
        raise StateError(f"this state's settings cannot be used: {error}") from error


def _differing(learnt: Settings, expected: Settings) -> str:
    theirs, ours = asdict(learnt), asdict(expected)
    told = [
        f"{key} = {theirs[key]!r}, not {ours[key]!r}" for key in ours if theirs[key] != ours[key]
    ]
    return f"this state was learnt with other settings ({'; '.join(told)}): learn anew"
