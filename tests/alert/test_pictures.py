from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import Engine

from tests.alert.queueing import an_incident
from tests.store.making import MINUTE, a_metric, samples
from tocsin.alert.pictures.axes import round_values, time_marks, told_value
from tocsin.alert.pictures.drawing import png
from tocsin.alert.pictures.panel import Panel, panel_of, thinned
from tocsin.alert.pictures.stored import Pictures
from tocsin.samples import SECOND_NS
from tocsin.store import schema
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import claim

NAN = float("nan")
ODD = (194, 65, 12)


def a_panel(values: Any, title: str = "cpu", **columns: Any) -> Panel:
    value = np.asarray(values, dtype=np.float64)
    n = len(value)
    told: dict[str, Any] = {
        "expected": np.full(n, NAN),
        "lower": np.full(n, NAN),
        "upper": np.full(n, NAN),
        "odd": np.zeros(n, dtype=bool),
    }
    time = np.arange(n, dtype=np.int64) * 60 * SECOND_NS + 1_790_000_000 * SECOND_NS
    return Panel(title, time, value, **(told | columns), events=[(int(time[0]), int(time[-1]))])


def image(picture: bytes) -> Image.Image:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    return Image.open(io.BytesIO(picture)).convert("RGB")


def test_a_value_far_out_is_drawn_above_the_others_and_marked() -> None:
    values = np.r_[np.zeros(50), 10.0, np.zeros(49)]
    drawn = np.asarray(image(png("t", "s", [a_panel(values, odd=values > 5)])), dtype=int)
    near = np.argwhere(np.abs(drawn - ODD).sum(axis=2) < 60)
    assert len(near) > 4
    height = drawn.shape[0]
    assert near[:, 0].max() < height / 2  # at the top of the only panel
    assert abs(near[:, 1].mean() - (70 + 794 * 50 / 99)) < 3


@given(
    st.lists(st.floats(width=64, allow_nan=True, allow_infinity=True), min_size=1, max_size=60),
    st.text(max_size=30),
    st.integers(1, 4),
)
@example([1.7e308, -1.7e308], "\x00\n<img>", 2)
@example([5e-324], "", 1)
@example([1e15] * 3, "x" * 5000, 1)
@settings(max_examples=30)
def test_anything_that_is_stored_can_be_drawn(values: list[float], title: str, panels: int) -> None:
    with np.errstate(all="ignore"):
        band = np.asarray(values)
        one = a_panel(values, title, lower=band - 1.0, upper=band + 1.0, expected=band)
    assert image(png(title, title, [one] * panels)).size[0] == 880


def test_nothing_to_draw_is_said() -> None:
    empty = panel_of("cpu", [], [])
    assert image(png("t", "s", [empty])).size == image(png("t", "s", [empty])).size


@given(st.lists(st.floats(-1e9, 1e9) | st.just(NAN), min_size=1, max_size=300), st.integers(2, 20))
def test_thinning_keeps_the_lowest_and_the_highest(values: list[float], buckets: int) -> None:
    value = np.array(values)
    places = thinned(np.arange(len(value), dtype=np.int64), value, buckets)
    kept, known = value[places], value[np.isfinite(value)]
    assert len(places) <= max(2 * buckets, 2)
    assert (np.diff(places) > 0).all()
    if len(known):
        assert (kept.min(), kept.max()) == (known.min(), known.max())


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12), st.integers(2, 8))
def test_round_values_lie_within_and_are_few(low: float, size: float, count: int) -> None:
    high = low + size
    if high > low:
        marks = round_values(low, high, count)
        assert len(marks) <= 2 * count + 2
        slack = 1e-6 * size + 1e-9 * abs(low)
        assert all(low - slack <= one <= high + slack for one in marks)


def test_marks_of_time_say_the_day_once() -> None:
    midnight = 1_790_035_200 * SECOND_NS
    told = [text for _, text in time_marks(midnight - 7_200 * SECOND_NS, midnight, 4)]
    assert told == ["21 Sep 22:00", "22:30", "23:00", "23:30", "22 Sep 00:00"]


def test_numbers_in_few_characters() -> None:
    assert [told_value(v) for v in (0.0, 1500.0, -2.25e6, 3e-7, 12.0, 1e15)] == [
        "0",
        "1.5k",
        "-2.25M",
        "3e-07",
        "12",
        "1e+15",
    ]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    with claim(f"sqlite:///{tmp_path / 'tocsin.db'}") as engine:
        times = [MINUTE * n for n in range(1, 501)]
        writer = Writer(engine)
        for metric in (1, 2):
            writer.commit(Commit(metrics=[a_metric(metric)], samples=samples(metric, times)))
        with engine.begin() as connection:
            connection.execute(schema.incident.insert(), an_incident(7))
            for event, metric, first in ((1, 1, 250), (2, 2, 249)):
                about = {"start": MINUTE * first, "end": MINUTE * (first + 3), "open": False}
                row = {"id": event, "metric": metric, "peak": about["start"], "value": 1.0}
                connection.execute(schema.event.insert(), row | about | {"samples": 3})
                member = {"event": event, "incident": 7, "metric": metric, "decades": 3.0}
                told = {"severity": "info", "title": f"cpu {metric}", "why": "higher than ever"}
                connection.execute(schema.incident_event.insert(), member | about | told)
        yield engine


def test_pictures_of_what_is_stored(database: Engine) -> None:
    pictures = Pictures(database)
    event, incident = pictures.event(1), pictures.incident(7)
    assert event is not None
    assert incident is not None
    assert image(event).size[1] < image(incident).size[1]
    assert pictures.event(99) is None
    assert pictures.incident(99) is None
