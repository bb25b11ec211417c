from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.detect.likelihood.gaussian import Gaussian, GaussianSettings, estimate, update
from tocsin.detect.likelihood.parameters import MemoryParameters, Parameters, ParameterStore
from tocsin.detect.likelihood.policy import Sample, Scored, StreamingPolicy, StreamingSettings
from tocsin.detect.likelihood.rows import CountedRows, MemoryRows, Rows, StoredRows
from tocsin.errors import (
    BadSampleError,
    ConfigurationError,
    MetricNotActiveError,
    StateError,
)

POLICY = StreamingPolicy()


def calm(rows: int, first: int = 1, seed: int = 0) -> Rows:
    """Rows whose scores never force a refresh."""
    rng = np.random.default_rng(seed)
    raw = 0.4 + 0.001 * rng.integers(0, 3, rows)
    return Rows.of(np.arange(first, first + rows), rng.normal(size=rows), raw)


def alarming(rows: Rows, *places: int) -> Rows:
    raw = rows.raw_scores.copy()
    raw[list(places)] = 60.0
    return Rows.of(rows.ids, rows.values, raw)


def held(rows: Rows) -> CountedRows:
    memory = MemoryRows(20_000)
    memory.append(rows)
    return CountedRows(memory)


@dataclass
class All:
    """Everything ever scored: what a database would have."""

    rows: Rows

    def count(self) -> int:
        return len(self.rows)

    def tail(self, rows: int) -> Rows:
        return self.rows[max(len(self.rows) - rows, 0) :]


def run(
    sizes: list[int], rows: Rows, policy: StreamingPolicy = POLICY, way: str = "memory"
) -> tuple[list[float], list[Parameters | None]]:
    """Scores of all rows, and the parameters after each batch."""
    parameters: Parameters | None = None
    memory = MemoryRows(policy.settings.sample_size)
    scores: list[float] = []
    after: list[Parameters | None] = []
    begin = 0
    for size in sizes:
        batch = rows[begin : begin + size]
        stored: StoredRows = memory if way == "memory" else All(rows[:begin])
        scored = policy.score(parameters, batch, stored)
        parameters = scored.parameters
        scores += scored.anomaly_scores.tolist()
        after.append(parameters)
        memory.append(batch)
        begin += len(batch)
    return scores, after


def last_rows(after: list[Parameters | None]) -> list[int | None]:
    return [p.last_row if p else None for p in after]


# Initialise


def test_too_few_samples_give_none() -> None:
    stored = held(calm(60))
    assert POLICY.initialise(Sample(stored, calm(39, 61), 8640)) is None
    assert (stored.counts, stored.tails) == (1, 0)
    scored = POLICY.score(None, calm(39, 61), stored)
    assert scored.parameters is None
    assert scored.anomaly_scores.tolist() == [0.0] * 39


def test_exactly_enough_samples_give_statistics_and_no_score() -> None:
    rows = calm(100)
    start = POLICY.initialise(Sample(held(rows[:60]), rows[60:], 8640))
    assert start is not None
    parameters, begin = start
    assert begin == 40
    assert parameters == Parameters(100, estimate(GaussianSettings(), rows.values, rows.raw_scores))
    scored = POLICY.score(None, rows[60:], held(rows[:60]))
    assert scored.parameters == parameters
    assert not scored.anomaly_scores.any()


def test_no_more_rows_are_used_up_than_it_takes() -> None:
    rows = calm(300)
    scores, after = run([60, 60], rows)
    assert scores[:100] == [0.0] * 100
    assert min(scores[100:]) > 0
    assert last_rows(after) == [None, 100]


def test_enough_are_stored_already() -> None:
    # As when the parameters were lost: all of the batch is scored.
    rows = calm(150)
    start = POLICY.initialise(Sample(held(rows[:120]), rows[120:], 8640))
    assert start is not None
    assert start[0].last_row == 120
    assert start[1] == 0
    assert POLICY.score(None, rows[120:], held(rows[:120])).anomaly_scores.min() > 0


