"""StatsD's messages in, one batch of samples per flush out: pure, with the clock as an argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.errors import BadInputError
from tocsin.ingest.statsd.kinds import MAKERS, Gauge, Kind, Room
from tocsin.ingest.statsd.messages import BadMessageError, Message, metric, read
from tocsin.samples import SECOND_NS, Metric, Samples

__all__ = ["GAUGES_KEPT_NS", "LONGEST", "PROTOCOL", "ZEROS_NS", "Aggregator"]

PROTOCOL: Final = "statsd"
#: A longer line is no message.
LONGEST: Final = 4_096
#: For so long after the last message counters, sets and timers are told as 0, then forgotten.
ZEROS_NS: Final = 600 * SECOND_NS
#: For so long after the last message a gauge is known, so that a change has a value to change.
GAUGES_KEPT_NS: Final = 86_400 * SECOND_NS


@dataclass(slots=True)
class _Entry:
    """One name and its tags."""

    metric: Metric
    name: str
    kind: Kind
    touched: bool = True
    #: When a flush last found something.
    told: int | None = None
    #: The metrics that it is told as, by what is appended to the name.
    metrics: dict[str, Metric] = field(default_factory=dict)

    def metric_of(self, suffix: str) -> Metric:
        if not suffix:
            return self.metric
        made = self.metrics.get(suffix)
        if made is None:
            made = self.metrics[suffix] = Metric(self.metric.name + suffix, self.metric.labels)
        return made


class Aggregator:
    """Adds up what comes between two flushes.

    Memory: about 1 KiB for each of ``most`` names, 16 bytes for each of two million values of
    timers, 70 for each of a million members of sets.
    """

    def __init__(self, percentiles: tuple[float, ...] = (90.0, 95.0), *, most: int = 100_000):
        self._percentiles = percentiles
        self._most = most
        self._entries: dict[Metric, _Entry] = {}
        #: The same by how they are written, so that names are read once.
        self._written: dict[tuple[bytes, bytes], _Entry] = {}
        self._room = Room()
        self._last = 0

    def __len__(self) -> int:
        """How many names are known."""
        return len(self._entries)

    def take(self, packet: bytes) -> list[Rejection]:
        """Add a datagram's messages; returns the lines that are none.

        Of a line with several values, those before a bad one count. Cost: about 4 µs a line.
        """
        rejected: list[Rejection] = []
        for place, line in enumerate(packet.split(b"\n")):
            line = line.strip()
            if not line:
                continue
            try:
                self._add(line)
            except BadMessageError as error:
                rejected.append(Rejection(place, error.code, error.detail))
        return rejected

    def flush(self, at: int) -> Batch:
        """The samples of what came since the last flush, all at the time ``at`` (ns).

        Empty when ``at`` does not come after the last one (the clock was set back): what came
        counts at the next one. Cost: about 2 µs a sample.
        """
        metrics: list[Metric] = []
        values: list[float] = []
        if at > self._last:
            self._last = at
            self._forget(at)
            for entry in self._entries.values():
                for suffix, value in self._tell(entry, at):
                    metrics.append(entry.metric_of(suffix))
                    values.append(value)
            self._room = Room()
        times = np.full(len(values), at, dtype=np.int64)
        samples = Samples(np.arange(len(values), dtype=np.int64), times, np.array(values, "f8"))
        return Batch(metrics, samples, PROTOCOL)

    def _add(self, line: bytes) -> None:
        if len(line) > LONGEST:
            raise BadMessageError(Reason.BAD_LINE, f"longer than {LONGEST} bytes")
        message = read(line)
        entry = self._written.get((message.name, message.tags))
        if entry is None:
            entry = self._entry(message)
        elif entry.name != message.kind:
            raise _other_type(entry, message)
        for value in message.values:
            entry.kind.add(value, message.rate, self._room)
            entry.touched = True

    def _entry(self, message: Message) -> _Entry:
        try:
            made = metric(message.name, message.tags)
        except BadInputError as error:
            raise BadMessageError(Reason.BAD_METRIC, str(error)) from None
        entry = self._entries.get(made)
        if entry is None:
            if len(self._entries) >= self._most:
                told = f"more than {self._most} names at once"
                raise BadMessageError(Reason.TOO_MANY_METRICS, told)
            entry = _Entry(made, message.kind, MAKERS[message.kind](), touched=False)
        elif entry.name != message.kind:
            raise _other_type(entry, message)
        # A first message that cannot be used leaves nothing behind.
        for value in message.values[:1]:
            MAKERS[message.kind]().add(value, message.rate, Room())
        self._entries[made] = entry
        if len(self._written) >= 2 * self._most:
            self._written.clear()
        self._written[message.name, message.tags] = entry
        return entry

    def _tell(self, entry: _Entry, at: int) -> list[tuple[str, float]]:
        if entry.touched:
            entry.touched, entry.told = False, at
            return entry.kind.flush(self._percentiles)
        return entry.kind.idle()

    def _forget(self, at: int) -> None:
        """Forget what nobody has sent for long."""
        gone = {made for made, entry in self._entries.items() if _over(entry, at)}
        if gone:
            self._entries = {m: one for m, one in self._entries.items() if m not in gone}
            written = self._written.items()
            self._written = {how: one for how, one in written if one.metric not in gone}


def _over(entry: _Entry, at: int) -> bool:
    if entry.touched:
        return False
    kept = GAUGES_KEPT_NS if isinstance(entry.kind, Gauge) else ZEROS_NS
    return entry.told is None or at - entry.told > kept


def _other_type(entry: _Entry, message: Message) -> BadMessageError:
    told = f"{entry.metric.name[:80]!r} is a {entry.name}, and now comes as a {message.kind}"
    return BadMessageError(Reason.BAD_TYPE, told)
