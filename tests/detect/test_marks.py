from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin import Settings
from tocsin.detect import alarm
from tocsin.detect import marks as marking
from tocsin.detect.events import Event, EventFold
from tocsin.detect.kernels import step
from tocsin.detect.marks import Course, Kind, Lowered, Mark, Signature, Wish, limit_of, muted_by
from tocsin.samples import Metric
from tocsin.scanning import SeriesResult, scan_series

STEP = 300 * 10**9
START = 1_700_000_000 * 10**9
TIMES = START + np.arange(6_000) * STEP
SPIKES = {2_000: 20.0, 3_000: 22.0, 4_000: 60.0, 5_000: -20.0}


def signal() -> NDArray[np.float64]:
    values = 50 + np.random.default_rng(1).normal(size=len(TIMES))
    values[[2_500, 5_500]] += [4.5, 5.0]
    for at, size in SPIKES.items():
        values[at] += size
    return values


def scanned(*wishes: Wish, **options: Any) -> SeriesResult:
    settings = Settings(**options)
    return scan_series(Metric.of("m"), TIMES, signal(), settings, wishes=wishes)


def wish(kind: Kind, at: int, **more: Any) -> Wish:
    return Wish(kind, int(TIMES[at]), int(TIMES[at]), **more)


def numbers(result: SeriesResult) -> dict[int, Event]:
    """Events by the number of their first sample, without those of the first days."""
    found = {(event.start - START) // STEP: event for event in result.events}
    return {at: event for at, event in found.items() if at >= 2_000}


def test_what_is_like_an_event_that_is_no_anomaly_is_muted() -> None:
    before = numbers(scanned())
    assert set(before) == set(SPIKES)
    after = numbers(scanned(wish("not_anomaly", 2_000)))
    assert set(after) == set(SPIKES)
    muted = {at for at, event in after.items() if event.muted}
    assert muted == {3_000}  # not the marked one, not the much larger one, not the dip
    reason = "like the one of 21 November 2023 marked not an anomaly"
    assert after[3_000].muted == reason
    cleared = dataclasses.replace(after[3_000], muted="")
    assert cleared == before[3_000]


def test_what_is_like_an_anomaly_is_told_earlier() -> None:
    assert not {2_500, 5_500} & set(numbers(scanned()))
    told = numbers(scanned(wish("anomaly", 2_500)))
    assert 5_500 in told
    assert told[5_500].because == "like the one of 23 November 2023 marked an anomaly"
    assert not told[5_500].open
    assert set(SPIKES) <= set(told)
    assert all(not told[at].because for at in SPIKES)
    assert told[5_500].value > told[5_500].expected


def test_only_the_same_time_of_day_is_alike_where_that_is_said() -> None:
    far = abs((3_000 - 2_000) * 5 % 1_440)
    assert min(far, 1_440 - far) > 60
    after = numbers(scanned(wish("not_anomaly", 2_000, same_hour=True)))
    assert not any(event.muted for event in after.values())


def test_a_stretch_without_samples_marks_nothing() -> None:
    nothing = Wish("not_anomaly", 0, 1)
    assert numbers(scanned(nothing)) == numbers(scanned())


def test_an_event_that_outgrows_its_mark_is_told() -> None:
    values = signal()
    values[3_000:3_005] = [66.0, 66.0, 66.0, 120.0, 60.0]
    settings = Settings()
    course = scan_series(
        Metric.of("m"), TIMES, values, settings, wishes=[wish("not_anomaly", 2_000)]
    )
    event = numbers(course)[3_000]
    assert event.value == 120
    assert event.muted == ""


signatures = st.builds(
    Signature,
    pattern=st.sampled_from(["spike", "new_high", "dip", "level_shift", ""]),
    direction=st.sampled_from([-1, 0, 1]),
    size=st.floats(0, 1e9) | st.none(),
    minute=st.integers(0, 1_439),
    weekday=st.integers(0, 6),
)


@given(st.sampled_from(["anomaly", "not_anomaly"]), signatures, st.booleans())
def test_an_event_is_like_itself(kind: Kind, one: Signature, same_hour: bool) -> None:
    mark = Mark(kind, one, START, same_hour=same_hour, limit=0.01)
    assert mark.like(one)
    assert not mark.like(dataclasses.replace(one, direction=one.direction % 3 - 1))
    assert "\n" not in mark.rule
    assert mark.rule.startswith("alarmed" if kind == "anomaly" else "not alarmed")


@given(signatures, signatures)
def test_smaller_ones_are_no_anomaly_either(one: Signature, other: Signature) -> None:
    mark = Mark("not_anomaly", one, START)
    if mark.like(other) and other.size is not None:
        assert mark.like(dataclasses.replace(other, size=other.size / 2))
        assert other.size <= 1.25 * (one.size or 0)


@given(st.integers(0, 100), st.integers(0, 100) | st.none(), st.integers(0, 200))
def test_a_mark_holds_after_it_was_made(since: int, until: int | None, seq: int) -> None:
    mark = Mark("anomaly", Signature("", 0, None, 0, 0), START, since, until)
    assert mark.holds(seq) == (since < seq <= (seq if until is None else until))


def test_the_limit_is_bounded_and_follows_budget_and_interval() -> None:
    assert limit_of(0.5, TIMES) == pytest.approx(100 * 0.5 / 2_016)
    assert limit_of(1e4, TIMES) == marking._LARGEST_LIMIT
    assert limit_of(1e-4, TIMES[:1]) == pytest.approx(100 * 1e-8, rel=1e-6)


def test_what_the_alarm_does_is_done_here_too() -> None:
    assert (marking._QUIET_FOR, marking._RELEASE) == (alarm._QUIET, alarm._RELEASE)
    shares = marking._SMALLEST_SHARE, marking._LARGEST_SHARE
    assert shares == (step._SMALLEST_SHARE, step._LARGEST_SHARE)


@given(st.lists(st.integers(0, len(TIMES)), max_size=4))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    whole = scanned(wish("not_anomaly", 2_000), wish("anomaly", 2_500))
    found = pieces(sorted(cuts))
    assert found == whole.events


def pieces(cuts: list[int]) -> list[Event]:
    """The same, with what was scored handed on in pieces."""
    plain = PLAIN
    seq = np.arange(1, len(TIMES) + 1)
    scored = plain.scored.copy()
    course = Course(seq, TIMES, plain.values, scored)
    wishes = wish("not_anomaly", 2_000), wish("anomaly", 2_500)
    made = [course.mark(one, plain.events, Settings()) for one in wishes]
    holding = [mark for mark in made if mark]
    lowered = Lowered()
    fold = EventFold(mute=lambda event, at: muted_by(holding, event, at))
    found: dict[int, Event] = {}
    for first, last in zip([0, *cuts], [*cuts, len(TIMES)], strict=True):
        part = slice(first, last)
        columns = seq[part], TIMES[part], plain.values[part], scored[part]
        begun = lowered.tell(holding, *columns)
        because = {int(seq[part][i]): why for i, why in begun.items()}
        for event in fold.feed(*columns[1:], columns[0], because):
            found[id(event)] = event
    return list(found.values())


PLAIN = scanned()


def test_a_counters_marks_are_about_its_rate() -> None:
    total = np.cumsum(signal() * 300)
    course = scan_series(
        Metric.of("m"),
        TIMES,
        total,
        Settings(kind="counter"),
        wishes=[wish("not_anomaly", 2_000), wish("anomaly", 2_500)],
    )
    told = numbers(course)
    assert {at for at, event in told.items() if event.muted} == {3_000}
    assert told[5_500].because
    assert told[5_500].value < 100


def test_the_nearer_mark_counts() -> None:
    told = numbers(scanned(wish("anomaly", 2_500), wish("not_anomaly", 2_000)))
    assert {at for at, event in told.items() if event.muted} == {3_000}
    assert told[5_500].because
