from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.engine.aside import Arranged, Aside
from tocsin.engine.order import arrange, release
from tocsin.engine.policy import Policy
from tocsin.engine.registry import NEVER
from tocsin.engine.verdicts import Group, Verdict, screen
from tocsin.engine.walk import Known

POSITION = np.dtype([("timestamp", "i8"), ("value", "f8")])
ROWS = 3
WINDOWS = (0, 1, 3, 6)

Item = tuple[int, int, float]
a_sample = st.tuples(st.integers(-1, ROWS - 1), st.integers(1, 14), st.sampled_from([1.0, 2.0]))
a_batch = st.lists(a_sample, max_size=8)
#: Batches that are processed together, and how much later than the group before.
a_group = st.tuples(st.lists(a_batch, max_size=3), st.integers(0, 4))


@dataclass
class Slow:
    """One sample after the other: the slow, obviously right twin."""

    policy: Policy
    taken: list[dict[int, float]] = field(default_factory=lambda: [{} for _ in range(ROWS)])
    held: list[dict[int, tuple[float, int]]] = field(
        default_factory=lambda: [{} for _ in range(ROWS)]
    )
    late: list[dict[int, float]] = field(default_factory=lambda: [{} for _ in range(ROWS)])

    def group(self, batches: list[list[Item]], now: int) -> list[Verdict]:
        verdicts = []
        for batch in batches:
            told = [Verdict.ACCEPTED] * len(batch)
            for i in sorted(range(len(batch)), key=lambda i: batch[i][1]):
                told[i] = self.sample(*batch[i], now)
            verdicts += told
        for row in range(ROWS):
            due = [
                time
                for time, (_, arrived) in self.held[row].items()
                if abs(now - arrived) >= self.policy.window
            ]
            self.free(row, max(due, default=NEVER))
        return verdicts

    def sample(self, row: int, time: int, value: float, now: int) -> Verdict:
        if row < 0:
            return Verdict.TOO_MANY_METRICS
        held = {time: value for time, (value, _) in self.held[row].items()}
        for known in (self.taken[row], held):
            if time in known:
                return Verdict.DUPLICATE if known[time] == value else Verdict.CONFLICT
        if time > max(self.taken[row], default=NEVER):
            self.held[row][time] = (value, now)
            self.free(row, max(self.held[row]) - self.policy.window)
            return Verdict.ACCEPTED
        if not self.policy.store_late:
            return Verdict.LATE
        if time in self.late[row]:
            same = self.late[row][time] == value
            return Verdict.DUPLICATE if same else Verdict.CONFLICT
        self.late[row][time] = value
        return Verdict.STORED_LATE

    def free(self, row: int, upto: int) -> None:
        for time in [time for time in sorted(self.held[row]) if time <= upto]:
            self.taken[row][time] = self.held[row].pop(time)[0]


@dataclass
class Fast:
    """What is tested, with what a database would hold."""

    policy: Policy
    taken: list[dict[int, float]] = field(default_factory=lambda: [{} for _ in range(ROWS)])
    late: list[dict[int, float]] = field(default_factory=lambda: [{} for _ in range(ROWS)])
    held: Aside = field(default_factory=Aside.empty)
    stored_held: dict[tuple[int, int], tuple[float, int]] = field(default_factory=dict)

    @property
    def position(self) -> NDArray[np.void]:
        position = np.zeros(ROWS, dtype=POSITION)
        for row in range(ROWS):
            last = max(self.taken[row], default=NEVER)
            position[row] = (last, self.taken[row].get(last, np.nan))
        return position

    def known(self) -> Known:
        def stored(row: int, times: Sequence[int]) -> dict[int, float]:
            assert times == sorted(set(times))
            return {time: self.taken[row][time] for time in times if time in self.taken[row]}

        def late(row: int, times: Sequence[int]) -> dict[int, float]:
            return {time: self.late[row][time] for time in times if time in self.late[row]}

        return Known(stored, late)

    def group(self, batches: list[list[Item]], now: int) -> list[Verdict]:
        group = columns(batches)
        verdict = np.zeros(len(group.row), dtype=np.int8)
        found = arrange(
            group, verdict, self.position, self.known(), self.held, policy=self.policy, now=now
        )
        self.keep(found)
        return [Verdict(code) for code in verdict.tolist()]

    def keep(self, found: Arranged) -> None:
        assert found.row.tolist() == sorted(found.row.tolist())
        for row, time, value in rows_of(found):
            # Every one comes after the last one taken: only so are seqs in the order of time.
            assert time > max(self.taken[row], default=NEVER)
            self.taken[row][time] = value
        for row, time, value in rows_of(found.late):
            assert time not in self.late[row]
            self.late[row][time] = value
        for key in zip(found.dropped.row.tolist(), found.dropped.timestamp.tolist(), strict=True):
            del self.stored_held[key]
        self.stored_held |= as_stored(found.added)
        assert as_stored(found.held) == self.stored_held
        self.held = found.held


