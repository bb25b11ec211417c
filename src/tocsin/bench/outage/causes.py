"""What goes wrong in the fleet: outages of hosts and services, and metrics that go wrong alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.injected.backgrounds import DAY_NS
from tocsin.bench.outage.fleet import END_NS, KINDS, Track

__all__ = ["Cause", "Hit", "Scope", "disturbed", "plan"]

Floats = NDArray[np.float64]
Scope = Literal["host", "two hosts at once", "service", "one kind", "single"]

_MINUTE_NS: Final = 60 * 1_000_000_000
#: Between two causes, in minutes: from this on, and by chance so many more.
_APART: Final = (150, 120)
#: How long a cause lasts, and within how much of its begin its metrics go wrong (minutes).
_LASTS: Final = (30, 120)
_SPREAD: Final = 10
#: How far a metric goes: so many times further than it went by itself, but for its farthest 0.1 %.
_FURTHER: Final = (1.5, 4.0)
_OWN_SHARE: Final = 0.001
#: The share of the metrics of a host that an outage hits; of a service on each host; of a kind.
_OF_HOST: Final = (0.6, 1.0)
_OF_SERVICE: Final = (0.3, 0.6)
_OF_KIND: Final = (0.5, 0.9)
#: What follows what, again and again.
_ORDER: Final[tuple[Scope, ...]] = (
    *("host", "single", "service", "single", "two hosts at once"),
    *("single", "one kind", "host", "single"),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A metric (its place in the fleet) that goes wrong from ``first`` to ``last`` (ns)."""

    track: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that goes wrong, and the metrics that show it."""

    number: int
    scope: Scope
    #: What is hit, in words.
    where: str
    hits: tuple[Hit, ...] = field(default=())

    @property
    def common(self) -> bool:
        """Whether it hits more than one metric."""
        return len(self.hits) > 1

    @property
    def first(self) -> int:
        """When it begins (ns)."""
        return min(hit.first for hit in self.hits)


def plan(tracks: Sequence[Track], judged: float, seed: int) -> list[Cause]:
    """Causes one after the other in the last ``judged`` days; "two hosts at once" are two causes.

    Where one follows another is by chance, so that some are near each other in place, too.
    """
    rng = np.random.default_rng([seed, 1])
    now = END_NS - int(judged * DAY_NS)
    causes: list[Cause] = []
    for scope in cycle(_ORDER):
        now += int(_MINUTE_NS * (_APART[0] + _APART[1] * rng.random()))
        if now > END_NS - 6 * 60 * _MINUTE_NS:
            break
        for where, chosen in _chosen(tracks, scope, rng):
            hits = _hits(chosen, now, rng)
            causes.append(Cause(len(causes), scope, where, hits))
    return causes


def _chosen(
    tracks: Sequence[Track], scope: Scope, rng: np.random.Generator
) -> Iterator[tuple[str, list[int]]]:
    """What is hit: in words, and as places in the fleet."""
    if scope == "single":
        one = int(rng.integers(len(tracks)))
        yield str(tracks[one].metric), [one]
    elif scope == "one kind":
        kind = str(rng.choice(KINDS))
        yield f"{kind} everywhere", _some(tracks, _OF_KIND, rng, name=kind)
    elif scope == "service":
        service = tracks[int(rng.integers(len(tracks)))].label("service")
        yield service, _some(tracks, _OF_SERVICE, rng, service=service)
    else:
        hosts = sorted({one.label("host"): one for one in tracks}.items())
        first, tried = hosts[int(rng.integers(len(hosts)))]
        others = [h for h, one in hosts if one.label("service") != tried.label("service")]
        yield first, _some(tracks, _OF_HOST, rng, host=first)
        if scope == "two hosts at once" and others:
            other = str(rng.choice(others))
            yield other, _some(tracks, _OF_HOST, rng, host=other)


def _some(
    tracks: Sequence[Track], share: tuple[float, float], rng: np.random.Generator, **told: str
) -> list[int]:
    """Some of the metrics of which these labels, or this name, is told: at least two."""

    def suits(one: Track) -> bool:
        known = {**dict(one.metric.labels), "name": one.metric.name}
        return all(known[key] == text for key, text in told.items())

    all_of_them = [at for at, one in enumerate(tracks) if suits(one)]
    count = max(2, round(rng.uniform(*share) * len(all_of_them)))
    return sorted(rng.choice(all_of_them, min(count, len(all_of_them)), replace=False).tolist())


def _hits(chosen: Sequence[int], start: int, rng: np.random.Generator) -> tuple[Hit, ...]:
    ends = start + int(_MINUTE_NS * rng.uniform(*_LASTS))
    late = [0.0, *(_SPREAD * rng.random(len(chosen) - 1))]
    firsts = [start + int(_MINUTE_NS * minutes) for minutes in rng.permutation(late)]
    return tuple(Hit(at, first, ends) for at, first in zip(chosen, firsts, strict=True))


def disturbed(tracks: Sequence[Track], causes: Sequence[Cause], seed: int) -> list[Track]:
    """The fleet as it is with all causes."""
    rng = np.random.default_rng([seed, 2])
    found = list(tracks)
    for hit in (hit for cause in causes for hit in cause.hits):
        one = found[hit.track]
        rows = (one.timestamps >= hit.first) & (one.timestamps <= hit.last)
        values = one.values.copy()
        values[rows] += _away(tracks[hit.track].values, rng)
        found[hit.track] = replace(one, values=values)
    return found


def _away(values: Floats, rng: np.random.Generator) -> float:
    """How far a metric goes: up, or down where it does not begin near zero."""
    middle = float(np.median(values))
    low, high = np.quantile(values, [_OWN_SHARE / 2, 1 - _OWN_SHARE / 2])
    usual = max(high - middle, middle - low, 1e-3 * abs(middle), 1e-9)
    away = float(usual * rng.uniform(*_FURTHER))
    down = rng.random() < 0.5 and (low < 0 or middle - away >= 0)
    return -away if down else away
