from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.detect.detector import Detector
from tocsin.detect.events import Event, EventFold
from tocsin.detect.result import EVENT_CODES, RESULT, EventState


def fold(cuts: list[int]) -> list[Event]:
    rng = np.random.default_rng(0)
    values = rng.normal(size=3000)
    values[1000] = 50.0
    values[2000:2004] = [30.0, 60.0, 40.0, 35.0]
    times = np.arange(3000) * 60
    rows = Detector().update_many(times, values, unit="s")
    scored = rows[list(RESULT.names or ())].astype(RESULT)
    follower, start = EventFold(), 0
    events: list[Event] = []
    for end in [*sorted(cuts), len(values)]:
        part = slice(start, end)
        for event in follower.feed(rows["timestamp"][part], values[part], scored[part]):
            if not events or events[-1] is not event:
                events.append(event)
        start = end
    return events


def test_an_event_has_its_peak_and_ends() -> None:
    minute = 60_000_000_000
    spike, burst = (event for event in fold([]) if event.start in (1000 * minute, 2000 * minute))
    assert spike.value == 50.0
    assert spike.peak == spike.start
    assert not spike.open
    # The shapes of eight values that hold the spike are odd as well.
    assert spike.samples <= 8
    assert spike.start <= spike.end <= spike.start + 7 * minute
    assert burst.value in (30.0, 60.0, 40.0, 35.0)  # evidence adds up along a burst
    assert burst.start <= burst.peak <= burst.end
    assert burst.likelihood > 0.9999
    assert not burst.lower < burst.value < burst.upper


@given(st.lists(st.integers(0, 3000), max_size=5))
def test_batches_do_not_matter(cuts: list[int]) -> None:
    assert fold(cuts) == fold([])


#: An event that grows where its score cannot: value, expected, score.
GROWS = [
    (50.0, 0.0, 0.9),
    (70.0, 10.0, 1.0),
    (90.0, 40.0, 1.0),  # larger, and nearer to what was expected
    (-80.0, 0.0, 1.0),
    (500.0, 0.0, 0.99),  # less improbable
    (np.nan, 0.0, 1.0),
    (300.0, np.nan, 1.0),
    (300.0, 0.0, np.nan),
    (-60.0, 20.0, 1.0),  # as far
]


def grown(count: int) -> Event:
    """The event as it stands after so many of these."""
    scored = np.zeros(count, RESULT)
    values, expected, score = np.array(GROWS[:count]).T
    scored["rate"] = np.nan
    scored["expected"], scored["anomaly_score"] = expected, score
    scored["likelihood"] = 1.0 - 10.0 ** -np.arange(20.0, 20.0 - count, -1.0)
    scored["event"] = EVENT_CODES.index(EventState.ONGOING)
    scored["event"][0] = EVENT_CODES.index(EventState.START)
    follower, times = EventFold(), np.arange(count, dtype=np.int64)
    *_, event = follower.feed(times, values, scored)
    return event


def test_where_no_score_is_higher_the_peak_is_farthest_from_what_was_expected() -> None:
    peaks = [grown(count).peak for count in range(1, len(GROWS) + 1)]
    assert peaks == [0, 1, 1, 3, 3, 3, 3, 3, 3]
    event = grown(len(GROWS))
    assert (event.value, event.expected, event.anomaly_score) == (-80.0, 0.0, 1.0)
    assert event.likelihood == pytest.approx(1.0)
    assert event.samples == len(GROWS)


def test_what_was_expected_of_the_first_of_them_may_be_unknown() -> None:
    scored = np.zeros(2, RESULT)
    scored["rate"], scored["expected"] = np.nan, [np.nan, 0.0]
    scored["anomaly_score"] = scored["likelihood"] = 1.0
    scored["event"] = [EVENT_CODES.index(one) for one in (EventState.START, EventState.ONGOING)]
    *_, event = EventFold().feed(np.arange(2), np.array([5.0, 9.0]), scored)
    assert (event.peak, event.value) == (0, 5.0)


def test_an_event_that_outgrows_what_mutes_it_is_told_though_no_score_is_higher() -> None:
    scored = np.zeros(3, RESULT)
    scored["rate"] = np.nan
    scored["anomaly_score"] = scored["likelihood"] = 1.0
    scored["event"] = EVENT_CODES.index(EventState.ONGOING)
    scored["event"][0] = EVENT_CODES.index(EventState.START)
    follower = EventFold(mute=lambda event, _seq: "as ever" if event.value < 100.0 else "")
    seq, values = np.arange(1, 4), np.array([50.0, 60.0, 500.0])
    told = [event.muted for event in follower.feed(seq, values, scored, seq)]
    assert told == ["as ever", "as ever", ""]
