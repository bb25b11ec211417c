from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin import Detector
from tocsin.detect import snapshot
from tocsin.detect.kernels import kernel_of
from tocsin.detect.result import EventState
from tocsin.detect.settings import LIKELIHOODS
from tocsin.errors import BadSampleError, ConfigurationError, StateError, TimestampError

Floats = NDArray[np.float64]

LIKELIHOOD = pytest.mark.parametrize("likelihood", LIKELIHOODS)


def series(rows: int = 3000, seed: int = 0) -> tuple[NDArray[np.int64], Floats]:
    """Five-minute samples with a daily wave, noise, a spike and a level shift."""
    rng = np.random.default_rng(seed)
    at = np.arange(rows)
    values = 100 + 20 * np.sin(2 * np.pi * at / 288) + rng.normal(size=rows)
    if rows > 2000:
        values[2000] += 200
        values[2500:] += 100
    return 1_700_000_000 + 300 * at, values


def same(ours: NDArray[np.void], theirs: NDArray[np.void]) -> bool:
    return ours.tobytes() == theirs.tobytes()


@LIKELIHOOD
def test_update_and_update_many_give_the_same_bits(likelihood: str) -> None:
    times, values = series(2600)
    many = Detector(likelihood=likelihood).update_many(times, values, unit="s")
    one = Detector(likelihood=likelihood)
    for row, (moment, value) in enumerate(zip(times.tolist(), values.tolist(), strict=True)):
        result = one.update(moment, value, unit="s")
        for name in ("raw_score", "likelihood", "anomaly_score", "alert_score", "lower", "upper"):
            found = getattr(result, name)
            expected = float(many[name][row])
            assert (found is None and np.isnan(expected)) or found == expected


@LIKELIHOOD
@given(cuts=st.lists(st.integers(0, 1200), max_size=8))
def test_any_split_into_batches_gives_the_same_bits(likelihood: str, cuts: list[int]) -> None:
    times, values = series(1200)
    whole = Detector(likelihood=likelihood).update_many(times, values, unit="s")
    detector = Detector(likelihood=likelihood)
    ends = [*sorted(cuts), len(values)]
    parts, start = [], 0
    for end in ends:
        parts.append(detector.update_many(times[start:end], values[start:end], unit="s"))
        start = end
    assert same(np.concatenate(parts), whole)


@LIKELIHOOD
@given(cut=st.integers(0, 2999))
def test_saved_and_restored_anywhere_it_goes_on_with_the_same_bits(
    likelihood: str, cut: int
) -> None:
    times, values = series()
    whole = Detector(likelihood=likelihood).update_many(times, values, unit="s")
    first = Detector(likelihood=likelihood)
    first.update_many(times[:cut], values[:cut], unit="s")
    second = Detector.from_bytes(first.to_bytes())
    assert second.to_bytes() == first.to_bytes()
    assert same(second.update_many(times[cut:], values[cut:], unit="s"), whole[cut:])


def test_tells_a_spike_and_a_level_shift_once_each() -> None:
    times, values = series()
    scored = Detector().update_many(times, values, unit="s")
    starts = np.flatnonzero(scored["event"] == 1)
    assert 2000 in starts
    assert any(2500 <= row <= 2503 for row in starts)
    assert len(starts[starts > 2503]) <= 2
    assert scored["alert_score"][2000] == scored["anomaly_score"][2000] > 0.4


@LIKELIHOOD
def test_crossing_the_band_is_the_decision(likelihood: str) -> None:
    times, values = series()
    scored = Detector(likelihood=likelihood).update_many(times, values, unit="s")
    ready = ~np.isnan(scored["likelihood"])
    outside = (values < scored["lower"]) | (values > scored["upper"])
    assert not np.any(outside & ~ready)
    assert np.all(outside[scored["event"] == 1])
    assert np.all(scored["anomaly_score"][outside & ready] > 0.3)


@pytest.mark.parametrize(("likelihood", "needed"), [("evidence", 100), ("gaussian", 293)])
def test_says_not_yet_instead_of_a_number(likelihood: str, needed: int) -> None:
    detector = Detector(likelihood=likelihood)
    for k in range(needed - 1):
        result = detector.update(k, float(k % 7), unit="s")
        assert result.likelihood is result.anomaly_score is result.alert_score is None
        assert str(result.readiness) == f"{k + 1} of {needed}"
        assert not result.readiness.ready
    result = detector.update(needed - 1, 3.0, unit="s")
    assert result.readiness.ready
    assert result.likelihood is not None


