from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tocsin
from tocsin.detect.events import Event
from tocsin.detect.models.views import NAMES
from tocsin.detect.result import RESULT, VIEW_NAMES, EventState
from tocsin.detect.why import PHRASES, Facts, duration, explain, number
from tocsin.samples import Metric
from tocsin.scanning import scan_series

MINUTE = 60
numbers = st.floats(allow_nan=False, allow_infinity=False)
unknown = st.just(math.nan)
facts = st.builds(
    Facts,
    timestamp=st.integers(0, 2**62),
    value=numbers,
    expected=numbers | unknown,
    lower=numbers | st.just(-math.inf) | unknown,
    upper=numbers | st.just(math.inf) | unknown,
    likelihood=st.floats(0, 1) | unknown,
    beyond=st.floats(-1e38, 1e38),
    age=st.floats(0, 1e10),
    pause=st.floats(0, 1e10),
    views=st.dictionaries(
        st.sampled_from([*PHRASES, "something_new"]), st.floats(0, 300), max_size=8
    ),
    timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
    before=st.sampled_from(["", "spike", "level_shift", "drift"]),
)


@given(facts)
def test_every_text_is_one_sentence_that_names_value_and_expectation(given: Facts) -> None:
    why = explain(given)
    text = why.text
    assert text.strip() == text != ""
    assert not re.search(r"\bnan\b|\binf\b|\. |\n|;;|, ,", text)
    assert re.fullmatch(r"[a-z_]+", why.kind)
    told = [f"{given.value:.{digits}g}" for digits in range(4, 18)]
    named = [number(given.value, digits) for digits in range(4, 18)]
    assert any(one in text for one in [*named, *told])
    if not math.isnan(given.expected):
        assert any(number(given.expected, digits) in text for digits in range(4, 18))
    assert set(why.views) <= {name for name, much in given.views.items() if much > 0}


@given(facts, st.sampled_from([*PHRASES, "something_new"]))
def test_the_loudest_view_speaks(given: Facts, name: str) -> None:
    why = explain(dataclasses.replace(given, views={**given.views, name: 400.0}))
    assert why.views[0] == name


@given(numbers, numbers)
def test_two_numbers_that_differ_are_told_apart(value: float, expected: float) -> None:
    text = explain(Facts(0, value, expected)).text
    if value == expected:
        assert "as expected" in text
        return
    assert ("higher" if value > expected else "lower") in text
    found = re.search(r"\((.+) against (.+)\)", text)
    assert found
    assert found[1] != found[2]


def told(value: float, expected: float, **more: object) -> str:
    return explain(Facts(0, value, expected, **more)).text  # type: ignore[arg-type]


def test_numbers_are_compared_as_people_do() -> None:
    assert told(30, 10) == "3 times higher than expected (30 against 10)"
    assert told(6, 10) == "40 % lower than expected (6 against 10)"
    assert told(0, 10) == "10 lower than expected (0 against 10)"
    assert told(-30, -10) == "20 lower than expected (-30 against -10)"
    assert told(1_234_567, 250_000).startswith("4.9 times higher than expected (1.235 million ")
    assert told(1, 100) == "100 times lower than expected (1 against 100)"
    assert told(1_000_001, 1_000_000).startswith("slightly higher than expected (1.000001 million")
    assert told(7, 1e-9).startswith("7 higher than expected")
    assert told(5, 5) == "5 as expected"
    assert told(5, math.nan, likelihood=0.999996) == (
        "5 is unusual, a score seen once in 250,000 samples"
    )


def test_what_the_views_say() -> None:
    views = {"value": 8.0, "forecast": 0.6, "shape": 2.0}
    why = explain(Facts(0, 30, 10, beyond=5, age=12 * 86_400, views=views))
    assert why == (
        "spike",
        ("value", "shape", "forecast"),
        "3 times higher than expected (30 against 10), the highest in 12 days",
    )
    assert explain(Facts(0, 30, 29, beyond=1, views={"value": 5.0})).kind == "new_high"
    assert explain(Facts(0, 30, 31, beyond=-1, views={"value": 5.0})).kind == "new_low"
    assert explain(Facts(0, 30, 31, views={"shape": 5.0})).kind == "unusual_shape"
    assert explain(Facts(0, 30, 31, views={"level": 5.0})).kind == "drift"
    assert explain(Facts(0, 30, 60, views={"level": 5.0, "forecast": 1.0})).kind == "level_shift"
    silent = explain(Facts(0, 30, 30, pause=7200.0, views={"silence": 5.0}))
    assert silent == ("silence", ("silence",), "30 as expected, no sample for 2 hours before it")


def test_a_profile_says_the_time_of_the_week_that_people_read() -> None:
    monday = 1_700_467_200 * 1_000_000_000  # 2023-11-20 08:00 UTC
    why = explain(Facts(monday, 30, 10, views={"profile": 4.0}, timezone="Europe/Berlin"))
    assert why.text == "3 times higher than expected on Mondays at 09:00 (30 against 10)"


def test_every_view_has_a_phrase() -> None:
    assert NAMES is VIEW_NAMES
    assert set(NAMES) <= set(PHRASES)
    assert RESULT["views"].shape == (len(NAMES),)


@given(st.floats(1, 1e12))
def test_a_duration_is_in_whole_units(seconds: float) -> None:
    count, unit = duration(seconds).split(" ")
    assert int(count.replace(",", "")) >= (1 if unit.startswith("second") else 2)


def events(change: object, seed: int = 1) -> list[Event]:
    """Events from sample 3000 on, where ``change`` did something to a quiet metric."""
    values = 50 + np.random.default_rng(seed).normal(size=4_000)
    change(values)  # type: ignore[operator]
    series = scan_series(
        Metric.of("m"),
        np.arange(4_000) * 300_000_000_000,
        values,
        tocsin.Settings(),
    )
    return [event for event in series.events if event.start >= 3_000 * 300_000_000_000]


def test_an_event_says_what_it_is() -> None:
    def spike(values: np.ndarray) -> None:
        values[3000] += 20

    def shift(values: np.ndarray) -> None:
        values[3000:] -= 12

    (event, *_), (other, *_) = events(spike), events(shift)
    assert event.pattern == "spike"
    assert "higher than expected" in event.why
    assert "the highest in 10 days" in event.why
    assert set(event.views) <= set(NAMES)
    assert event.views["value"] > 3
    assert other.pattern == "level_shift"
    assert other.why.endswith("it has stayed there since")


def test_what_is_said_of_a_counter_is_about_its_rate() -> None:
    detector = tocsin.Detector(kind="counter")
    total = np.cumsum(50 + np.random.default_rng(0).normal(size=400)) * 60
    for i, value in enumerate(total):
        detector.update(i * MINUTE, float(value), unit="s")
    result = detector.update(400 * MINUTE, float(total[-1]) + 500.0 * 60, unit="s")
    assert result.why is not None
    assert "(500 against" in result.why.text


@pytest.mark.parametrize("model", ["views", "htm"])
def test_a_detector_says_why(model: str) -> None:
    detector = tocsin.Detector(model=model, false_alarms_per_week=0.5)
    rng = np.random.default_rng(0)
    for i, value in enumerate(50 + rng.normal(size=400)):
        detector.update(i * MINUTE, float(value), unit="s")
    result = detector.update(400 * MINUTE, 500.0, unit="s")
    assert result.event is EventState.START
    assert result.why is not None
    assert "the highest in 6 hours" in result.why.text
    assert "500 " in result.why.text
