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
from tocsin.bench.injected.harmless import HARMLESS
from tocsin.bench.injected.kinds import GRACE, KINDS, Kind
from tocsin.bench.injected.run import run_harmless, run_kinds, run_quiet
from tocsin.bench.judges import Judged, TocsinJudge, baseline_judge
from tocsin.bench.streams import DAY
from tocsin.cli.main import main
from tocsin.errors import ConfigurationError
from tocsin.samples import civil_ns

Floats = NDArray[np.float64]
MADE = {one.name: one for one in synthetic(0)}
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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("background", MADE.values(), ids=lambda one: one.name)
def test_nothing_changes_before_the_anomaly(kind: Kind, background: Background) -> None:
    if not kind.fits(background):
        return
    for size in kind.sizes:
        put = kind.put(background, ROW, size)
        series = put.background
        np.testing.assert_array_equal(series.values[: put.first], background.values[: put.first])
        assert put.first >= ROW
        assert put.first <= put.last < len(series.values)
        assert len(series.timestamps) == len(series.values)
        changed = len(series.values) != len(background.values) or np.any(
            series.values != background.values
        )
        assert changed
        assert np.isfinite(series.values).all()


def test_sizes_are_what_they_say() -> None:
    white = MADE["white"]
    assert white.sigma == pytest.approx(1.0, rel=0.05)

    def difference(kind: str, size: float, background: Background = white) -> Floats:
        return BY_NAME[kind].put(background, ROW, size).background.values - background.values

    assert difference("spike", 6)[ROW] == pytest.approx(6 * white.sigma)
    assert np.count_nonzero(difference("dip", 6)) == 1
    assert difference("dip", 6)[ROW] == pytest.approx(-6 * white.sigma)
    assert np.all(difference("level shift", 4)[ROW:] == pytest.approx(4 * white.sigma))
    assert difference("trend change", 2)[ROW + DAY] == pytest.approx(2 * white.sigma)
    louder = BY_NAME["variance up"].put(white, ROW, 4).background.values[ROW:]
    assert louder.std() == pytest.approx(4.0, rel=0.1)
    calmer = BY_NAME["variance down"].put(white, ROW, 0.25).background.values[ROW:]
    assert calmer.std() == pytest.approx(0.4, abs=0.1)
    stuck = BY_NAME["flat line"].put(white, ROW, 60).background.values
    assert set(stuck[ROW - 1 : ROW + 60]) == {white.values[ROW - 1]}
    assert stuck[ROW + 60] == white.values[ROW + 60]
    silent = BY_NAME["silence"].put(white, ROW, 72).background.timestamps
    assert silent[ROW] - silent[ROW - 1] == 73 * DAY_NS // DAY


