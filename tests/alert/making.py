"""Events as reports, and outages made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tocsin.alarms import Grouping
from tocsin.alert.bonds import bonds_of
from tocsin.alert.incidents import Entry, Incident, Incidents, Report, Terms
from tocsin.samples import SECOND_NS, Metric

MINUTE = 60 * SECOND_NS
TERMS = Terms.of(Grouping(), 0.05)


def report(
    event: int,
    name: str = "web.latency",
    *,
    start: int = 0,
    end: int | None = None,
    open: bool = False,
    decades: float = 6.0,
    severity: int = 1,
    alarms: bool = True,
    peers: int = 10,
    **labels: str,
) -> Report:
    """An event; times in minutes."""
    metric = Metric.of(name, labels)
    bonds = bonds_of(metric)
    return Report(
        event=event,
        metric=str(metric),
        title=str(metric),
        bonds=bonds,
        peers=dict.fromkeys(bonds, peers),
        start=start * MINUTE,
        end=(start if end is None else end) * MINUTE,
        open=open,
        decades=decades,
        severity=severity,
        alarms=alarms,
        routes=None,
        why=f"why {event}",
    )


@dataclass(frozen=True)
class Tick:
    """The time was told."""

    minute: int


Input = Report | Tick


@st.composite
def histories(draw: st.DrawFn) -> list[Input]:
    """Events of a small fleet as they grow and end, mixed, and the time now and then."""
    inputs: list[Input] = []
    hosts, names = "abc", ("web.latency", "web.errors", "node.cpu", "load")
    count = draw(st.integers(1, 12))
    for event in range(1, count + 1):
        start = draw(st.integers(0, 120))
        lasts = draw(st.lists(st.integers(0, 20), max_size=3).map(sorted))
        told: dict[str, Any] = {
            "host": draw(st.sampled_from(hosts)),
            "peers": draw(st.sampled_from([5, 50, 100_000])),
        }
        name = draw(st.sampled_from(names))
        for n, lasted in enumerate([0, *lasts]):
            inputs.append(
                report(
                    event,
                    name,
                    start=start,
                    end=start + lasted,
                    open=n < len(lasts) or draw(st.booleans()),
                    decades=5.0 + n,
                    severity=min(2, draw(st.integers(0, 1)) + n // 2),
                    alarms=n > 0 or draw(st.booleans()),
                    **told,
                )
            )
    order = draw(st.permutations(range(count)))
    place = {event + 1: at for at, event in enumerate(order)}
    inputs.sort(key=lambda one: place[one.event] if isinstance(one, Report) else 0)
    for minute in sorted(draw(st.lists(st.integers(0, 400), max_size=4))):
        inputs.insert(draw(st.integers(0, len(inputs))), Tick(minute))
    return inputs


def feed(incidents: Incidents, inputs: Sequence[Input]) -> None:
    for one in inputs:
        if isinstance(one, Tick):
            incidents.advance(one.minute * MINUTE)
        else:
            incidents.take(one)


def told(incident: Incident) -> dict[str, Any]:
    """What is stored of it, without what counts how often it changed."""
    return {
        "id": incident.id,
        "state": incident.state,
        "severity": incident.level,
        "title": incident.title,
        "group": incident.group,
        "opened": incident.opened,
        "updated": incident.updated,
        "resolved": incident.resolved,
        "evidence": incident.evidence,
        "why": incident.why,
        "bonds": incident.bonds,
        "metrics": incident.metrics,
        "members": sorted(incident.members),
    }


def all_told(incidents: Incidents) -> list[dict[str, Any]]:
    return [told(one) for one in sorted(incidents, key=lambda one: one.id)]


def kinds(entries: Sequence[Entry]) -> list[str]:
    return [entry.kind for entry in entries]
