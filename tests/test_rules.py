from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config import load
from tocsin.detect.settings import Settings
from tocsin.errors import ConfigurationError
from tocsin.rules import Rules, settings_hash
from tocsin.samples import Metric

WATCH: list[dict[str, Any]] = [
    {"match": "web.?.rate", "timezone": "Europe/Berlin"},
    {"match": "web.*", "monitor": False},
    {"match": '*{*host="a"*}', "most": 2, "likelihood": "gaussian"},
]


@pytest.mark.parametrize(
    ("metric", "number"),
    [
        (Metric.of("web.1.rate"), 1),
        (Metric.of("web.1.rate", {"host": "a"}), 1),
        (Metric.of("web.12.rate"), 2),
        (Metric.of("Web.1.rate"), None),
        (Metric.of("disk", {"host": "a", "az": "x"}), 3),
        (Metric.of("disk", {"host": "b"}), None),
        (Metric.of("not.web.x"), None),
        (Metric.of("web.new\nline"), 2),
    ],
)
def test_the_first_rule_that_matches_counts(metric: Metric, number: int | None) -> None:
    rule = Rules.of({}, WATCH).rule_of(metric)
    assert (rule.number if rule else None) == number


def test_own_settings_go_over_rules_and_rules_over_detect() -> None:
    rules = Rules.of({"false_alarms_per_week": 2.0, "timezone": "Asia/Tokyo"}, WATCH)
    told = rules.choose(Metric.of("web.1.rate"))
    assert told.settings == Settings(timezone="Europe/Berlin", false_alarms_per_week=2.0)
    assert told.monitor
    own = rules.choose(Metric.of("web.1.rate"), {"timezone": "UTC", "monitor": False})
    assert own.settings == Settings(timezone="UTC", false_alarms_per_week=2.0)
    assert (own.monitor, own.rule) == (False, None)
    other = rules.choose(Metric.of("x"))
    assert other.settings == Settings(timezone="Asia/Tokyo", false_alarms_per_week=2.0)
    assert (other.monitor, other.rule) == (True, None)
    assert not rules.choose(Metric.of("web.other")).monitor


@pytest.mark.parametrize(
    ("detect", "rule", "own", "counter", "kind"),
    [
        ({}, {}, {}, False, "gauge"),
        ({}, {}, {}, True, "counter"),
        ({"kind": "gauge"}, {}, {}, True, "counter"),
        ({}, {"kind": "gauge"}, {}, True, "gauge"),
        ({}, {"kind": "counter"}, {"kind": "gauge"}, True, "gauge"),
        ({}, {}, {"kind": "gauge"}, True, "gauge"),
        ({"kind": "counter"}, {}, {"timezone": "Asia/Tokyo"}, False, "counter"),
    ],
)
def test_a_declared_counter_is_one_unless_somebody_says_otherwise(
    detect: dict[str, Any], rule: dict[str, Any], own: dict[str, Any], counter: bool, kind: str
) -> None:
    rules = Rules.of(detect, [{"match": "*", **rule}])
    for _ in range(2):  # what was chosen is remembered
        assert rules.choose(Metric.of("m"), own, counter=counter).settings.kind == kind
        assert rules.choose(Metric.of("m"), {"kind": "gauge"}).settings.kind == "gauge"


def test_equal_settings_are_one_object() -> None:
    rules = Rules.of({}, WATCH)
    one, two = (rules.choose(Metric.of(name)).settings for name in ("a", "b"))
    assert one is two


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        (
            [{"match": "a"}, {"mach": "b"}],
            r"watch rule 2: unknown key 'mach'; did you mean 'match'",
        ),
        ([{}], r"watch rule 1: match = None: must be a pattern"),
        ([{"match": ""}], r"watch rule 1: match = ''"),
        ([{"match": 3}], r"watch rule 1: match = 3"),
        ([{"match": "a", "monitor": "no"}], r"watch rule 1: monitor = 'no': must be true or false"),
        ([{"match": "a", "most": 0}], r"watch rule 1: most = 0: must be at least 1"),
        ([{"match": "a", "most": True}], r"watch rule 1: most = True: must be a whole number"),
        ([{"match": "a", "most": 3, "monitor": False}], r"watch rule 1: most = 3"),
        ([{"match": "a", "timezone": "Mars"}], r"watch rule 1: timezone = 'Mars'"),
        ([{"match": "a", "timezone": 7}], r"watch rule 1: timezone = 7: must be a text"),
        ([{"match": "a", "model": "htm", "htm": 5}], r"watch rule 1: htm = 5: must be a name or"),
        ([{"match": "a", "likelihood": "x"}], r"watch rule 1: likelihood = 'x': must be one of"),
    ],
)
def test_a_wrong_rule_is_named(watch: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Rules.of({}, watch)


def test_rules_are_read_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text(
        '[[watch]]\nmatch = "web.*"\nmost = 5\n[[watch]]\nmatch = "*"\nmonitor = false\n'
    )
    config = load(file, {}, {})
    assert [(r.number, r.match, r.monitor, r.most) for r in config.rules] == [
        (1, "web.*", True, 5),
        (2, "*", False, None),
    ]
    file.write_text('[[watch]]\nmatch = "web.*"\ntimezon = "UTC"\n')
    with pytest.raises(ConfigurationError, match="watch rule 1: unknown key 'timezon'; did you"):
        load(file, {}, {})


def test_another_setting_is_another_hash() -> None:
    hashes = {
        settings_hash(settings)
        for settings in (
            Settings(),
            Settings(timezone="Asia/Tokyo"),
            Settings(likelihood="gaussian"),
            Settings(false_alarms_per_week=1),
        )
    }
    assert len(hashes) == 4
    assert settings_hash(Settings()) in hashes
    assert settings_hash(Settings(false_alarms_per_week=1.0)) in hashes


@given(st.text(st.sampled_from("ab*?."), min_size=1, max_size=6), st.text("ab.", max_size=6))
def test_patterns_are_those_of_a_slow_matcher(pattern: str, name: str) -> None:
    rules = Rules.of({}, [{"match": pattern}])
    found = rules.rule_of(Metric(name)) is not None
    assert found == slow_match(pattern, name)


def slow_match(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(slow_match(pattern[1:], text[i:]) for i in range(len(text) + 1))
    same = bool(text) and pattern[0] in ("?", text[0])
    return same and slow_match(pattern[1:], text[1:])