def as_stored(aside: Aside) -> dict[tuple[int, int], tuple[float, int]]:
    keys = zip(aside.row.tolist(), aside.timestamp.tolist(), strict=True)
    stored = zip(aside.value.tolist(), aside.arrived.tolist(), strict=True)
    return dict(zip(keys, stored, strict=True))


def rows_of(of: Arranged | Aside) -> list[Item]:
    return list(zip(of.row.tolist(), of.timestamp.tolist(), of.value.tolist(), strict=True))


def columns(batches: list[list[Item]]) -> Group:
    flat = [(b, *sample) for b, batch in enumerate(batches) for sample in batch]
    batch, row, time, value = zip(*flat, strict=True) if flat else [(), (), (), ()]
    return Group(ints(batch), ints(row), ints(time), np.array(value, dtype=np.float64))


def ints(column: Sequence[int]) -> NDArray[np.int64]:
    return np.array(column, dtype=np.int64)


@settings(max_examples=400)
@given(st.lists(a_group, max_size=6), st.sampled_from(WINDOWS), st.booleans())
def test_equals_one_sample_after_the_other(
    groups: list[tuple[list[list[Item]], int]], window: int, store_late: bool
) -> None:
    policy = Policy(window=window, store_late=store_late)
    fast, slow, now = Fast(policy), Slow(policy), 100
    for batches, later in groups:
        now += later
        assert fast.group(batches, now) == slow.group(batches, now)
        assert fast.taken == slow.taken
        assert fast.late == slow.late
        held = {(row, t): v for row in range(ROWS) for t, v in slow.held[row].items()}
        assert fast.stored_held == held


@given(st.lists(a_batch, min_size=1, max_size=5), st.sampled_from(WINDOWS), st.booleans())
def test_how_batches_are_grouped_makes_no_difference(
    batches: list[list[Item]], window: int, store_late: bool
) -> None:
    policy = Policy(window=window, store_late=store_late)
    together, apart = Fast(policy), Fast(policy)
    told = together.group(batches, 50)
    assert told == [verdict for batch in batches for verdict in apart.group([batch], 50)]
    assert together.taken == apart.taken
    assert together.late == apart.late
    assert together.stored_held == apart.stored_held


@given(st.lists(a_group, max_size=5), st.integers(1, 4))
def test_no_more_are_held_than_may_be(
    groups: list[tuple[list[list[Item]], int]], most: int
) -> None:
    fast, now = Fast(Policy(window=1000, most_held=most)), 100
    accepted = 0
    for batches, later in groups:
        now += later
        accepted += fast.group(batches, now).count(Verdict.ACCEPTED)
        assert len(fast.held) <= most
        # Nothing that was acknowledged is lost.
        assert sum(map(len, fast.taken)) + len(fast.held) == accepted


def test_the_first_to_arrive_wait_no_longer_where_too_many_are_held() -> None:
    fast = Fast(Policy(window=1000, most_held=2))
    for now, sample in enumerate([(0, 5, 1.0), (1, 6, 1.0), (0, 9, 1.0)], start=1):
        fast.group([[sample]], now)
    assert fast.taken == [{5: 1.0}, {}, {}]
    assert set(fast.stored_held) == {(1, 6), (0, 9)}


def test_samples_within_the_window_are_put_in_order() -> None:
    fast = Fast(Policy(window=10))
    times = [100, 95, 104, 99, 111, 103, 89, 90]
    told = [fast.group([[(0, time, 1.0)]], now) for now, time in enumerate(times)]
    # 111 lets 101 and older go; 90 and 89 lie before what has gone by then.
    assert [verdict for (verdict,) in told] == [Verdict.ACCEPTED] * 6 + [Verdict.LATE] * 2
    assert list(fast.taken[0]) == [95, 99, 100]
    assert {time for _, time in fast.stored_held} == {103, 104, 111}


