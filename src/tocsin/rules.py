"""``[[watch]]`` rules: which metrics are monitored, and with which settings."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, TypeVar

from tocsin.detect.settings import Settings
from tocsin.errors import ConfigurationError
from tocsin.samples import Metric

__all__ = ["Choice", "Rule", "Rules", "matches", "settings_hash"]

T = TypeVar("T")

_OWN_KEYS: Final = ("match", "monitor", "most", "keep_days", "keep_samples")
_SETTINGS: Final = tuple(field.name for field in fields(Settings))


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``[[watch]]`` table."""

    #: Its place in the configuration, from 1.
    number: int
    #: A pattern with ``*`` and ``?``: of the name, or of ``name{key="value"}`` if it has a ``{``.
    match: str
    #: Whether metrics that match are monitored.
    monitor: bool
    #: How many metrics are monitored by this rule; None: any number.
    most: int | None
    #: What it sets of `Settings`.
    options: Mapping[str, Any]
    #: How long samples are kept (days), and how many; None: as configured for all.
    keep_days: float | None = None
    keep_samples: int | None = None

    def matches(self, metric: Metric) -> bool:
        """Whether this rule is about a metric.

        >>> rule = Rule(1, "web.*", True, None, {})
        >>> rule.matches(Metric.of("web.latency", {"host": "a"})), rule.matches(Metric.of("db"))
        (True, False)
        """
        return matches(self.match, metric)


def matches(match: str, metric: Metric) -> bool:
    """Whether a pattern is about a metric: see `Rule.match`."""
    told = str(metric) if "{" in match else metric.name
    return _pattern(match).fullmatch(told) is not None