@pytest.mark.parametrize("unit", [2.0**-900, 2.0**-10, 2.0**900])
def test_scores_do_not_depend_on_the_unit_of_the_values(unit: float) -> None:
    times, values = series()
    usual = Detector().update_many(times, values, unit="s")["anomaly_score"]
    other = Detector().update_many(times, values * unit, unit="s")["anomaly_score"]
    np.testing.assert_allclose(other, usual, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-280, 1e-3, 1e280])
def test_scores_hardly_depend_on_where_the_bins_of_a_histogram_fall(unit: float) -> None:
    times, values = series()
    usual = Detector().update_many(times, values, unit="s")["anomaly_score"]
    other = Detector().update_many(times, (values + 17) * unit, unit="s")["anomaly_score"]
    assert np.nanmean(np.abs(other - usual)) < 0.02
    assert other[2000] == pytest.approx(usual[2000], abs=0.1)


def test_a_constant_series_is_calm_and_its_first_change_is_not() -> None:
    detector = Detector()
    scored = detector.update_many(np.arange(2000), np.full(2000, 5.0), unit="s")
    assert np.nanmax(scored["alert_score"]) < 0.2
    assert scored["lower"][-1] == pytest.approx(5.0)
    assert scored["upper"][-1] == pytest.approx(5.0)
    result = detector.update(2000, 6.0, unit="s")
    assert result.event is EventState.START


