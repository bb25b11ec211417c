"""Which incident is about which cause: found, split, glued, and how pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from tocsin.bench.outage.causes import Cause
from tocsin.bench.outage.fleet import Track
from tocsin.bench.outage.replay import Recorded, TrackEvent

__all__ = ["Covered", "Judgement", "judge"]

_MINUTE_NS: Final = 60 * 1_000_000_000
#: What begins so long after a metric went wrong for the last time may still be because of it: it
#: comes back.
_AFTER_NS: Final = 60 * _MINUTE_NS
#: Causes of events that nothing was injected for: labelled by the series' origin, and by itself.
LABELLED: Final = -1
ITSELF: Final = -2


@dataclass(frozen=True, slots=True)
class Covered:
    """A cause, and the incidents that its events are in."""

    cause: int
    scope: str
    where: str
    #: Metrics that were hit, and those of them with an event.
    hit: int
    seen: int
    #: Incidents that the metrics are in; the one with most of them: its number, what it is called,
    #: how many of the seen metrics are in it, and the share of its metrics that are of this cause.
    incidents: int
    main: int | None
    title: str
    together: int
    purity: float
    #: Minutes from the begin to the first message.
    told_after: float | None

    @property
    def found(self) -> bool:
        """Whether somebody was told."""
        return self.told_after is not None


@dataclass(slots=True)
class Judgement:
    """Everything that was counted; see `Recorded`."""

    metrics: int
    samples: int
    anomalous: int
    events: int
    incidents: int
    messages: dict[str, int]
    covered: list[Covered] = field(default_factory=list)
    #: Incidents with metrics of two causes that were injected.
    glued: int = 0
    #: Events that nothing was injected for, and incidents of nothing else.
    own_events: int = 0
    own_incidents: int = 0
    labelled_events: int = 0

    @property
    def ratios(self) -> tuple[float, float, float]:
        """Anomalous samples an event, events an incident, messages an incident."""
        return (
            self.anomalous / max(1, self.events),
            self.events / max(1, self.incidents),
            sum(self.messages.values()) / max(1, self.incidents),
        )

    def of(self, *, common: bool) -> list[Covered]:
        """Causes that hit many metrics, or one."""
        return [one for one in self.covered if (one.hit > 1) == common]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def judge(tracks: Sequence[Track], causes: Sequence[Cause], recorded: Recorded) -> Judgement:
    """Lay what was injected beside what came of it."""
    of_event = [_cause_of(one, tracks, causes) for one in recorded.events]
    members: dict[int, list[tuple[int, TrackEvent]]] = {}
    for number, event in zip(of_event, recorded.events, strict=True):
        if event.incident is not None:
            members.setdefault(event.incident, []).append((number, event))
    known = {incident: _metrics_by_cause(some) for incident, some in members.items()}
    told = {
        incident: at for incident, change, at in reversed(recorded.messages) if change == "opened"
    }
    mine = [m for m in recorded.messages if m[0] in members]
    return Judgement(
        metrics=len(tracks),
        samples=recorded.samples,
        anomalous=recorded.anomalous,
        events=len(recorded.events),
        incidents=len(members),
        messages=dict(Counter(change for _, change, _ in mine)),
        covered=[_covered(cause, of_event, recorded, members, known, told) for cause in causes],
        glued=sum(sum(cause >= 0 for cause in some) > 1 for some in known.values()),
        own_events=sum(number == ITSELF for number in of_event),
        own_incidents=sum(set(some) == {ITSELF} for some in known.values()),
        labelled_events=sum(number == LABELLED for number in of_event),
    )


def _cause_of(event: TrackEvent, tracks: Sequence[Track], causes: Sequence[Cause]) -> int:
    """The last cause that can have brought an event about."""
    for cause in reversed(causes):
        for hit in cause.hits:
            if hit.track == event.track and hit.first <= event.start <= hit.last + _AFTER_NS:
                return cause.number
    track = tracks[event.track]
    labelled = track.timestamps[track.labels]
    row = int(np.searchsorted(labelled, event.start))
    return LABELLED if row < len(labelled) and labelled[row] <= event.end else ITSELF


def _metrics_by_cause(some: Iterable[tuple[int, TrackEvent]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for cause, event in some:
        found.setdefault(cause, set()).add(event.track)
    return found


def _covered(
    cause: Cause,
    of_event: Sequence[int],
    recorded: Recorded,
    members: Mapping[int, Sequence[tuple[int, TrackEvent]]],
    known: Mapping[int, Mapping[int, set[int]]],
    told: Mapping[int, int],
) -> Covered:
    events = zip(of_event, recorded.events, strict=True)
    seen = {event.track for number, event in events if number == cause.number}
    mine = {
        incident: len(some[cause.number])
        for incident, some in known.items()
        if cause.number in some
    }
    main = max(mine, key=lambda incident: (mine[incident], -incident), default=None)
    after = [
        max(told[incident], first) - cause.first
        for incident in mine
        if incident in told
        for first in [min(e.start for number, e in members[incident] if number == cause.number)]
    ]
    everybody = set().union(*known[main].values()) if main is not None else set()
    return Covered(
        cause=cause.number,
        scope=cause.scope,
        where=cause.where,
        hit=len(cause.hits),
        seen=len(seen),
        incidents=len(mine),
        main=main,
        title="" if main is None else recorded.titles[main],
        together=0 if main is None else mine[main],
        purity=0.0 if main is None else mine[main] / len(everybody),
        told_after=min(after) / _MINUTE_NS if after else None,
    )