@pytest.mark.parametrize("jump", [10, 3_600, -10, -3_600])
def test_what_waits_is_released_by_the_clock_wherever_it_jumps(jump: int) -> None:
    fast = Fast(Policy(window=10))
    fast.group([[(0, 7, 1.0), (0, 5, 2.0), (1, 6, 1.0)]], now=5_000)
    assert fast.held.wait(5_000, 10) == 10
    assert fast.held.wait(5_000 + jump, 10) == 0
    early = release(fast.position, fast.known(), fast.held, policy=fast.policy, now=5_009)
    assert not len(early)
    assert len(early.held) == 3
    found = release(fast.position, fast.known(), fast.held, policy=fast.policy, now=5_000 + jump)
    assert rows_of(found) == [(0, 5, 2.0), (0, 7, 1.0), (1, 6, 1.0)]
    assert not len(found.held)
    assert len(found.dropped) == 3


def test_what_was_held_is_released_when_the_window_is_switched_off() -> None:
    fast = Fast(Policy(window=10))
    fast.group([[(0, 7, 1.0)]], now=100)
    fast.policy = Policy()
    assert fast.group([[(0, 6, 1.0), (1, 3, 1.0)]], now=101) == [Verdict.ACCEPTED] * 2
    assert fast.taken == [{6: 1.0, 7: 1.0}, {3: 1.0}, {}]
    assert fast.held.wait(101, 0) is None


def test_metrics_that_nothing_came_for_are_not_touched() -> None:
    fast = Fast(Policy(window=10))
    fast.group([[(0, 7, 1.0), (1, 7, 1.0)]], now=100)
    fast.group([[(1, 30, 1.0)]], now=105)
    assert fast.taken == [{}, {7: 1.0}, {}]
    assert set(fast.stored_held) == {(0, 7), (1, 30)}


def test_only_metrics_with_doubtful_samples_are_looked_up() -> None:
    asked: list[int] = []

    def stored(row: int, _times: Sequence[int]) -> dict[int, float]:
        asked.append(row)
        return {}

    for window in WINDOWS:
        asked.clear()
        position = np.array([(20, 1.0), (20, 1.0), (20, 1.0)], dtype=POSITION)
        group = columns([[(0, 21, 1.0), (1, 20, 1.0), (2, 9, 1.0), (0, 40, 1.0)]])
        verdict = np.zeros(4, dtype=np.int8)
        arrange(group, verdict, position, Known(stored), policy=Policy(window=window), now=1)
        assert asked == [2]
        assert verdict.tolist() == [
            Verdict.ACCEPTED,
            Verdict.DUPLICATE,
            Verdict.LATE,
            Verdict.ACCEPTED,
        ]


def test_held_ones_become_rows_and_come_back() -> None:
    fast = Fast(Policy(window=10))
    fast.group([[(0, 7, 1.5), (1, 8, 2.5), (2, 9, 3.5)]], now=100)
    ids = np.array([11, 12, 13])
    rows = fast.held.rows(ids)
    assert rows[1] == {"metric": 12, "timestamp": 8, "value": 2.5, "arrived": 100}
    assert fast.held.keys(ids)[2] == {"metric": 13, "timestamp": 9}
    now_at = {11: 0, 12: -1, 13: 2}
    back = Aside.restored(rows, now_at.__getitem__)
    assert as_stored(back) == {(0, 7): (1.5, 100), (2, 9): (3.5, 100)}
    assert as_stored(back.without(0)) == {(2, 9): (3.5, 100)}
    assert not len(Aside.restored([], now_at.__getitem__))


def test_impossible_values_and_times_are_screened() -> None:
    times = np.array([0, 5, 6, 11, 7, -3, 4], dtype=np.int64)
    values = np.array([1.0, np.nan, np.inf, 1.0, 1.0, -np.inf, 1.0])
    assert screen(times, values, newest=10, oldest=5).tolist() == [
        Verdict.PAST,
        Verdict.NOT_FINITE,
        Verdict.NOT_FINITE,
        Verdict.FUTURE,
        Verdict.ACCEPTED,
        Verdict.NOT_FINITE,
        Verdict.TOO_OLD,
    ]
    assert screen(times, values, newest=10)[-1] == Verdict.ACCEPTED
