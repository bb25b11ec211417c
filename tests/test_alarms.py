"""Rules about alarms: sides, distances, budgets; what is wrong with one is said."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.alarms import AlertRule, AlertRules, Found, share_of
from tocsin.alert.judging import Judge
from tocsin.detect.events import Event
from tocsin.errors import ConfigurationError
from tocsin.publish.delivery import Change, Identity
from tocsin.samples import Metric


def found(**told: Any) -> Found:
    usual = {
        "score": 0.6,
        "lasted_s": 60.0,
        "value": 15.0,
        "expected": 10.0,
    }
    return Found(**(usual | told))


@pytest.mark.parametrize(
    ("rule", "told", "alarms"),
    [
        ({"direction": "up"}, {}, True),
        ({"direction": "down"}, {}, False),
        ({"direction": "down"}, {"value": 5.0}, True),
        ({"direction": "down"}, {"value": math.nan}, True),
        ({"least_change": 5.0}, {}, True),
        ({"least_change": 5.1}, {}, False),
        ({"least_relative_change": 0.5}, {"value": -15.0, "expected": -10.0}, True),
        ({"least_relative_change": 0.51}, {"value": -15.0, "expected": -10.0}, False),
        ({"minimum_s": 61}, {}, False),
        ({"least_score": 0.61}, {}, False),
        # A minutely metric: 0.05 false alarms a week are one sample in 201,600.
        ({"false_alarms_per_week": 0.05}, {"interval_s": 60.0}, True),
        ({"false_alarms_per_week": 0.005}, {"interval_s": 60.0}, False),
        ({"false_alarms_per_week": 0.005}, {"interval_s": 600.0}, True),
        ({"false_alarms_per_week": 0.005}, {"interval_s": None}, True),
        ({"fleet_false_alarms_per_week": 1.0}, {"interval_s": 60.0, "metrics": 50}, True),
        ({"fleet_false_alarms_per_week": 1.0}, {"interval_s": 60.0, "metrics": 500}, False),
    ],
)
def test_what_alarms(rule: dict[str, Any], told: dict[str, Any], alarms: bool) -> None:
    assert AlertRule(match="*", **rule).alarms(found(**told)) is alarms


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3), st.floats(0.1, 86_400), st.floats(0.1, 1.0))
def test_a_larger_budget_alarms_of_all_that_a_smaller_one_does(
    one: float, other: float, interval: float, score: float
) -> None:
    small, large = sorted((one, other))
    event = found(score=score, interval_s=interval)
    rules = [AlertRule(match="*", false_alarms_per_week=budget) for budget in (small, large)]
    assert rules[0].alarms(event) <= rules[1].alarms(event)
    assert share_of(small, interval) <= share_of(large, interval)


def test_a_fleets_budget_is_shared_by_the_metrics_that_the_rule_is_about() -> None:
    metrics = [Metric.of("other", {})]
    rules = AlertRules.of([{"match": "web.*", "fleet_false_alarms_per_week": 0.5}])
    judge = Judge(rules, lambda _bonds: {}, lambda _uid, _at: 60.0, metrics)
    event = Event(0, 0, 0, 15.0, 10.0, 9.0, 11.0, 0.6, 1 - 1e-6, 1)
    change = Change(1, Identity("u", "web.latency", (), 1), event)

    def alarms_among(count: int) -> bool:
        metrics.extend(Metric.of(f"web.{n}", {}) for n in range(count))
        return judge.report(change).alarms

    assert alarms_among(5)
    assert not alarms_among(100)  # they are counted as they come
    assert judge.report(Change(1, Identity("u", "other", (), 1), event)).alarms


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("x", "must be a list"),
        ([{"match": "a"}] * 1_001, "more than 1,000"),
        ([{"match": "a", "false_alarms_per_week": "many"}], "alert rule 1: false_alarms_per_week"),
        ([{"match": "a"}, {"match": "b", "least_chance": 1}], "alert rule 2: .*'least_change'"),
    ],
)
def test_what_is_wrong_is_said(told: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        AlertRules.of(told)
