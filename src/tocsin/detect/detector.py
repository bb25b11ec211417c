"""Detector: one metric watched online, sample by sample."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.detect.events import facts_of
from tocsin.detect.fleet import Fleet
from tocsin.detect.objects import ObjectFleet, fleet_of
from tocsin.detect.result import EVENT_CODES, EventState, Readiness, Result, with_samples
from tocsin.detect.settings import Settings
from tocsin.detect.why import explain
from tocsin.errors import BadSampleError
from tocsin.samples import Times, Unit, iso, to_ns

__all__ = ["Detector"]

Moment = dt.datetime | np.datetime64 | int | float


class Detector:
    """One metric: model, likelihood, band and events, learning as samples arrive.

    A sample is scored before it is learnt, and never again. Times must rise.

    >>> detector = Detector()
    >>> result = detector.update(1_700_000_000, 21.5, unit="s")
    >>> result.likelihood is None, str(result.readiness)
    (True, '1 of 100')

    Cost: O(1) time and fixed state per sample (`Fleet.row_bytes`).
    """

    def __init__(self, settings: Settings | None = None, **options: Any) -> None:
        """Watch with ``settings``, or with options by name (see `Settings`).

        ``model`` may also be an object of yours with ``score_one`` and ``learn_one``, as River's
        have them (`tocsin.detect.models.foreign.scorer.Scorer` says how they are called):
        ``Detector(model=MyModel())``. A class by its name is imported and made in this process.

        Errors: `ConfigurationError` for an unknown or wrong option; `ModelError` for a model that
        is not there.
        """
        model = options.get("model", "")
        if isinstance(model, str):
            self._fleet: Fleet | ObjectFleet = fleet_of(settings or Settings.of(options), 1)
        else:
            del options["model"]
            named = replace(settings or Settings.of(options), model=_name(type(model)))
            self._fleet = ObjectFleet(named, 1, make=lambda: model)

    @property
    def settings(self) -> Settings:
        """What this detector was made with."""
        return self._fleet.settings

    @property
    def readiness(self) -> Readiness:
        """How many samples were seen of how many that a likelihood needs."""
        return self._fleet.readiness(0)

    @property
    def last_timestamp(self) -> int | None:
        """Time of the newest sample (ns, UTC), or None before the first."""
        return self._fleet.last_timestamp(0)

    def update(self, timestamp: Moment, value: float, *, unit: Unit | None = None) -> Result:
        """Score one sample, then learn it.

        ``timestamp``: a datetime, a datetime64, or a number with its ``unit``.
        Errors: `TimestampError`, `BadSampleError`; nothing is learnt then.
        """
        rows = self.update_many(_one(timestamp), [value], unit=unit)
        return self._result(rows[0], float(value))

    def update_many(
        self, timestamps: Times, values: ArrayLike, *, unit: Unit | None = None
    ) -> NDArray[np.void]:
        """Score and learn many samples in order; bit-identical to `update` one by one.

        Returns one row per sample with the columns of `RESULT` (and ``timestamp``, ``value``).
        Errors: `BadSampleError` names the first bad row; nothing at all is learnt then.
        `ModelError` when a model of yours raises: what came before that sample is learnt.
        """
        times = to_ns(timestamps, unit=unit, timezone=self.settings.timezone)
        numbers = np.asarray(values, dtype=np.float64)
        self._check(times, numbers)
        scored = self._fleet.update(np.zeros(len(times), dtype=np.int64), times, numbers)
        return with_samples(scored, times, numbers)

    def to_bytes(self) -> bytes:
        """The whole state, versioned and checksummed; see `from_bytes`.

        Errors: `StateError` when a model of yours has no ``to_bytes`` and ``from_bytes``.
        """
        return self._fleet.to_bytes(0)

    @classmethod
    def from_bytes(cls, data: bytes, model: type[Any] | None = None) -> Detector:
        """A detector that goes on exactly where `to_bytes` was called.

        ``model``: the class of a model of yours; bytes are never asked what to import.
        Errors: `StateError` when the bytes are damaged, foreign, or of a newer version.
        """
        detector = cls.__new__(cls)
        if model is not None:
            detector._fleet = ObjectFleet.from_bytes(data, model)
        else:
            detector._fleet = Fleet.from_bytes(data)
        return detector

    def _check(self, times: NDArray[np.int64], numbers: NDArray[np.float64]) -> None:
        if times.shape != numbers.shape or times.ndim != 1:
            raise BadSampleError(
                f"times and values must be columns of equal length: {times.shape}, {numbers.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad):
            row = int(bad[0])
            raise BadSampleError(f"row {row}: the value {numbers[row]} is not finite", row=row)
        last = self.last_timestamp
        before = np.concatenate([[np.iinfo(np.int64).min if last is None else last], times[:-1]])
        late = np.flatnonzero(times <= before)
        if len(late):
            row = int(late[0])
            raise BadSampleError(
                f"row {row}: its time {iso(int(times[row]))} is not later than the one before, "
                f"{iso(int(before[row]))}",
                row=row,
            )

    def _result(self, row: np.void, value: float) -> Result:
        def number(name: str) -> float | None:
            found = float(row[name])
            return None if np.isnan(found) else found

        moment, event = int(row["timestamp"]), EVENT_CODES[int(row["event"])]
        told = event in (EventState.START, EventState.ONGOING)
        rate = number("rate")
        watched = value if rate is None else rate
        return Result(
            timestamp=moment,
            value=value,
            rate=number("rate"),
            raw_score=number("raw_score"),
            likelihood=number("likelihood"),
            anomaly_score=number("anomaly_score"),
            alert_score=number("alert_score"),
            expected=number("expected"),
            lower=number("lower"),
            upper=number("upper"),
            event=event,
            readiness=self.readiness,
            why=explain(facts_of(moment, watched, row, self.settings.timezone)) if told else None,
        )


def _name(kind: type[Any]) -> str:
    """A class's name as in settings; never one of Tocsin's own."""
    return re.sub(r"[^\w.]", "_", f"{kind.__module__}.{kind.__qualname__}")


def _one(timestamp: Moment) -> Times:
    if isinstance(timestamp, dt.datetime):
        return [timestamp]
    return np.array([timestamp])
