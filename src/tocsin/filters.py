"""``[[intake]]`` rules: which metrics are taken at all, and under which names and labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import translate
from typing import Any, Final

from tocsin.errors import BadInputError, ConfigurationError
from tocsin.samples import Metric

__all__ = ["Filter", "Filters"]

_KEYS: Final = ("protocol", "match", "labels", "action", "rename", "drop_labels")
_ACTIONS: Final = ("keep", "drop")
_LONGEST: Final = 2_048


@dataclass(frozen=True, slots=True)
class Filter:
    """One ``[[intake]]`` table."""

    #: Its place in the configuration, from 1.
    number: int
    #: Patterns that all must match; None: anything.
    protocol: re.Pattern[str] | None
    match: re.Pattern[str] | None
    #: Whether ``match`` is about ``name{key="value"}``, and not about the name alone.
    whole: bool
    labels: tuple[tuple[str, re.Pattern[str]], ...]
    keep: bool
    rename: tuple[re.Pattern[str], str] | None
    drop_labels: tuple[re.Pattern[str], ...]

    def matches(self, protocol: str, metric: Metric) -> bool:
        """Whether this rule is about a metric that comes over a protocol."""
        if self.protocol is not None and not self.protocol.match(protocol):
            return False
        if self.match is not None:
            told = str(metric) if self.whole else metric.name
            if not self.match.match(told):
                return False
        if not self.labels:
            return True
        has = dict(metric.labels)
        return all(key in has and pattern.match(has[key]) for key, pattern in self.labels)

    def apply(self, metric: Metric) -> Metric | None:
        """The metric as it is to be called; None: its samples are dropped.

        Errors: `BadInputError` when the new name is none.
        """
        if not self.keep:
            return None
        name, labels = metric.name, metric.labels
        if self.rename is not None:
            pattern, to = self.rename
            name = pattern.sub(to, name, count=1)
            if not name.strip() or len(name) > _LONGEST:
                raise BadInputError(
                    f"intake rule {self.number} renames {metric.name[:80]!r} to "
                    f"{len(name)} characters: must be 1 to {_LONGEST}"
                )
        if self.drop_labels:
            labels = tuple(
                (key, value)
                for key, value in labels
                if not any(pattern.match(key) for pattern in self.drop_labels)
            )
        same = name == metric.name and len(labels) == len(metric.labels)
        return metric if same else Metric(name, labels)


class Filters:
    """All rules; the first that matches a metric counts, and without one it is kept as it is."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = tuple(filters)

    @classmethod
    def of(cls, told: Sequence[Mapping[str, Any]]) -> Filters:
        """From the configuration's ``intake``.

        Errors: `ConfigurationError` names the rule's number, the key, and what is allowed.
        """
        return cls([_filter(number, one) for number, one in enumerate(told, 1)])

    def __len__(self) -> int:
        return len(self._filters)

    def __iter__(self) -> Iterator[Filter]:
        return iter(self._filters)

    def apply(self, protocol: str, metric: Metric) -> Metric | None:
        """The metric as it is to be called; None: its samples are dropped.

        Errors: `BadInputError` when the new name is none. Cost: O(rules), some µs.
        """
        for one in self._filters:
            if one.matches(protocol, metric):
                return one.apply(metric)
        return metric


def _filter(number: int, told: Mapping[str, Any]) -> Filter:
    try:
        return _checked(number, told)
    except ConfigurationError as error:
        raise ConfigurationError(f"intake rule {number}: {error}") from error


def _checked(number: int, told: Mapping[str, Any]) -> Filter:
    for key in told:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"unknown key {key!r}{hint} (known: {', '.join(_KEYS)})")
    action = told.get("action", "keep")
    if action not in _ACTIONS:
        raise ConfigurationError(f"action = {action!r}: must be 'keep' or 'drop'")
    match = _text("match", told)
    if action == "drop" and ("rename" in told or "drop_labels" in told):
        raise ConfigurationError("rename and drop_labels go with action = 'keep' only")
    return Filter(
        number,
        _glob(_text("protocol", told)),
        _glob(match),
        match is not None and "{" in match,
        _labels(told),
        action == "keep",
        _rename(told),
        _names(told),
    )


def _text(key: str, told: Mapping[str, Any]) -> str | None:
    given = told.get(key)
    if given is None or (isinstance(given, str) and given):
        return given
    raise ConfigurationError(f'{key} = {given!r}: must be a pattern such as "web.*"')


def _glob(pattern: str | None) -> re.Pattern[str] | None:
    """``*`` and ``?``, as in ``[[watch]]``; everything else stands for itself."""
    if pattern is None:
        return None
    return re.compile(translate(pattern.replace("[", "[[]")), re.DOTALL)


def _labels(told: Mapping[str, Any]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    given = told.get("labels", {})
    if not isinstance(given, Mapping) or not all(isinstance(v, str) for v in given.values()):
        raise ConfigurationError(f'labels = {given!r}: must be a table such as {{ env = "test*" }}')
    return tuple((key, re.compile(translate(v.replace("[", "[[]")))) for key, v in given.items())


def _rename(told: Mapping[str, Any]) -> tuple[re.Pattern[str], str] | None:
    given = told.get("rename")
    if given is None:
        return None
    if (
        not isinstance(given, Mapping)
        or set(given) != {"from", "to"}
        or not all(isinstance(text, str) for text in given.values())
    ):
        raise ConfigurationError(
            f"rename = {given!r}: must be a table such as "
            "{ from = '^old\\.(.*)', to = 'new.\\1' }"
        )
    try:
        pattern = re.compile(given["from"])
        # Matches nothing, too: a group that is not there is told now, not with the first sample.
        re.compile(given["from"] + "|").sub(given["to"], "")
    except (re.error, IndexError) as error:
        raise ConfigurationError(f"rename = {dict(given)!r}: {error}") from error
    return pattern, given["to"]


def _names(told: Mapping[str, Any]) -> tuple[re.Pattern[str], ...]:
    given = told.get("drop_labels", [])
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        raise ConfigurationError(
            f'drop_labels = {given!r}: must be a list of patterns such as ["pod", "tmp_*"]'
        )
    return tuple(re.compile(translate(one.replace("[", "[[]"))) for one in given)
