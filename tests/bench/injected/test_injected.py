from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.bench.injected.backgrounds import (
    DAY_NS,
    JOB_AT,
    Background,
    from_labelled,
    from_nab,
    quiet_stretch,
    synthetic,
)
from tocsin.bench.injected.goals import FOUND, KEPT_QUIET, reached
from tocsin.bench.injected.harmless import HARMLESS, on_real
from tocsin.bench.injected.kinds import GRACE, KINDS, Injected, Kind
from tocsin.bench.injected.run import (
    USUAL,
    Cell,
    Still,
    run_harmless,
    run_harmless_on,
    run_kinds,
)
from tocsin.bench.judges import Judged, TocsinJudge, baseline_judge
from tocsin.bench.streams import DAY
from tocsin.cli.main import main
from tocsin.errors import ConfigurationError
from tocsin.samples import civil_ns

Floats = NDArray[np.float64]
MADE = {one.name.removesuffix(" 0"): one for one in synthetic(0)}
BY_NAME = {kind.name: kind for kind in KINDS}
ROW = 18 * DAY + 50


@dataclass(frozen=True)
class Peeping:
    """Alarms at every row that differs from a background it knows."""

    known: Background
    late: int = 0
    name: str = "peeping"

    def run(self, timestamps: NDArray[np.int64], values: Floats, timezone: str = "UTC") -> Judged:
        usual = dict(zip(self.known.timestamps.tolist(), self.known.values.tolist(), strict=True))
        pairs = zip(timestamps.tolist(), values.tolist(), strict=True)
        new = np.array([usual[time] != value for time, value in pairs])
        gap = np.diff(timestamps, prepend=timestamps[0]) > DAY_NS // DAY
        score = np.roll(new | gap, self.late).astype(np.float64)
        score[: self.late] = 0.0
        return Judged(score, score, score > 0)


@dataclass(frozen=True)
class Always:
    """Alarms at every row."""

    name: str = "always"

    def run(self, timestamps: NDArray[np.int64], values: Floats, timezone: str = "UTC") -> Judged:
        score = np.ones(len(values))
        return Judged(score, score, score > 0)


def put(kind: str, background: Background, size: float, row: int = ROW) -> Injected:
    found = BY_NAME[kind].put(background, row, size)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_changes_before_the_anomaly(kind: Kind) -> None:
    tried = 0
    for background in MADE.values():
        for size in kind.sizes:
            found = kind.put(background, ROW, size)
            if found is None:
                continue
            tried += 1
            series = found.background
            before = slice(None, found.first)
            np.testing.assert_array_equal(series.values[before], background.values[before])
            assert ROW <= found.first <= found.last < len(series.values)
            assert len(series.timestamps) == len(series.values)
            changed = len(series.values) != len(background.values) or np.any(
                series.values != background.values
            )
            assert changed
            assert np.isfinite(series.values).all()
    assert tried >= len(kind.sizes)


def test_sizes_are_what_they_say() -> None:
    white = MADE["white"]
    assert white.sigma == pytest.approx(1.0, rel=0.05)

    def difference(kind: str, size: float) -> Floats:
        return put(kind, white, size).background.values - white.values

    level = np.median(white.values[ROW - 6 : ROW + 7])
    spike = put("spike", white, 6).background.values
    assert spike[ROW] == pytest.approx(level + 6 * white.sigma)
    assert np.count_nonzero(difference("dip", 6)) == 1
    assert difference("dip", 6)[ROW] < -3 * white.sigma
    assert ROW % 2 == 0
    assert np.all(difference("level shift", 4)[ROW:] == pytest.approx(4 * white.sigma))
    down = put("level shift", white, 4, ROW + 1).background.values - white.values
    assert np.all(down[ROW + 1 :] == pytest.approx(-4 * white.sigma))
    assert difference("trend change", 2)[ROW + DAY] == pytest.approx(2 * white.sigma)
    louder = put("variance up", white, 4).background.values[ROW:]
    assert louder.std() == pytest.approx(4.0, rel=0.1)
    calmer = put("variance down", white, 0.25).background.values[ROW:]
    assert calmer.std() == pytest.approx(0.4, abs=0.1)
    stuck = put("flat line", white, 60).background.values
    assert set(stuck[ROW - 1 : ROW + 60]) == {white.values[ROW - 1]}
    assert stuck[ROW + 60] == white.values[ROW + 60]
    silent = put("silence", white, 72).background.timestamps
    assert silent[ROW] - silent[ROW - 1] == 73 * DAY_NS // DAY


def test_what_a_background_cannot_do_is_not_put_into_it() -> None:
    counts = MADE["counts"]
    for kind in KINDS:
        for size in kind.sizes:
            found = kind.put(counts, ROW, size)
            assert found is None or found.background.counts
            assert found is None or found.background.values.min() >= 0.0
    assert BY_NAME["dip"].put(counts, ROW, 10) is None
    assert BY_NAME["season break"].put(counts, ROW, 1) is None
    assert BY_NAME["missing job"].put(counts, ROW, 1) is None
    # A shift up where the way down leads below zero.
    assert put("level shift", counts, 8, ROW + 1).background.values[ROW + 1 :].mean() > 40
    end = len(counts.values) - 3
    assert all(kind.put(counts, end, kind.sizes[0]) is None for kind in KINDS)