@lru_cache(maxsize=1024)
def _pattern(match: str) -> re.Pattern[str]:
    parts = [{"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in match]
    return re.compile("".join(parts), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Choice:
    """What configuration, rules and the metric's own settings say about a metric."""

    settings: Settings
    monitor: bool
    #: The rule that decided ``monitor``; None: the default, or the metric's own choice.
    rule: Rule | None


class Rules:
    """All rules over the settings of ``[detect]``; the first that matches a metric counts."""

    def __init__(self, detect: Mapping[str, Any], rules: Sequence[Rule]) -> None:
        self._detect = dict(detect)
        self._rules = tuple(rules)
        # There are few different ones, and checking them costs more than looking them up.
        self._made: dict[str, Settings] = {}
        self._by_rule: dict[tuple[int, bool], Choice] = {}

    @classmethod
    def of(cls, detect: Mapping[str, Any], watch: Sequence[Mapping[str, Any]]) -> Rules:
        """From the configuration's ``detect`` and ``watch``.

        Errors: `ConfigurationError` names the rule's number, the key, and what is allowed.
        """
        _settings(dict(detect))
        return cls(detect, [_rule(n, told, detect) for n, told in enumerate(watch, 1)])

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    @property
    def limited(self) -> bool:
        """Whether any rule says how many."""
        return any(rule.most is not None for rule in self._rules)

    def rule_of(self, metric: Metric) -> Rule | None:
        """The first rule that matches. Cost: O(rules)."""
        return next((rule for rule in self._rules if rule.matches(metric)), None)

    def choose(
        self, metric: Metric, own: Mapping[str, Any] | None = None, *, counter: bool = False
    ) -> Choice:
        """What holds for a metric; ``own`` (keys as in a rule) was chosen for it alone.

        ``counter``: its sender declared it as one, which goes over ``[detect]`` but not over rules.
        Errors: `ConfigurationError`, only for what ``own`` says.
        """
        rule, own = self.rule_of(metric), own or {}
        if not own:
            return self._usual(rule, counter)
        mine = {key: value for key, value in own.items() if key != "monitor"}
        settings = self._settings({**self._base(counter), **(rule.options if rule else {}), **mine})
        if "monitor" in own:
            return Choice(settings, _is(bool, "monitor", own["monitor"]), None)
        return Choice(settings, rule.monitor if rule else True, rule)

    def _base(self, counter: bool) -> dict[str, Any]:
        """What holds before any rule."""
        return {**self._detect, "kind": "counter"} if counter else self._detect

    def _usual(self, rule: Rule | None, counter: bool) -> Choice:
        """What a rule, or none, says of a metric for which nothing else was chosen."""
        key = (rule.number if rule else 0, counter)
        if key not in self._by_rule:
            settings = self._settings({**self._base(counter), **(rule.options if rule else {})})
            self._by_rule[key] = Choice(settings, rule.monitor if rule else True, rule)
        return self._by_rule[key]

    def _settings(self, options: dict[str, Any]) -> Settings:
        key = json.dumps(options, sort_keys=True, default=str)
        if key not in self._made:
            self._made[key] = _settings(options)
        return self._made[key]


@lru_cache(maxsize=4096)
def settings_hash(settings: Settings) -> str:
    """A short name of settings: states that were learnt with others are not loaded."""
    # 1 and 1.0 are the same setting; parameters of a model that is not used are none.
    chosen = {key: value for key, value in asdict(settings).items() if value is not None}
    same = {key: float(v) if type(v) is int else v for key, v in chosen.items()}
    told = json.dumps(same, sort_keys=True, default=str)
    return hashlib.blake2b(told.encode(), digest_size=10).hexdigest()


def _rule(number: int, told: Mapping[str, Any], detect: Mapping[str, Any]) -> Rule:
    try:
        return _checked(number, told, detect)
    except ConfigurationError as error:
        raise ConfigurationError(f"watch rule {number}: {error}") from error


def _checked(number: int, told: Mapping[str, Any], detect: Mapping[str, Any]) -> Rule:
    known = (*_OWN_KEYS, *_SETTINGS)
    for key in told:
        if key not in known:
            raise ConfigurationError(f"unknown key {key!r}{_near(key, known)}")
    match = told.get("match")
    if not isinstance(match, str) or not match:
        raise ConfigurationError(f'match = {match!r}: must be a pattern such as "web.*"')
    options = {key: value for key, value in told.items() if key not in _OWN_KEYS}
    _settings({**detect, **options})
    monitor = _is(bool, "monitor", told.get("monitor", True))
    days, samples = (_positive(key, told) for key in ("keep_days", "keep_samples"))
    whole = None if samples is None else _is(int, "keep_samples", samples)
    return Rule(number, match, monitor, _most(told, monitor), options, days, whole)


def _positive(key: str, told: Mapping[str, Any]) -> Any:
    given = told.get(key)
    if given is None or (type(given) in (int, float) and given > 0):
        return given
    raise ConfigurationError(f"{key} = {given!r}: must be a number above 0")


def _most(told: Mapping[str, Any], monitor: bool) -> int | None:
    if "most" not in told:
        return None
    most = _is(int, "most", told["most"])
    if most < 1 or not monitor:
        raise ConfigurationError(
            f"most = {most!r}: must be at least 1, with monitor = true; for none: monitor = false"
        )
    return most


def _settings(options: dict[str, Any]) -> Settings:
    """Settings of options from outside, whose types nobody has looked at."""
    for field in fields(Settings):
        given = options.get(field.name, field.default)
        if isinstance(field.default, str) and not isinstance(given, str):
            raise ConfigurationError(f"{field.name} = {given!r}: must be a text")
        if field.default is None and not isinstance(given, str | Mapping | None):
            raise ConfigurationError(f"{field.name} = {given!r}: must be a name or a table")
    return Settings.of(options)


def _is(kind: type[T], key: str, value: Any) -> T:
    if type(value) is not kind:
        wanted = {bool: "true or false", int: "a whole number"}[kind]
        raise ConfigurationError(f"{key} = {value!r}: must be {wanted}")
    return value


def _near(key: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(key, known, n=1)
    return (f"; did you mean {near[0]!r}?" if near else "") + f" (known: {', '.join(known)})"
