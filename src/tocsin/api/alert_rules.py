"""Rules about alarms: which count, trying others out, setting them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.params import BodyKwarg, QueryParameter

from tocsin.alarms import SEVERITIES, AlertRule, AlertRules
from tocsin.alert.duty import Ruling
from tocsin.alert.incidents import Report
from tocsin.alert.rule_preview import Judged, preview_rules
from tocsin.api.audit import actor, audit
from tocsin.api.parts import Parts
from tocsin.errors import ConfigurationError
from tocsin.samples import iso

__all__ = ["HANDLERS"]

#: Events that are shown.
_SHOWN: Final = 100
_LARGEST: Final = 2**63 - 1

Number = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
Revision = Annotated[
    int | None, QueryParameter(ge=0, le=_LARGEST, description="the one that was looked at")
]


class RulesIn(msgspec.Struct, forbid_unknown_fields=True):
    """All rules, in order; ``revision``: the one that they were made from."""

    #: Read one by one, so that an error says which rule it is about.
    rules: list[dict[str, Any]]
    revision: Number


class TriedRulesIn(msgspec.Struct, forbid_unknown_fields=True):
    """Rules to be tried, on the events of how many days."""

    rules: list[dict[str, Any]]
    days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 30.0


class RulesOut(msgspec.Struct):
    """The rules that count; those of the configuration file, or set through the interface."""

    rules: list[AlertRule]
    source: str
    #: Rises with every change through the interface; 0: there was none.
    revision: int
    #: The last change, and who made it.
    at: str | None
    author: str | None

    @classmethod
    def of(cls, ruling: Ruling) -> RulesOut:
        """Of what counts."""
        last = ruling.last
        return cls(
            list(ruling.rules.rules),
            ruling.source,
            0 if last is None else last.revision,
            None if last is None else iso(last.at),
            None if last is None else last.author,
        )


class VerdictOut(msgspec.Struct):
    """What rules say of an event: nobody is alarmed, or how severe it is and who is told."""

    alarms: bool
    severity: str | None
    #: null: everybody.
    routes: list[str] | None

    @classmethod
    def of(cls, report: Report) -> VerdictOut:
        """Of a report."""
        if not report.alarms:
            return cls(False, None, None)
        routes = None if report.routes is None else sorted(report.routes)
        return cls(True, SEVERITIES[report.severity], routes)


class ChangedEventOut(msgspec.Struct):
    """An event of which other rules would have said something else."""

    event: int
    #: The metric's uid, and its name and labels.
    metric: str
    title: str
    start: str
    end: str
    anomaly_score: float | None
    why: str
    now: VerdictOut
    then: VerdictOut

    @classmethod
    def of(cls, told: Judged) -> ChangedEventOut:
        """Of a judged event."""
        row = told.row
        return cls(
            event=row["id"],
            metric=row["uid"],
            title=told.now.title,
            start=iso(row["start"]),
            end=iso(row["end"]),
            anomaly_score=row["anomaly_score"],
            why=row["why"] or "",
            now=VerdictOut.of(told.now),
            then=VerdictOut.of(told.then),
        )


class RulesPreview(msgspec.Struct):
    """What other rules would have changed in these days."""

    days: float
    events: int
    alarms_now: int
    alarms_then: int
    by_severity_now: dict[str, int]
    by_severity_then: dict[str, int]
    #: The newest 100.
    changed: list[ChangedEventOut]


@get("/rules", sync_to_thread=True, summary="The rules about alarms")
def show_rules(state: Parts) -> RulesOut:
    """Which events alarm, how severe they are, who is told: the first that matches counts."""
    return RulesOut.of(state.duty.ruling())


@put("/rules", summary="Set the rules about alarms")
async def set_rules(state: Parts, data: Annotated[RulesIn, BodyKwarg()]) -> RulesOut:
    """They count from the next event on, over restarts, in place of the configuration file's."""
    audit(what="rules.set", target="rules", rules=len(data.rules), revision=data.revision)
    rules = _checked(state, data.rules)
    decide = state.duty.decide
    return RulesOut.of(await asyncio.to_thread(decide, rules, actor(), data.revision))


@delete("/rules", status_code=200, summary="Back to the configuration file's rules")
async def unset_rules(state: Parts, revision: Revision = None) -> RulesOut:
    """The rules of the configuration file count again."""
    audit(what="rules.unset", target="rules")
    return RulesOut.of(await asyncio.to_thread(state.duty.decide, None, actor(), revision))


@post(
    "/rules/preview",
    opt={"scope": "read"},
    sync_to_thread=True,
    status_code=200,
    summary="Try rules about alarms out",
)
def try_rules(state: Parts, data: Annotated[TriedRulesIn, BodyKwarg()]) -> RulesPreview:
    """Judge the stored events by other rules; nothing is changed."""
    rules = _checked(state, data.rules)
    found = preview_rules(state.duty, state.engine.database, rules, data.days)
    return RulesPreview(
        days=data.days,
        events=found.events,
        alarms_now=sum(found.by_severity_now.values()),
        alarms_then=sum(found.by_severity_then.values()),
        by_severity_now=dict(found.by_severity_now),
        by_severity_then=dict(found.by_severity_then),
        changed=[ChangedEventOut.of(one) for one in found.changed[:_SHOWN]],
    )


def _checked(state: Parts, told: list[dict[str, Any]]) -> AlertRules:
    """Errors: `ConfigurationError` names rule and key."""
    rules = AlertRules.of(told)
    known = state.config.channel_names
    for number, rule in enumerate(rules.rules, 1):
        for route in rule.routes or ():
            if route not in known:
                there = ", ".join(map(repr, known)) or "none"
                raise ConfigurationError(
                    f"alert rule {number}: routes: no channel has the name {route[:40]!r} "
                    f"(there are: {there})"
                )
    return rules


HANDLERS: Final = [show_rules, set_rules, unset_rules, try_rules]
