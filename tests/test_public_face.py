"""The public face: what `import tocsin` offers, and what it does not load."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import tocsin

HEAVY = [
    "sqlalchemy",
    "litestar",
    "uvicorn",
    "plotly",
    "pyarrow",
    "pandas",
    "polars",
    "psutil",
    "rich",
    "cyclopts",
]


def _loaded(code: str) -> set[str]:
    """The top-level modules that are loaded after running code in a fresh process."""
    script = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_all_is_sorted_and_each_name_is_there() -> None:
    assert tocsin.__all__ == sorted(tocsin.__all__)
    assert len(set(tocsin.__all__)) == len(tocsin.__all__)
    for name in tocsin.__all__:
        assert getattr(tocsin, name) is not None
    assert dir(tocsin) == tocsin.__all__


def test_the_face_is_what_the_readme_promises() -> None:
    promised = {"Detector", "Event", "Fleet", "Readiness", "Result", "Settings", "scan"}
    assert promised <= set(tocsin.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        tocsin.nonsense  # noqa: B018


def test_importing_loads_nothing_heavy() -> None:
    assert not _loaded("import tocsin") & {*HEAVY, "numba", "numpy", "narwhals"}


def test_using_the_detector_loads_no_database_server_or_frame_library() -> None:
    loaded = _loaded("import tocsin; tocsin.Detector().update(0, 1.0, unit='s')")
    assert "numba" in loaded
    assert not loaded & set(HEAVY)


def test_scanning_arrays_loads_no_frame_library() -> None:
    loaded = _loaded("import tocsin; tocsin.scan([0, 1], [1.0, 2.0], unit='s')")
    assert not loaded & set(HEAVY)


def test_scan_stays_a_function_when_its_module_is_imported() -> None:
    code = "import tocsin.scanning, tocsin; assert callable(tocsin.scan)"
    assert "tocsin" in _loaded(code)
