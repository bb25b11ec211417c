from __future__ import annotations

import copy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alert.making import (
    MINUTE,
    TERMS,
    Input,
    all_told,
    feed,
    histories,
    kinds,
    report,
)
from tocsin.alert.incidents import KEPT, Incident, Incidents, Report
from tocsin.errors import ActionRefusedError

END = 10**6 * MINUTE


def only(incidents: Incidents) -> Incident:
    (one,) = incidents
    return one


# Any way of hearing of the same events gives the same incidents


@given(histories(), st.data())
def test_any_split_into_commits_gives_the_same(inputs: list[Input], data: st.DataObject) -> None:
    whole = Incidents(TERMS)
    feed(whole, inputs)
    whole.advance(END)
    _, entries = whole.changes()

    cuts = sorted(data.draw(st.lists(st.integers(0, len(inputs)), max_size=5)))
    split, said = Incidents(TERMS), []
    for start, stop in pairwise([0, *cuts, len(inputs)]):
        feed(split, inputs[start:stop])
        said += split.changes()[1]
    split.advance(END)
    said += split.changes()[1]
    assert all_told(split) == all_told(whole)
    assert said == entries
    assert [one.revision for one in split] == [one.revision for one in whole]


@given(histories(), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 500)), max_size=6))
def test_when_the_time_is_told_makes_no_difference_in_the_end(
    inputs: list[Input], ticks: list[tuple[int, int]]
) -> None:
    plain, often = Incidents(TERMS), Incidents(TERMS)
    feed(plain, inputs)
    for at, one in enumerate(inputs):
        for where, minute in ticks:
            if where == at:
                often.advance(minute * MINUTE)
        feed(often, [one])
    plain.advance(END)
    often.advance(END)
    assert all_told(often) == all_told(plain)


@given(histories(), st.integers(0, 40))
def test_stopped_and_gone_on_with_what_was_stored(inputs: list[Input], cut: int) -> None:
    whole = Incidents(TERMS)
    feed(whole, inputs[:cut])
    whole.changes()
    stored = [copy.deepcopy(one) for one in whole]
    again = Incidents(TERMS, stored, max((one.id for one in stored), default=0))
    again.advance(whole.clock)
    whole.advance(whole.clock)
    for incidents in (whole, again):
        feed(incidents, inputs[cut:])
        incidents.advance(END)
    assert all_told(again) == all_told(whole)


@given(histories())
def test_every_event_that_alarms_is_in_one_incident(inputs: list[Input]) -> None:
    incidents = Incidents(TERMS)
    feed(incidents, inputs)
    alarming = {one.event for one in inputs if isinstance(one, Report) and one.alarms}
    members = [event for incident in incidents for event in incident.members]
    assert sorted(members) == sorted(alarming)
    for incident in incidents:
        assert incident.bonds, "they share something"


# What belongs together


def test_events_of_one_host_are_one_incident() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, "web.latency", host="a"))
    incidents.take(report(2, "node.cpu", start=2, host="a"))
    incidents.take(report(3, "node.mem", start=5, host="a"))
    one = only(incidents)
    assert (one.group, one.first.title, len(one.metrics)) == ("host=a", 'web.latency{host="a"}', 3)
    assert one.title == 'web.latency{host="a"} and 2 more on host=a'
    assert "3 of 10 metrics of host=a within 5 minutes" in one.why


def test_what_shares_nothing_is_another_incident() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, "web.latency", host="a"))
    incidents.take(report(2, "node.cpu", host="b"))
    assert len(list(incidents)) == 2


def test_what_comes_much_later_is_another_incident() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, host="a"))
    incidents.take(report(2, "node.cpu", start=15, host="a"))
    incidents.take(report(3, "node.mem", start=31, host="a"))
    assert [sorted(one.members) for one in incidents] == [[1, 2], [3]]


def test_what_everybody_shares_is_no_reason() -> None:
    incidents = Incidents(TERMS)
    for event, name in enumerate(("a", "b"), 1):
        incidents.take(report(event, name, peers=1_000_000, env="prod"))
    assert len(list(incidents)) == 2


def test_but_very_many_at_once_are_no_chance_even_then() -> None:
    incidents = Incidents(TERMS)
    for event in range(1, 1_000):
        incidents.take(report(event, f"m{event}", peers=100_000, env="prod"))
    sizes = sorted(len(one.members) for one in incidents)
    assert sizes[-1] > 850
    assert sum(sizes) == 999


