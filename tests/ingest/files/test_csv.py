"""The text level: separators, quotes, lines, headers, encodings."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from tests.ingest.files.conftest import Read
from tocsin.errors import FileFormatError
from tocsin.ingest.files import ReadOptions, read_file
from tocsin.ingest.files.lines import row_lines
from tocsin.samples import SECOND_NS

PLAIN = "timestamp,value\n2024-01-01 00:00:00,1.5\n2024-01-01 00:01:00,2\n"
START = 1_704_067_200 * SECOND_NS


def check_plain(reading: object) -> None:
    series = reading.series[0]  # type: ignore[attr-defined]
    assert series.timestamps.tolist() == [START, START + 60 * SECOND_NS]
    assert series.values.tolist() == [1.5, 2.0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(read: Read, delimiter: str, end: str) -> None:
    reading = read(PLAIN.replace(",", delimiter).replace("\n", end))
    check_plain(reading)
    assert reading.rows == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_byte_order_marks(read: Read, encoding: str) -> None:
    reading = read(PLAIN.encode(encoding))
    check_plain(reading)
    assert reading.guess.startswith("comma-separated with a header; time from 'timestamp'")


def test_gzip(read: Read) -> None:
    reading = read(gzip.compress(PLAIN.encode()), name="web.csv.gz")
    check_plain(reading)
    assert str(reading.series[0].metric) == "web"


def test_quoted_cells_and_spaces(read: Read) -> None:
    check_plain(
        read('"timestamp","value"\n"2024-01-01 00:00:00","1.5"\n 2024-01-01 00:01:00 , 2 \n')
    )


def test_no_header(read: Read) -> None:
    reading = read(PLAIN.split("\n", 1)[1])
    check_plain(reading)
    assert "without a header" in reading.guess
    assert reading.rows == 2


def test_header_of_numbers_over_numbers(read: Read) -> None:
    reading = read("time,1,2\n1700000000,5,6\n1700000060,7,8\n")
    assert [str(each.metric) for each in reading.series] == ["1", "2"]


def test_header_can_be_said(read: Read) -> None:
    reading = read("2024-01-01 00:00:00,1\n2024-01-01 00:01:00,2\n", header=True)
    assert reading.rows == 1
    assert reading.series[0].values.tolist() == [2.0]


def test_delimiter_can_be_said(read: Read) -> None:
    check_plain(read(PLAIN.replace(",", "#"), delimiter="#"))
    with pytest.raises(FileFormatError, match="delimiter 'ab'"):
        read(PLAIN, delimiter="ab")


def test_semicolons_win_over_decimal_commas(read: Read) -> None:
    with pytest.raises(FileFormatError, match="thousands separator or decimal comma: '1,5'"):
        read("2024-01-01 00:00;1,5\n2024-01-01 00:01;2,5\n")


def test_duplicate_and_empty_names(read: Read) -> None:
    reading = read("time,cpu,cpu,\n2024-01-01,1,2,3\n2024-01-02,4,5,6\n")
    assert [each.metric.name for each in reading.series] == ["cpu", "cpu_2", "column_4"]
    assert "more than one column is called 'cpu': the others are 'cpu_2'" in reading.notices


def test_lines_of_ragged_rows_past_blanks_and_quoted_newlines(read: Read) -> None:
    reading = read(
        "\n\ntime,host,value\n"  # line 3
        '2024-01-01 00:00,"a\nb",1\n'  # lines 4 and 5
        "\n"
        "2024-01-01 00:01,2\n"  # line 7: too few
        "2024-01-01 00:02,a,3,4\n"  # line 8: too many
        "2024-01-01 00:03,a,x\n"  # line 9
        "   \n"
        '2024-01-01 00:04,"a\n\n",oh\n'  # lines 11 to 13
        "2024-01-01 00:05,a,5"
    )
    assert [(r.line, r.column, r.reason) for r in reading.refusals] == [
        (7, "", "2 cells where the header has 3"),
        (8, "", "4 cells where the header has 3"),
        (9, "value", "not a number: 'x'"),
        (11, "value", "not a number: 'oh'"),
    ]
    assert reading.refused == {"wrong number of cells": 2, "not a number": 2}
    assert reading.rows == 6
    assert sum(len(each.values) for each in reading.series) == 2
    assert ("host", "a\nb") in reading.series[-1].metric.labels or (
        ("host", "a\nb") in reading.series[0].metric.labels
    )


def test_stray_quotes_cost_only_their_lines(read: Read) -> None:
    rows = [f"2024-01-01 00:{i:02d}:00,{i}" for i in range(60)]
    rows[10] = '2024-01-01 00:10:00,"10'
    reading = read("time,value\n" + "\n".join(rows))
    assert [(r.line, r.reason) for r in reading.refusals] == [
        (12, "a quote is opened on this line and not closed")
    ]
    assert len(reading.series[0].values) == 59

    rows[40] = '2024-01-01 00:40:00,"40'
    reading = read("time,value\n" + "\n".join(rows))
    assert [r.line for r in reading.refusals] == [12, 42]
    assert len(reading.series[0].values) == 58
    assert reading.rows == 60


def test_a_quote_inside_a_cell_is_a_plain_sign(read: Read) -> None:
    reading = read('time,host,value\n2024-01-01,5" pipe,1\n2024-01-02,5" pipe,2\n2024-01-03,b,x\n')
    assert reading.series[0].values.tolist() == [1.0, 2.0]
    assert [r.line for r in reading.refusals] == [4]


def test_row_lines_agree_with_counting_by_hand() -> None:
    assert row_lines(b"a\n\nb\nc").tolist() == [1, 3, 4]  # type: ignore[union-attr]
    assert row_lines(b'"a\n\n",1\nb\n').tolist() == [1, 4]  # type: ignore[union-attr]
    for misplaced in (b'"a\nb', b'5" pipe,6" pipe', b'a, "b"', b'"a"b,1'):
        assert row_lines(misplaced) is None
    assert row_lines(b'a;"b ""x"" c";""\nd', ";").tolist() == [1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \r\n"])
def test_empty_file(read: Read, content: bytes) -> None:
    with pytest.raises(FileFormatError, match=r"web\.csv: the file is empty"):
        read(content)


def test_header_only(read: Read) -> None:
    with pytest.raises(FileFormatError, match=r"web\.csv: there is a header .* and no row of data"):
        read("timestamp,value\n")


def test_every_row_ragged(read: Read) -> None:
    with pytest.raises(
        FileFormatError, match=r"no row of data.*line 2: 3 cells where the header has 2"
    ):
        read("time,value\n2024-01-01,1,\n2024-01-02,2,\n")


def test_one_row_and_one_column(read: Read) -> None:
    for text in ("2024-01-01 00:00:00,5", "time,value\n2024-01-01 00:00:00,5\n"):
        series = read(text).series[0]
        assert (series.timestamps.tolist(), series.values.tolist()) == ([START], [5.0])
        assert (series.interval_ns, series.gaps, series.was_sorted) == (0, 0, True)
    with pytest.raises(FileFormatError, match="no column of times"):
        read("value\n1\n2\n")


def test_binary_files_named_csv(read: Read) -> None:
    with pytest.raises(FileFormatError, match=r"not text: NUL at byte 4; save it as UTF-8"):
        read(b"\x7fELF\0\0\1\2\n" * 50)
    with pytest.raises(FileFormatError, match=r"not text: byte 12 \(line 2\) is not UTF-8"):
        read("time,value\ntä".encode("latin-1") + b"\n")
    with pytest.raises(FileFormatError, match=r"it looks gzipped: name it \.csv\.gz"):
        read(gzip.compress(PLAIN.encode() * 9))


def test_damaged_gzip(read: Read) -> None:
    packed = gzip.compress(PLAIN.encode() * 50)
    for damaged in (packed[:-20], packed[:30] + b"\0" * 20 + packed[50:], b"hello"):
        with pytest.raises(FileFormatError, match=r"web\.csv\.gz: damaged gzip file"):
            read(damaged, name="web.csv.gz")


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"gone\.csv: cannot be read: No such file"):
        read_file(tmp_path / "gone.csv")
    with pytest.raises(FileFormatError, match=r"cannot be read: Is a directory"):
        read_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text(PLAIN)
    path.chmod(0)
    with pytest.raises(FileFormatError, match=r"secret\.csv: cannot be read: Permission denied"):
        read_file(path)


def test_permission_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileFormatError, match=r"web\.csv: cannot be read: Permission denied"):
        read_file(tmp_path / "web.csv")


def test_many_refusals_are_counted_in_full_and_kept_to_a_thousand(read: Read) -> None:
    rows = [f"{1_700_000_000 + i},{'bad' if i % 2 else i}" for i in range(5000)]
    reading = read("time,value\n" + "\n".join(rows))
    assert reading.refused == {"not a number": 2500}
    assert [r.line for r in reading.refusals] == list(range(3, 2003, 2))


def test_many_ragged_rows_keep_lines_in_order(read: Read) -> None:
    rows = [f"{1_700_000_000 + i},{i}{',x' if i % 3 == 1 else ''}" for i in range(3000)]
    reading = read("time,value\n" + "\n".join(rows))
    assert reading.refused == {"wrong number of cells": 1000}
    assert reading.refusals[0].line == 3
    assert reading.series[0].values.tolist() == [i for i in range(3000) if i % 3 != 1]


def test_rows_of_a_large_file_keep_their_lines(read: Read) -> None:
    """More than one block of every kind, bad cells far down."""
    rows = [f"{1_700_000_000 + i},{i}" for i in range(150_000)]
    rows[140_000] = f"{1_700_140_000},oops"
    reading = read("time,value\n" + "\n".join(rows))
    assert [(r.line, r.text) for r in reading.refusals] == [(140_002, "oops")]
    expected = np.delete(np.arange(150_000.0), 140_000)
    assert np.array_equal(reading.series[0].values, expected)


def test_options_name_the_nearest_column(read: Read) -> None:
    with pytest.raises(
        FileFormatError,
        match=r"no column 'valeu'; did you mean 'value'\? the columns are 'timestamp', 'value'",
    ):
        read(PLAIN, value_columns=("valeu",))


def test_pyarrow_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from tocsin.errors import MissingExtraError

    for name in [name for name in sys.modules if name.startswith("tocsin.ingest.files.assemble")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tocsin\[files\]'"):
        read_file(tmp_path / "x.csv", ReadOptions())
