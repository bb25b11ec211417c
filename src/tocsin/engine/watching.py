"""Which metrics are monitored, by the rules and by what was asked for each one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import structlog

from tocsin.detect.settings import Settings
from tocsin.engine.lifecycle import BEGUN, Action, Standing, Status, Why, step
from tocsin.errors import ConfigurationError
from tocsin.rules import Choice, Rule, Rules
from tocsin.samples import Metric

__all__ = ["Watching"]

_log: Final = structlog.get_logger("tocsin.engine")


class Watching:
    """The rules at work: it counts how many metrics each one monitors.

    A metric counts for its rule while it is monitored, paused and in error included, unless
    somebody asked for it to be monitored: what is asked for goes over the rules.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._count: Counter[int] = Counter()
        self._own: dict[Metric, dict[str, Any]] = {}
        #: Metrics whose first sender declared them as counters.
        self._counters: set[Metric] = set()

    def __call__(self, metric: Metric, counter: bool = False) -> tuple[Standing, Settings]:
        """How a new metric begins, and its settings; it counts from now on.

        ``counter``: its sender declares it as one, which holds for as long as it lives.
        """
        self.declare(metric, counter)
        choice = self.choose(metric)
        standing = self._begun(choice)
        if standing.learns:
            self._add(choice.rule, 1)
        return standing, choice.settings

    def choose(self, metric: Metric, own: Mapping[str, Any] | None = None) -> Choice:
        """What configuration, rules and ``own`` say about a metric.

        Errors: `ConfigurationError`, only for what ``own`` says.
        """
        return self._rules.choose(metric, own, counter=metric in self._counters)

    def declare(self, metric: Metric, counter: bool) -> None:
        """A metric was declared as a counter when it was made, or was not."""
        if counter:
            self._counters.add(metric)
        else:
            self._counters.discard(metric)

    def own(self, metric: Metric) -> dict[str, Any]:
        """What was chosen for a metric alone (a copy)."""
        return dict(self._own.get(metric, {}))

    def settings(self, metric: Metric) -> Settings:
        """What a metric is watched with."""
        return self.choose(metric, self._own.get(metric)).settings

    def restored(
        self,
        metric: Metric,
        own: Mapping[str, Any] | None,
        standing: Standing,
        counter: bool = False,
    ) -> Standing:
        """How a stored metric stands under the rules of this start; it counts from now on.

        Feed the oldest metric first: where a rule says how many, the first ones are monitored.
        """
        self.declare(metric, counter)
        choice = self._remember(metric, dict(own or {}))
        monitored = standing.status is not Status.UNMONITORED
        if monitored and self._has_room(choice):
            self._add(choice.rule, 1)
            return standing
        if monitored:
            begun = self._begun(choice)
            return step(standing, Action.UNMONITOR, reason=begun.reason, detail=begun.detail)
        if standing.reason in (Why.RULE, Why.RULE_FULL) and self._has_room(choice):
            self._add(choice.rule, 1)
            return step(standing, Action.MONITOR)
        return standing

    def moved(
        self,
        metric: Metric,
        before: Standing,
        after: Standing,
        own: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the count when a metric's standing, or what is chosen for it, has changed.

        ``own``: what is chosen for it from now on; None: as before.
        """
        self._count_in(metric, before, -1)
        if after.reason == Why.DELETED:
            self._own.pop(metric, None)
            self._counters.discard(metric)
            return
        if own is not None:
            self._own[metric] = dict(own)
        self._count_in(metric, after, 1)

    def _count_in(self, metric: Metric, standing: Standing, by: int) -> None:
        asked = "monitor" in self._own.get(metric, {})
        if standing.status is not Status.UNMONITORED and not asked:
            self._add(self._rules.rule_of(metric), by)

    def _remember(self, metric: Metric, own: dict[str, Any]) -> Choice:
        """A stored metric's own choice, as far as it can still be used."""
        try:
            choice = self.choose(metric, own)
        except ConfigurationError as error:
            _log.error("settings_dropped", metric=str(metric), reason=str(error))
            own = {key: value for key, value in own.items() if key == "monitor"}
            choice = self.choose(metric, own)
        if own:
            self._own[metric] = own
        return choice

    def _begun(self, choice: Choice) -> Standing:
        if self._has_room(choice):
            return BEGUN
        full = choice.monitor and choice.rule is not None
        return Standing(
            Status.UNMONITORED, _reason(choice, full), _told(choice.rule) if full else None
        )

    def _has_room(self, choice: Choice) -> bool:
        rule = choice.rule
        if not choice.monitor or rule is None or rule.most is None:
            return choice.monitor
        return self._count[rule.number] < rule.most

    def _add(self, rule: Rule | None, by: int) -> None:
        if rule is not None and rule.most is not None:
            self._count[rule.number] += by


def _reason(choice: Choice, full: bool) -> Why:
    if full:
        return Why.RULE_FULL
    return Why.RULE if choice.rule is not None else Why.ASKED


def _told(rule: Rule | None) -> str | None:
    return None if rule is None else f"watch rule {rule.number} monitors at most {rule.most}"
