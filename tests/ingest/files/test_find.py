from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.errors import FileFormatError
from tocsin.ingest.files import find_files


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


def test_folders_are_searched_at_any_depth_and_sorted(tmp_path: Path) -> None:
    wanted = [touch(tmp_path / name) for name in ("a.csv", "b/c.parquet", "b/d/e.csv.gz", "z.CSV")]
    for other in ("notes.txt", "x.gz", ".hidden.csv", ".git/y.csv", "csv"):
        touch(tmp_path / other)
    assert find_files([tmp_path]) == wanted


def test_a_named_file_is_taken_whatever_its_ending_and_only_once(tmp_path: Path) -> None:
    odd = touch(tmp_path / "data.txt")
    plain = touch(tmp_path / "a.csv")
    assert find_files([odd, plain, tmp_path]) == [odd, plain]


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"gone\.csv: there is no such file"):
        find_files([tmp_path / "gone.csv"])


def test_folder_without_data(tmp_path: Path) -> None:
    touch(tmp_path / "readme.md")
    with pytest.raises(FileFormatError, match=r"no data in this folder.*\*\.csv\.gz"):
        find_files([tmp_path])


def test_the_package_is_imported_without_pyarrow() -> None:
    code = "import sys, tocsin.ingest.files; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
