"""What subscribers get: the results that one commit made final."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.events import Event
from tocsin.detect.result import RESULT

__all__ = ["Change", "Delivery", "Gap", "Identities", "Identity", "Item"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def _ints() -> Ints:
    return np.empty(0, dtype=np.int64)


def _floats() -> Floats:
    return np.empty(0)


def _results() -> NDArray[np.void]:
    return np.empty(0, dtype=RESULT)


class Identity(NamedTuple):
    """Which metric; with a sample's seq it is the key by which repeats are recognised."""

    uid: str
    name: str
    labels: tuple[tuple[str, str], ...]
    generation: int


class Identities(Protocol):
    """Metrics by the numbers that a delivery's samples have."""

    def __getitem__(self, number: int, /) -> Identity:
        """The metric with this number."""
        ...


class Change(NamedTuple):
    """An event as it stood after the commit."""

    id: int
    metric: Identity
    event: Event


@dataclass(frozen=True, slots=True)
class Delivery:
    """Samples with their results, each metric's in order, and events; columns of equal length."""

    #: Rises from delivery to delivery; what subscribers confirm and go on from.
    position: int
    metrics: Identities = ()
    #: Numbers of ``metrics``.
    metric: Ints = field(default_factory=_ints)
    seq: Ints = field(default_factory=_ints)
    #: Nanoseconds since 1970 (UTC).
    timestamp: Ints = field(default_factory=_ints)
    value: Floats = field(default_factory=_floats)
    #: Rows of `RESULT`; event -1: stored without being scored.
    scored: NDArray[np.void] = field(default_factory=_results)
    events: Sequence[Change] = ()
    #: Samples that belong here and are no longer stored.
    missing: int = 0
    #: Of a very large commit: how many samples came before, and whether this is the end of it.
    #: What is not the end must not be confirmed.
    done: int = 0
    ends: bool = True

    def __len__(self) -> int:
        return len(self.seq)

    def only(self, uids: frozenset[str] | None) -> Delivery:
        """What of it is about these metrics; None: all. Cost: O(samples)."""
        if uids is None:
            return self
        numbers = np.unique(self.metric).tolist()
        which = np.isin(self.metric, [n for n in numbers if self.metrics[n].uid in uids])
        return replace(
            self,
            metric=self.metric[which],
            seq=self.seq[which],
            timestamp=self.timestamp[which],
            value=self.value[which],
            scored=self.scored[which],
            events=_about(self.events, uids),
        )


def _about(events: Iterable[Change], uids: frozenset[str]) -> Sequence[Change]:
    return [change for change in events if change.metric.uid in uids]


@dataclass(frozen=True, slots=True)
class Gap:
    """Results that a subscriber asked for and that are not there."""

    #: What the subscriber had.
    after: int
    #: It goes on with what comes after this.
    position: int
    reason: str

    @property
    def ends(self) -> bool:
        """As of a delivery."""
        return True


Item = Delivery | Gap
