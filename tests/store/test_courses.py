"""Courses and blocks, on both kinds of database."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import Engine, delete

from tests.store.making import MINUTE, MONTHS_END, a_metric, an_event, joined, position, samples
from tocsin.bins import Pieces, drawn
from tocsin.detect.result import RESULT
from tocsin.store import schema
from tocsin.store.blocks import PAGE, SIZES, Asked
from tocsin.store.commits import Commit, SampleColumns, Writer
from tocsin.store.courses import Courses

#: Several pages, and a part of one.
COUNT = 2 * PAGE + 1_000


def stored(database: Engine, count: int = COUNT, *, counter: bool = False) -> SampleColumns:
    """A metric with so many samples, over the end of a month."""
    random = np.random.default_rng(3)
    scored = np.zeros(count, RESULT)
    for name in ("expected", "lower", "upper", "anomaly_score"):
        scored[name] = random.normal(size=count)
        scored[name][random.random(count) < 0.1] = np.nan
    scored["rate"] = random.normal(size=count) if counter else np.nan
    times = (MONTHS_END + MINUTE * (np.arange(count) - count // 2)).tolist()
    columns = samples(1, times, scored=scored)
    writer = Writer(database)
    writer.commit(
        Commit(
            position=1,
            at=1,
            metrics=[a_metric(1, counter=counter), a_metric(2, counter=False)],
            samples=joined(columns, samples(2, [MONTHS_END])),
            positions=position(1, count, times[-1]),
        )
    )
    return columns


def pieces_of(columns: SampleColumns, low: int, high: int, *, rate: bool = False) -> Pieces:
    which = slice(low - 1, high - 1)
    scored = columns.scored[which]
    value = scored["rate"] if rate else columns.value[which]
    band = (scored["expected"], scored["lower"], scored["upper"], scored["anomaly_score"])
    return Pieces.of(columns.timestamp[which], value, *band)


def same(mine: Pieces, expected: Pieces) -> None:
    """All of it, summed up, and how it is drawn."""
    whole = np.array([0])
    for name in ("first", "last", "count", "low", "high", "known", "lower", "upper", "score"):
        got, wanted = (getattr(some.merged(whole), name) for some in (mine, expected))
        assert got.tolist() == wanted.tolist(), name
    assert mine.merged(whole).expected == pytest.approx(expected.merged(whole).expected)


@pytest.mark.parametrize(
    ("low", "high"),
    [(1, COUNT + 1), (1, PAGE + 1), (2, PAGE + 1), (5, 5 + 2 * PAGE), (PAGE, COUNT), (7, 400)],
)
def test_blocks_tell_what_the_samples_do(database: Engine, low: int, high: int) -> None:
    columns = stored(database)
    courses = Courses(database)
    asked = Asked(1, False, low, high, COUNT)
    expected = pieces_of(columns, low, high)
    for _ in range(2):  # the second time from what is remembered
        for least in (10, 500, 100_000):
            pieces = courses.pieces(asked, least)
            same(pieces, expected)
            assert len(pieces) >= min(least, high - low)
            assert pieces.first.tolist() == sorted(pieces.first.tolist())


def test_a_counters_values_are_its_rates(database: Engine) -> None:
    columns = stored(database, counter=True)
    courses = Courses(database)
    asked = Asked(1, True, 1, COUNT + 1, COUNT)
    for least in (10, 100_000):
        same(courses.pieces(asked, least), pieces_of(columns, 1, COUNT + 1, rate=True))
    (newest,) = courses.newest([(1, True)], 5)
    assert newest.value.tolist() == columns.scored["rate"][-5:].tolist()


def test_what_waits_to_be_scored_is_not_remembered(database: Engine) -> None:
    columns = stored(database)
    courses = Courses(database)
    asked = Asked(1, False, 1, COUNT + 1, PAGE + 10)
    courses.pieces(asked, 10)
    columns.scored["anomaly_score"][PAGE + 20] = 77.0
    Writer(database).commit(Commit(position=2, at=2, scored=columns))
    same(courses.pieces(asked, 10), pieces_of(columns, 1, COUNT + 1))


def test_what_was_forgotten_meanwhile_is_left_out(database: Engine) -> None:
    columns = stored(database)
    with database.begin() as connection:
        c = schema.sample.c
        connection.execute(delete(schema.sample).where(c.metric == 1, c.seq <= 5_000))
    pieces = Courses(database).pieces(Asked(1, False, 1, COUNT + 1, COUNT), 10)
    same(pieces, pieces_of(columns, 5_001, COUNT + 1))


def test_drawings_of_blocks_keep_extremes(database: Engine) -> None:
    columns = stored(database)
    start, end = int(columns.timestamp[0]), int(columns.timestamp[-1]) + 1
    pieces = Courses(database).pieces(Asked(1, False, 1, COUNT + 1, COUNT), 20)
    assert len(pieces) < COUNT / SIZES[-1] + 3
    told = drawn(pieces, start, end, 20)
    scores = columns.scored["anomaly_score"]
    assert max(score for score in told["score"] if score is not None) == np.nanmax(scores)
    assert max(value for value in told["max"] if value is not None) == columns.value.max()


def test_a_stretch_is_found_by_time(database: Engine) -> None:
    columns = stored(database, 100)
    courses, times = Courses(database), columns.timestamp.tolist()
    assert courses.stretch(1, None, None) == (times[0], times[-1], 1, 101)
    assert courses.stretch(1, times[0] - 5, times[-1] + 5)[2:] == (1, 101)
    assert courses.stretch(1, times[10], times[20])[2:] == (11, 21)
    assert courses.stretch(1, times[10] + 1, times[20] + 1)[2:] == (12, 22)
    assert courses.stretch(1, times[-1] + 1, None)[2:] == (101, 101)
    assert courses.stretch(1, times[20], times[10])[2:] == (21, 21)
    assert courses.stretch(9, None, None) == (None, None, 0, 0)


def test_the_newest_samples_of_several_metrics(database: Engine) -> None:
    columns = stored(database, 50)
    mine, other, none = Courses(database).newest([(1, False), (2, False), (9, False)], 20)
    assert mine.timestamp.tolist() == columns.timestamp[-20:].tolist()
    assert mine.value.tolist() == columns.value[-20:].tolist()
    assert other.value.tolist() == [1.0]
    assert len(none) == 0


def test_some_samples_are_taken_evenly(database: Engine) -> None:
    columns = stored(database, 1_000)
    courses = Courses(database)
    times, values = courses.some_of(Asked(1, False, 1, 1_001, 1_000), 1_000)
    assert values.tolist() == columns.value.tolist()
    times, values = courses.some_of(Asked(1, False, 11, 1_001, 1_000), 100)
    assert sorted(values.tolist()) == np.arange(11.0, 1_001.0, 10).tolist()
    assert sorted(times.tolist()) == columns.timestamp[10::10].tolist()


def test_times_and_events_are_found_by_their_keys(database: Engine) -> None:
    columns = stored(database, 50)
    courses = Courses(database)
    assert courses.times_of([(1, 7), (2, 1), (2, 9)]) == {
        (1, 7): int(columns.timestamp[6]),
        (2, 1): MONTHS_END,
    }
    events = [an_event(1), an_event(2, end=500), an_event(3, muted="a mark", end=600)]
    for event in events:
        Writer(database).commit(Commit(position=event["id"] + 1, at=2, events=[event]))
    assert {key: row["uid"] for key, row in courses.events([1, 3]).items()} == {1: "u1", 3: "u1"}
    assert [row["id"] for row in courses.since(400, 0, 10)] == [2]
    assert [row["id"] for row in courses.since(0, 0, 10)] == [1, 2]
    assert [row["id"] for row in courses.since(0, 1, 10)] == [2]
