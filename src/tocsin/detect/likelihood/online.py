"""A likelihood of its own, for raw scores that come from somewhere else."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.detect.likelihood.calibrated import CALIBRATED, LARGEST_WINDOW, score_raw
from tocsin.detect.result import Readiness
from tocsin.errors import BadSampleError, ConfigurationError, StateError

__all__ = ["OnlineLikelihood"]

Floats = NDArray[np.float64]

_MAGIC: Final = b"TOCSINL"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<7sBIII")  # magic, version, window, skip, row bytes
_SUM: Final = struct.Struct("<I")
#: Scores after the skipped ones before there is a likelihood.
_NEEDED: Final = 100
#: Sums of larger raw scores would overflow.
_LARGEST: Final = 1e290


class OnlineLikelihood:
    """Raw anomaly score -> how improbable, from the scores before it; for any model.

    >>> likelihood = OnlineLikelihood(window=1, skip=0)
    >>> calm = likelihood.update_many([0.1, 0.2, 0.3, 0.2] * 100)
    >>> likelihood.update(5.0) > 0.99
    True

    Cost: O(1) time per score, fixed state (``state_bytes``).
    """

    def __init__(self, window: int = 8, skip: int = 100) -> None:
        """Judge the mean of the last ``window`` raw scores; say nothing of the first ``skip``.

        ``window``: rows, 1 to 64. ``skip``: rows while the model itself learns, 0 or more.
        Errors: `ConfigurationError`.
        """
        if not 1 <= window <= LARGEST_WINDOW:
            raise ConfigurationError(f"window = {window}: must be 1 to {LARGEST_WINDOW} rows")
        if not 0 <= skip <= 1_000_000:
            raise ConfigurationError(f"skip = {skip}: must be 0 to 1,000,000 rows")
        self._window, self._skip = window, skip
        self._rows: NDArray[np.void] = np.zeros(1, dtype=CALIBRATED)

    @property
    def state_bytes(self) -> int:
        """Bytes of state."""
        return int(CALIBRATED.itemsize)

    @property
    def readiness(self) -> Readiness:
        """How many scores were seen of how many that a likelihood needs."""
        return Readiness(int(self._rows[0]["seen"]), self._skip + _NEEDED)

    def update(self, raw_score: float) -> float | None:
        """The likelihood of one raw score, which is then learnt; None while not ready."""
        found = float(self.update_many([raw_score])[0])
        return None if np.isnan(found) else found

    def update_many(self, raw_scores: ArrayLike) -> Floats:
        """Likelihoods in order, not-a-number while not ready; bit-identical to one by one.

        Errors: `BadSampleError` names the first raw score that is negative, not finite or beyond
        1e290; nothing at all is learnt then.
        """
        return 1.0 - self.p_values(raw_scores)

    def p_values(self, raw_scores: ArrayLike) -> Floats:
        """As `update_many`, but 1 - likelihood, which keeps its digits when it is small."""
        raw = np.asarray(raw_scores, dtype=np.float64).ravel()
        bad = np.flatnonzero(~((raw >= 0) & (raw <= _LARGEST)))
        if len(bad):
            row = int(bad[0])
            raise BadSampleError(
                f"row {row}: the raw score {raw[row]} must be a number from 0 to {_LARGEST:g}",
                row=row,
            )
        chances = np.empty(len(raw))
        needed = self._skip + _NEEDED
        score_raw(self._rows[0], raw, self._window, self._skip, needed, chances)
        return chances

    def to_bytes(self) -> bytes:
        """The whole state, versioned and checksummed."""
        body = zlib.compress(self._rows.tobytes(), 1)
        head = _HEAD.pack(_MAGIC, _VERSION, self._window, self._skip, CALIBRATED.itemsize)
        return head + body + _SUM.pack(zlib.crc32(head + body))

    @classmethod
    def from_bytes(cls, data: bytes) -> OnlineLikelihood:
        """A likelihood that goes on exactly where `to_bytes` was called.

        Errors: `StateError` when the bytes are damaged, foreign, or of another version.
        """
        if len(data) < _HEAD.size + _SUM.size or data[: len(_MAGIC)] != _MAGIC:
            raise StateError("these bytes are not a saved likelihood")
        _, version, window, skip, size = _HEAD.unpack_from(data)
        if version != _VERSION or size != CALIBRATED.itemsize:
            raise StateError("this likelihood was saved by another version: learn anew")
        if zlib.crc32(data[: -_SUM.size]) != _SUM.unpack(data[-_SUM.size :])[0]:
            raise StateError("this likelihood is damaged: its checksum does not fit")
        restored = cls(window, skip)
        body = zlib.decompressobj().decompress(data[_HEAD.size : -_SUM.size], size + 1)
        if len(body) != size:
            raise StateError("this likelihood is damaged: its length does not fit")
        restored._rows = np.frombuffer(body, dtype=CALIBRATED).copy()
        return restored
