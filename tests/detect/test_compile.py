from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import pytest

from tocsin.detect import compile as compiling


def _twice(x: int) -> int:
    return 2 * x


SCORE = "from tocsin.detect.models.views import habit; habit.is_long_pause(1.0, 2.0)"


def score(**environment: str) -> None:
    subprocess.run([sys.executable, "-c", SCORE], env={**os.environ, **environment}, check=True)


def test_kernels_are_cached_in_a_folder_of_their_sources(tmp_path: Path) -> None:
    score(NUMBA_CACHE_DIR=str(tmp_path))
    (folder,) = tmp_path.iterdir()
    assert folder.name == compiling.cache_folder().name
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}
    assert before
    score(NUMBA_CACHE_DIR=str(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")} == before


def test_other_sources_are_another_folder(tmp_path: Path) -> None:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "a.py").write_text("LIMIT = 1\n")
    one = compiling._fingerprint(tmp_path)
    (tmp_path / "kernels" / "a.py").write_text("LIMIT = 2\n")
    assert compiling._fingerprint(tmp_path) != one


def test_only_a_few_older_folders_are_kept(tmp_path: Path) -> None:
    for age in range(6):
        (tmp_path / f"sources-{age}").mkdir()
        os.utime(tmp_path / f"sources-{age}", (age, age))
    (tmp_path / "else").mkdir()
    compiling._prune(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "else",
        "sources-3",
        "sources-4",
        "sources-5",
    ]


def test_works_where_nothing_can_be_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    given: Any = numba.njit

    def nowhere(*functions: Any, **options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return given(*functions, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    assert compiling.kernel(_twice)(21) == 42


def test_scipy_is_left_alone_where_that_is_wanted() -> None:
    told = (
        "import sys, numpy as np\n"
        "from tocsin.detect.compile import leave_scipy\n"
        "from tocsin.detect.fleet import Fleet\n"
        "leave_scipy()\n"
        "one = np.zeros(1, dtype=np.int64)\n"
        "Fleet(None, 1).update(one, one + 1, np.zeros(1))\n"
        "from numba.np import linalg\n"
        "assert 'scipy.linalg' not in sys.modules\n"
        "linalg.ensure_blas()\n"  # whoever asks by himself is answered
        "assert 'scipy.linalg' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", told], check=True)