@LIKELIHOOD
@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 0.0])
def test_extreme_finite_values_are_scored(likelihood: str, value: float) -> None:
    times, values = series(500)
    values[300] = value
    values[301] = -value
    detector = Detector(likelihood=likelihood)
    scored = detector.update_many(times, values, unit="s")
    for name in ("raw_score", "expected"):
        assert np.all(np.isfinite(scored[name][1:]))
    assert np.all(np.isfinite(scored["anomaly_score"][detector.readiness.needed :]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite_and_learns_nothing(value: float) -> None:
    detector = Detector()
    detector.update_many([1, 2], [1.0, 2.0], unit="s")
    before = detector.to_bytes()
    with pytest.raises(BadSampleError, match=r"row 1.*not finite") as caught:
        detector.update_many([3, 4, 5], [1.0, value, 2.0], unit="s")
    assert caught.value.row == 1
    assert detector.to_bytes() == before


@pytest.mark.parametrize("times", [[2], [1], [3, 3], [4, 3]])
def test_refuses_times_that_do_not_rise(times: list[int]) -> None:
    detector = Detector()
    detector.update_many([1, 2], [1.0, 2.0], unit="s")
    before = detector.to_bytes()
    with pytest.raises(BadSampleError, match="not later than the one before"):
        detector.update_many(times, [0.0] * len(times), unit="s")
    assert detector.to_bytes() == before


def test_takes_datetimes_and_numbers_with_a_unit_alike() -> None:
    moments = [dt.datetime(2024, 3, 1, 12, minute, tzinfo=dt.UTC) for minute in range(5)]
    seconds = [moment.timestamp() for moment in moments]
    values = [1.0, 2.0, 3.0, 2.0, 1.0]
    aware = Detector().update_many(moments, values)
    naive64 = [moment.replace(tzinfo=None) for moment in moments]
    assert same(aware, Detector().update_many(np.array(naive64, "datetime64[us]"), values))
    assert same(aware, Detector().update_many(seconds, values, unit="s"))
    millis = [int(second * 1000) for second in seconds]
    assert same(aware, Detector().update_many(millis, values, unit="ms"))
    nanos = np.array(millis, dtype=np.int64) * 1_000_000
    assert same(aware, Detector().update_many(nanos, values, unit="ns"))


def test_a_number_without_a_unit_is_refused() -> None:
    with pytest.raises(TimestampError, match="unit='s'"):
        Detector().update(1_700_000_000, 1.0)


def test_the_daily_profile_follows_civil_time_through_a_change_of_clocks() -> None:
    # Berlin, 20 days up to and past 2024-03-31: a job at 09:00 civil time, every day.
    start = dt.datetime(2024, 3, 10, tzinfo=dt.UTC)
    moments = [start + dt.timedelta(minutes=15 * k) for k in range(96 * 35)]
    detector = Detector(timezone="Europe/Berlin")
    hours = np.array([moment.astimezone(ZoneInfo("Europe/Berlin")).hour for moment in moments])
    rng = np.random.default_rng(3)
    values = np.where(hours == 9, 50.0, 10.0) + rng.normal(size=len(hours))
    scored = detector.update_many(moments, values)
    away = np.abs(scored["expected"] - values)
    late = slice(96 * 30, None)
    assert np.median(away[late][hours[late] == 9]) < 10


@pytest.mark.parametrize("where", [0, 3, 8, 40, 200, -1])
def test_damaged_state_is_refused(where: int) -> None:
    detector = Detector()
    detector.update_many(*series(300), unit="s")
    data = bytearray(detector.to_bytes())
    data[where] ^= 0xFF
    with pytest.raises(StateError):
        Detector.from_bytes(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_clear_error(data: bytes) -> None:
    with pytest.raises(StateError):
        Detector.from_bytes(data)


def test_state_of_a_newer_version_says_upgrade() -> None:
    data = bytearray(Detector().to_bytes())
    data[7] = 200
    with pytest.raises(StateError, match="newer"):
        Detector.from_bytes(bytes(data))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"modle": "views"}, "did you mean 'model'"),
        ({"model": "vews"}, "must be one of views"),
        ({"likelihood": "gauss"}, "likelihood = 'gauss': must be one of evidence, gaussian"),
        ({"likelyhood": "gaussian"}, "did you mean 'likelihood'"),
        ({"timezone": "Mars/Olympus"}, "no such time zone"),
        ({"false_alarms_per_week": 0}, "above 0"),
        ({"false_alarms_per_week": "many"}, "above 0"),
        ({"direction": "sideways"}, "direction = 'sideways': must be one of both, up, down"),
        ({"least_change": -1}, "least_change = -1: must be a number, 0 or more"),
        ({"least_relative_change": "1 %"}, "must be a number, 0 or more"),
    ],
)
def test_wrong_settings_name_the_key_and_what_is_allowed(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Detector(**options)


def test_a_state_of_another_revision_of_its_model_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = Detector().to_bytes()
    real = kernel_of
    monkeypatch.setattr(snapshot, "kernel_of", lambda given: replace(real(given), revision=99))
    with pytest.raises(StateError, match="another version of the model"):
        Detector.from_bytes(saved)


def test_only_deviations_to_the_wanted_side_are_told() -> None:
    times, values = series()
    values[1500] -= 200  # and 2000 goes up
    told = {
        direction: np.flatnonzero(
            Detector(direction=direction).update_many(times, values, unit="s")["event"] == 1
        )
        for direction in ("both", "up", "down")
    }
    assert {1500, 2000} <= set(told["both"])
    assert 2000 in told["up"]
    assert 1500 not in told["up"]
    assert 1500 in told["down"]
    assert 2000 not in told["down"]
    scored = Detector(direction="up").update_many(times, values, unit="s")
    assert np.nanmax(scored["alert_score"][values < scored["expected"]]) == 0
    assert np.all(np.isneginf(scored["lower"][200:]))
    assert np.all(np.isfinite(scored["upper"][200:]))
    # The score says how odd a sample is, wanted or not.
    assert scored["anomaly_score"][1500] > 0.4


@pytest.mark.parametrize("options", [{"least_change": 50.0}, {"least_relative_change": 0.5}])
def test_small_deviations_are_not_told_where_the_user_says_so(options: dict[str, Any]) -> None:
    times, values = series(2000)
    values[1000] += 30
    values[1700] += 300
    all_told = Detector().update_many(times, values, unit="s")
    told = Detector(**options).update_many(times, values, unit="s")
    assert all_told["event"][1000] == 1
    assert told["event"][1000] == 0
    assert told["event"][1700] == 1
    np.testing.assert_array_equal(told["anomaly_score"], all_told["anomaly_score"])
    away = np.abs(values - told["expected"])
    starts = told["event"] == 1
    assert np.all(away[starts] >= options.get("least_change", 0.0))
    assert np.all(
        away[starts] >= options.get("least_relative_change", 0.0) * told["expected"][starts]
    )
    floor = options.get("least_change", 0.5 * told["expected"])
    quiet = (told["event"] == 0) & ~np.isnan(told["likelihood"])
    assert np.all((told["upper"] - told["expected"] >= floor * (1 - 1e-9))[quiet])
