from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.engine.lifecycle import (
    LEARNING,
    TABLE,
    Action,
    Refusal,
    Standing,
    Status,
    Why,
    after,
    back_off,
    settled,
    step,
)
from tocsin.errors import ActionRefusedError, MetricNotActiveError
from tocsin.samples import SECOND_NS

ALL = list(product(Status, Action))
#: What the engine does of itself; all else is asked for.
OWN = (Action.RESULT, Action.READY, Action.RELEARN, Action.FAIL, Action.RETRY)
ASKED = [action for action in Action if action not in OWN]
WORDS = {
    Refusal.MONITOR_FIRST: "[monitor first]",
    Refusal.RESUME_IT: "[resume it]",
    Refusal.TRY_AGAIN: "[try again]",
    Refusal.NOT_SCORED: "[not scored]",
}


def possible(status: Status, action: Action) -> bool:
    return isinstance(TABLE[status, action], Status)


def test_the_table_says_something_of_every_status_and_action() -> None:
    assert set(TABLE) == set(ALL)


@pytest.mark.parametrize(("status", "action"), ALL)
def test_every_entry_is_obeyed(status: Status, action: Action) -> None:
    outcome = TABLE[status, action]
    if isinstance(outcome, Status):
        assert after(status, action) is outcome
        return
    refused = MetricNotActiveError if action in OWN else ActionRefusedError
    with pytest.raises(refused, match=re.escape(outcome.value)) as caught:
        after(status, action)
    assert status in str(caught.value)
    assert action in str(caught.value)


@pytest.mark.parametrize(("status", "action"), list(product(Status, ASKED)))
def test_asking_twice_is_asking_once(status: Status, action: Action) -> None:
    if possible(status, action):
        once = after(status, action)
        assert after(once, action) is once


def test_results_are_for_metrics_that_learn() -> None:
    assert {s for s in Status if possible(s, Action.RESULT)} == set(LEARNING)


def test_every_status_can_be_left_and_reached() -> None:
    for status in Status:
        ways_out = {TABLE[status, action] for action in Action} - {status}
        assert any(isinstance(way, Status) for way in ways_out)
        assert any(TABLE[other, a] is status for other in Status if other != status for a in Action)


def test_what_can_always_be_done() -> None:
    for status in Status:
        assert after(status, Action.DELETE) is Status.UNMONITORED
        assert after(status, Action.UNMONITOR) is Status.UNMONITORED
        assert after(status, Action.EXPORT) is status
        assert after(status, Action.CLONE) is status


def test_the_documents_table_is_this_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    table = text[text.index("| action |") :].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert cells[0][1:] == [status.value for status in Status]
    told = {line[0]: line[1:] for line in cells[2:]}
    expected = {
        action.value: [
            outcome.value if isinstance(outcome, Status) else WORDS[outcome]
            for outcome in (TABLE[status, action] for status in Status)
        ]
        for action in Action
    }
    assert told == expected


@pytest.mark.parametrize("status", Status)
def test_only_a_warmed_up_metric_becomes_active(status: Status) -> None:
    assert settled(status, False) is status
    warmed = Status.ACTIVE if status is Status.WARMING_UP else status
    assert settled(status, True) is warmed


def test_back_off_doubles_to_an_hour() -> None:
    waits = [back_off(n) for n in range(1, 40)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits == sorted(waits)
    assert waits[-1] == 3_600
    assert back_off(10**9) == 3_600


def test_failures_wait_longer_each_time_until_a_result() -> None:
    standing, now = Standing(Status.ACTIVE), 1_000 * SECOND_NS
    for failures in (1, 2, 3):
        standing = step(standing, Action.FAIL, now=now, reason="model_raised", detail="boom")
        wait = 2 ** (failures - 1) * SECOND_NS
        assert standing == Standing(Status.ERROR, "model_raised", "boom", now + wait, failures)
        assert standing.due(now + wait - 1) is None
        assert standing.due(now + wait) is Action.RETRY
        standing = step(standing, Action.RETRY)
        assert standing == Standing(Status.WARMING_UP, failures=failures)
    assert step(standing, Action.RESULT) == Standing(Status.WARMING_UP)


def test_a_pause_may_end_by_itself() -> None:
    until = step(Standing(Status.ACTIVE), Action.PAUSE, until=50)
    assert until == Standing(Status.PAUSED, Why.ASKED, deadline=50)
    assert until.due(49) is None
    assert until.due(50) is Action.RESUME
    assert step(until, Action.PAUSE).due(10**18) is None


def test_who_unmonitored_is_remembered() -> None:
    by_rule = step(Standing(Status.ACTIVE), Action.UNMONITOR, reason=Why.RULE)
    assert by_rule == Standing(Status.UNMONITORED, Why.RULE)
    assert step(by_rule, Action.UNMONITOR) == by_rule
    assert step(by_rule, Action.DELETE) == Standing(Status.UNMONITORED, Why.DELETED)


standings = st.builds(
    Standing,
    st.sampled_from(Status),
    st.none() | st.just("asked"),
    st.none() | st.just("words"),
    st.none() | st.integers(0, 10**18),
    st.integers(0, 50),
)


@given(standings, st.sampled_from(Action), st.integers(0, 10**18))
def test_a_step_follows_the_table_and_says_why(
    standing: Standing, action: Action, now: int
) -> None:
    if not possible(standing.status, action):
        with pytest.raises((ActionRefusedError, MetricNotActiveError)):
            step(standing, action, now=now)
        return
    stepped = step(standing, action, now=now, reason="why")
    assert stepped.status is TABLE[standing.status, action]
    if stepped.learns:
        assert stepped == Standing(stepped.status, failures=stepped.failures)
    elif stepped.status is not standing.status:
        assert stepped.reason
    if stepped.status is Status.ERROR and standing.status is not Status.ERROR:
        assert stepped.deadline is not None
        assert stepped.deadline > now
    if action in (Action.EXPORT, Action.CLONE) and not stepped.learns:
        assert stepped == replace(standing)
