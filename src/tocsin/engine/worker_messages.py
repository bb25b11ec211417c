"""What the service and a worker process say to each other: typed messages in frames; no pickle."""

from __future__ import annotations

import struct
from typing import IO, Final

import msgspec

__all__ = [
    "Answer",
    "Done",
    "Failed",
    "Forget",
    "Hello",
    "Make",
    "Request",
    "Save",
    "Saved",
    "Score",
    "Scored",
    "read_frame",
    "write_frame",
]

_LENGTH: Final = struct.Struct("<I")
_LARGEST: Final = 256 * 1024 * 1024


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Columns travel as little-endian bytes: int64 times (ns, UTC), float64 values and scores."""


class Hello(_Message, frozen=True):
    """The first request: where to import from, and how much memory there is (bytes)."""

    path: list[str]
    memory: int


class Make(_Message, frozen=True):
    """Make an object, or restore it; ``model``: its name, ``most``: its largest score."""

    key: int
    model: str
    most: float
    state: bytes | None
    deadline_s: float


class Score(_Message, frozen=True):
    """Score samples with an object that was made, and have it learn them."""

    key: int
    timestamps: bytes
    values: bytes
    deadline_s: float


class Save(_Message, frozen=True):
    """Ask for an object's state."""

    key: int
    deadline_s: float


class Forget(_Message, frozen=True):
    """Let go of an object."""

    key: int
    deadline_s: float


class Done(_Message, frozen=True):
    """It is done."""


class Scored(_Message, frozen=True):
    """Raw scores of all samples."""

    raw: bytes


class Saved(_Message, frozen=True):
    """An object's state; None when it cannot give it."""

    state: bytes | None


class Failed(_Message, frozen=True):
    """It did not work; the object is gone. ``raw``: scores of the samples before."""

    reason: str
    detail: str
    raw: bytes = b""


Request = Hello | Make | Score | Save | Forget
Answer = Done | Scored | Saved | Failed


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next frame's body; None at the end. Errors: `EOFError` in the middle of a frame."""
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise EOFError("a frame was cut off")
    (size,) = _LENGTH.unpack(head)
    if size > _LARGEST:
        raise EOFError(f"a frame of {size} bytes is too large")
    body = stream.read(size)
    if len(body) < size:
        raise EOFError("a frame was cut off")
    return body


def write_frame(stream: IO[bytes], body: bytes) -> None:
    """Send a frame at once. Errors: `ValueError` when it is too large, `OSError`."""
    if len(body) > _LARGEST:
        raise ValueError(f"{len(body)} bytes are too many for one message")
    stream.write(_LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()
