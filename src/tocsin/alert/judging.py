"""Judging: what the rules say of an event as it stands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tocsin.alarms import AlertRule, AlertRules, Found
from tocsin.alert.bonds import bonds_of
from tocsin.alert.incidents import Report
from tocsin.publish.delivery import Change
from tocsin.samples import SECOND_NS, Metric

__all__ = ["DECADES", "Judge", "Peered", "Rhythmic"]

#: Anomaly scores are decades by ten.
DECADES: Final = 10.0
#: The pattern of events of missing samples.
_SILENCE: Final = "silence"

Peered = Callable[[Iterable[str]], Mapping[str, int]]
#: The usual time between samples of a metric (uid) as of a time (ns), in seconds.
Rhythmic = Callable[[str, int], float | None]


class Judge:
    """Rules over events. The same change, rules, rhythm and metrics give the same report."""

    def __init__(
        self, rules: AlertRules, peers: Peered, rhythm: Rhythmic, metrics: Sequence[Metric]
    ) -> None:
        """``metrics``: the list itself, which others append to."""
        self._peers = peers
        self._rhythm = rhythm
        self._metrics = metrics
        self.rules = rules

    @property
    def rules(self) -> AlertRules:
        """What it goes by."""
        return self._rules

    @rules.setter
    def rules(self, rules: AlertRules) -> None:
        self._rules = rules
        #: How many metrics each rule is about, of those that were looked at.
        self._sizes: Counter[int] = Counter()
        self._done = 0
        self._counts = any(one.fleet_false_alarms_per_week is not None for one in rules.rules)

    def look(self, most: int = 20_000) -> bool:
        """Count some metrics that are new; whether there are more. Cost: O(rules) each."""
        if not self._counts:
            return False
        until = min(len(self._metrics), self._done + most)
        self._sizes.update(id(self._rules.rule_of(m)) for m in self._metrics[self._done : until])
        self._done = until
        return until < len(self._metrics)

    def report(self, change: Change) -> Report:
        """An event as an incident takes it. Errors: `StoreError`."""
        who, event = change.metric, change.event
        metric = Metric(who.name, who.labels)
        rule = self._rules.rule_of(metric)
        found = self._found(change, rule)
        bonds = bonds_of(metric)
        return Report(
            event=change.id,
            metric=who.uid,
            title=str(metric),
            bonds=bonds,
            peers=self._peers(bonds),
            start=event.start,
            end=event.end,
            open=event.open,
            decades=found.score * DECADES,
            severity=rule.severity_of(found.score, found.lasted_s),
            alarms=(
                not event.muted
                and rule.alarms(found)
                and (rule.silence or event.pattern != _SILENCE)
            ),
            routes=None if rule.routes is None else frozenset(rule.routes),
            why=event.why,
        )

    def _found(self, change: Change, rule: AlertRule) -> Found:
        event = change.event
        while self.look():
            pass
        return Found(
            score=event.anomaly_score if math.isfinite(event.anomaly_score) else 0.0,
            lasted_s=(event.end - event.start) / SECOND_NS,
            value=event.value,
            expected=event.expected,
            interval_s=self._rhythm(change.metric.uid, event.start) if rule.budgeted else None,
            metrics=self._sizes[id(rule)],
        )

    def heeds_silence(self, metric: Metric) -> bool:
        """Whether anybody may be alarmed when a metric falls silent."""
        rule = self.rules.rule_of(metric)
        return rule.alarm and rule.silence

    def worse_after_ns(self, metric: Metric) -> int:
        """After how long an event of a metric becomes more severe (ns)."""
        seconds = self.rules.rule_of(metric).worse_after_s
        return int(seconds * SECOND_NS)
