"""ObjectFleet: metrics watched by objects of somebody else's, in this process."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet
from tocsin.detect.models.foreign.names import Named
from tocsin.detect.models.foreign.scorer import Scorer, highest, raw_scores, restored
from tocsin.detect.result import RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.detect.snapshot import OBJECT_MAGIC
from tocsin.errors import ConfigurationError, ModelError, StateError

__all__ = ["ObjectFleet", "fleet_of", "pack", "unpack"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<7sBI")  # magic, version, bytes of the likelihood's state
_SUM: Final = struct.Struct("<I")


def fleet_of(settings: Settings, metrics: int = 0) -> Fleet | ObjectFleet:
    """What scores metrics with these settings in this process.

    Imports and runs the code that a foreign model's name says: only for names that the caller's
    own user chose. Errors: `ModelError` (``model_missing``).
    """
    return ObjectFleet(settings, metrics) if settings.foreign else Fleet(settings, metrics)


class ObjectFleet:
    """As `Fleet`, for models of somebody else's: one object a metric; see `Scorer`.

    Cost: the object's, twice a call in Python, and about a microsecond. State: the object's, and
    1.6 KiB (11.5 KiB with the ``gaussian`` likelihood).
    """

    def __init__(
        self, settings: Settings, metrics: int = 0, make: Callable[[], object] | None = None
    ) -> None:
        """``make``: makes an object for a metric; left out: what ``settings.model`` names."""
        if not settings.foreign:
            raise ConfigurationError(f"model = {settings.model!r} is no class of somebody else's")
        self._fleet = Fleet(settings)
        self._make = make
        self._scorers: list[Scorer] = []
        self.add(metrics)

    def __len__(self) -> int:
        return len(self._scorers)

    @property
    def settings(self) -> Settings:
        """What every metric of this fleet is watched with."""
        return self._fleet.settings

    def add(self, count: int = 1) -> Ints:
        """Make objects for new metrics and return their row numbers. Errors: `ModelError`."""
        made = [self._scorer() for _ in range(count)]
        self._scorers += made
        return self._fleet.add(count)

    def update(self, metric: Ints, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score samples in the order given, then learn each; returns rows of `RESULT`.

        Errors: `ModelError`. The samples of that metric before the one that it names are learnt
        then, and so are those of metrics with smaller row numbers; there are no results.
        """
        scored = np.zeros(len(value), dtype=RESULT)
        for row in np.unique(metric).tolist():
            mine = metric == row
            scored[mine] = self._update_one(row, timestamp[mine], value[mine])
        return scored

    def _update_one(self, row: int, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        try:
            watched = self._fleet.watched(row, timestamp, value)
            raw = raw_scores(self._scorers[row].raw, timestamp, watched)
        except ModelError as error:
            # What the object has learnt, its likelihood learns too: the two stay in step.
            self._judge(row, timestamp[: error.row], value[: error.row], error.raw)
            raise
        return self._judge(row, timestamp, value, raw)

    def _judge(self, row: int, timestamp: Ints, value: Floats, raw: Floats) -> NDArray[np.void]:
        rows = np.full(len(value), row, dtype=np.int64)
        return self._fleet.judge(rows, timestamp, value, raw)

    def readiness(self, metric: int) -> Readiness:
        """How many samples this metric has seen of how many that a likelihood needs."""
        return self._fleet.readiness(metric)

    def last_timestamp(self, metric: int) -> int | None:
        """Time of this metric's newest sample (ns, UTC), or None before the first."""
        return self._fleet.last_timestamp(metric)

    def to_bytes(self, metric: int) -> bytes:
        """One metric's whole state. Errors: `StateError` when the object cannot give its own."""
        state = self._scorers[metric].to_bytes()
        if state is None:
            raise StateError(f"{self.settings.model} cannot be saved: no to_bytes and from_bytes")
        return pack(self._fleet.to_bytes(metric), state)

    @classmethod
    def from_bytes(cls, data: bytes, kind: Any) -> ObjectFleet:
        """A fleet of the one metric whose `to_bytes` this is; ``kind``: its object's class.

        What the bytes name is not imported. Errors: `StateError`.
        """
        likelihood, state = unpack(data)
        inner = Fleet.from_bytes(likelihood)
        saved = Named.of(inner.settings.model).path.rpartition(".")[2]
        if saved != kind.__name__:
            raise StateError(f"this state is of a {saved}, not of a {kind.__name__}")
        fleet = cls(inner.settings, 1, make=lambda: restored(kind, state))
        fleet._fleet = inner
        return fleet

    def _scorer(self) -> Scorer:
        most = highest(self.settings.likelihood)
        if self._make is None:
            return Scorer.make(self.settings.model, most=most)
        return Scorer(self._make(), most=most)


def pack(likelihood: bytes, model: bytes) -> bytes:
    """The states of a likelihood and of an object as one, checksummed."""
    whole = _HEAD.pack(OBJECT_MAGIC, _VERSION, len(likelihood)) + likelihood + model
    return whole + _SUM.pack(zlib.crc32(whole))


def unpack(data: bytes) -> tuple[bytes, bytes]:
    """What `pack` was given. Errors: `StateError`: foreign, damaged, or of another version."""
    if len(data) < _HEAD.size + _SUM.size or data[: len(OBJECT_MAGIC)] != OBJECT_MAGIC:
        raise StateError("these bytes are not a saved state of a model of somebody else's")
    _, version, size = _HEAD.unpack_from(data)
    if version > _VERSION:
        raise StateError(
            f"this state has version {version}, newer than this Tocsin knows ({_VERSION}): upgrade"
        )
    body = data[: -_SUM.size]
    if zlib.crc32(body) != _SUM.unpack(data[-_SUM.size :])[0] or _HEAD.size + size > len(body):
        raise StateError("this state is damaged: its checksum does not fit")
    return body[_HEAD.size : _HEAD.size + size], body[_HEAD.size + size :]
