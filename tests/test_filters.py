from __future__ import annotations

from typing import Any

import pytest

from tocsin.errors import BadInputError, ConfigurationError
from tocsin.filters import Filters
from tocsin.samples import Metric


def verdict(rules: list[dict[str, Any]], metric: Metric, protocol: str = "http") -> Metric | None:
    return Filters.of(rules).apply(protocol, metric)


WEB = Metric.of("web.latency", {"env": "test", "pod": "a-1"})


def test_without_a_match_everything_is_kept_as_it_is() -> None:
    assert verdict([], WEB) is WEB
    assert verdict([{"match": "db.*", "action": "drop"}], WEB) is WEB


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"match": "web.*"},
        {"match": "web.latenc?"},
        {"match": '*{*env="test"*}'},
        {"labels": {"env": "te*"}},
        {"labels": {"env": "test", "pod": "?-1"}},
        {"protocol": "http"},
        {"protocol": "h*", "match": "*"},
    ],
)
def test_rules_that_match(rule: dict[str, Any]) -> None:
    assert verdict([rule | {"action": "drop"}], WEB) is None


@pytest.mark.parametrize(
    "rule",
    [
        {"match": "web"},
        {"match": "latency"},
        {"match": "web[.]latency"},
        {"match": "WEB.*"},
        {"labels": {"env": "prod*"}},
        {"labels": {"zone": "*"}},
        {"protocol": "graphite*"},
        {"match": "web.*", "protocol": "statsd"},
    ],
)
def test_rules_that_do_not_match(rule: dict[str, Any]) -> None:
    assert verdict([rule | {"action": "drop"}], WEB) is WEB


def test_the_first_match_wins() -> None:
    keep, drop = {"match": "web.*"}, {"match": "*", "action": "drop"}
    assert verdict([keep, drop], WEB) is WEB
    assert verdict([drop, keep], WEB) is None
    assert verdict([keep, drop], Metric.of("db")) is None


def test_names_are_changed_with_groups_and_labels_dropped() -> None:
    rename = {"from": r"^(\w+)\.(?P<what>\w+)$", "to": r"\g<what>.of.\1"}
    rule = {"match": "*.*", "rename": rename, "drop_labels": ["p*"]}
    assert verdict([rule], WEB) == Metric.of("latency.of.web", {"env": "test"})
    assert verdict([rule], Metric.of("a.b.c")) == Metric.of("a.b.c")
    assert verdict([{"drop_labels": ["none"]}], WEB) is WEB
    strip = {"rename": {"from": r"(?i)^WEB\.", "to": ""}}
    assert verdict([strip], Metric.of("web.web.a")) == Metric.of("web.a")


def test_a_new_name_that_is_none_is_refused() -> None:
    filters = Filters.of([{"rename": {"from": ".*", "to": " "}}])
    with pytest.raises(BadInputError, match="intake rule 1"):
        filters.apply("http", WEB)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"mach": "a"}, "did you mean 'match'"),
        ({"match": ""}, 'must be a pattern such as "web.*"'),
        ({"protocol": 3}, "protocol = 3"),
        ({"action": "ignore"}, "'keep' or 'drop'"),
        ({"labels": ["a"]}, "must be a table"),
        ({"labels": {"a": 1}}, "must be a table"),
        ({"rename": "x"}, "must be a table"),
        ({"rename": {"from": "("}}, "must be a table"),
        ({"rename": {"from": "(", "to": ""}}, "unterminated"),
        ({"rename": {"from": "a", "to": r"\1"}}, "group"),
        ({"drop_labels": "a"}, "must be a list"),
        ({"action": "drop", "drop_labels": ["a"]}, "only"),
    ],
)
def test_a_wrong_rule_is_told_with_its_number(rule: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=r"intake rule 2: ") as error:
        Filters.of([{}, rule])
    assert told in str(error.value)
