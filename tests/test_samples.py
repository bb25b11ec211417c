from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import BadInputError, ConfigurationError, TimestampError
from tocsin.samples import Metric, Samples, civil_ns, iso, parse_metric, to_ns

texts = st.text(min_size=1, max_size=12)
label_names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@given(st.from_regex(r"[a-z.]{1,10}", fullmatch=True), st.dictionaries(label_names, texts))
def test_a_metric_survives_its_text(name: str, labels: dict[str, str]) -> None:
    metric = Metric.of(name, labels)
    assert parse_metric(str(metric)) == metric


def test_the_order_of_labels_does_not_matter() -> None:
    assert Metric.of("m", {"a": "1", "b": "2"}) == Metric.of("m", {"b": "2", "a": "1"})


def test_a_metric_needs_a_name() -> None:
    with pytest.raises(BadInputError):
        Metric.of("")


@given(st.integers(-9_000_000_000, 9_000_000_000))
def test_seconds_are_exact(second: int) -> None:
    assert to_ns([second], unit="s")[0] == second * 10**9
    assert to_ns([float(second)], unit="s")[0] == second * 10**9


def test_fractions_of_a_second_are_what_was_written() -> None:
    assert to_ns([1443197361.1], unit="s")[0] == 1443197361_100_000_000


@pytest.mark.parametrize("late", [9_300_000_000, 1_700_000_000_000])
def test_the_year_2262_is_refused(late: int) -> None:
    with pytest.raises(TimestampError, match="2261"):
        to_ns([late], unit="s")
    with pytest.raises(TimestampError, match="2261"):
        to_ns([float(late)], unit="s")


@pytest.mark.parametrize("what", [["yesterday"], [None], [np.datetime64("NaT")], [np.nan]])
def test_what_is_no_time_is_refused(what: list[object]) -> None:
    with pytest.raises(TimestampError):
        to_ns(what, unit="s")  # type: ignore[arg-type]


def test_a_datetime_without_zone_is_civil_time() -> None:
    moment = dt.datetime(2024, 7, 1, 12)
    assert to_ns([moment], timezone="Europe/Berlin")[0] == to_ns(
        [dt.datetime(2024, 7, 1, 10, tzinfo=dt.UTC)]
    )


def test_civil_time_follows_the_change_of_clocks() -> None:
    before = to_ns([dt.datetime(2024, 3, 31, 0, 59, tzinfo=dt.UTC)])
    after = to_ns([dt.datetime(2024, 3, 31, 1, 0, tzinfo=dt.UTC)])
    assert civil_ns(after, "Europe/Berlin") - civil_ns(before, "Europe/Berlin") == 61 * 60 * 10**9


@given(st.integers(-2_000_000_000, 9_000_000_000))
def test_civil_time_agrees_with_the_library(second: int) -> None:
    from zoneinfo import ZoneInfo

    moment = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(seconds=second)
    offset = moment.astimezone(ZoneInfo("America/New_York")).utcoffset() or dt.timedelta()
    civil = civil_ns(np.array([second * 10**9]), "America/New_York")[0]
    # Before 1900 offsets were not whole quarters of an hour, and changed at odd moments.
    assert civil == (second + int(offset.total_seconds())) * 10**9


def test_iso_tells_what_it_was_given() -> None:
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert iso(-1) == "1969-12-31T23:59:59.999999999Z"
    assert iso(1_720_000_000 * 10**9, "Europe/Berlin").endswith("+02:00")


def test_an_unknown_zone_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="Europe/Berlin"):
        iso(0, "Europe/Berlni")


def test_columns_of_a_batch_have_one_length() -> None:
    with pytest.raises(BadInputError, match="differ in length"):
        Samples(np.zeros(1, np.int64), np.zeros(2, np.int64), np.zeros(2))
