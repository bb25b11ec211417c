"""What a user may choose about detection, validated when it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tocsin.detect.models.foreign.names import check_name
from tocsin.errors import ConfigurationError
from tocsin.samples import zone

if TYPE_CHECKING:
    from tocsin.detect.models.htm.parameters import Htm

__all__ = ["DIRECTIONS", "KINDS", "LIKELIHOODS", "MODELS", "Settings", "Wanted"]

MODELS: Final = ("views", "htm")
LIKELIHOODS: Final = ("evidence", "gaussian")
#: What a value is: itself what is watched, or a count whose rate is.
KINDS: Final = ("gauge", "counter")
#: Which deviations are told, and their sign.
DIRECTIONS: Final = {"both": 0, "up": 1, "down": -1}


class Wanted(NamedTuple):
    """What of a metric's anomalies its user wants to hear: numbers for the kernels."""

    #: False alarms per week.
    budget: float
    #: Smallest deviation from the expected value, in the metric's units.
    least_change: float
    #: The same as a share of the expected value.
    least_relative_change: float
    #: 1: only above the expected value; -1: only below; 0: both.
    direction: int
    #: Whether values are counts, and what is watched is their rate.
    counter: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """How one metric is watched. Every field has a default that suits any metric.

    Errors: `ConfigurationError` names the field and what is allowed.
    """

    #: The model: sample -> raw anomaly score. One of `MODELS`, or somebody else's: a plug-in's
    #: name, or a class as ``module.Class(argument=literal)``; see `tocsin.detect.models.foreign`.
    model: str = "views"
    #: The likelihood: raw score -> how improbable, given the metric's own past. "evidence" keeps
    #: its false-alarm rate; "gaussian" is HTM Engine's, to compare with and to carry on with.
    likelihood: str = "evidence"
    #: Civil time of the daily profile (IANA name).
    timezone: str = "UTC"
    #: The false-alarm budget: about this many events per metric and week while all is well.
    #: With the metric's own sampling interval it says how improbable a sample must be.
    false_alarms_per_week: float = 0.04
    #: Which deviations from the expected value are told: "both", or only those "up" or "down".
    direction: str = "both"
    #: The smallest deviation from the expected value that is told, in the metric's units …
    #: (a counter's: per second).
    least_change: float = 0.0
    #: … and as a share of the expected value.
    least_relative_change: float = 0.0
    #: What a value is: a "gauge" is watched as it is; a "counter" only grows until it begins again
    #: at 0, and is watched as its rate per second.
    kind: str = "gauge"
    #: Parameters of the model "htm": a preset's name, a table of keys (with an optional
    #: ``preset``), or an `Htm`, which it becomes. None for other models.
    htm: Htm | str | dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.foreign:
            check_name(self.model, MODELS)
        _one_of("likelihood", self.likelihood, LIKELIHOODS)
        zone(self.timezone)
        budget = self.false_alarms_per_week
        if not _is_number(budget) or not 0 < budget <= 1e4:
            raise ConfigurationError(
                f"false_alarms_per_week = {budget!r}: must be a number above 0, at most 10000"
            )
        _one_of("direction", self.direction, DIRECTIONS)
        _one_of("kind", self.kind, KINDS)
        _not_negative("least_change", self.least_change)
        _not_negative("least_relative_change", self.least_relative_change)
        object.__setattr__(self, "htm", _parameters(self.htm) if self.model == "htm" else None)

    @property
    def foreign(self) -> bool:
        """Whether the model is somebody else's."""
        return self.model not in MODELS

    @property
    def wanted(self) -> Wanted:
        """What is told, as numbers for the kernels."""
        return Wanted(
            float(self.false_alarms_per_week),
            float(self.least_change),
            float(self.least_relative_change),
            DIRECTIONS[self.direction],
            self.kind == "counter",
        )

    @property
    def promise(self) -> str:
        """The false-alarm budget in words.

        >>> Settings().promise
        'about one false alarm per metric in 175 days'
        """
        days = 7.0 / self.false_alarms_per_week
        if days >= 1.5:
            return f"about one false alarm per metric in {days:,.3g} days"
        return f"about {1 / days:,.3g} false alarms per metric and day"

    @classmethod
    def of(cls, options: dict[str, Any]) -> Settings:
        """Make settings from a table of options.

        Errors: `ConfigurationError` for an unknown key suggests the nearest.
        """
        known = [field.name for field in fields(cls)]
        for key in options:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ConfigurationError(
                    f"unknown setting {key!r}{hint} (known: {', '.join(known)})"
                )
        return cls(**options)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _not_negative(key: str, value: float) -> None:
    if not _is_number(value) or not 0 <= value < math.inf:
        raise ConfigurationError(f"{key} = {value!r}: must be a number, 0 or more")


def _one_of(key: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{key} = {value!r}: must be one of {', '.join(allowed)}")


def _parameters(given: Htm | str | dict[str, Any] | None) -> Htm:
    # Not loaded for other models: `import tocsin` stays light.
    from tocsin.detect.models.htm.parameters import Htm

    return Htm.of(given)