def test_what_a_background_does_by_itself_is_usual() -> None:
    assert not put("spike", MADE["white"], 6).usual
    assert put("spike", MADE["log-normal"], 6).usual
    assert not put("spike", MADE["log-normal"], 20).usual
    # Every day it goes thirty sigma up: six are nothing.
    assert put("spike", MADE["daily job"], 6).usual
    assert not put("spike", MADE["daily job"], 20).usual
    walk = MADE["white"].with_values(np.cumsum(np.random.default_rng(3).normal(size=24 * DAY)))
    assert put("level shift", walk, 2).usual != put("level shift", MADE["white"], 4).usual


@pytest.mark.parametrize(("name", "every"), [("daily job", DAY), ("hourly job", DAY // 24)])
def test_a_missing_job_is_missed(name: str, every: int) -> None:
    background = MADE[name]
    for size in (1, 3):
        found = put("missing job", background, size)
        assert found.first in background.jobs
        before = np.flatnonzero(background.values > 50.0)
        after = np.flatnonzero(found.background.values > 50.0)
        assert len(before) - len(after) == size * background.job_rows
        gone = np.setdiff1d(before, after)
        assert gone[0] == found.first
        assert gone[-1] == found.last - GRACE
        assert gone[-1] - gone[0] == (size - 1) * every + background.job_rows - 1


def test_a_season_breaks_and_runs_faster() -> None:
    smooth = MADE["smooth season"]
    broken = put("season break", smooth, 1).background.values
    assert broken[ROW : ROW + DAY].std() < 2.0 < smooth.values[ROW : ROW + DAY].std()
    faster = put("frequency change", smooth, 2).background.values[ROW : ROW + DAY]
    power = np.abs(np.fft.rfft(faster - faster.mean()))
    assert np.argmax(power) == 2


def test_a_judge_that_knows_finds_everything_at_once() -> None:
    for background in (MADE["white"], MADE["smooth season"], MADE["daily job"]):
        cells, _ = run_kinds(Peeping(background), [background], places=1)
        for cell in cells:
            assert (cell.tried, cell.share, cell.missed) == (1, 1.0, []), cell
            assert cell.median_delay is not None
            assert cell.median_delay <= 1, cell
        late, _ = run_kinds(Peeping(background, late=3), [background], (BY_NAME["spike"],), 2)
        assert all(cell.median_delay == 3 for cell in late)
        late, _ = run_kinds(Peeping(background, late=GRACE + 1), [background], KINDS[:2], 2)
        assert all(cell.share == 0.0 for cell in late)
        assert all(cell.missed == [background.name] * cell.tried for cell in late)


def test_a_judge_that_always_alarms_finds_nothing() -> None:
    cells, (quiet,) = run_kinds(Always(), [MADE["white"]], KINDS[:3], 2)
    assert cells
    assert all(cell.share == 0.0 for cell in cells)
    assert quiet.per_week == pytest.approx(7 * DAY, rel=0.01)
    for still in run_harmless(Always(), 1):
        assert still.alarms == still.without > 5


def test_ours_finds_what_is_large() -> None:
    kinds = (BY_NAME["spike"], BY_NAME["level shift"])
    cells, _ = run_kinds(TocsinJudge(), [MADE["white"], MADE["daily season"]], kinds)
    found = {(cell.kind, cell.size): cell for cell in cells}
    assert found["spike", 20].tried == 10
    assert found["spike", 20].share >= 0.9
    assert found["level shift", 8].share >= 0.9


def test_a_judge_without_threshold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no threshold"):
        run_kinds(baseline_judge("z", lambda values: values), [MADE["white"]])


def test_goals_are_read_off() -> None:
    cells = [
        Cell("a", "spike", "sigma", 4.0, "made", 10, [0]),
        Cell("a", "spike", "sigma", 6.0, "made", 10, [0] * 9),
        Cell("a", "spike", "sigma", 20.0, "made", 30, [0] * 30),
        Cell("a", "spike", "sigma", 20.0, USUAL, 30, []),
        Cell("a", "flat line", "rows", 20.0, "real", 4, []),
    ]
    still = [Still("a", "slow drift", "made", series=40, alarms=7, without=3)]
    told = {(one.goal.name, one.origin): one for one in reached(cells, still)}
    spikes = told["spikes, 6 sigma and more", "made"]
    assert (spikes.value, spikes.tried, spikes.ok) == (39 / 40, 40, True)
    flat = told["flat lines", "real"]
    assert (flat.value, flat.tried, flat.ok) == (0.0, 4, False)
    drift = told["slow drift", "made"]
    assert (drift.value, drift.tried, drift.ok) == (2.0, 40, False)
    assert len(told) == 3
    kinds = {kind.name for kind in KINDS}
    assert all(set(goal.kinds) <= kinds for goal in FOUND)
    assert [goal.kinds[0] for goal in KEPT_QUIET] == list(HARMLESS)


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_series_are_repeatable_and_have_twins(name: str) -> None:
    ours, theirs = (HARMLESS[name](np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(ours.background.values, theirs.background.values)
    assert ours.rows.any()
    differs = ours.background.values != ours.twin.values
    assert differs.any()
    # Where it happens it is watched, or it was there before.
    first = np.argmax(ours.rows)
    if name in ("slow drift", "clock change"):
        assert not differs[:first].any()
    np.testing.assert_array_equal(ours.background.timestamps, ours.twin.timestamps)


def test_the_clocks_change_where_it_says() -> None:
    ways = set()
    for seed in range(6):
        watched = HARMLESS["clock change"](np.random.default_rng(seed))
        series, first = watched.background, int(np.argmax(watched.rows))
        shift = civil_ns(series.timestamps, series.timezone) - series.timestamps
        changed = np.flatnonzero(np.diff(shift))
        assert len(changed) == 1
        assert first <= changed[0] < first + DAY
        # Office hours begin an hour earlier in UTC, or later.
        busy = series.values > 30.0
        before = np.argmax(busy[DAY * (first // DAY - 1) :][:DAY])
        after = np.argmax(busy[DAY * (first // DAY + 1) :][:DAY])
        assert abs(before - after) == pytest.approx(12, abs=2)
        assert (after < before) == (shift[-1] > shift[0])
        ways.add(bool(after < before))
    assert ways == {False, True}


def test_a_new_job_is_watched_from_its_fourth_run_on() -> None:
    watched = HARMLESS["batch job after three"](np.random.default_rng(0))
    busy = np.flatnonzero(watched.background.values > 50.0)
    assert sorted(set((busy // DAY).tolist())) == list(range(10, 21))
    assert np.argmax(watched.rows) == 13 * DAY + JOB_AT
    assert np.count_nonzero(watched.rows) == 8 * (10 + GRACE)


def test_harmless_things_are_put_into_real_backgrounds() -> None:
    real = replace(MADE["white"], origin="real")
    found = dict(on_real(real))
    drift = found["slow drift"].background.values - real.values
    first = int(0.4 * len(drift))
    assert np.all(drift[:first] == 0.0)
    assert drift[first + 7 * DAY] == pytest.approx(real.sigma)
    running = found["batch job after three"].background.values - real.values
    assert np.count_nonzero(running[first : first + DAY]) == 10
    assert np.argmax(found["batch job after three"].rows) == first + 3 * DAY
    stills = run_harmless_on(Always(), [real, MADE["counts"]])
    assert [(one.kind, one.series) for one in stills] == [(name, 1) for name in found]


def test_quiet_stretches_are_unlabelled_and_rising() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=4000), np.zeros(4000, dtype=bool)
    labels[1200] = True
    times = np.arange(4000) * DAY_NS // DAY
    times[3000] = times[2999]
    (found,) = quiet_stretch("x", times, values, labels)
    assert found.origin == "real"
    assert found.day == DAY
    assert not found.seasonal
    assert found.timestamps[0] == times[1201]
    assert len(found.values) == 2798
    assert np.all(np.diff(found.timestamps) > 0)
    season = values + 5.0 * np.sin(2 * np.pi * np.arange(4000) / DAY)
    (found,) = quiet_stretch("x", times, season, labels)
    assert found.seasonal
    assert list(quiet_stretch("x", times[:500], values[:500], labels[:500])) == []
    assert list(quiet_stretch("x", times, np.zeros(4000), labels)) == []


def test_a_metric_that_stands_still_by_itself_cannot_be_stuck() -> None:
    white = MADE["white"]
    values = white.values.copy()
    values[100:120] = values[100]
    stands = white.with_values(values)
    assert stands.longest_stand == 20
    assert put("flat line", stands, 20).usual
    assert not put("flat line", stands, 60).usual
    assert not put("flat line", white, 20).usual
    times = white.timestamps.copy()
    times[100:] += 10 * DAY_NS // DAY
    gap = replace(white, timestamps=times)
    assert put("silence", gap, 12).usual
    assert not put("silence", gap, 72).usual


def test_backgrounds_of_real_series(shared: Path) -> None:
    real = [*from_nab(shared / "nab"), *from_labelled(shared / "labelled")]
    assert len(real) > 60
    assert {one.origin for one in real} == {"real"}
    assert any(one.seasonal for one in real)
    assert all(np.all(np.diff(one.timestamps) > 0) for one in real)
    assert all(one.sigma > 0 for one in real)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "figures.json"
    command = ["bench", "injected", "--seeds", "1", "--harmless", "1", "--places", "1"]
    command += ["--alone"]
    assert main([*command, "--json", str(told)]) == 0
    printed = capsys.readouterr().out
    assert "level shift" in printed
    assert "clock change" in printed
    assert "What must be reached" in printed
    figures = json.loads(told.read_text())
    assert {one["goal"]["name"] for one in figures if "goal" in one} == {
        goal.name for goal in (*FOUND, *KEPT_QUIET)
    }
    assert {one["kind"] for one in figures if "share" in one} == set(BY_NAME)
    assert main(["bench", "injected", "--seeds", "0"]) == 2
