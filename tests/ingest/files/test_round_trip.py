"""Whatever is written as CSV comes back to the bit."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.errors import BadInputError, TimestampError
from tocsin.ingest.files import ReadOptions, read_file
from tocsin.samples import SECOND_NS

# 1980 to 2100: where the magnitude of a number tells its unit.
MOMENTS = st.integers(315_532_800, 4_102_444_799)
VALUES = st.floats(allow_nan=False, allow_infinity=False)


def write(cells: list[list[str]], delimiter: str, quoting: Any, end: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(cells)
    return out.getvalue().encode()


def render(second: int, form: str) -> str:
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=second)
    plain = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    if form in plain:
        return str(second * plain[form])
    return moment.isoformat(" ") if form == "iso" else moment.strftime(form)


FORMS = st.sampled_from(
    ["s", "ms", "us", "ns", "iso", "%Y-%m-%dT%H:%M:%SZ", "%d %b %Y %H:%M:%S", "%Y/%m/%d %H:%M:%S",
     "%Y-%m-%d %H:%M:%S+00:00", "%Y%m%dT%H%M%S", "%B %d, %Y %I:%M:%S %p"]
)  # fmt: skip
AMBIGUOUS = st.sampled_from(["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%y %H:%M:%S"])
STYLE = st.tuples(
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
SERIES = st.lists(st.tuples(MOMENTS, VALUES), min_size=1, max_size=40, unique_by=lambda s: s[0])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round") / "web.csv"


def same(times: NDArray[np.int64], values: NDArray[np.float64], given: dict[int, float]) -> bool:
    seconds = sorted(given)
    return bool(
        times.tolist() == [second * SECOND_NS for second in seconds]
        and values.tobytes() == np.array([given[second] for second in seconds]).tobytes()
    )


@given(samples=SERIES, form=FORMS, style=STYLE, header=st.booleans())
def test_two_columns(
    path: Path, samples: list[tuple[int, float]], form: str, style: Any, header: bool
) -> None:
    cells = [[render(second, form), repr(value)] for second, value in samples]
    path.write_bytes(write([["time", "value"]] * header + cells, *style))
    reading = read_file(path, ReadOptions(time_column="time" if header else "column_1",
                                          header=header))  # fmt: skip
    series = reading.series[0]
    assert same(series.timestamps, series.values, dict(samples))
    assert series.was_sorted == (samples == sorted(samples, key=lambda sample: sample[0]))
    assert reading.rows == len(samples)
    assert reading.refused == {}


@given(samples=SERIES, form=AMBIGUOUS)
def test_ambiguous_forms_are_right_or_an_error(
    path: Path, samples: list[tuple[int, float]], form: str
) -> None:
    cells = [[render(second, form), repr(value)] for second, value in samples]
    path.write_bytes(write([["time", "value"], *cells], ",", csv.QUOTE_MINIMAL, "\n"))
    told = read_file(path, ReadOptions(time_format=form)).series[0]
    if form.endswith("%y %H:%M:%S"):  # of two digits, years from 2069 on are not told
        assert len(told.values) == len(samples)
    else:
        assert same(told.timestamps, told.values, dict(samples))
    try:
        guessed = read_file(path).series[0]
    except TimestampError:
        return
    assert guessed.timestamps.tolist() == told.timestamps.tolist()


@given(
    columns=st.lists(SERIES, min_size=2, max_size=4),
    form=FORMS,
    style=STYLE,
)
def test_wide(path: Path, columns: list[list[tuple[int, float]]], form: str, style: Any) -> None:
    tables = [dict(samples) for samples in columns]
    seconds = sorted({second for table in tables for second in table})
    names = [f"m{i}" for i in range(len(tables))]
    cells = [
        [render(second, form), *(repr(t[second]) if second in t else "" for t in tables)]
        for second in seconds
    ]
    path.write_bytes(write([["time", *names], *cells], *style))
    reading = read_file(path, ReadOptions(time_column="time", value_columns=tuple(names)))
    assert [str(s.metric) for s in reading.series] == names
    for series, table in zip(reading.series, tables, strict=True):
        assert same(series.timestamps, series.values, table)


@given(
    series=st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["x", 'say "hi"', "two\nlines", ""])),
        SERIES,
        min_size=1,
    ),
    form=FORMS,
    style=STYLE,
    data=st.data(),
)
def test_long(
    path: Path, series: dict[tuple[str, str], list[tuple[int, float]]], form: str, style: Any,
    data: st.DataObject,
) -> None:  # fmt: skip
    cells = [
        [metric, host, render(second, form), repr(value)]
        for (metric, host), samples in series.items()
        for second, value in samples
    ]
    cells = data.draw(st.permutations(cells))
    path.write_bytes(write([["metric", "host", "time", "value"], *cells], *style))
    options = ReadOptions("time", ("value",), "metric", ("host",))
    reading = read_file(path, options)
    found = {(s.metric.name, dict(s.metric.labels).get("host", "")): s for s in reading.series}
    assert found.keys() == series.keys()
    for key, samples in series.items():
        assert same(found[key].timestamps, found[key].values, dict(samples))


@given(content=st.binary(max_size=300) | st.text(alphabet='0123456789,;"\n.-/: aT', max_size=200))
def test_any_content_is_read_or_refused(path: Path, content: bytes | str) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with contextlib.suppress(BadInputError):
        for series in read_file(path).series:
            assert (np.diff(series.timestamps) > 0).all()
            assert np.isfinite(series.values).all()