def test_an_empty_batch_changes_nothing() -> None:
    rows = calm(150)
    assert POLICY.score(None, rows[:0], held(rows)).parameters is None
    known = Parameters(150, Gaussian(0.5, 1.0))
    scored = POLICY.score(known, rows[:0], held(rows))
    assert scored.parameters == known
    assert len(scored.anomaly_scores) == 0


# Update


def test_first_refresh_in_a_batch() -> None:
    stored = held(calm(0))
    rows = calm(150)
    scored = POLICY.score(None, rows, stored)
    # Statistics at 100, 124 and 148; the stored rows are asked for once.
    assert scored.parameters is not None
    assert scored.parameters.last_row == 148
    assert (stored.counts, stored.tails, stored.rows) == (1, 1, 0)
    # The window goes on from the sample that the statistics were made from.
    assert scored.parameters.gaussian.window == tuple(rows.raw_scores[140:])


def test_live_rows_refresh_every_24th_row() -> None:
    rows = calm(200)
    stored = CountedRows(MemoryRows(8640))
    parameters = None
    refreshed = []
    for k in range(200):
        scored = POLICY.score(parameters, rows[k : k + 1], stored)
        if parameters and scored.parameters and scored.parameters.last_row > parameters.last_row:
            refreshed.append(k + 1)
        parameters = scored.parameters
        assert isinstance(stored.stored, MemoryRows)
        stored.stored.append(rows[k : k + 1])
    assert refreshed == [124, 148, 172, 196]
    assert (stored.counts, stored.tails) == (100, 5)
    assert stored.rows == 99 + 123 + 147 + 171 + 195


def test_between_refreshes_rows_are_scored_one_after_the_other() -> None:
    rows = calm(110)
    scores, after = run([100, 10], rows)
    start = run([100], rows)[1][0]
    assert start is not None
    law, expected = start.gaussian, []
    for raw in rows.raw_scores[100:].tolist():
        law, tail = update(GaussianSettings(), law, raw)
        expected.append(1.0 - tail)
    assert scores[100:] == expected
    assert after[-1] == Parameters(100, law)


def test_refresh_after_the_last_row() -> None:
    rows = calm(200)
    for size, last in ((23, 100), (24, 124), (25, 124)):
        _, after = run([100, size], rows)
        assert last_rows(after) == [100, last]
    _, after = run([100, 24], rows)
    assert after[-1] == POLICY.refresh(Sample(held(rows[:124]), calm(5, 125), 8640), 0)


def test_the_interval_grows_with_the_batch() -> None:
    settings = StreamingSettings()
    assert [settings.interval(n) for n in (1, 240, 249, 250, 1440)] == [24, 24, 24, 25, 144]
    _, after = run([100, 1000], calm(1100))
    assert last_rows(after) == [100, 1100]
    _, after = run([100, 1000], calm(1099))  # the batch counts, not the plan
    assert last_rows(after) == [100, 100 + 99 * 10]


def test_interval_smaller_than_last_time_is_a_bypass_run() -> None:
    rows = calm(2000)
    # 959 rows: statistics every 95 rows, at last at 1050; then every 24: due at 1074, before 1083.
    scores, after = run([123, 959, 20], rows)
    assert last_rows(after) == [100, 1050, 1082]
    # The bypass run comes first: the first row is judged by statistics of all rows before it.
    law = estimate(GaussianSettings(), rows.values[:1082], rows.raw_scores[:1082])
    assert scores[1082] == 1.0 - update(GaussianSettings(), law, float(rows.raw_scores[1082]))[1]


