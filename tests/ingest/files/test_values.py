"""Cells as numbers, and the series made of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.ingest.files.conftest import Read
from tocsin.errors import FileFormatError
from tocsin.samples import SECOND_NS


def rows(*values: str) -> str:
    return "time,value\n" + "".join(
        f"2024-01-01 00:{i:02d}:00,{value}\n" for i, value in enumerate(values)
    )


def test_cells_that_are_no_numbers(read: Read) -> None:
    reading = read(
        rows("1", "", "abc", "NaN", "inf", "-Infinity", "2", "1e999", "NA", "4%", "0x1F")
    )
    assert reading.series[0].values.tolist() == [1.0, 2.0]
    assert [(r.line, r.column, r.text, r.reason) for r in reading.refusals] == [
        (3, "value", "", "empty"),
        (4, "value", "abc", "not a number: 'abc'"),
        (5, "value", "NaN", "not finite"),
        (6, "value", "inf", "not finite"),
        (7, "value", "-Infinity", "not finite"),
        (9, "value", "1e999", "not finite"),
        (10, "value", "NA", "empty"),
        (11, "value", "4%", "not a number: '4%'"),
        (12, "value", "0x1F", "not a number: '0x1F'"),
    ]
    assert reading.refused == {"empty": 2, "not a number": 3, "not finite": 4}


@pytest.mark.parametrize("bad", ["", "x"])
def test_extreme_numbers_with_and_without_a_bad_cell(read: Read, bad: str) -> None:
    """The quick way and the careful one read the same bits as Python does."""
    texts = ["1e308", "-1e308", "5e-324", "2.2250738585072011e-308", "+7", "-0.0", ".5", "5.",
             "1E3", "0.1", "123456789012345678901234567890"]  # fmt: skip
    reading = read(rows(*texts, bad))
    expected = [float(text) for text in texts]
    assert reading.series[0].values.tobytes() == np.array(expected).tobytes()


def test_extreme_steps_of_an_unnamed_column(read: Read) -> None:
    reading = read("2024-01-01,0\n2024-01-02,-1e308\n2024-01-03,1.7e308\n")
    assert reading.series[0].values.tolist() == [0.0, -1e308, 1.7e308]


@pytest.mark.parametrize(
    "text", ["1,234", "1,234.5", "1.234.567", "1.234,5", "1,5", "1 234", "1'234", "12,34"]
)
def test_thousands_separators_and_decimal_commas_are_refused(read: Read, text: str) -> None:
    reading = read(rows("1", f'"{text}"', "3"))
    assert reading.series[0].values.tolist() == [1.0, 3.0]
    assert reading.refused == {"thousands separator or decimal comma": 1}
    assert reading.refusals[0].line == 3
    assert repr(text) in reading.refusals[0].reason


def test_no_column_of_numbers(read: Read) -> None:
    with pytest.raises(
        FileFormatError, match=r"web\.csv: no column of numbers.*'value' holds.*'up'"
    ):
        read(rows("up", "down"))
    with pytest.raises(FileFormatError, match=r"not one sample can be read; line 2.*not finite"):
        read(rows("NaN", "inf"))


def test_constant_series(read: Read) -> None:
    reading = read(rows(*["5"] * 50))
    assert reading.series[0].values.tolist() == [5.0] * 50
    assert reading.notices == []
    assert reading.refused == {}


def test_unsorted_rows_duplicates_conflicts_and_gaps(read: Read) -> None:
    minutes = [(0, 0), (1, 1), (3, 3), (2, 2), (3, 3), (3, 9), (4, 4), (9, 9), (10, 10), (0, 0)]
    text = "".join(f"2024-01-01 00:{minute:02d}:00,{value}\n" for minute, value in minutes)
    reading = read("time,value\n" + text)
    series = reading.series[0]
    assert series.values.tolist() == [0, 1, 2, 3, 4, 9, 10]
    assert (np.diff(series.timestamps) > 0).all()
    assert (series.duplicates, series.conflicts, series.gaps) == (2, 1, 1)
    assert series.interval_ns == 60 * SECOND_NS
    assert not series.was_sorted
    assert [notice.partition(" (")[0] for notice in reading.notices] == [
        "2 rows out of order: sorted", "2 duplicates dropped", "1 conflict", "1 gap",
    ]  # fmt: skip


def test_conflicts_keep_the_first_of_the_file_even_unsorted(read: Read) -> None:
    reading = read(
        "time,value\n2024-01-02,1\n2024-01-01,5\n2024-01-02,2\n2024-01-01,6\n2024-01-01,5\n"
    )
    series = reading.series[0]
    assert series.values.tolist() == [5.0, 1.0]
    assert (series.duplicates, series.conflicts) == (1, 2)


def test_an_interval_of_centuries(read: Read) -> None:
    series = read("time,value\n1700-01-01,1\n2261-01-01,2\n2261-01-02,3\n2261-01-03,4\n").series[0]
    assert (series.gaps, series.interval_ns) == (1, 86_400 * SECOND_NS)


def test_wide_form_with_holes(read: Read) -> None:
    lines = ["time,cpu,mem,idle"]
    lines += [f"2024-01-01 00:{i:02d}:00,{i},{'' if i % 2 else i * 10}," for i in range(50)]
    lines[20] = "2024-01-01 00:19:00,19,full,"
    reading = read("\n".join(lines))
    assert [str(each.metric) for each in reading.series] == ["cpu", "mem"]
    assert [len(each.values) for each in reading.series] == [50, 25]
    assert reading.refused == {"empty": 24, "not a number": 1}
    assert [(r.line, r.column) for r in reading.refusals] == [(21, "mem")]
    assert any("left out 'idle'" in notice for notice in reading.notices)
    assert "one metric a column" in reading.guess


def test_value_columns_choose_in_wide_form(read: Read) -> None:
    text = "time,cpu,mem,disk\n2024-01-01,1,2,3\n2024-01-02,4,5,6\n"
    reading = read(text, value_columns=("disk", "cpu"))
    assert [str(each.metric) for each in reading.series] == ["disk", "cpu"]
    assert [str(each.metric) for each in read(text, value_columns=("mem",)).series] == ["web"]


LONG = "metric,host,time,value\n" + "".join(
    f"{metric},{host},2024-01-01 00:{i:02d}:00,{i + k}\n"
    for i in range(5)
    for k, (metric, host) in enumerate([("cpu", "a"), ("cpu", "b"), ("mem", "a"), ("mem", "")])
)


def test_long_form(read: Read) -> None:
    reading = read(LONG)
    found = {str(each.metric): each.values.tolist() for each in reading.series}
    assert found == {
        'cpu{host="a"}': [0, 1, 2, 3, 4],
        'cpu{host="b"}': [1, 2, 3, 4, 5],
        'mem{host="a"}': [2, 3, 4, 5, 6],
        "mem": [3, 4, 5, 6, 7],
    }
    assert all(each.was_sorted for each in reading.series)
    assert "metric named by 'metric', labels from 'host'" in reading.guess


def test_long_form_overridden(read: Read) -> None:
    reading = read(LONG, metric_column="host", label_columns=("metric",))
    assert 'a{metric="cpu"}' in {str(each.metric) for each in reading.series}
    assert reading.refused == {"empty metric name": 5}


def test_labels_without_a_metric_column(read: Read) -> None:
    reading = read("time,host,value\n2024-01-01,a,1\n2024-01-01,b,2\n2024-01-02,a,3\n")
    assert {str(s.metric): s.values.tolist() for s in reading.series} == {
        'web{host="a"}': [1.0, 3.0],
        'web{host="b"}': [2.0],
    }


def test_labels_in_wide_form(read: Read) -> None:
    reading = read("time,host,cpu,mem\n2024-01-01,a,1,2\n2024-01-02,b,3,4\n")
    assert {str(s.metric) for s in reading.series} == {
        'cpu{host="a"}', 'mem{host="a"}', 'cpu{host="b"}', 'mem{host="b"}',
    }  # fmt: skip


def test_numbers_that_name_series(read: Read) -> None:
    lines = [f"{sensor},{1_700_000_000 + i},{i}" for i in range(20) for sensor in (17, 18)]
    reading = read("sensor_id,timestamp,value\n" + "\n".join(lines))
    assert {str(s.metric) for s in reading.series} == {"17", "18"}


def test_free_text_is_no_label(read: Read) -> None:
    lines = [f"2024-01-01 00:{i:02d}:00,message number {i},{i}" for i in range(50)]
    reading = read("time,comment,value\n" + "\n".join(lines))
    assert [str(s.metric) for s in reading.series] == ["web"]
    assert any("left out 'comment'" in notice for notice in reading.notices)


def test_flags_are_no_labels(read: Read) -> None:
    text = "time,value,odd\n2024-01-01,1,True\n2024-01-02,2,False\n"
    assert [str(s.metric) for s in read(text).series] == ["web"]
    assert len(read(text, label_columns=("odd",)).series) == 2


def test_the_row_numbers_of_data_frames_are_left_out(read: Read) -> None:
    reading = read(",time,value\n0,2024-01-01,5\n1,2024-01-02,6\n2,2024-01-03,7\n")
    assert [str(s.metric) for s in reading.series] == ["web"]
    assert any("left out 'column_1'" in notice for notice in reading.notices)


def test_a_column_cannot_have_two_roles(read: Read) -> None:
    with pytest.raises(FileFormatError, match="'cpu' is given more than one role"):
        read("time,cpu\n2024-01-01,1\n", time_column="cpu", value_columns=("cpu",))


def test_values_are_finite_and_times_rise(read: Read) -> None:
    generator = np.random.default_rng(3)
    times = 1_700_000_000 + generator.integers(0, 900, 2000)
    cells = generator.choice(["1", "2", "x", "nan"], 2000)
    lines = [f"{time},{cell}" for time, cell in zip(times, cells, strict=True)]
    series = read("ts,v\n" + "\n".join(lines)).series[0]
    assert (np.diff(series.timestamps) > 0).all()
    assert all(math.isfinite(value) for value in series.values)
