"""Carbon's pickle protocol: a length of four bytes, then ``[(path, (timestamp, value)), …]``."""

from __future__ import annotations

import struct
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.errors import BadInputError
from tocsin.ingest.columns import Columns
from tocsin.ingest.decoded import Decoded, joined
from tocsin.ingest.graphite.fields import NOW, fresh_metric, metric, number, time_ns
from tocsin.ingest.graphite.unpickle import loads
from tocsin.ingest.known import Known
from tocsin.ingest.moments import LATEST_S
from tocsin.ingest.room import Room
from tocsin.ingest.scans import pickles as scan
from tocsin.samples import SECOND_NS, Metric, Samples

__all__ = ["LONGEST", "PROTOCOL", "Decoder", "Frames", "Session", "decode"]

PROTOCOL: Final = "graphite_pickle"
#: The longest message, as carbon has it.
LONGEST: Final = 1 << 20
_LENGTH: Final = struct.Struct(">I")
#: Bytes of names that are remembered at most.
_MOST_BYTES: Final = 64 * 2**20


class Decoder:
    """Reads messages; remembers up to ``limit`` metrics, which changes nothing but the speed.

    One thread at a time. Memory: as of `Known`, and of names at most 64 MiB.
    """

    def __init__(self, limit: int) -> None:
        self._known = Known(limit)
        self._names = 0

    def decode(self, message: bytes, now: int) -> Decoded:
        """What `decode` makes of a message.

        Cost: 0.5 µs a sample of a metric that is known, where the message is such as carbon sends;
        else as `decode`.
        """
        known, data = self._known, np.frombuffer(message, np.uint8)
        room = Room.of(len(message) // scan.SHORTEST + 1, spans=2, state=0, times=np.float64)
        count = scan.scan(data, known.key, room.hashes, room.spans, room.times, room.values)
        if count < 0:
            return decode(message, now)
        if self._names > _MOST_BYTES:
            known.forget()
            self._names = 0
        rejected = list[Rejection]()
        times, good = _times(room.times[:count], now, rejected)

        def read(i: int) -> Metric | str:
            start, stop = room.spans[good[i]].tolist()
            self._names += stop - start
            try:
                return fresh_metric(message[start:stop])
            except BadInputError as error:
                return str(error)

        entries = known.entries(room.hashes[good], read)
        bad = known.bad(entries)
        for i in np.flatnonzero(bad).tolist():
            why = str(known.metrics[entries[i]])
            rejected.append(Rejection(int(good[i]), Reason.BAD_METRIC, why))
        rows = good[~bad]
        metrics, which = known.distinct(entries[~bad])
        batch = Batch(metrics, Samples(which, times[rows], room.values[rows]), PROTOCOL)
        return Decoded(batch, sorted(rejected, key=lambda one: one.index))


def _times(
    seconds: NDArray[np.float64], now: int, rejected: list[Rejection]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times (ns), and the places of those that are some."""
    whole = (seconds >= 0) & (seconds < LATEST_S) & (seconds == np.floor(seconds))
    times = np.where(whole, seconds, 0).astype(np.int64) * SECOND_NS
    times[seconds == NOW] = now
    good = whole | (seconds == NOW)
    for place in np.flatnonzero(~good).tolist():
        try:
            times[place] = time_ns(float(seconds[place]), now)
            good[place] = True
        except BadInputError as error:
            rejected.append(Rejection(place, Reason.BAD_TIMESTAMP, str(error)))
    return times, np.flatnonzero(good)


def decode(message: bytes, now: int) -> Decoded:
    """Read one message without its length; a bad sample is refused by itself.

    ``now`` (ns) is what the timestamp ``-1`` means. A message that is no plain pickle of a list is
    refused as a whole, as one. Cost: about 10 µs a sample; memory: below 150 bytes a byte.
    """
    columns = Columns(PROTOCOL)
    try:
        items = loads(message)
        if type(items) not in (list, tuple):
            raise BadInputError("the pickle holds no list")
    except BadInputError as error:
        columns.refuse(0, Reason.BAD_MESSAGE, str(error))
        return columns.done()
    for place, item in enumerate(items):
        _add(columns, place, item, now)
    return columns.done()


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

    def __init__(self, decoder: Decoder) -> None:
        """``decoder``: may be that of other connections, too."""
        self._decoder = decoder
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
        decoded = joined(
            [self._decoder.decode(message, now) for message in self._frames.feed(data)], PROTOCOL
        )
        if self._frames.broken:
            decoded.rejected.append(Rejection(0, Reason.BAD_MESSAGE, self._frames.broken))
        return decoded

    def end(self) -> list[Rejection]:
        """The connection is over."""
        if self._frames.pending:
            return [Rejection(0, Reason.BAD_MESSAGE, "the last message has no end")]
        return []