def test_a_bypass_run_reads_once_and_scores_nothing() -> None:
    rows = calm(300)
    stale = Parameters(150, estimate(GaussianSettings(), rows.values, rows.raw_scores))
    stored = held(rows)
    scored = POLICY.score(stale, calm(10, 301), stored)
    assert scored.parameters is not None
    assert scored.parameters.last_row == 300
    assert (stored.tails, stored.rows) == (1, 300)
    assert scored.anomaly_scores.min() > 0


def test_gap_in_row_ids_before_a_batch() -> None:
    rows = calm(300)
    known = POLICY.refresh(Sample(held(rows[:0]), rows, 8640), 300)
    batch = calm(10, 5_000)
    scored = POLICY.score(known, batch, held(rows))
    assert scored.parameters is not None
    # Statistics first, which know all before the batch; the ten rows are too few for the next.
    assert scored.parameters.last_row == 4_999
    assert scored.parameters.gaussian.mean == known.gaussian.mean
    assert scored.anomaly_scores.min() > 0


def test_gap_in_row_ids_in_a_batch_cuts_off_before_the_rows() -> None:
    rows = calm(300)
    known = POLICY.refresh(Sample(held(rows[:0]), rows, 8640), 300)
    # Due at 324 and 348. The sample is loaded by then, so the row after the gap is scored, and
    # statistics follow it; the next are due 24 rows on.
    ids = np.concatenate((np.arange(301, 326), np.arange(9_000, 9_030)))
    after_gap = calm(55)
    batch = Rows.of(ids, after_gap.values, after_gap.raw_scores)
    stored = held(rows)
    scored = POLICY.score(known, batch, stored)
    assert scored.parameters is not None
    assert scored.parameters.last_row == 9_024
    assert stored.tails == 1
    assert scored.anomaly_scores.min() > 0


#: Fits all rows, so that a sample of a hundred has a law of its own.
EAGER = StreamingPolicy(StreamingSettings(gaussian=GaussianSettings(skipped_rows=0)))


