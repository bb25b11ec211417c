"""Incidents: events that belong together. A pure fold: reports and times in, incidents out.

An event joins an incident that it is close to in time and has a bond with (`tocsin.alert.bonds`),
if one cause for both is more probable than one for each (`tocsin.alert.evidence`). All events of an
incident share a bond: with every metric that joins, what they share becomes less. Else it opens an
incident of its own.

An incident is over when all its events are, and nothing has happened for a while (``quiet``);
what comes within that while still joins. When that is, follows from its events alone: it makes no
difference when, or how often, the time is told (`Incidents.advance`). A person may say that it is
over before, or that it is not.

What is told to people follows from the state, and from what they were told last (`Incident.tell`),
so that nothing is told twice, and what was not told is made up for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from tocsin.alarms import SEVERITIES, Grouping, Severity
from tocsin.alert.bonds import called
from tocsin.alert.evidence import alone, cooccurrence, ways
from tocsin.errors import ActionRefusedError
from tocsin.samples import SECOND_NS

__all__ = ["Entry", "Incident", "Incidents", "Member", "Report", "State", "Terms", "Told"]

State = Literal["open", "acknowledged", "resolved"]
#: What people are told of an incident.
Told = Literal["opened", "worsened", "resolved"]

#: Incidents that are over and may still be joined.
KEPT: Final = 2_000
#: A time after all others (ns).
NEVER: Final = 2**63 - 1
#: While an event is open, others join for so many times as long as when all is quiet.
_OPEN_REACH: Final = 4
#: So many metrics, and so many decades against chance, make it one severity worse.
_MANY: Final = 3
_SURE: Final = 4.0
#: Real metrics have events about so many times as often as their budget says.
_OFTEN: Final = 6.0
_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S


class Report(NamedTuple):
    """An event as it stands, judged by the rules."""

    event: int
    #: The metric's uid, and its name and labels for people.
    metric: str
    title: str
    bonds: tuple[str, ...]
    #: How many metrics have each bond.
    peers: Mapping[str, int]
    #: Times in nanoseconds since 1970, UTC.
    start: int
    end: int
    open: bool
    #: -log10 of its improbability.
    decades: float
    #: A place in `SEVERITIES`.
    severity: int
    #: Whether somebody is alarmed by it.
    alarms: bool
    #: Channels that are told; None: all.
    routes: frozenset[str] | None
    why: str

    def member(self) -> Member:
        """As an event of an incident."""
        return Member(
            self.event,
            self.metric,
            self.title,
            self.start,
            self.end,
            self.open,
            self.decades,
            self.severity,
            self.why,
        )


@dataclass(slots=True)
class Member:
    """An event of an incident."""

    event: int
    metric: str
    title: str
    start: int
    end: int
    open: bool
    decades: float
    severity: int
    why: str

    def follow(self, report: Report) -> bool:
        """Take over how it stands now; whether that is worth telling."""
        news = self.open != report.open or report.severity > self.severity
        self.end, self.open = report.end, report.open
        self.decades, self.why = report.decades, report.why
        self.severity = max(self.severity, report.severity)
        return news


class Entry(NamedTuple):
    """Something that became of an incident, or that somebody said of it."""

    incident: int
    at: int
    kind: str
    author: str
    text: str


class Terms(NamedTuple):
    """When events belong together, in nanoseconds; made of `Grouping`."""

    quiet: int
    silent: int
    #: Decades that it takes to join.
    decades: float
    #: Events of a metric per second while all is well.
    rate: float
    places: tuple[str, ...]
    late: int

    @classmethod
    def of(cls, grouping: Grouping, false_alarms_per_week: float) -> Terms:
        """Of the configuration."""
        return cls(
            quiet=int(grouping.quiet_s * SECOND_NS),
            silent=int(grouping.silent_days * _DAY_S * SECOND_NS),
            decades=-math.log10(max(grouping.chance, 1e-300)),
            rate=_OFTEN * false_alarms_per_week / _WEEK_S,
            places=tuple(grouping.places),
            late=int(grouping.late_h * 3_600 * SECOND_NS),
        )


@dataclass(slots=True)
class Incident:
    """Events that belong together, as it stands."""

    id: int
    #: What all its metrics share.
    bonds: tuple[str, ...]
    #: How many metrics have the bond that fewest have.
    peers: int = 1
    members: dict[int, Member] = field(default_factory=dict)
    routes: frozenset[str] | None = frozenset()
    group: str = ""
    severity: int = 0
    evidence: float = 0.0
    #: Why these belong together, in words; "": it is one metric.
    together: str = ""
    acknowledged: bool = False
    resolved: int | None = None
    snoozed_until: int | None = None
    assignee: str | None = None
    #: Said by a person: it was over then; it is not over.
    closed: int | None = None
    kept: bool = False
    #: The severity that people were told, or "resolved"; None: they were told nothing.
    told: str | None = None
    revision: int = 0
    #: What follows from the members; times of first and last begin, and of the last sample.
    opened: int = 0
    latest: int = 0
    updated: int = 0
    open_events: int = 0
    decades: float = 0.0
    #: How many events of each metric (its uid).
    metrics: dict[str, int] = field(default_factory=dict)
    _first: Member | None = None
    #: Members that are not written as they stand.
    _changed: dict[int, None] = field(default_factory=dict)
    #: The revision that was told live.
    _shown: int = 0

    def is_news(self) -> bool:
        """Whether it has another revision than at the last call."""
        news, self._shown = self._shown != self.revision, self.revision
        return news

    def changed(self) -> list[Member]:
        """The members that changed since the last call."""
        found = [self.members[event] for event in self._changed]
        self._changed = {}
        return found

    def add(self, member: Member) -> None:
        """One event more."""
        first = self._first
        if first is None or (member.start, member.event) < (first.start, first.event):
            self._first, self.opened = member, member.start
        self.latest = max(self.latest, member.start) if self.members else member.start
        self.updated = max(self.updated, member.end) if self.members else member.end
        self.members[member.event] = member
        self.metrics[member.metric] = self.metrics.get(member.metric, 0) + 1
        self.open_events += member.open
        self.decades = max(self.decades, member.decades)

    def follow(self, report: Report) -> bool:
        """A member as it now stands; whether that is worth telling."""
        member = self.members[report.event]
        self._changed[member.event] = None
        was = member.open
        news = member.follow(report)
        self.open_events += member.open - was
        self.updated = max(self.updated, member.end)
        self.decades = max(self.decades, member.decades)
        return news

    @property
    def state(self) -> State:
        """How it stands."""
        if self.resolved is not None:
            return "resolved"
        return "acknowledged" if self.acknowledged else "open"

    @property
    def level(self) -> Severity:
        """Its severity as a word."""
        return SEVERITIES[self.severity]

    @property
    def first(self) -> Member:
        """The event that began first."""
        assert self._first is not None
        return self._first

    @property
    def settled(self) -> bool:
        """Whether all its events are over."""
        return not self.open_events

    @property
    def title(self) -> str:
        """What it is called."""
        first, others = self.first, len(self.metrics) - 1
        if not others:
            return first.title
        return f"{first.title} and {others} more on {self.group}"

    @property
    def why(self) -> str:
        """Why it is one, in words: what is improbable about it, and what was first."""
        first = self.first
        if not self.together:
            return first.why
        return f"{self.together}. First {first.title}: {first.why}" if first.why else self.together

    def over(self, clock: int, terms: Terms) -> int | None:
        """When it was over, as of ``clock``; None: it is not."""
        if self.closed is not None or self.kept:
            return self.closed
        due = self.due(terms)
        return due if due <= clock else None

    def due(self, terms: Terms) -> int:
        """When it will be over, if nothing more happens."""
        return self.updated + (terms.quiet if self.settled else terms.silent)

    def reaches(self, report: Report, terms: Terms) -> bool:
        """Whether an event is close to it in time."""
        after = terms.quiet * (1 if self.settled else _OPEN_REACH)
        return self.opened - terms.quiet <= report.end and report.start <= self.updated + after

    def tell(self, now: int, terms: Terms) -> Iterator[Told]:
        """What people are to be told now; after it they have been."""
        if self.told is None:
            if now - self.updated > terms.late:
                return
            self.told = self.level
            yield "opened"
        resolved = self.resolved is not None
        if self.told == "resolved":
            if not resolved:
                self.told = self.level
                yield "opened"
            return
        if self.severity > SEVERITIES.index(self.told):
            self.told = self.level
            yield "worsened"
        if resolved:
            self.told = "resolved"
            yield "resolved"


class Incidents:
    """All incidents that may still change. Not thread-safe; the same input gives the same."""

    def __init__(self, terms: Terms, known: Iterable[Incident] = (), last_id: int = 0) -> None:
        """Go on with what is ``known``; ``last_id``: the highest that was ever given."""
        self.terms = terms
        self.clock = 0
        self._last_id = last_id
        self._all: dict[int, Incident] = {}
        self._of_event: dict[int, int] = {}
        self._by_bond: dict[str, dict[int, None]] = {}
        #: No incident is over before.
        self._due = 0
        self._dirty: dict[int, None] = {}
        #: Incidents whose state may not suit their events any more.
        self._moved: dict[int, None] = {}
        self._entries: list[Entry] = []
        for incident in sorted(known, key=lambda one: one.id):
            self.adopt(incident)

    def __iter__(self) -> Iterator[Incident]:
        return iter(self._all.values())

    def find(self, number: int) -> Incident | None:
        """One incident, if it may still change."""
        return self._all.get(number)

    def adopt(self, incident: Incident) -> None:
        """Go on with an incident as it was stored."""
        self._all[incident.id] = incident
        for event in incident.members:
            self._of_event[event] = incident.id
        for bond in incident.bonds:
            self._by_bond.setdefault(bond, {})[incident.id] = None
        # It may have been stored between an event and the next time that was told.
        self._moved[incident.id] = None
        self._due = 0

    def take(self, report: Report) -> None:
        """An event as it now stands. Cost: O(incidents with a bond to a new event)."""
        number = self._of_event.get(report.event)
        if number is not None:
            self._follow(self._all[number], report)
        elif report.alarms:
            found = self._closest(report)
            self._join(self._open(report) if found is None else found, report)

    def advance(self, clock: int) -> None:
        """It is now at least ``clock`` (ns): incidents that are over are resolved."""
        self.clock = max(self.clock, clock)
        moved, self._moved = [self._all[number] for number in self._moved], {}
        for incident in moved:
            self._settle(incident)
        self._due = min([self._due, *self._waits(moved)])
        if self.clock >= self._due:
            waiting = [one for one in self._all.values() if one.resolved is None]
            for incident in waiting:
                self._settle(incident)
            self._due = min(self._waits(waiting), default=NEVER)

    def _waits(self, incidents: Iterable[Incident]) -> Iterator[int]:
        """When these will be over."""
        for one in incidents:
            if one.resolved is None and not one.kept:
                yield one.due(self.terms)

    def changes(self) -> tuple[list[Incident], list[Entry]]:
        """The incidents that changed since the last call, and what became of them."""
        changed = [self._all[number] for number in self._dirty]
        entries, self._entries, self._dirty = self._entries, [], {}
        self._forget()
        return changed, entries

    # What people do

    def acknowledge(self, number: int, author: str, at: int) -> None:
        """Somebody looks after it. Errors: `ActionRefusedError` when it is resolved."""
        incident = self._all[number]
        self._refuse_resolved(incident)
        if not incident.acknowledged:
            incident.acknowledged = True
            self._note(incident, at, "acknowledged", author)

    def resolve(self, number: int, author: str, at: int) -> None:
        """It is over, whatever its events say; what comes later opens another one."""
        incident = self._all[number]
        if incident.resolved is None:
            incident.closed, incident.kept = at, False
            self._over(incident, at, author)

    def reopen(self, number: int, author: str, at: int) -> None:
        """It is not over until somebody says so; nobody looks after it."""
        incident = self._all[number]
        if incident.state == "open":
            return
        incident.kept = incident.kept or incident.resolved is not None
        incident.closed = incident.resolved = None
        incident.snoozed_until = None
        incident.acknowledged = False
        self._note(incident, at, "reopened", author)

    def snooze(self, number: int, until: int | None, author: str, at: int) -> None:
        """Remind nobody until then; None: do again. Errors: as `acknowledge`."""
        incident = self._all[number]
        self._refuse_resolved(incident)
        incident.snoozed_until = until
        self._note(incident, at, "woken" if until is None else "snoozed", author)

    def assign(self, number: int, to: str, author: str, at: int) -> None:
        """Say whose it is; "": nobody's."""
        incident = self._all[number]
        incident.assignee = to or None
        self._note(incident, at, "assigned", author, to)

    def note(self, number: int, text: str, author: str, at: int, kind: str = "note") -> None:
        """Say something of it."""
        self._note(self._all[number], at, kind, author, text)

    def known(self, number: int, text: str, author: str, at: int) -> None:
        """One of its events is a change that somebody wants: nobody need look after it."""
        incident = self._all[number]
        if incident.resolved is None:
            incident.acknowledged = True
        self._note(incident, at, "known_change", author, text)

    def _refuse_resolved(self, incident: Incident) -> None:
        if incident.resolved is not None:
            raise ActionRefusedError(f"incident {incident.id} is resolved: reopen it first")

    # Events

    def _follow(self, incident: Incident, report: Report) -> None:
        if incident.follow(report):
            incident.revision += 1
        self._measure(incident, report)
        self._moved[incident.id] = None

    def _open(self, report: Report) -> Incident:
        self._last_id += 1
        incident = Incident(self._last_id, report.bonds)
        self._all[incident.id] = incident
        for bond in report.bonds:
            self._by_bond.setdefault(bond, {})[incident.id] = None
        self._entries.append(Entry(incident.id, report.start, "opened", "", report.title))
        return incident

    def _join(self, incident: Incident, report: Report) -> None:
        if incident.members:
            self._entries.append(Entry(incident.id, report.start, "joined", "", report.title))
        self._share(incident, report)
        incident.add(report.member())
        incident._changed[report.event] = None
        self._of_event[report.event] = incident.id
        mine, more = incident.routes, report.routes
        incident.routes = None if mine is None or more is None else mine | more
        incident.revision += 1
        self._measure(incident, report)
        self._moved[incident.id] = None

    def _share(self, incident: Incident, report: Report) -> None:
        """From now on only what the new metric shares, too, is a bond."""
        theirs = set(report.bonds)
        for bond in incident.bonds:
            if bond not in theirs:
                self._loosen(bond, incident.id)
        incident.bonds = tuple(bond for bond in incident.bonds if bond in theirs)
        incident.group = called(incident.bonds, self.terms.places)

    def _loosen(self, bond: str, number: int) -> None:
        there = self._by_bond[bond]
        there.pop(number, None)
        if not there:
            del self._by_bond[bond]

    def _measure(self, incident: Incident, report: Report) -> None:
        """Severity, evidence and words of it, with the bonds' sizes as the report has them."""
        metrics = len(incident.metrics)
        span = (incident.latest - incident.opened + self.terms.quiet) / SECOND_NS
        peers = min((report.peers.get(bond, 1) for bond in incident.bonds), default=1)
        incident.peers = peers
        more = cooccurrence(metrics, max(peers, metrics), span, self.terms.rate)
        incident.evidence = incident.decades + more
        incident.together = _together(incident, metrics, peers, more)
        severity = incident.members[report.event].severity
        if metrics >= _MANY and more >= _SURE:
            severity = min(severity + 1, len(SEVERITIES) - 1)
        self._worsen(incident, severity, report.end)
        self._dirty[incident.id] = None

    def _worsen(self, incident: Incident, severity: int, at: int) -> None:
        if len(incident.members) == 1 and incident.revision == 1:
            incident.severity = severity  # as it was opened
        elif severity > incident.severity:
            incident.severity = severity
            self._entries.append(Entry(incident.id, at, "worsened", "", SEVERITIES[severity]))

    def _closest(self, report: Report) -> Incident | None:
        """The incident that it belongs to: its own metric's, else the one that explains it best.

        Where no incident explains it by itself, very many small ones at once may.
        """
        near: dict[int, float] = {}
        for bond in report.bonds:
            for number in self._by_bond.get(bond, ()):
                incident = self._all[number]
                if number in near or not self._may_join(incident):
                    continue
                if incident.reaches(report, self.terms):
                    near[number] = self._gain(incident, report)
        sure = [number for number, gain in near.items() if gain > 0.0]
        if near and not sure:
            sure = self._crowd(report, near)

        def rank(number: int) -> tuple[float, int, int]:
            return near[number], len(self._all[number].metrics), -number

        best = max(sure, key=rank, default=None)
        return None if best is None else self._all[best]

    def _may_join(self, incident: Incident) -> bool:
        """Not one that a person has closed, nor one of long ago, which may be forgotten."""
        return incident.closed is None and incident.id > self._last_id - KEPT

    def _gain(self, incident: Incident, report: Report) -> float:
        """By how many decades one cause for both is more probable than one for each."""
        if report.metric in incident.metrics:
            return math.inf
        theirs = set(report.bonds)
        peers = min(report.peers.get(bond, 1) for bond in incident.bonds if bond in theirs)
        apart = self._price(incident) + self._alone(incident, report)
        return apart - self._common(len(incident.metrics) + 1, peers)

    def _price(self, incident: Incident) -> float:
        """The decades of an incident as it is: of its cause, and of which metrics show it."""
        metrics = len(incident.metrics)
        if metrics == 1:
            return alone(self.terms.quiet / SECOND_NS, self.terms.rate)
        return self._common(metrics, incident.peers)

    def _common(self, metrics: int, peers: int) -> float:
        """The decades of a common cause, and of its showing in these metrics of all its peers."""
        return self.terms.decades + ways(metrics, peers)

    def _alone(self, incident: Incident, report: Report) -> float:
        """The decades of its coming by itself so soon after the incident's last event began."""
        gap = max(0, report.start - incident.latest, incident.opened - report.start)
        return alone((gap + self.terms.quiet) / SECOND_NS, self.terms.rate)

    def _crowd(self, report: Report, near: Iterable[int]) -> list[int]:
        """Incidents that began at about the same time and that one cause explains all together."""
        theirs = set(report.bonds)
        around = [one for one in map(self._all.__getitem__, near) if self._beside(one, report)]
        around.sort(key=lambda one: len(one.metrics))
        for bond in report.bonds:
            peers, metrics = report.peers.get(bond, 1), 1
            apart = alone(self.terms.quiet / SECOND_NS, self.terms.rate)
            crowd: list[int] = []
            for one in around:
                if bond in theirs.intersection(one.bonds):
                    crowd.append(one.id)
                    metrics += len(one.metrics)
                    apart += self._price(one)
                    # One cause for many that have causes of their own is itself a coincidence.
                    if apart > self._common(metrics, peers) + self.terms.decades:
                        return crowd
        return []

    def _beside(self, incident: Incident, report: Report) -> bool:
        """Whether it began at about the same time."""
        quiet = self.terms.quiet
        return incident.opened - quiet <= report.start <= incident.latest + quiet

    # States

    def _settle(self, incident: Incident) -> None:
        """Bring its state in step with its events and the clock."""
        over = incident.over(self.clock, self.terms)
        if over == incident.resolved:
            return
        if over is None:
            incident.resolved = None
            self._note(incident, incident.updated, "reopened", "")
        elif incident.resolved is None:
            self._over(incident, over, "")
        else:
            incident.resolved = over
            self._dirty[incident.id] = None

    def _over(self, incident: Incident, at: int, author: str) -> None:
        incident.resolved, incident.acknowledged = at, False
        incident.snoozed_until = None
        self._note(incident, at, "resolved", author)

    def _note(self, incident: Incident, at: int, kind: str, author: str, text: str = "") -> None:
        incident.revision += 1
        self._entries.append(Entry(incident.id, at, kind, author, text))
        self._dirty[incident.id] = None

    def _forget(self) -> None:
        """Let go of what cannot change any more, and cannot be joined."""
        last = self._last_id - KEPT
        if len(self._all) <= 2 * KEPT:
            return
        over = [one for one in self._all.values() if one.settled and one.resolved is not None]
        for incident in [one for one in over if one.id <= last]:
            del self._all[incident.id]
            for event in incident.members:
                del self._of_event[event]
            for bond in incident.bonds:
                self._loosen(bond, incident.id)


def _together(incident: Incident, metrics: int, peers: int, more: float) -> str:
    """How many, where, how close, and how improbable by chance; "" for one metric."""
    if metrics == 1:
        return ""
    within = _duration((incident.latest - incident.opened) / SECOND_NS)
    odds = f", by chance about once in 10^{more:.0f} such times" if more >= 1 else ""
    return f"{metrics} of {max(peers, metrics)} metrics of {incident.group} within {within}{odds}"


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 2 else "a second"
