"""Judging: what the rules say of an event as it stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tocsin.alarms import AlertRules
from tocsin.alert.bonds import bonds_of
from tocsin.alert.incidents import Report
from tocsin.publish.delivery import Change
from tocsin.samples import SECOND_NS, Metric

__all__ = ["Judge"]

#: Anomaly scores are decades by ten.
_DECADES: Final = 10.0

Peered = Callable[[Iterable[str]], Mapping[str, int]]


class Judge:
    """Rules over events. Pure: the same change, rules and peers give the same report."""

    def __init__(self, rules: AlertRules, peers: Peered) -> None:
        self.rules = rules
        self._peers = peers

    def report(self, change: Change) -> Report:
        """An event as an incident takes it."""
        who, event = change.metric, change.event
        metric = Metric(who.name, who.labels)
        rule = self.rules.rule_of(metric)
        score = event.anomaly_score if math.isfinite(event.anomaly_score) else 0.0
        lasted = (event.end - event.start) / SECOND_NS
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
            decades=score * _DECADES,
            severity=rule.severity_of(score, lasted),
            alarms=not event.muted and rule.alarms(score, lasted),
            routes=None if rule.routes is None else frozenset(rule.routes),
            why=event.why,
        )
