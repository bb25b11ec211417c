"""``[[alert]]`` rules: which events alarm, how severe they are, who is told; ``[incidents]``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from tocsin.errors import ConfigurationError
from tocsin.rules import matches
from tocsin.samples import Metric

__all__ = [
    "SEVERITIES",
    "AlertRule",
    "AlertRules",
    "Found",
    "Grouping",
    "Severity",
    "Silence",
    "share_of",
]

Severity = Literal["info", "warning", "critical"]
#: From the least to the most severe.
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")

Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
Lasting = Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Floor = Annotated[float, msgspec.Meta(ge=0, le=1e300)]
Budget = Annotated[float, msgspec.Meta(gt=0, le=1e9)]

#: How many rules there may be.
_MOST: Final = 1_000
_WEEK_S: Final = 7 * 86_400
#: The share of samples that may be told, whatever budget and interval say: as detection has it.
_SMALLEST_SHARE: Final = 1e-8
_LARGEST_SHARE: Final = 1e-3

#: Labels that say where something runs: what an incident is called by, first one first.
_PLACES: Final = (
    *("host", "hostname", "host.name", "instance", "node", "server", "machine"),
    *("pod", "k8s.pod.name", "container", "container.name", "device"),
    *("service", "service.name", "app", "job", "cluster", "namespace", "region"),
)


class Found(NamedTuple):
    """What a rule is told of an event as it stands."""

    #: Its largest anomaly score: how rare an anomaly so strong is.
    score: float
    #: By its samples (seconds).
    lasted_s: float
    #: At its peak; not-a-number: not known.
    value: float
    expected: float
    #: The metric's usual time between samples (seconds); None: not known.
    interval_s: float | None = None
    #: How many metrics the rule is about.
    metrics: int = 1


def share_of(budget: float, interval_s: float) -> float:
    """How improbable a sample must be for so many false alarms per week: as detection has it.

    >>> round(share_of(0.05, 60.0) * 7 * 24 * 60, 9)
    0.05
    """
    return min(max(budget * interval_s / _WEEK_S, _SMALLEST_SHARE), _LARGEST_SHARE)


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[alert]]`` table: what becomes of events of the metrics that match."""

    #: As in ``[[watch]]``: a pattern of the name, or of ``name{key="value"}`` if it has a ``{``.
    match: Name
    #: Whether somebody is alarmed at all.
    alarm: bool = True
    #: Whether somebody is when nothing comes any more: see `Silence`.
    silence: bool = True
    #: How long an event must have lasted, by its samples (seconds), and its least anomaly score.
    minimum_s: Lasting = 0.0
    least_score: Score = 0.0
    #: Which side of what was expected its peak must lie on, and at least how far from it: in the
    #: metric's units, and as a share of what was expected. What is not known, passes.
    direction: Literal["both", "up", "down"] = "both"
    least_change: Floor = 0.0
    least_relative_change: Floor = 0.0
    #: At most about so many false alarms per week: of each metric, and of all metrics together
    #: that the rule is about. Less than detection's own budget, which no rule can make larger.
    false_alarms_per_week: Budget | None = None
    fleet_false_alarms_per_week: Budget | None = None
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

    @property
    def budgeted(self) -> bool:
        """Whether it must know how often a metric has samples."""
        return (self.false_alarms_per_week or self.fleet_false_alarms_per_week) is not None

    def alarms(self, found: Found) -> bool:
        """Whether somebody is alarmed by an event.

        >>> rule = AlertRule(match="*", direction="up", least_relative_change=0.5)
        >>> [rule.alarms(Found(0.6, 60, value, 10.0)) for value in (16.0, 12.0, 4.0)]
        [True, False, False]
        """
        return (
            self.alarm
            and found.lasted_s >= self.minimum_s
            and found.score >= self.least_score
            and self._far_enough(found)
            and self._rare_enough(found)
        )

    def _far_enough(self, found: Found) -> bool:
        away = found.value - found.expected
        if math.isnan(away):
            return True
        if self.direction != "both" and (away > 0) != (self.direction == "up"):
            return False
        floor = max(self.least_change, self.least_relative_change * abs(found.expected))
        return abs(away) >= floor

    def _rare_enough(self, found: Found) -> bool:
        if not self.budgeted or found.interval_s is None or math.isnan(found.score):
            return True
        budgets = [self.false_alarms_per_week or math.inf]
        if self.fleet_false_alarms_per_week is not None:
            budgets.append(self.fleet_false_alarms_per_week / max(1, found.metrics))
        share = share_of(min(budgets), found.interval_s)
        return -10.0 * found.score <= math.log10(share) + 1e-9

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
    #: How probable a common cause is taken to be, at any place, within ``quiet_s``: the smaller,
    #: the more it takes for events to be one incident.
    chance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1e-4
    #: Labels that incidents are called by, and that the ranking is by: the first that there is.
    places: list[Name] = msgspec.field(default_factory=lambda: list(_PLACES))
    #: Nobody is told of what happened longer ago than this (hours): history that is loaded.
    late_h: Annotated[float, msgspec.Meta(gt=0, le=8_784)] = 24.0


class Silence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[silence]``: metrics of which nothing comes any more, against their own habit."""

    #: Whether they are watched for at all.
    watch: bool = True
    #: About how many false alarms of a metric are accepted.
    false_alarms_per_week: Annotated[float, msgspec.Meta(gt=0, le=1_000)] = 0.05
    #: Nothing is a silence that is shorter than this (seconds).
    least_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 60.0
    #: Seconds between two looks at what has come.
    look_s: Annotated[float, msgspec.Meta(ge=0.1, le=600)] = 5.0
    #: What has been silent for so long is not expected any more.
    forget_days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0
    #: How many metrics may be silent at once, and be told of.
    most: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000


class AlertRules:
    """All rules; the first that matches a metric counts, and one that suits any comes last."""

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self.rules = tuple(rules)

    @classmethod
    def of(cls, told: Any) -> AlertRules:
        """From data as JSON and TOML give it. Errors: `ConfigurationError` names rule and key."""
        if not isinstance(told, list):
            raise ConfigurationError("rules: must be a list of tables")
        if len(told) > _MOST:
            raise ConfigurationError(f"rules: {len(told):,} of them, more than {_MOST:,}")
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
        what, _, at = str(error).partition(" - at `$.")
        key = at.rstrip("`")
        if isinstance(told, dict):
            known = AlertRule.__struct_fields__
            unknown = next((name for name in told if name not in known), None)
            if unknown is not None:
                near = get_close_matches(str(unknown), known, n=1)
                what = f"unknown key {str(unknown)[:40]!r}"
                what += f"; did you mean {near[0]!r}?" if near else ""
                what += f" (known: {', '.join(known)})"
                key = ""
            elif key in told:
                key = f"{key} = {str(told[key])[:40]!r}"
        where = f"alert rule {number}: {key}" if key else f"alert rule {number}"
        raise ConfigurationError(f"{where}: {what}") from error
