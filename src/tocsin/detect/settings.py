"""What a user may choose about detection, validated when it is made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Final

from tocsin.errors import ConfigurationError
from tocsin.samples import zone

__all__ = ["LIKELIHOODS", "MODELS", "Settings"]

MODELS: Final = ("views",)
LIKELIHOODS: Final = ("evidence", "gaussian")


@dataclass(frozen=True, slots=True)
class Settings:
    """How one metric is watched. Every field has a default that suits any metric.

    Errors: `ConfigurationError` names the field and what is allowed.
    """

    #: The model: sample -> raw anomaly score.
    model: str = "views"
    #: The likelihood: raw score -> how improbable, given the metric's own past. "evidence" keeps
    #: its false-alarm rate; "gaussian" is HTM Engine's, to compare with and to carry on with.
    likelihood: str = "evidence"
    #: Civil time of the daily profile (IANA name).
    timezone: str = "UTC"
    #: The false-alarm budget: about this many events per metric and week while all is well.
    #: With the metric's own sampling interval it says how improbable a sample must be.
    false_alarms_per_week: float = 0.5

    def __post_init__(self) -> None:
        _one_of("model", self.model, MODELS)
        _one_of("likelihood", self.likelihood, LIKELIHOODS)
        zone(self.timezone)
        budget = self.false_alarms_per_week
        if not _is_number(budget) or not 0 < budget <= 1e4:
            raise ConfigurationError(
                f"false_alarms_per_week = {budget!r}: must be a number above 0, at most 10000"
            )

    @property
    def promise(self) -> str:
        """The false-alarm budget in words.

        >>> Settings().promise
        'about one false alarm per metric in 14 days'
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


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{key} = {value!r}: must be one of {', '.join(allowed)}")