def test_bonds_become_fewer_with_every_metric() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, "cpu", host="a", service="s"))
    incidents.take(report(2, "mem", host="a", service="s"))
    incidents.take(report(3, "net", host="b", service="s"))
    incidents.take(report(4, "disk", host="a", service="t"))
    assert [(one.group, sorted(one.members)) for one in incidents] == [
        ("service=s", [1, 2, 3]),
        ("host=a", [4]),
    ]


def test_two_hosts_that_fail_at_once_are_two_incidents_whatever_label_all_share() -> None:
    incidents = Incidents(TERMS)
    peers = {"env=prod": 200, "host=a": 8, "host=b": 8}
    for event in range(1, 13):
        one = report(event, f"m{event % 6}.{event}", host="ab"[event % 2], env="prod")
        incidents.take(one._replace(peers=peers))
    assert [(one.group, len(one.members)) for one in incidents] == [("host=b", 6), ("host=a", 6)]


def test_one_metric_elsewhere_does_not_make_an_outage_wider() -> None:
    incidents = Incidents(TERMS)
    peers = {"env=prod": 200, "host=a": 8, "host=b": 8}
    for event in range(1, 7):
        incidents.take(report(event, f"m{event}", host="a", env="prod")._replace(peers=peers))
    incidents.take(report(7, "m7", host="b", env="prod")._replace(peers=peers))
    assert [(one.group, len(one.members)) for one in incidents] == [("host=a", 6), ("host=b", 1)]


def test_an_outage_that_spreads_over_a_service_stays_one_incident() -> None:
    incidents = Incidents(TERMS)
    peers = {"env=prod": 200, "service=s": 24} | {f"host={host}": 8 for host in "abc"}
    for event in range(1, 10):
        one = report(event, f"m{event}", host="abc"[event % 3], service="s", env="prod")
        incidents.take(one._replace(peers=peers))
    assert [(one.group, len(one.members)) for one in incidents] == [("service=s", 9)]


def test_a_metrics_own_next_event_joins_whatever_its_peers() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, peers=10**6))
    incidents.take(report(2, start=10, peers=10**6))
    one = only(incidents)
    assert (len(one.metrics), len(one.members)) == (1, 2)


def test_many_at_once_stand_above_one_that_is_stranger() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, "lonely", decades=9.0))
    for event in range(2, 7):
        incidents.take(report(event, f"m{event}", host="a", decades=5.0))
    lonely, outage = incidents
    assert lonely.evidence == 9.0
    assert outage.evidence > 15.0
    assert (lonely.level, outage.level) == ("warning", "critical")


def test_what_does_not_alarm_opens_nothing_and_joins_nothing() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, alarms=False, host="a"))
    assert list(incidents) == []
    incidents.take(report(2, "node.cpu", host="a"))
    incidents.take(report(1, alarms=False, host="a"))
    assert sorted(only(incidents).members) == [2]
    incidents.take(report(1, alarms=True, host="a"))  # it has lasted long enough, say
    assert sorted(only(incidents).members) == [1, 2]
    assert only(incidents).first.event == 1


# How it ends


def test_it_is_over_when_all_is_quiet_for_a_while() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, end=3, open=True, host="a"))
    incidents.advance(60 * MINUTE)
    assert only(incidents).state == "open"
    incidents.take(report(1, end=4, host="a"))
    incidents.advance(18 * MINUTE)
    incidents.advance(61 * MINUTE)
    one = only(incidents)
    assert (one.state, one.resolved) == ("resolved", 19 * MINUTE)
    assert kinds(incidents.changes()[1]) == ["opened", "resolved"]


def test_it_is_over_a_moment_before_it_is_not() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1))
    incidents.advance(15 * MINUTE - 1)
    assert only(incidents).state == "open"
    incidents.advance(15 * MINUTE)
    assert only(incidents).state == "resolved"


def test_what_joins_late_opens_it_again() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, host="a"))
    incidents.advance(20 * MINUTE)
    incidents.take(report(2, "node.cpu", start=14, host="a"))
    incidents.advance(20 * MINUTE)
    one = only(incidents)
    assert one.state == "open"
    assert kinds(incidents.changes()[1]) == ["opened", "resolved", "joined", "reopened"]
    assert list(one.tell(20 * MINUTE, TERMS)) == ["opened"]


def test_nothing_heard_of_it_for_a_week_ends_it() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, open=True))
    incidents.advance(TERMS.silent - 1)
    assert only(incidents).state == "open"
    incidents.advance(TERMS.silent)
    assert only(incidents).state == "resolved"


# People


