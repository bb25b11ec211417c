"""Formats of time: read strictly, or not at all."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.ingest.files.conftest import Read
from tocsin.errors import ConfigurationError, FileFormatError, TimestampError
from tocsin.samples import SECOND_NS, iso


def table(*times: str, header: str = "time") -> str:
    return f"{header},value\n" + "".join(f'"{t}",{i}\n' for i, t in enumerate(times))


def times_of(read: Read, *times: str, **options: object) -> list[str]:
    return [iso(t) for t in read(table(*times), **options).series[0].timestamps.tolist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("2024-02-29 13:05", "2024-02-29T13:05:00Z"),
        ("2024-02-29T13:05:06", "2024-02-29T13:05:06Z"),
        ("2024-02-29 13:05:06.5", "2024-02-29T13:05:06.5Z"),
        ("2024-02-29 13:05:06,123456789", "2024-02-29T13:05:06.123456789Z"),
        ("2024-02-29T13:05:06Z", "2024-02-29T13:05:06Z"),
        ("2024-02-29T13:05:06.25z", "2024-02-29T13:05:06.25Z"),
        ("2024-02-29T13:05:06+05:30", "2024-02-29T07:35:06Z"),
        ("2024-02-29 13:05:06-0300", "2024-02-29T16:05:06Z"),
        ("2024-02-29 13:05:06+01", "2024-02-29T12:05:06Z"),
        ("2024-02-29 13:05:06 UTC", "2024-02-29T13:05:06Z"),
        ("2024-02-29T24:00:00", "2024-03-01T00:00:00Z"),
        ("20240229", "2024-02-29T00:00:00Z"),
        ("20240229T130506Z", "2024-02-29T13:05:06Z"),
        ("20240229130506", "2024-02-29T13:05:06Z"),
        ("2024/2/29 9:05", "2024-02-29T09:05:00Z"),
        ("29/02/2024 13:05:06", "2024-02-29T13:05:06Z"),
        ("29.2.2024 13:05", "2024-02-29T13:05:00Z"),
        ("29-02-2024", "2024-02-29T00:00:00Z"),
        ("2/29/2024, 1:05:06 PM", "2024-02-29T13:05:06Z"),
        ("2/29/2024 12:05 AM", "2024-02-29T00:05:00Z"),
        ("2/29/2024 12 pm", "2024-02-29T12:00:00Z"),
        ("29 Feb 2024 13:05:06", "2024-02-29T13:05:06Z"),
        ("29-Feb-2024", "2024-02-29T00:00:00Z"),
        ("February 29, 2024 1:05 pm", "2024-02-29T13:05:00Z"),
        ("Thu, 29 Feb 2024 13:05:06 GMT", "2024-02-29T13:05:06Z"),
        ("29/Feb/2024:13:05:06 +0000", "2024-02-29T13:05:06Z"),
        ("1709211906", "2024-02-29T13:05:06Z"),
        ("1709211906.25", "2024-02-29T13:05:06.25Z"),
        ("1709211906.123456789", "2024-02-29T13:05:06.123456789Z"),
        ("1709211906123", "2024-02-29T13:05:06.123Z"),
        ("1709211906123456", "2024-02-29T13:05:06.123456Z"),
        ("1709211906123456789", "2024-02-29T13:05:06.123456789Z"),
        ("1.709211906e9", "2024-02-29T13:05:06Z"),
        ("1677-06-01T00:00:00", None),
        ("1900-01-01", "1900-01-01T00:00:00Z"),
        ("2261-12-31T23:59:59.999999999", "2261-12-31T23:59:59.999999999Z"),
    ],
)
def test_forms(read: Read, text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(FileFormatError, match="outside the years 1678 to 2261"):
            times_of(read, text)
    else:
        assert times_of(read, text) == [expected]


def test_fractions_and_padding_may_change_within_a_column(read: Read) -> None:
    assert times_of(read, "2024-01-01 00:00:00", "2024-01-01 00:00:00.5", "2024-01-01 00:01") == [
        "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z", "2024-01-01T00:01:00Z",
    ]  # fmt: skip
    assert times_of(read, "9/13/2024 9:05", "12/1/2024 11:15") == [
        "2024-09-13T09:05:00Z", "2024-12-01T11:15:00Z",
    ]  # fmt: skip


def test_times_without_zone_are_of_the_given_one(read: Read) -> None:
    assert times_of(read, "2024-07-01 12:00", timezone="Europe/Berlin") == ["2024-07-01T10:00:00Z"]
    assert times_of(read, "2024-07-01 12:00Z", timezone="Europe/Berlin") == ["2024-07-01T12:00:00Z"]
    assert times_of(read, "1709211906", timezone="Asia/Tokyo") == ["2024-02-29T13:05:06Z"]
    with pytest.raises(ConfigurationError, match="Mars"):
        times_of(read, "2024-07-01 12:00", timezone="Mars/Base")


# Day and month


@pytest.mark.parametrize("sign", ["/", ".", "-"])
def test_one_row_decides_for_all(read: Read, sign: str) -> None:
    day_first = [t.replace("/", sign) for t in ("01/02/2024", "02/02/2024", "13/02/2024")]
    assert times_of(read, *day_first)[0] == "2024-02-01T00:00:00Z"
    month_first = [t.replace("/", sign) for t in ("01/02/2024", "02/02/2024", "02/13/2024")]
    assert times_of(read, *month_first)[0] == "2024-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("03/04/2024 10:30", ("'%d/%m/%Y %H:%M'", "'%m/%d/%Y %H:%M'")),
        ("3.4.2024 1:30:00 PM", ("'%d.%m.%Y %I:%M:%S %p'", "'%m.%d.%Y %I:%M:%S %p'")),
        ("25/12/23", ("'%d/%m/%y'", "'%y/%m/%d'")),
    ],
)
def test_day_or_month_is_asked_for(read: Read, text: str, patterns: tuple[str, str]) -> None:
    with pytest.raises(TimestampError, match=r"web\.csv: .*--time-format") as caught:
        times_of(read, text, text)
    for pattern in patterns:
        assert f"--time-format {pattern}" in str(caught.value)
        assert times_of(read, text, time_format=pattern.strip("'"))  # the advice works
    assert "line 2" in str(caught.value)


def test_both_readings_alike_are_no_question(read: Read) -> None:
    assert times_of(read, "05/05/2024 10:00", "05/05/2024 11:00")[0] == "2024-05-05T10:00:00Z"


def test_rows_that_contradict_are_an_error(read: Read) -> None:
    with pytest.raises(TimestampError, match=r"day first and.*month first.*line 3.*line 4"):
        times_of(read, "01/02/2024", "13/02/2024", "02/13/2024")


def test_impossible_dates_are_refused_by_line(read: Read) -> None:
    good = [f"2024-02-{day:02d}" for day in range(1, 30)]
    reading = read(table(*good, "2024-02-30", "2023-02-29", "2024-13-01", "2024-02-01 25:00"))
    assert len(reading.series[0].values) == 29
    assert [(r.line, r.reason) for r in reading.refusals] == [
        (31, "no such time: '2024-02-30'"),
        (32, "no such time: '2023-02-29'"),
        (33, "no such time: '2024-13-01'"),
        (34, "time in another format than the rest: '2024-02-01 25:00'"),
    ]


def test_impossible_clocks_are_refused(read: Read) -> None:
    good = [f"2024-01-01 00:00:{second:02d}" for second in range(30)]
    odd = ["2024-01-01 24:00:01", "2024-01-01 12:60:00", "2024-01-01 12:00:60"]
    assert read(table(*good, *odd)).refused == {"no such time": 3}


def test_what_is_no_time_is_refused_by_line(read: Read) -> None:
    good = [f"2024-01-01 00:00:{second:02d}" for second in range(20)]
    reading = read(table(*good, "", "yesterday", "2024-01-01 10:00:00 CET", "2024-01-01T10:00:00Z"))
    assert [(r.line, r.column, r.reason) for r in reading.refusals] == [
        (22, "time", "empty time"),
        (23, "time", "not a time: 'yesterday'"),
        (24, "time", "time in another format than the rest: '2024-01-01 10:00:00 CET'"),
        (25, "time", "time in another format than the rest: '2024-01-01T10:00:00Z'"),
    ]
    assert len(reading.series[0].values) == 20


def test_zone_abbreviations_are_not_guessed(read: Read) -> None:
    with pytest.raises(FileFormatError):
        times_of(read, "2024-01-01 10:00:00 CET", "2024-01-01 11:00:00 CET")


def test_mixed_columns_are_an_error(read: Read) -> None:
    with pytest.raises(TimestampError, match=r"mixes formats of time: .*line 2.* and .*line 3"):
        times_of(read, "2024-01-01 00:00:00", "2024-01-01T01:00:00Z")
    with pytest.raises(TimestampError, match="mixes formats"):
        times_of(read, "2024-01-01 00:00:00", "1704067260", "2024-01-01 00:02:00")


# Numbers


def test_units_of_one_column_must_agree(read: Read) -> None:
    with pytest.raises(TimestampError, match="mixes units"):
        times_of(read, "1709211906", "1709211907000")
    reading = read(table(*[str(1_709_211_906 + i) for i in range(10)], "1709211916000", "5"))
    assert reading.refused == {"time in another unit than the rest": 2}
    assert [r.line for r in reading.refusals] == [12, 13]


def test_numbers_that_tell_no_unit(read: Read) -> None:
    with pytest.raises(FileFormatError, match=r"'time' holds for example '0'.*--time-format"):
        times_of(read, "0", "1", "2")
    with pytest.raises(TimestampError, match="does not tell whether it counts seconds"):
        times_of(read, "0", "1", "2", time_column="time")
    assert times_of(read, "-1", "0", "1.5", time_format="s") == [
        "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:01.5Z",
    ]  # fmt: skip
    assert times_of(read, "-1.25", time_format="s") == ["1969-12-31T23:59:58.75Z"]
    assert times_of(read, "1500", time_format="ms") == ["1970-01-01T00:00:01.5Z"]


def test_unnamed_epochs(read: Read) -> None:
    reading = read("1700000000,5\n1700000060,6\n")
    assert reading.series[0].timestamps.tolist() == [1700000000 * SECOND_NS, 1700000060 * SECOND_NS]
    with pytest.raises(FileFormatError, match=r"2 columns may be the time.*--time-column"):
        read("1700000000,1700000001\n1700000060,1700000061\n")


def test_beyond_2261_is_refused_by_line(read: Read) -> None:
    good = [f"2024-01-01 00:00:{second:02d}" for second in range(9)]
    reading = read(
        table(*good, "2262-01-01 00:00:00", "9999-12-31 00:00:00", "0001-01-01 00:00:00")
    )
    assert reading.refused == {"time outside the years 1678 to 2261": 3}
    assert [r.line for r in reading.refusals] == [11, 12, 13]
    numbers = [str(1_709_211_906 + i) for i in range(9)]
    reading = read(table(*numbers, str(9_214_646_400), str(10**18)), time_format="s")
    assert reading.refused == {"time outside the years 1678 to 2261": 2}
    assert len(reading.series[0].values) == 9


# Formats that are given


@pytest.mark.parametrize(
    "pattern",
    [
        "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%m-%d-%y %I:%M %p", "%Y%m%d%H%M%S",
        "%d %B %Y at %H.%M",
        "%a %b %d %H:%M:%S %Y", "%Y-%m-%dT%H:%M:%S.%f", "%H:%M:%S %d.%m.%Y", "%Y/%j %H:%M",
        "Day %d of %m in %Y, %Hh%M", "%d%m%y", "%A, %d %b %Y", "%%%Y-%m-%d%%",
    ],
)  # fmt: skip
def test_patterns_agree_with_python(read: Read, pattern: str) -> None:
    moments = [dt.datetime(2024, 2, 1, 3, 4) + dt.timedelta(hours=31 * i) for i in range(30)]
    texts = [moment.strftime(pattern) for moment in moments]
    expected = {
        int((dt.datetime.strptime(text, pattern) - dt.datetime(1970, 1, 1)).total_seconds())
        for text in texts
    }
    series = read(table(*texts), time_format=pattern).series[0]
    assert series.timestamps.tolist() == [second * SECOND_NS for second in sorted(expected)]


def test_a_pattern_refuses_what_it_does_not_fit(read: Read) -> None:
    reading = read(table("01/02/2024", "2024-02-01", "x", "31/02/2024"), time_format="%d/%m/%Y",
                   time_column="time")  # fmt: skip
    assert reading.refused == {"not a time": 2, "no such time": 1}
    assert [r.line for r in reading.refusals] == [3, 4, 5]


def test_a_z_that_ends_the_pattern_is_utc(read: Read) -> None:
    options = {"time_format": "%d.%m.%Y %H:%M:%SZ", "timezone": "Asia/Tokyo"}
    assert times_of(read, "01.02.2024 03:04:05Z", **options) == ["2024-02-01T03:04:05Z"]
    options = {"time_format": "%d.%m.%Y %H:%M:%S%z", "timezone": "Asia/Tokyo"}
    assert times_of(read, "01.02.2024 03:04:05+0100", **options) == ["2024-02-01T02:04:05Z"]


def test_iso_refuses_the_rest(read: Read) -> None:
    reading = read(table("2024-02-01", "2024-02-02", "2024-02-03", "03/02/2024"), time_format="iso")
    assert reading.refused == {"not a time": 1}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("%H:%M", "holds no year and no month and no day"),
        ("%Y-%m-%d %Y", "twice"),
        ("%Y-%m-%d %I:%M", "%I and %p go together"),
        ("%Y-%m-%d %Q", "directive"),
    ],
)
def test_bad_patterns(read: Read, pattern: str, why: str) -> None:
    with pytest.raises(TimestampError, match=why):
        read(table("2024-02-01"), time_format=pattern, time_column="time")


# Which column


def test_two_columns_of_times(read: Read) -> None:
    text = "created,updated,value\n2024-01-01,2024-02-01,1\n2024-01-02,2024-02-02,2\n"
    with pytest.raises(
        FileFormatError,
        match=r"2 columns may be the time: 'created', 'updated'; say which with --time-column",
    ):
        read(text)
    reading = read(text, time_column="updated")
    assert iso(int(reading.series[0].timestamps[0])) == "2024-02-01T00:00:00Z"


def test_no_column_of_times(read: Read) -> None:
    with pytest.raises(FileFormatError, match=r"no column of times among 'a', 'b'"):
        read("a,b\n1,2\n3,4\n")


def test_date_and_clock_in_two_columns(read: Read) -> None:
    with pytest.raises(
        FileFormatError, match=r"'date' holds dates and column 'time' a time of day"
    ):
        read("date,time,value\n2024-01-01,10:00,1\n2024-01-01,10:05,2\n")


# Civil time


def hours(first: str, last: str, step: int, repeat: bool = True) -> list[str]:
    """What a clock in Berlin shows from first to last (UTC), every ``step`` minutes."""
    from zoneinfo import ZoneInfo

    moment, end = (dt.datetime.fromisoformat(t).replace(tzinfo=dt.UTC) for t in (first, last))
    shown = []
    while moment <= end:
        shown.append(f"{moment.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M:%S}")
        moment += dt.timedelta(minutes=step)
    return shown


@pytest.mark.parametrize("step", [5, 15, 30, 60])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_hour_that_comes_twice(read: Read, step: int, backwards: bool) -> None:
    """Rows in order tell the passes apart, from the first and from the last."""
    shown = hours("2024-10-26T20:00", "2024-10-27T06:00", step)
    reading = read(table(*(shown[::-1] if backwards else shown)), timezone="Europe/Berlin")
    series = reading.series[0]
    begin = dt.datetime(2024, 10, 26, 20, tzinfo=dt.UTC)
    expected = [(begin + dt.timedelta(minutes=step * i)).timestamp() for i in range(len(shown))]
    assert series.timestamps.tolist() == [int(t) * SECOND_NS for t in expected]
    assert series.conflicts == series.gaps == 0
    assert any("showed twice" in notice for notice in reading.notices)


def test_the_passes_are_told_apart_by_series(read: Read) -> None:
    shown = hours("2024-10-26T20:00", "2024-10-27T06:00", 30)
    text = "".join(f"{t},{host},{i}\n" for i, t in enumerate(shown) for host in "ab")
    reading = read("time,host,value\n" + text, timezone="Europe/Berlin")
    for series in reading.series:
        assert len(series.values) == len(shown)
        assert series.conflicts == series.gaps == 0


def test_one_pass_only_is_the_first(read: Read) -> None:
    reading = read(table("2024-10-27 02:10:00", "2024-10-27 02:20:00"), timezone="Europe/Berlin")
    assert iso(int(reading.series[0].timestamps[0])) == "2024-10-27T00:10:00Z"
    assert reading.notices[0].startswith("2 times in an hour")


def test_repeated_rows_within_the_hour_are_duplicates(read: Read) -> None:
    times = [f"2024-10-27 02:{minute:02d}:00" for minute in (0, 10, 10, 20, 30, 40)]
    text = "".join(f"{t},1\n" for t in times)
    series = read("time,value\n" + text, timezone="Europe/Berlin").series[0]
    assert series.duplicates == 1
    assert iso(int(series.timestamps[-1])) == "2024-10-27T00:40:00Z"


def test_the_hour_that_is_skipped(read: Read) -> None:
    reading = read(
        table("2024-03-31 01:59:00", "2024-03-31 02:30:00", "2024-03-31 04:00:00"),
        timezone="Europe/Berlin",
    )
    assert [iso(t) for t in reading.series[0].timestamps.tolist()] == [
        "2024-03-31T00:59:00Z", "2024-03-31T01:30:00Z", "2024-03-31T02:00:00Z",
    ]  # fmt: skip
    assert any(notice.startswith("1 time in an hour") for notice in reading.notices)


@pytest.mark.parametrize(
    "zone",
    ["America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Monrovia",
     "America/New_York", "Pacific/Apia"],
)  # fmt: skip
def test_zones_agree_with_python(read: Read, zone: str) -> None:
    """Midnight changes, half-hour changes, odd offsets: the same as `datetime` with fold 0."""
    from zoneinfo import ZoneInfo

    begin = dt.datetime(1971, 1, 1)
    moments = [begin + dt.timedelta(hours=173 * i, minutes=7 * i) for i in range(2500)]
    texts = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments]
    expected = [int(moment.replace(tzinfo=ZoneInfo(zone)).timestamp()) for moment in moments]
    series = read(table(*texts), timezone=zone).series[0]
    assert series.timestamps.tolist() == [t * SECOND_NS for t in expected]
