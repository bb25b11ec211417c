"""What the streaming policy keeps with a metric between batches, and who keeps it."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.likelihood.gaussian import Gaussian
from tocsin.detect.likelihood.rows import Rows
from tocsin.errors import MetricNotActiveError, StateError

__all__ = ["VERSION", "MemoryParameters", "ParameterStore", "Parameters"]

#: Version of the saved form.
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Parameters:
    """A metric's statistics and the row up to which they know it."""

    #: Id of the last row that the statistics know.
    last_row: int
    gaussian: Gaussian

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with version and checksum."""
        told = self._told()
        return told | {"checksum": _checksum(told)}

    def _told(self) -> dict[str, Any]:
        law = self.gaussian
        return {
            "version": VERSION,
            "last_row": self.last_row,
            "mean": law.mean,
            "variance": law.variance,
            "window": list(law.window),
            "total": law.total,
            "likelihoods": list(law.likelihoods),
        }

    @classmethod
    def from_dict(cls, data: object) -> Parameters:
        """What `to_dict` told, also after a trip through JSON.

        Errors: `StateError` with the reason for anything foreign, damaged or of another version.
        """
        if not isinstance(data, dict):
            raise StateError("these are no saved parameters of a likelihood: not a table")
        if data.get("version") != VERSION:
            version = data.get("version")
            raise StateError(
                f"saved parameters of version {version!r}: this Tocsin reads {VERSION}"
            )
        found = cls(_last_row(data), _gaussian(data))
        if data.get("checksum") != _checksum(found._told()):
            raise StateError("saved parameters are damaged: their checksum does not fit")
        return found


def _checksum(told: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(told, sort_keys=True).encode())


def _last_row(data: dict[str, Any]) -> int:
    row = data.get("last_row")
    if not isinstance(row, int) or isinstance(row, bool):
        raise StateError(f"saved parameters are damaged: last_row is {row!r}")
    return row


def _gaussian(data: dict[str, Any]) -> Gaussian:
    law = Gaussian(
        _float(data, "mean"),
        _float(data, "variance"),
        _floats(data, "window"),
        _float(data, "total"),
        _floats(data, "likelihoods"),
    )
    if law.variance <= 0.0:
        raise StateError(f"saved parameters are damaged: variance is {law.variance!r}")
    return law


def _float(data: dict[str, Any], key: str) -> float:
    return _finite(key, data.get(key))


def _floats(data: dict[str, Any], key: str) -> tuple[float, ...]:
    items = data.get(key)
    if not isinstance(items, list | tuple):
        raise StateError(f"saved parameters are damaged: {key} is {items!r}")
    return tuple(_finite(key, item) for item in items)


def _finite(key: str, item: object) -> float:
    if isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item):
        return float(item)
    raise StateError(f"saved parameters are damaged: {key} has {item!r}")


class ParameterStore(Protocol):
    """Keeps each metric's parameters with the metric."""

    def load(self, metric: str) -> Parameters | None:
        """The parameters, or None before there are any."""

    def commit(
        self,
        metric: str,
        rows: Rows,
        anomaly_scores: NDArray[np.float64],
        parameters: Parameters | None,
    ) -> None:
        """Write a batch's scores and the new parameters: both or neither.

        In one transaction that locks the metric's row and finds it active. Errors:
        `MetricNotActiveError` if it is not (paused, deleted or made anew meanwhile); nothing is
        written then, and the caller forgets the batch's parameters.
        """


@dataclass(slots=True)
class MemoryParameters:
    """A `ParameterStore` without a database, for tests and benchmarks; for one thread.

    Parameters go through their saved form, so that what is loaded is what would be read.
    """

    #: Metrics that are active.
    active: set[str] = field(default_factory=set)
    #: Metric -> the anomaly scores of all its committed rows, by row id.
    scores: dict[str, dict[int, float]] = field(default_factory=dict)
    _saved: dict[str, str] = field(default_factory=dict)

    def load(self, metric: str) -> Parameters | None:
        """The parameters, or None before there are any."""
        saved = self._saved.get(metric)
        return None if saved is None else Parameters.from_dict(json.loads(saved))

    def commit(
        self,
        metric: str,
        rows: Rows,
        anomaly_scores: NDArray[np.float64],
        parameters: Parameters | None,
    ) -> None:
        """Keep scores and parameters. Errors: `MetricNotActiveError`; nothing is kept then."""
        if metric not in self.active:
            raise MetricNotActiveError(f"metric {metric} is not active: its batch was not written")
        pairs = zip(rows.ids.tolist(), anomaly_scores.tolist(), strict=True)
        self.scores.setdefault(metric, {}).update(pairs)
        if parameters is not None:
            self._saved[metric] = json.dumps(parameters.to_dict())