def test_a_missing_job_is_missed() -> None:
    daily = MADE["daily job"]
    put = BY_NAME["missing job"].put(daily, ROW, 1)
    assert put.first % DAY == JOB_AT
    busy = np.flatnonzero(put.background.values > 50.0)
    days = set((busy // DAY).tolist())
    assert days == set(range(24)) - {put.first // DAY}


def test_a_season_breaks_and_runs_faster() -> None:
    smooth = MADE["smooth season"]
    broken = BY_NAME["season break"].put(smooth, ROW, 1).background.values
    assert broken[ROW : ROW + DAY].std() < 2.0 < smooth.values[ROW : ROW + DAY].std()
    faster = BY_NAME["frequency change"].put(smooth, ROW, 2).background.values[ROW : ROW + DAY]
    power = np.abs(np.fft.rfft(faster - faster.mean()))
    assert np.argmax(power) == 2


def test_a_judge_that_knows_finds_everything_at_once() -> None:
    for background in (MADE["white"], MADE["smooth season"], MADE["daily job"]):
        for cell in run_kinds(Peeping(background), [background]):
            assert (cell.tried, cell.share) == (1, 1.0), cell
            assert cell.median_delay is not None
            assert cell.median_delay <= 1, cell
        for cell in run_kinds(Peeping(background, late=3), [background], (BY_NAME["spike"],)):
            assert cell.median_delay == 3
        for cell in run_kinds(Peeping(background, late=GRACE + 1), [background], KINDS[:2]):
            assert cell.share == 0.0


def test_a_judge_that_always_alarms_finds_nothing() -> None:
    cells = run_kinds(Always(), [MADE["white"]], KINDS[:3])
    assert cells
    assert all(cell.share == 0.0 for cell in cells)
    (quiet,) = run_quiet(Always(), [MADE["white"]])
    assert quiet.per_week == pytest.approx(7 * DAY, rel=0.01)
    for still in run_harmless(Always(), 1):
        assert still.alarms > DAY / 2


def test_ours_finds_what_is_large() -> None:
    kinds = (BY_NAME["spike"], BY_NAME["level shift"])
    cells = run_kinds(TocsinJudge(), [MADE["white"], MADE["daily season"]], kinds)
    found = {(cell.kind, cell.size): cell.share for cell in cells}
    assert found["spike", 20] == 1.0
    assert found["level shift", 8] == 1.0


def test_a_judge_without_threshold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no threshold"):
        run_kinds(baseline_judge("z", lambda values: values), [MADE["white"]])


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_series_are_repeatable(name: str) -> None:
    ours, theirs = (HARMLESS[name](np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(ours.background.values, theirs.background.values)
    assert 0 < ours.first < ours.last < len(ours.background.values)


def test_the_clocks_change_where_it_says() -> None:
    watched = HARMLESS["clock change"](np.random.default_rng(0))
    series = watched.background
    shift = civil_ns(series.timestamps, series.timezone) - series.timestamps
    changed = np.flatnonzero(np.diff(shift))
    assert len(changed) == 1
    assert watched.first <= changed[0] < watched.first + DAY
    # Office hours begin an hour earlier in UTC.
    busy = series.values > 30.0
    before = np.argmax(busy[(DAY * (watched.first // DAY - 1)) :][:DAY])
    after = np.argmax(busy[DAY * (watched.first // DAY + 1) :][:DAY])
    assert before - after == pytest.approx(12, abs=2)


def test_quiet_stretches_are_unlabelled_and_rising() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=4000), np.zeros(4000, dtype=bool)
    labels[1200] = True
    times = np.arange(4000) * DAY_NS // DAY
    times[3000] = times[2999]
    (found,) = quiet_stretch("x", times, values, labels)
    assert found.origin == "real"
    assert found.day == DAY
    assert found.timestamps[0] == times[1201]
    assert len(found.values) == 2798
    assert np.all(np.diff(found.timestamps) > 0)
    (spiky,) = quiet_stretch("x", times, rng.standard_cauchy(4000), labels)
    assert spiky.origin == "spiky"
    assert list(quiet_stretch("x", times[:1000], values[:1000], labels[:1000])) == []
    assert list(quiet_stretch("x", times, np.zeros(4000), labels)) == []


def test_a_metric_that_stands_still_by_itself_cannot_be_stuck() -> None:
    white = MADE["white"]
    values = white.values.copy()
    values[100:120] = values[100]
    stands = white.with_values(values)
    assert stands.longest_stand == 20
    assert not BY_NAME["flat line"].fits(stands)
    assert BY_NAME["flat line"].fits(white)
    times = white.timestamps.copy()
    times[100:] += 10 * DAY_NS // DAY
    assert not BY_NAME["silence"].fits(replace(white, timestamps=times))


def test_backgrounds_of_real_series(shared: Path) -> None:
    real = [*from_nab(shared / "nab"), *from_labelled(shared / "labelled")]
    assert len(real) > 40
    assert {one.origin for one in real} == {"real", "spiky"}
    assert all(np.all(np.diff(one.timestamps) > 0) for one in real)
    assert all(one.sigma > 0 for one in real)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "figures.json"
    command = ["bench", "injected", "--seeds", "1", "--harmless", "1", "--alone"]
    assert main([*command, "--json", str(told)]) == 0
    printed = capsys.readouterr().out
    assert "level shift" in printed
    assert "clock change" in printed
    figures = json.loads(told.read_text())
    assert {one["kind"] for one in figures if "share" in one} == set(BY_NAME)
    assert main(["bench", "injected", "--seeds", "0"]) == 2
