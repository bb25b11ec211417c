"""What a user may choose about the HTM model, validated when it is made; and the presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, Final

from tocsin.detect.likelihood.limits import number, whole
from tocsin.errors import ConfigurationError

__all__ = ["PRESETS", "Htm"]

#: Cell numbers are kept in 16 bits, bucket and input numbers in 32.
_MOST_CELLS: Final = 65_536
_MOST_INPUTS: Final = 16_384
_HOURS_A_DAY: Final = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Htm:
    """Every parameter of the HTM model; the defaults are HTM Engine's, except where said.

    Chosen anew, on NAB: ``buckets`` (130, over the range from minimum to maximum), the time of day
    (21 bits over 9.49 hours), and what HTM Engine did not have: ``eager``, ``range_trim``.

    A width of 0 switches an encoder off; ``prediction_steps = 0`` switches the classifier off.
    Errors: `ConfigurationError` names the key and what is allowed, also where two do not fit.
    """

    #: Everything random (encoders' bits, potential pools, new synapses) follows from it.
    seed: int = 1960

    # -- encoders: a sample as bits ---------------------------------------------------------
    #: Bits of the value encoder, and how many of them are on. 0 on: no value encoder.
    value_bits: int = 400
    value_width: int = 21
    #: The usual range of values is divided into this many buckets.
    buckets: int = 65
    #: The range in advance, if it is known (both or neither); else it follows the metric.
    range_low: float | None = None
    range_high: float | None = None
    #: The smallest bucket, in the metric's units.
    smallest_bucket: float = 0.0
    #: Values at each end that do not count for the range, as a share of all.
    range_trim: float = 0.01
    #: Values older than about this many samples no longer count for the range.
    range_samples: int = 10_000
    #: Bits of the encoder of differences to the sample before, and how many are on.
    delta_bits: int = 400
    delta_width: int = 0
    #: Bits on for the time of day, and the hours after which two times share none.
    time_of_day_width: int = 11
    time_of_day_hours: float = 5.0
    #: Bits on for the day of the week; two of the same weekday share all at the same hour.
    day_of_week_width: int = 0
    #: Bits on for weekend or working day.
    weekend_width: int = 0

    # -- spatial pooler: bits to columns ----------------------------------------------------
    columns: int = 2048
    #: Columns that win at each sample.
    active_columns: int = 40
    #: Share of the input bits that a column may connect to.
    potential_share: float = 0.8
    #: Permanence from which such a connection counts.
    spatial_connected: float = 0.2
    spatial_increment: float = 0.003
    spatial_decrement: float = 0.0005
    #: 0: columns are not boosted; else how strongly rarely active ones are.
    boost_strength: float = 0.0

    # -- temporal memory: columns in context ------------------------------------------------
    #: Cells of a column: the contexts in which its input can be told apart.
    cells: int = 32
    #: Segments of all cells together; the least useful gives way to a new one.
    segments: int = 10_240
    #: Synapses of a segment at most, and how many are tried at a time.
    synapses: int = 32
    new_synapses: int = 20
    #: Active connected synapses that make a segment predict, and active ones that make it match.
    activation_threshold: int = 13
    match_threshold: int = 10
    initial_permanence: float = 0.21
    connected_permanence: float = 0.5
    permanence_increment: float = 0.1
    permanence_decrement: float = 0.1
    #: What synapses lose that predicted a column which did not come.
    punishment: float = 0.001
    #: A column counts as expected as soon as a segment has enough synapses to active cells, be they
    #: connected yet or not: what was seen once is no surprise. False: as in the papers.
    eager: bool = True

    # -- what comes out ---------------------------------------------------------------------
    #: A value beyond all seen, by more than 5 % of their range, is a raw score of 1.
    range_rule: bool = True
    #: Steps ahead that are predicted; 0: no classifier.
    prediction_steps: int = 1
    #: Buckets of the predicted distribution; rows of weights (cells share them); how far the
    #: evidence for a bucket moves with one sample, at most.
    prediction_buckets: int = 36
    prediction_rows: int = 1024
    prediction_rate: float = 1.0
    #: Share of the predicted distribution between ``lower`` and ``upper``.
    prediction_share: float = 0.9

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_encoders()
        self._check_spatial()
        self._check_temporal()

    @classmethod
    def of(cls, given: Htm | str | dict[str, Any] | None) -> Htm:
        """Parameters from a preset's name, or a table of keys with an optional ``preset``.

        >>> Htm.of("small").columns < Htm.of({"preset": "default"}).columns
        True

        Errors: `ConfigurationError`; for an unknown key it suggests the nearest.
        """
        if isinstance(given, Htm):
            return given
        table: dict[str, Any] = {"preset": given} if isinstance(given, str) else dict(given or {})
        base = _preset(table.pop("preset", "default"))
        known = [field.name for field in fields(cls)]
        for key in table:
            if key not in known:
                raise ConfigurationError(_unknown("htm setting", key, known))
        return cls(**{**base, **table})

    @property
    def time_of_day_bits(self) -> int:
        """Bits of the time-of-day encoder.

        >>> Htm().time_of_day_bits
        53
        """
        return -int(-self.time_of_day_width * _HOURS_A_DAY // self.time_of_day_hours)

    @property
    def inputs(self) -> int:
        """Bits of all encoders that are on: what the spatial pooler sees."""
        value = self.value_bits if self.value_width else 0
        delta = self.delta_bits if self.delta_width else 0
        days = 7 * self.day_of_week_width + 2 * self.weekend_width
        return value + delta + self.time_of_day_bits + days

    @property
    def most_on(self) -> int:
        """Input bits that are on at once, at most."""
        values = self.value_width + self.delta_width
        return values + self.time_of_day_width + self.day_of_week_width + self.weekend_width

    def as_dict(self) -> dict[str, Any]:
        """Plain values; `of` makes the same parameters from them."""
        return asdict(self)

    def _check_numbers(self) -> None:
        for key, (low, high) in _WHOLE.items():
            whole(f"htm.{key}", getattr(self, key), low, high)
        for key, (lowest, highest) in _REAL.items():
            number(f"htm.{key}", getattr(self, key), lowest, highest)
        for key in ("eager", "range_rule"):
            if not isinstance(getattr(self, key), bool):
                raise ConfigurationError(
                    f"htm.{key} = {getattr(self, key)!r}: must be true or false"
                )

    def _check_encoders(self) -> None:
        low, high = self.range_low, self.range_high
        if (low is None) != (high is None):
            raise ConfigurationError("htm.range_low and htm.range_high: give both or neither")
        if low is not None and high is not None:
            number("htm.range_low", low, -1e300, 1e300)
            number("htm.range_high", high, -1e300, 1e300)
            _fits("range_high", high, "above htm.range_low", low, high > low)
        for name in ("value", "delta"):
            bits, width = getattr(self, f"{name}_bits"), getattr(self, f"{name}_width")
            enough = f"at least twice htm.{name}_width"
            _fits(f"{name}_bits", bits, enough, width, bits >= 2 * width)
        if not self.most_on:
            raise ConfigurationError("htm: every encoder has width 0; at least one must have bits")
        _fits("value_bits and the other encoders' bits", self.inputs, "at most", _MOST_INPUTS,
              self.inputs <= _MOST_INPUTS)  # fmt: skip

    def _check_spatial(self) -> None:
        active, columns = self.active_columns, self.columns
        _fits("active_columns", active, "at most half of htm.columns", columns,
              2 * active <= columns)  # fmt: skip

    def _check_temporal(self) -> None:
        total = self.columns * self.cells
        _fits("columns x htm.cells", total, "at most", _MOST_CELLS, total <= _MOST_CELLS)
        for key, limit in _AT_MOST:
            number, most = getattr(self, key), getattr(self, limit)
            _fits(key, number, f"at most htm.{limit}", most, number <= most)


#: Whole numbers: smallest and largest.
_WHOLE: Final = {
    "seed": (0, 2**63 - 1),
    "value_bits": (0, _MOST_INPUTS),
    "value_width": (0, 512),
    "buckets": (2, 1_000_000),
    "range_samples": (100, 10**9),
    "delta_bits": (0, _MOST_INPUTS),
    "delta_width": (0, 512),
    "time_of_day_width": (0, 512),
    "day_of_week_width": (0, 512),
    "weekend_width": (0, 512),
    "columns": (16, _MOST_CELLS),
    "active_columns": (2, 4096),
    "cells": (1, 256),
    "segments": (16, 1_000_000),
    "synapses": (2, 255),
    "new_synapses": (1, 255),
    "activation_threshold": (1, 255),
    "match_threshold": (1, 255),
    "prediction_steps": (0, 32),
    "prediction_buckets": (4, 255),
    "prediction_rows": (16, _MOST_CELLS),
}

#: Real numbers: smallest and largest.
_REAL: Final = {
    "smallest_bucket": (0.0, 1e300),
    "range_trim": (0.0, 0.25),
    "time_of_day_hours": (0.1, _HOURS_A_DAY),
    "potential_share": (0.01, 1.0),
    "spatial_connected": (0.01, 0.99),
    "spatial_increment": (0.0, 1.0),
    "spatial_decrement": (0.0, 1.0),
    "boost_strength": (0.0, 100.0),
    "initial_permanence": (0.0, 1.0),
    "connected_permanence": (0.0, 1.0),
    "permanence_increment": (0.0, 1.0),
    "permanence_decrement": (0.0, 1.0),
    "punishment": (0.0, 1.0),
    "prediction_rate": (1e-6, 10.0),
    "prediction_share": (0.01, 0.999),
}

#: What cannot work if the first is larger than the second.
_AT_MOST: Final = (
    ("activation_threshold", "synapses"),
    ("activation_threshold", "active_columns"),
    ("new_synapses", "synapses"),
    ("match_threshold", "activation_threshold"),
    ("match_threshold", "new_synapses"),
)

#: "default": the predecessor's. "small": for thousands of models, see docs/htm.md.
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "small": {
        "value_bits": 154,
        "value_width": 11,
        "buckets": 25,
        "delta_bits": 154,
        "time_of_day_width": 6,
        "columns": 256,
        "active_columns": 12,
        "cells": 8,
        "segments": 1000,
        "synapses": 16,
        "new_synapses": 10,
        "activation_threshold": 7,
        "match_threshold": 5,
        "prediction_buckets": 32,
        "prediction_rows": 128,
    },
}


def _preset(name: object) -> dict[str, Any]:
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigurationError(_unknown("htm preset", str(name), list(PRESETS)))
    return PRESETS[name]


def _unknown(what: str, key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {key!r}{hint} (known: {', '.join(known)})"


def _fits(key: str, value: object, must: str, limit: object, good: bool) -> None:
    if not good:
        raise ConfigurationError(f"htm.{key} = {value!r}: must be {must} ({limit})")