def test_people_acknowledge_and_resolve() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, open=True, host="a"))
    incidents.acknowledge(1, "ann", 5)
    incidents.acknowledge(1, "bob", 6)
    assert only(incidents).state == "acknowledged"
    incidents.resolve(1, "ann", 7)
    assert (only(incidents).state, only(incidents).resolved) == ("resolved", 7)
    with pytest.raises(ActionRefusedError, match="reopen it first"):
        incidents.acknowledge(1, "ann", 8)
    with pytest.raises(ActionRefusedError, match="reopen it first"):
        incidents.snooze(1, 100, "ann", 8)
    assert kinds(incidents.changes()[1]) == ["opened", "acknowledged", "resolved"]


def test_what_a_person_closed_stays_so_and_is_joined_by_nothing() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, open=True, host="a"))
    incidents.resolve(1, "ann", 7)
    incidents.take(report(1, end=5, host="a"))
    incidents.take(report(2, "node.cpu", start=5, host="a"))
    incidents.advance(6 * MINUTE)
    assert [(one.state, sorted(one.members)) for one in incidents] == [
        ("resolved", [1]),
        ("open", [2]),
    ]


def test_what_a_person_reopened_is_open_until_a_person_closes_it() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1))
    incidents.advance(60 * MINUTE)
    incidents.reopen(1, "ann", 60 * MINUTE)
    incidents.advance(END)
    assert only(incidents).state == "open"
    incidents.resolve(1, "ann", END)
    assert only(incidents).state == "resolved"


def test_snoozed_and_assigned() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1))
    incidents.snooze(1, 99, "ann", 5)
    incidents.assign(1, "bob", "ann", 6)
    one = only(incidents)
    assert (one.snoozed_until, one.assignee, one.state) == (99, "bob", "open")
    incidents.snooze(1, None, "ann", 7)
    incidents.assign(1, "", "ann", 8)
    assert (one.snoozed_until, one.assignee) == (None, None)
    _, entries = incidents.changes()
    assert kinds(entries) == ["opened", "snoozed", "assigned", "woken", "assigned"]
    assert one.revision == 5


# What is told


def test_one_message_an_incident_with_updates() -> None:
    incidents = Incidents(TERMS)
    heard = []
    for minute in range(30):
        severity = 0 if minute < 10 else 2
        grown = report(1, end=minute, open=minute < 29, severity=severity)
        incidents.take(grown)
        incidents.advance(minute * MINUTE)
        heard += list(only(incidents).tell(minute * MINUTE, TERMS))
    incidents.advance(60 * MINUTE)
    heard += list(only(incidents).tell(60 * MINUTE, TERMS))
    heard += list(only(incidents).tell(61 * MINUTE, TERMS))
    assert heard == ["opened", "worsened", "resolved"]


@pytest.mark.parametrize("what", ["acknowledged", "snoozed", "both"])
def test_what_somebody_looks_at_is_still_told_when_it_worsens_and_ends(what: str) -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, open=True, severity=0))
    one = only(incidents)
    assert list(one.tell(0, TERMS)) == ["opened"]
    if what != "snoozed":
        incidents.acknowledge(1, "ann", 1)
    if what != "acknowledged":
        incidents.snooze(1, END, "ann", 2)
    incidents.take(report(1, end=3, open=True, severity=2))
    assert list(one.tell(3 * MINUTE, TERMS)) == ["worsened"]
    incidents.take(report(1, end=4, severity=2))
    incidents.advance(60 * MINUTE)
    assert list(one.tell(60 * MINUTE, TERMS)) == ["resolved"]
    # Open again, nobody looks after it and nobody is spared.
    assert (one.acknowledged, one.snoozed_until) == (False, None)
    incidents.reopen(1, "bob", 61 * MINUTE)
    assert (one.state, list(one.tell(61 * MINUTE, TERMS))) == ("open", ["opened"])


def test_history_that_is_loaded_alarms_nobody() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1))
    now = TERMS.late + MINUTE
    incidents.advance(now)
    assert list(only(incidents).tell(now, TERMS)) == []


def test_what_came_and_went_while_nobody_looked_is_told_whole() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1))
    incidents.advance(60 * MINUTE)
    assert list(only(incidents).tell(60 * MINUTE, TERMS)) == ["opened", "resolved"]


def test_what_is_long_over_is_forgotten_and_no_more() -> None:
    incidents = Incidents(TERMS)
    incidents.take(report(1, "first", open=True))
    for event in range(2, 2 * KEPT + 10):
        incidents.take(report(event, f"m{event}", start=event * 100))
    incidents.advance(END)
    incidents.changes()
    left = {one.id for one in incidents}
    assert len(left) < KEPT + 10
    assert 1 in left, "its event is still open"
    assert 2 not in left
    incidents.take(report(10**6, "m2", start=200))
    assert sorted(next(one for one in incidents if 10**6 in one.members).members) == [10**6]
