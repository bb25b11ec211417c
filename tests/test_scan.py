"""`tocsin.scan`: frames and arrays in, the same kind out, with the code that streams."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tocsin
from tocsin.detect.result import NUMBERS
from tocsin.detect.settings import Settings
from tocsin.errors import BadInputError, BadSampleError, ConfigurationError, TimestampError
from tocsin.samples import Metric
from tocsin.scanning import scan_series

Frames = Callable[[dict[str, Any]], Any]

SAMPLES = [
    "metric",
    "timestamp",
    "value",
    "rate",
    "raw_score",
    "likelihood",
    "anomaly_score",
    "alert_score",
    "expected",
    "lower",
    "upper",
    "event",
]
EVENTS = [
    "metric",
    "start",
    "peak",
    "end",
    "value",
    "expected",
    "lower",
    "upper",
    "likelihood",
    "anomaly_score",
    "samples",
    "pattern",
    "why",
    "muted",
    "because",
    "open",
]
LIBRARIES = [pd.DataFrame, pl.DataFrame, pa.table]
COUNT, SPIKE = 2400, 2200


@pytest.fixture(params=LIBRARIES, ids=["pandas", "polars", "pyarrow"])
def frame(request: pytest.FixtureRequest) -> Any:
    return request.param


def calm(seed: int = 1, count: int = COUNT) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(10.0, 1.0, count)


def spiked(seed: int = 1) -> np.ndarray[Any, Any]:
    values = calm(seed)
    values[SPIKE] = 1e6
    return values


def times(count: int = COUNT) -> np.ndarray[Any, Any]:
    start = np.datetime64("2024-01-01T00:00:00", "ns")
    return start + np.arange(count) * np.timedelta64(300, "s")


def columns(native: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = nw.from_native(native, eager_only=True).to_dict(as_series=False)
    return found


def same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def test_arrays_give_arrays_with_all_columns() -> None:
    result = tocsin.scan(times(), spiked(), metric="cpu")
    assert list(result.samples) == SAMPLES
    assert list(result.events) == EVENTS
    assert all(len(column) == COUNT for column in result.samples.values())
    assert set(result.samples["metric"]) == {"cpu"}
    assert same(result.samples["timestamp"], times())
    assert result.refused == {}


def test_an_enormous_spike_is_an_event_that_peaks_there() -> None:
    events = tocsin.scan(times(), spiked()).events
    at = list(events["peak"]).index(times()[SPIKE])
    assert events["value"][at] == 1e6
    assert events["start"][at] <= events["peak"][at] <= events["end"][at]
    assert not events["upper"][at] >= 1e6
    assert events["samples"][at] >= 1
    assert not events["open"][at]


def test_an_event_at_the_very_end_is_open() -> None:
    values = calm()
    values[-1] = 1e6
    assert tocsin.scan(times(), values).events["open"][-1]


def test_scan_is_the_detector_bit_by_bit() -> None:
    result = tocsin.scan(times(), spiked(), timezone="Europe/Berlin")
    online = tocsin.Detector(timezone="Europe/Berlin").update_many(times(), spiked())
    for name in NUMBERS:
        assert same(result.samples[name], online[name]), name


def test_pieces_of_a_long_series_join_without_a_seam() -> None:
    count = 140_000  # more than two of the pieces that are scored at a time
    stamps, values = np.arange(count) * 60_000_000_000, calm(3, count)
    values[[65_535, 65_536, 131_072]] = 1e6
    told: list[int] = []
    whole = scan_series(Metric.of("m"), stamps, values, tocsin.Settings(), told.append)
    fleet = tocsin.Fleet(metrics=1)
    at_once = fleet.update(np.zeros(count, dtype=np.int64), stamps, values)
    assert whole.scored.tobytes() == at_once.tobytes()
    assert sum(told) == count
    assert len(told) > 2
    assert 65_535 * 60_000_000_000 in {event.start for event in whole.events}
    assert len({id(event) for event in whole.events}) == len(whole.events)


def test_frames_give_frames_of_the_same_library(frame: Frames) -> None:
    given = frame({"time": times(), "value": spiked()})
    result = tocsin.scan(given)
    assert type(result.samples) is type(given)
    assert type(result.events) is type(given)
    assert list(columns(result.samples)) == SAMPLES
    assert list(columns(result.events)) == EVENTS
    schema = nw.from_native(result.samples).schema
    assert schema["timestamp"] == nw.Datetime("ns", "UTC")
    assert schema["metric"] == schema["event"] == nw.String
    arrays = tocsin.scan(times(), spiked())
    found = nw.from_native(result.samples, eager_only=True)
    for name in SAMPLES[2:-1]:
        assert same(found[name].to_numpy().astype(np.float64), arrays.samples[name]), name
    assert found["event"].to_list() == list(arrays.samples["event"])


def test_what_is_not_known_is_null(frame: Frames) -> None:
    result = tocsin.scan(frame({"time": times(3), "value": [1.0, 2.0, 3.0]}))
    assert nw.from_native(result.samples, eager_only=True)["likelihood"].is_null().all()
    assert len(nw.from_native(result.events, eager_only=True)) == 0


def test_nothing_at_all_is_an_empty_result(frame: Frames) -> None:
    empty = frame({"time": np.array([], dtype="datetime64[ns]"), "value": np.array([], "f8")})
    result = tocsin.scan(empty)
    assert list(columns(result.samples)) == SAMPLES
    assert len(columns(result.samples)["metric"]) == 0
    assert len(tocsin.scan([], []).samples["value"]) == 0


def test_a_wide_frame_has_a_metric_per_column(frame: Frames) -> None:
    result = tocsin.scan(frame({"time": times(), "cpu": spiked(1), "mem": calm(2)}))
    found = columns(result.samples)
    assert found["metric"] == ["cpu"] * COUNT + ["mem"] * COUNT
    alone = tocsin.scan(times(), calm(2)).samples["raw_score"]
    assert found["raw_score"][COUNT:] == alone.tolist()
    assert "cpu" in columns(result.events)["metric"]


def test_a_long_frame_has_a_metric_per_name_and_labels(frame: Frames) -> None:
    both = np.tile([0, 1], COUNT)  # the two metrics' rows alternate
    given = {
        "when": np.repeat(times(), 2),
        "metric": ["cpu"] * (2 * COUNT),
        "host": np.array(["a", "b"], dtype=object)[both].tolist(),
        "reading": np.stack([calm(1), calm(2)], axis=1).ravel(),
    }
    result = tocsin.scan(frame(given), labels="host")
    found = columns(result.samples)
    assert list(dict.fromkeys(found["metric"])) == ['cpu{host="a"}', 'cpu{host="b"}']
    for label, seed in (("a", 1), ("b", 2)):
        mine = [i for i, name in enumerate(found["metric"]) if f'"{label}"' in name]
        alone = tocsin.scan(times(), calm(seed)).samples["raw_score"]
        assert [found["raw_score"][i] for i in mine] == alone.tolist()


def test_several_values_of_a_named_metric_are_several_metrics() -> None:
    given = pd.DataFrame({"t": times(2), "metric": ["disk"] * 2, "read": [1, 2], "write": [3, 4]})
    assert set(tocsin.scan(given).samples["metric"]) == {"disk.read", "disk.write"}


def test_rows_without_a_metric_are_refused(frame: Frames) -> None:
    given = {"t": times(3), "metric": ["a", None, "a"], "value": [1.0, 2.0, 3.0]}
    result = tocsin.scan(frame(given))
    assert columns(result.samples)["value"] == [1.0, 3.0]
    assert result.refused == {"no metric": 1}


def test_a_missing_label_is_no_label(frame: Frames) -> None:
    given = {"t": times(2), "host": ["a", None], "cpu": [1.0, 2.0]}
    found = columns(tocsin.scan(frame(given), labels=["host"]).samples)
    assert found["metric"] == ['cpu{host="a"}', "cpu"]


def test_order_is_restored_and_bad_rows_are_counted() -> None:
    values = np.array([3.0, 1.0, 2.0, np.nan, np.inf, 9.0])
    stamps = times(6)[[2, 0, 1, 3, 4, 0]]
    result = tocsin.scan(stamps, values)
    assert result.samples["value"].tolist() == [1.0, 2.0, 3.0]
    assert result.refused == {"no value": 1, "not finite": 1, "duplicate": 1}


def test_rows_without_a_time_are_refused(frame: Frames) -> None:
    stamps = times(3)
    stamps[1] = np.datetime64("NaT")
    result = tocsin.scan(frame({"time": stamps, "value": [1.0, 2.0, 3.0]}))
    assert columns(result.samples)["value"] == [1.0, 3.0]
    assert result.refused == {"no time": 1}


def test_times_from_2262_on_are_refused() -> None:
    stamps = pl.Series([dt.datetime(2024, 1, 1), dt.datetime(2262, 1, 1), dt.datetime(9999, 1, 1)])
    result = tocsin.scan(pl.DataFrame({"time": stamps, "value": [1.0, 2.0, 3.0]}))
    assert result.samples["value"].to_list() == [1.0]
    assert result.refused == {"time beyond the year 2261": 2}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_numbers_are_times_in_the_unit_that_is_said(unit: Any) -> None:
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    given = pd.DataFrame({"ts": np.array([60, 120]) * per, "value": [1.0, 2.0]})
    found = tocsin.scan(given, unit=unit).samples["timestamp"]
    assert found.tolist() == [
        pd.Timestamp(60, unit="s", tz="UTC"),
        pd.Timestamp(120, unit="s", tz="UTC"),
    ]


def test_numbers_without_a_unit_are_not_guessed() -> None:
    with pytest.raises(TimestampError, match="unit="):
        tocsin.scan(pd.DataFrame({"ts": [60, 120], "value": [1.0, 2.0]}))


def test_times_with_a_zone_keep_their_moment(frame: Frames) -> None:
    moments = [dt.datetime(2024, 7, 1, hour, tzinfo=dt.UTC) for hour in (1, 2)]
    zoned = pd.Series(moments).dt.tz_convert("America/New_York")
    given = pl.DataFrame({"t": moments}) if frame is pl.DataFrame else frame({"t": zoned})
    frame_with_values = nw.from_native(given, eager_only=True).with_columns(value=nw.lit(1.0))
    found = columns(tocsin.scan(frame_with_values.to_native()).samples)["timestamp"]
    assert [pd.Timestamp(moment) for moment in found] == [pd.Timestamp(m) for m in moments]


def test_times_without_a_zone_are_civil_times_of_the_zone() -> None:
    given = pd.DataFrame({"t": [pd.Timestamp("2024-07-01 12:00")], "value": [1.0]})
    found = tocsin.scan(given, timezone="Europe/Berlin").samples["timestamp"][0]
    assert found == pd.Timestamp("2024-07-01 10:00", tz="UTC")


def test_hours_that_the_clock_change_skips_or_repeats_are_refused() -> None:
    civil = pd.to_datetime(
        ["2024-03-31 01:30", "2024-03-31 02:30", "2024-10-27 02:30", "2024-10-27 03:30"]
    )
    result = tocsin.scan(pd.DataFrame({"t": civil, "v": range(4)}), timezone="Europe/Berlin")
    assert result.samples["value"].tolist() == [0.0, 3.0]
    assert result.refused == {
        "time that the clocks of Europe/Berlin repeat": 1,
        "time that the clocks of Europe/Berlin skip": 1,
    }


def test_the_index_of_a_pandas_frame_or_series_is_its_time() -> None:
    index = pd.DatetimeIndex(times())
    given = pd.DataFrame({"cpu": calm()}, index=index)
    for one in (given, given["cpu"], given.rename_axis("when")):
        found = tocsin.scan(one).samples
        assert set(found["metric"]) == {"cpu"}
        assert found["timestamp"].iloc[-1] == index[-1].tz_localize("UTC")


def test_columns_of_a_frame_work_as_arrays() -> None:
    given = pl.DataFrame({"t": times(), "v": calm()})
    assert len(tocsin.scan(given["t"], given["v"]).samples["value"]) == COUNT


def test_the_input_is_not_changed() -> None:
    given = pd.DataFrame({"t": times()[::-1], "v": spiked()})
    before = given.copy()
    tocsin.scan(given)
    pd.testing.assert_frame_equal(given, before)


def test_integers_and_other_numbers_are_values(frame: Frames) -> None:
    given = frame({"time": times(2), "whole": [1, 2], "small": np.array([1, 2], "f4")})
    assert columns(tocsin.scan(given).samples)["value"] == [1.0, 2.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ({"time": times(1), "host": ["a"], "v": [1.0]}, {}, "'host' holds no numbers"),
        ({"time": times(1), "v": [1.0]}, {"value": "w"}, "no column 'w'; the columns are 'time'"),
        ({"time": times(1), "v": ["x"]}, {"value": "v"}, "'v' holds .*, not numbers"),
        ({"a": [1.0], "b": [1.0]}, {}, "which column is the time"),
        ({"time": times(1)}, {}, "no column of numbers"),
        ({"time": ["2024-01-01"], "v": [1.0]}, {}, "'time' holds .*, not times"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_fix(
    frame: Frames, given: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        tocsin.scan(frame(given), **options)


def test_other_things_are_not_scanned() -> None:
    with pytest.raises(BadInputError, match="cannot scan a int"):
        tocsin.scan(3)
    with pytest.raises(BadInputError, match=r"collect\(\)"):
        tocsin.scan(pl.LazyFrame({"time": times(1), "v": [1.0]}))
    with pytest.raises(BadInputError, match="equal length"):
        tocsin.scan(times(3), [1.0])
    with pytest.raises(BadInputError, match="not all numbers"):
        tocsin.scan(times(1), ["x"])


def test_settings_are_given_once() -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        tocsin.scan(times(1), [1.0], settings=tocsin.Settings(), timezone="UTC")
    with pytest.raises(ConfigurationError, match="did you mean 'timezone'"):
        tocsin.scan(times(1), [1.0], timezon="UTC")


def test_a_series_that_goes_back_or_is_not_finite_is_not_scored() -> None:
    for stamps, values in (([0, 0], [1.0, 2.0]), ([0, 1], [1.0, np.nan])):
        with pytest.raises(BadSampleError, match="sample 1 ") as caught:
            scan_series(Metric.of("m"), np.array(stamps), np.array(values), tocsin.Settings())
        assert caught.value.row == 1


@pytest.mark.parametrize("kind", ["gauge", "counter"])
def test_series_that_are_scored_together_are_scored_as_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tocsin.scanning as scanning

    monkeypatch.setattr(scanning, "_CHUNK", 500)
    monkeypatch.setattr(scanning, "TOGETHER", 4)
    rng = np.random.default_rng(8)
    settings = Settings(kind=kind)
    series = []
    for number, count in enumerate([700, 0, 1, 1300, 90, 400, 2000]):
        values = rng.normal(50, 1, count).cumsum()
        values[count // 2 :] += 1e4
        series.append((Metric.of(f"m{number}"), np.arange(1, count + 1) * 60 * 10**9, values))
    heard: list[int] = []
    together = list(scanning.scan_all(series, settings, heard.append))
    assert sum(heard) == sum(len(values) for _, _, values in series)
    assert max(heard) <= 500
    for (metric, times, values), found in zip(series, together, strict=True):
        alone = scan_series(metric, times, values, settings)
        assert found.scored.tobytes() == alone.scored.tobytes()
        assert (found.metric, found.events, found.readiness) == (
            (alone.metric, alone.events, alone.readiness)
        )
    assert any(one.events for one in together)
