from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.detect.detector import Detector
from tocsin.detect.events import Event, EventFold
from tocsin.detect.result import RESULT


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
