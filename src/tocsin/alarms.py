"""``[[alert]]`` rules: which events alarm, how severe they are, who is told; ``[incidents]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from tocsin.errors import ConfigurationError
from tocsin.rules import matches
from tocsin.samples import Metric

__all__ = ["SEVERITIES", "AlertRule", "AlertRules", "Grouping", "Severity"]

Severity = Literal["info", "warning", "critical"]
#: From the least to the most severe.
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")

Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
Lasting = Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]

#: Labels that say where something runs: what an incident is called by, first one first.
_PLACES: Final = (
    *("host", "hostname", "host.name", "instance", "node", "server", "machine"),
    *("pod", "k8s.pod.name", "container", "container.name", "device"),
    *("service", "service.name", "app", "job", "cluster", "namespace", "region"),
)


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[alert]]`` table: what becomes of events of the metrics that match."""

    #: As in ``[[watch]]``: a pattern of the name, or of ``name{key="value"}`` if it has a ``{``.
    match: Name
    #: Whether somebody is alarmed at all.
    alarm: bool = True
    #: How long an event must have lasted, by its samples (seconds), and its least anomaly score.
    minimum_s: Lasting = 0.0
    least_score: Score = 0.0
    #: One severity for all; left out: by the score and by how long it lasts, as follows.
    severity: Severity | None = None
    warning_score: Score = 0.5
    critical_score: Score = 0.8
    #: One severity more after so long (seconds); 0: never.
    worse_after_s: Lasting = 3_600.0
    #: Channels that are told; left out: all of them.
    routes: Annotated[list[Name], msgspec.Meta(max_length=100)] | None = None

    def matches(self, metric: Metric) -> bool:
        """Whether this rule is about a metric."""
        return matches(self.match, metric)

    def alarms(self, score: float, lasted_s: float) -> bool:
        """Whether somebody is alarmed by an event that reached ``score`` and lasted so long."""
        return self.alarm and lasted_s >= self.minimum_s and score >= self.least_score

    def severity_of(self, score: float, lasted_s: float) -> int:
        """How severe such an event is: a place in `SEVERITIES`.

        >>> rule = AlertRule(match="*")
        >>> [SEVERITIES[rule.severity_of(score, 60)] for score in (0.45, 0.6, 0.9)]
        ['info', 'warning', 'critical']
        """
        if self.severity is not None:
            return SEVERITIES.index(self.severity)
        by_score = (score >= self.warning_score) + (score >= self.critical_score)
        longer = 0 < self.worse_after_s <= lasted_s
        return min(by_score + longer, len(SEVERITIES) - 1)


class Grouping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[incidents]``: which events belong together, and when it is over."""

    #: An incident is over when nothing has happened for so long; what happens before, joins it.
    quiet_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 900.0
    #: An event that is open and of which nothing is heard any more is over after so long.
    silent_days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0
    #: How probable by chance it may be that an event comes so close to an incident that it joins.
    chance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.01
    #: Labels that incidents are called by, and that the ranking is by: the first that there is.
    places: list[Name] = msgspec.field(default_factory=lambda: list(_PLACES))
    #: Nobody is told of what happened longer ago than this (hours): history that is loaded.
    late_h: Annotated[float, msgspec.Meta(gt=0, le=8_784)] = 24.0


class AlertRules:
    """All rules; the first that matches a metric counts, and one that suits any comes last."""

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self.rules = tuple(rules)

    @classmethod
    def of(cls, told: Any) -> AlertRules:
        """From data as JSON and TOML give it. Errors: `ConfigurationError` names rule and key."""
        if not isinstance(told, list):
            raise ConfigurationError("rules: must be a list of tables")
        return cls([_rule(number, one) for number, one in enumerate(told, 1)])

    def data(self) -> list[dict[str, Any]]:
        """As it was given, with defaults."""
        return [msgspec.to_builtins(rule) for rule in self.rules]

    def rule_of(self, metric: Metric) -> AlertRule:
        """What holds for a metric. Cost: O(rules)."""
        return next((rule for rule in self.rules if rule.matches(metric)), _USUAL)


_USUAL: Final = AlertRule(match="*")


def _rule(number: int, told: Any) -> AlertRule:
    try:
        return msgspec.convert(told, AlertRule)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"alert rule {number}: {error}") from error
