"""Carbon's pickle protocol: a length of four bytes, then ``[(path, (timestamp, value)), …]``."""

from __future__ import annotations

import struct
from functools import partial
from typing import Any, Final

from tocsin.engine.batch import Reason, Rejection
from tocsin.errors import BadInputError
from tocsin.ingest.columns import Columns
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.graphite.fields import metric, number, time_ns
from tocsin.ingest.graphite.unpickle import loads

__all__ = ["LONGEST", "PROTOCOL", "Frames", "Session", "decode"]

PROTOCOL: Final = "graphite_pickle"
#: The longest message, as carbon has it.
LONGEST: Final = 1 << 20
_LENGTH: Final = struct.Struct(">I")


def decode(message: bytes, now: int) -> Decoded:
    """Read one message without its length; a bad sample is refused by itself.

    ``now`` (ns) is what the timestamp ``-1`` means. A message that is no plain pickle of a list is
    refused as a whole, as one. Cost: about 4 µs a sample; memory: below 150 bytes a byte.
    """
    columns = Columns(PROTOCOL)
    _read(columns, message, now)
    return columns.done()


def _read(columns: Columns, message: bytes, now: int) -> None:
    try:
        items = loads(message)
        if type(items) not in (list, tuple):
            raise BadInputError("the pickle holds no list")
    except BadInputError as error:
        columns.refuse(0, Reason.BAD_MESSAGE, str(error))
        return
    for place, item in enumerate(items):
        _add(columns, place, item, now)


def _add(columns: Columns, place: int, item: Any, now: int) -> None:
    if not _is_pair(item) or not _is_pair(item[1]):
        columns.refuse(place, Reason.BAD_TYPE, "not (path, (timestamp, value))")
        return
    name, (moment, value) = item
    if type(name) not in (str, bytes):
        columns.refuse(place, Reason.BAD_TYPE, "the path is no text")
        return
    amount, seconds = _number(value), _number(moment)
    if amount is None:
        columns.refuse(place, Reason.BAD_TYPE, "the value is not a number")
        return
    try:
        if seconds is None:
            raise BadInputError("the time is not a number")
        time = time_ns(seconds, now)
    except BadInputError as error:
        columns.refuse(place, Reason.BAD_TIMESTAMP, str(error))
    else:
        columns.add(place, columns.index_of(name, partial(metric, name)), time, amount)


def _is_pair(told: object) -> bool:
    return isinstance(told, tuple | list) and len(told) == 2


def _number(told: object) -> float | None:
    """A number, also as text, as carbon takes it."""
    kind = type(told)
    try:
        if kind is float or kind is int:
            return float(told)  # type: ignore[arg-type]
        if kind is str or kind is bytes:
            return number(told)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        pass
    return None


class Frames:
    """Cuts a stream of bytes into messages, whatever the packets. Memory: one message at most."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._held = bytearray()
        #: Why the stream cannot be read on.
        self.broken: str | None = None

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their message."""
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete now, without their lengths."""
        held, whole, at = self._held, list[bytes](), 0
        if self.broken:
            return whole
        held += data
        while len(held) - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(held, at)
            if size > self._longest:
                self.broken = f"a message of {size} bytes, more than {self._longest}"
                held.clear()
                return whole
            end = at + _LENGTH.size + size
            if len(held) < end:
                break
            whole.append(bytes(memoryview(held)[at + _LENGTH.size : end]))
            at = end
        del held[:at]
        return whole


class Session:
    """One connection's messages."""

    def __init__(self) -> None:
        self._frames = Frames()

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their message."""
        return self._frames.pending

    @property
    def broken(self) -> str | None:
        """Why the connection must be closed."""
        return self._frames.broken

    def feed(self, data: bytes, now: int) -> Decoded:
        """What is complete with these bytes."""
        columns = Columns(PROTOCOL)
        for message in self._frames.feed(data):
            _read(columns, message, now)
        if self._frames.broken:
            columns.refuse(0, Reason.BAD_MESSAGE, self._frames.broken)
        return columns.done()

    def end(self) -> list[Rejection]:
        """The connection is over."""
        if self._frames.pending:
            return [Rejection(0, Reason.BAD_MESSAGE, "the last message has no end")]
        return []