@pytest.fixture
def refreshed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the rows after which statistics were made."""
    rows: list[int] = []
    refresh = StreamingPolicy.refresh

    def spy(policy: StreamingPolicy, sample: Sample, end: int) -> Parameters:
        parameters = refresh(policy, sample, end)
        rows.append(parameters.last_row)
        return parameters

    monkeypatch.setattr(StreamingPolicy, "refresh", spy)
    return rows


def test_forced_refresh_in_mid_batch(refreshed: list[int]) -> None:
    rows = alarming(calm(140), 110)  # row 111
    scores, _ = run([140], rows, EAGER)
    # The average stays high for ten rows; each time more than three rows must have passed.
    assert refreshed == [100, 111, 115, 119]
    # What forced it is not judged again; the row after it is judged by the new statistics.
    law = estimate(EAGER.settings.gaussian, rows.values[:111], rows.raw_scores[:111])
    tail = update(EAGER.settings.gaussian, law, float(rows.raw_scores[111]))[1]
    assert scores[111] == 1.0 - tail


@pytest.mark.parametrize("row", [102, 103, 104])
def test_no_refresh_is_forced_right_after_the_last(row: int, refreshed: list[int]) -> None:
    # The last were at 100: row 104 is the first that may force the next.
    run([124], alarming(calm(124), row - 1), EAGER)
    assert refreshed[:2] == [100, 104]


def test_a_quiet_batch_forces_nothing(refreshed: list[int]) -> None:
    run([140], calm(140), EAGER)
    assert refreshed == [100, 124]


def test_single_rows_cannot_force_a_refresh(refreshed: list[int]) -> None:
    scores, _ = run([1] * 140, alarming(calm(140), 110), EAGER)
    assert scores[110] > 0.99
    assert refreshed == [100, 124]


def test_too_small_a_sample_stretches_the_run() -> None:
    # The stored rows are gone but the parameters are not: after the bypass run the next statistics
    # wait until there are enough rows.
    known = Parameters(1_000, Gaussian(0.5, 0.01))
    stored = held(calm(30, 971))
    scored = POLICY.score(known, calm(60, 1_101), stored)
    assert last_rows([scored.parameters]) == [1_100]
    scored = POLICY.score(known, calm(70, 1_101), stored)
    assert last_rows([scored.parameters]) == [1_170]
    scored = POLICY.score(known, calm(100, 1_101), stored)
    assert last_rows([scored.parameters]) == [1_194]
    # Rows count, not ids.
    sparse = calm(70)
    batch = Rows.of(1_101 + 5 * np.arange(70), sparse.values, sparse.raw_scores)
    scored = POLICY.score(known, batch, stored)
    assert last_rows([scored.parameters]) == [1_101 + 5 * 69]


# Refresh


def test_refresh_takes_the_newest_rows_only() -> None:
    settings = StreamingSettings(
        sample_size=50, minimum_sample_size=20, gaussian=GaussianSettings(skipped_rows=5)
    )
    rows = calm(130)
    stored = held(rows[:100])
    sample = Sample(stored, rows[100:], 50)
    for end in (0, 10, 30):
        found = StreamingPolicy(settings).refresh(sample, end)
        last = slice(50 + end, 100 + end)
        expected = estimate(settings.gaussian, rows.values[last], rows.raw_scores[last])
        assert found == Parameters(100 + end, expected)
    assert (stored.tails, stored.rows) == (1, 50)


def test_rows_of_the_batch_are_not_read_for() -> None:
    rows = calm(130)
    stored = held(rows[:100])
    sample = Sample(stored, rows[100:], 50)
    sample.rows(20)
    assert stored.rows == 30


def test_a_window_longer_than_history() -> None:
    settings = StreamingSettings(
        minimum_sample_size=3, gaussian=GaussianSettings(averaging_window=50, skipped_rows=0)
    )
    scores, after = run([3, 5], calm(8), StreamingPolicy(settings))
    assert scores[:3] == [0.0] * 3
    assert after[-1] is not None
    assert len(after[-1].gaussian.window) == 8


# Settings that change, memory, cuts


def test_configuration_changed_between_batches() -> None:
    rows = calm(1_000)
    _, after = run([490], rows)
    known = after[0]
    assert known is not None
    assert known.last_row == 443
    changed = StreamingSettings(
        sample_size=200,
        minimum_sample_size=150,
        refresh_interval=5,
        gaussian=GaussianSettings(averaging_window=4, skipped_rows=20, sides="one"),
    )
    scored = StreamingPolicy(changed).score(known, rows[490:510], held(rows[:490]))
    assert scored.parameters is not None
    # 443 + 5 lies behind: a bypass run, then 495, 500, 505, 510, all by the new numbers.
    expected = estimate(changed.gaussian, rows.values[310:510], rows.raw_scores[310:510])
    assert scored.parameters == Parameters(510, expected)
    # And back: the next statistics have the old numbers again.
    scored = POLICY.score(scored.parameters, rows[510:534], held(rows[:510]))
    expected = estimate(GaussianSettings(), rows.values[:534], rows.raw_scores[:534])
    assert scored.parameters == Parameters(534, expected)


SMALL = StreamingPolicy(
    StreamingSettings(
        minimum_sample_size=20,
        sample_size=60,
        refresh_interval=7,
        gaussian=GaussianSettings(skipped_rows=10),
    )
)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=10), st.integers(0, 9))
def test_memory_gives_what_all_stored_rows_would(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = sum(sizes)
    ids = np.cumsum(rng.choice([1, 1, 1, 1, 2, 40], count))
    rows = Rows.of(ids, rng.normal(size=count), rng.random(count) ** 6)
    assert run(sizes, rows, SMALL, "memory") == run(sizes, rows, SMALL, "all")


@given(st.integers(0, 9))
def test_parameters_survive_json_in_every_batch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = Rows.of(np.arange(200), rng.normal(size=200), rng.random(200) ** 6)
    kept: Parameters | None = None
    memory = MemoryRows(60)
    scores: list[float] = []
    for begin in range(0, 200, 9):
        batch = rows[begin : begin + 9]
        scored = SMALL.score(kept, batch, memory)
        if scored.parameters:
            kept = Parameters.from_dict(json.loads(json.dumps(scored.parameters.to_dict())))
            assert kept == scored.parameters
        scores += scored.anomaly_scores.tolist()
        memory.append(batch)
    assert scores == run([9] * 23, rows, SMALL)[0]


def test_steady_state_reads_no_stored_row() -> None:
    rows = calm(400)
    database = held(rows[:150])
    memory = MemoryRows.of(database, 8640)
    assert (database.tails, database.rows) == (1, 150)
    parameters = None
    for begin in range(150, 400, 5):
        batch = rows[begin : begin + 5]
        parameters = POLICY.score(parameters, batch, memory).parameters
        memory.append(batch)
    assert (database.counts, database.tails, database.rows) == (0, 1, 150)
    assert parameters is not None
    assert parameters.last_row > 370


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(1, 30))
def test_memory_keeps_the_last_rows(sizes: list[int], capacity: int) -> None:
    rows = calm(sum(sizes))
    memory = MemoryRows(capacity)
    begin = 0
    views = []
    for size in sizes:
        memory.append(rows[begin : begin + size])
        begin += size
        views.append((memory.tail(capacity), begin))
    for view, end in views:  # also those given out earlier
        np.testing.assert_array_equal(view.ids, rows.ids[max(end - capacity, 0) : end])
        np.testing.assert_array_equal(view.values, rows.values[max(end - capacity, 0) : end])
        last = rows.raw_scores[max(end - capacity, 0) : end]
        np.testing.assert_array_equal(view.raw_scores, last)
    assert min(begin, capacity) <= memory.count() <= 2 * capacity


def test_memory_refuses_rows_it_has() -> None:
    memory = MemoryRows(100)
    memory.append(calm(50))
    with pytest.raises(BadSampleError, match="row 50 is not later than row 50"):
        memory.append(calm(5, 50))
    assert memory.count() == 50


# Bad input


@pytest.mark.parametrize("bad", [-1e-9, float("nan"), float("inf"), float("-inf"), 1e101])
def test_a_bad_raw_score_is_refused_with_its_row(bad: float) -> None:
    rows = calm(300)
    _, after = run([300], rows)
    batch = calm(20, 301)
    raw = batch.raw_scores.copy()
    raw[13] = bad
    broken = Rows(batch.ids, batch.values, raw)
    stored = held(rows)
    before = after[0]
    with pytest.raises(BadSampleError, match=r"row 314 \(position 13\): raw anomaly score") as told:
        POLICY.score(before, broken, stored)
    assert told.value.row == 13
    assert stored.tails == 0
    # The same batch without it goes on from the same parameters.
    assert POLICY.score(before, batch, stored).anomaly_scores.min() > 0


@pytest.mark.parametrize(
    ("ids", "values", "message"),
    [
        ([1, 2, 2], [0.0, 0.0, 0.0], r"row 2 \(position 2\): its id does not rise"),
        ([3, 2, 4], [0.0, 0.0, 0.0], r"row 2 \(position 1\): its id does not rise"),
        ([1, 2, 3], [0.0, float("nan"), 0.0], r"row 2 \(position 1\): value nan"),
        ([1, 2], [0.0, 0.0, 0.0], r"differ in number: 2, 3, 3"),
    ],
)
def test_rows_that_cannot_be_used(ids: list[int], values: list[float], message: str) -> None:
    with pytest.raises(BadSampleError, match=message):
        Rows.of(ids, values, [0.1, 0.1, 0.1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_size": 50}, "minimum_sample_size = 100: must be a whole number from 1 to 50"),
        ({"minimum_sample_size": 9000}, "minimum_sample_size = 9000: must be .* to 8640"),
        ({"minimum_sample_size": 0}, "minimum_sample_size = 0: must be"),
        ({"sample_size": 0}, "sample_size = 0: must be"),
        ({"sample_size": 200}, "skipped_rows = 288: must be below sample_size = 200"),
        ({"refresh_interval": -24}, "refresh_interval = -24: must be"),
        ({"refresh_interval": 2.5}, "refresh_interval = 2.5: must be a whole number"),
        ({"refresh_share": -0.1}, "refresh_share = -0.1: must be a number from 0 to 1"),
        ({"forced_refresh_score": float("nan")}, "forced_refresh_score = nan: must be"),
        ({"forced_refresh_distance": -1}, "forced_refresh_distance = -1: must be"),
    ],
)
def test_settings_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        StreamingSettings(**options)


def saved() -> dict[str, Any]:
    _, after = run([130], calm(130))
    assert after[0] is not None
    return after[0].to_dict()


def test_saved_parameters_read_back_though_whole_numbers_lost_their_point() -> None:
    parameters = Parameters(7, Gaussian(0.5, 1e6, (0.0, 1.0), 1.0, (0.5, 0.5)))
    told = json.loads(json.dumps(parameters.to_dict()).replace(".0,", ","))
    assert told["total"] == 1
    assert Parameters.from_dict(told) == parameters


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2: this Tocsin reads 1"),
        ({"version": None}, "version None"),
        ({"last_row": "7"}, "last_row is '7'"),
        ({"last_row": 8}, "checksum"),
        ({"mean": 0.51}, "checksum"),
        ({"mean": None}, "mean has None"),
        ({"variance": 0.0}, "variance is 0.0"),
        ({"variance": float("nan")}, "variance has nan"),
        ({"window": 5}, "window is 5"),
        ({"window": [0.1, "x"]}, "window has 'x'"),
        ({"likelihoods": [True]}, "likelihoods has True"),
        ({"checksum": 1}, "checksum"),
    ],
)
def test_damaged_parameters_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StateError, match=message):
        Parameters.from_dict(saved() | change)


@pytest.mark.parametrize("data", [None, [], "x", {}])
def test_foreign_parameters_are_refused(data: object) -> None:
    with pytest.raises(StateError):
        Parameters.from_dict(data)


# The store


def score_and_keep(store: ParameterStore, metric: str, batch: Rows, memory: MemoryRows) -> Scored:
    scored = POLICY.score(store.load(metric), batch, memory)
    store.commit(metric, batch, scored.anomaly_scores, scored.parameters)
    memory.append(batch)
    return scored


def test_parameters_and_scores_are_written_together() -> None:
    store, memory = MemoryParameters({"cpu"}), MemoryRows(8640)
    rows = calm(150)
    score_and_keep(store, "cpu", rows[:60], memory)
    assert store.load("cpu") is None
    assert len(store.scores["cpu"]) == 60
    scored = score_and_keep(store, "cpu", rows[60:], memory)
    assert store.load("cpu") == scored.parameters
    assert store.scores["cpu"][150] == scored.anomaly_scores[-1]


def test_nothing_is_written_for_a_metric_that_is_not_active() -> None:
    store, memory = MemoryParameters({"cpu"}), MemoryRows(8640)
    rows = calm(200)
    score_and_keep(store, "cpu", rows[:150], memory)
    kept, scores = store.load("cpu"), dict(store.scores["cpu"])
    store.active.clear()
    with pytest.raises(MetricNotActiveError, match="metric cpu is not active"):
        score_and_keep(store, "cpu", rows[150:], memory)
    assert store.load("cpu") == kept
    assert store.scores["cpu"] == scores
    assert memory.count() == 150


def test_parameters_are_values() -> None:
    parameters = Parameters(7, Gaussian(0.5, 1.0))
    assert replace(parameters) == parameters
    assert hash(replace(parameters)) == hash(parameters)
