from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tocsin.bench.ablation import parts
from tocsin.bench.sensitivity import halves_and_doubles
from tocsin.bench.variants import constants as found_in
from tocsin.bench.variants.constants import MODULES, VIEWS, Constant, constants, modules
from tocsin.bench.variants.patching import assigned, install

ALL = constants()
PARETO = "tocsin.detect.likelihood.pareto"
NOVELTY = "tocsin.detect.models.views.novelty"


def run(code: str) -> subprocess.CompletedProcess[str]:
    done = [sys.executable, "-c", code]
    return subprocess.run(done, capture_output=True, text=True, check=False)


def test_constants_are_what_the_modules_say() -> None:
    for one in ALL:
        value = getattr(import_module(one.module), one.name)
        assert (value[one.place] if one.whole else value) == one.value
        assert type(one.value) is type(value[one.place] if one.whole else value)
    assert len({str(one) for one in ALL}) == len(ALL) > 40
    assert {one.module for one in ALL} >= set(MODULES)
    assert {name for name, _ in modules()} >= {VIEWS, f"{VIEWS}.forecast", f"{VIEWS}.shape"}


def test_what_is_no_choice_is_left_out() -> None:
    names = {str(one) for one in ALL}
    assert "views._VALUE_WEIGHT" in names
    assert "kernels.step._TOLD_NS" in names
    for name in ("kernels.step._WEEK_NS", "kernels.step._LARGEST", "alarm._START"):
        assert name not in names
    assert "views.shape._SIZE" not in names  # follows from another


def test_tuples_and_sums_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "A: Final = (0.5, 2)\nB = -3 * 2.0\nC: Final = A\nD = 'x'\nE = 1e300\nF = (1, 'x')\n"
    path = tmp_path / "some.py"
    path.write_text(source + "def G(): pass\nH = True\nI: int\nJ = (1e-300, 4)\n")
    monkeypatch.setattr(found_in, "modules", lambda: [("some", path)])
    told = {str(one): one for one in constants()}
    assert {name: one.value for name, one in told.items()} == {
        "some.A[0]": 0.5,
        "some.A[1]": 2,
        "some.B": -6.0,
        "some.J[1]": 4,
    }
    assert told["some.A[1]"].at(7) == {"some": {"A": (0.5, 7)}}
    assert told["some.B"].at(7.0) == {"some": {"B": 7.0}}


def test_half_and_double() -> None:
    def both(value: int | float) -> tuple[int | float, int | float]:
        one = Constant("m", "A", value)
        return one.halved, one.doubled

    assert both(4) == (2, 8)
    assert both(7) == (3, 14)
    assert both(1) == (1, 2)
    assert both(0.3) == (0.15, 0.6)
    assert both(0.8) == (0.4, 0.9)
    assert both(2.5) == (1.25, 5.0)
    names = [one.name for one in halves_and_doubles([Constant("tocsin.detect.m", "A", 1)])]
    assert names == ["as it is", "m.A 1 → 2"]


def test_every_part_is_still_there() -> None:
    """A part that is renamed is to be renamed in bench/ablation.py."""
    known = {
        (module, name)
        for module, path in modules()
        for name in assigned(ast.parse(path.read_bytes()).body)
    }
    told = parts()
    assert told[0].values == {}
    for part in told[1:]:
        changed = {(module, name) for module, of in part.values.items() for name in of}
        assert changed
        assert changed <= known, part.name
    assert len({part.name for part in told}) == len(told)


def test_a_new_view_is_a_part() -> None:
    named = ("_VALUE_WEIGHT", "_NEW_THING_WEIGHT", "_RECENT_WEIGHT", "_NEW_THING_REACH", "_REACH")
    told = {part.name: part.values for part in parts([Constant(VIEWS, n, 1.0) for n in named])}
    off = {"_NEW_THING_WEIGHT": 0.0, "_NEW_THING_REACH": 0.0}
    assert told["without the new thing view"] == {VIEWS: off}
    assert told["only the value view"] == {VIEWS: off}
    assert told["without the value view"] == {VIEWS: {"_VALUE_WEIGHT": 0.0}}
    assert told["without recent evidence"] == {VIEWS: {"_RECENT_WEIGHT": 0.0}}
    assert told["without distance beyond the range"] == {VIEWS: {"_NEW_THING_REACH": 0.0}}


def test_a_constant_changes_wherever_it_goes() -> None:
    done = run(f"""
import json, sys
from tocsin.bench.variants.patching import assigned, install
install({{"{PARETO}": {{"PER_OCTAVE": 7, "BINS": 50}}, "{NOVELTY}": {{"SPANS": 3}}}})
from tocsin.detect.likelihood import pareto
from tocsin.detect.fleet import Fleet
from tocsin.detect.models import views
told = [pareto.__file__, pareto.PER_OCTAVE, pareto._MIDDLE_TO_WIDTH, pareto.__doc__]
told += [pareto.PARETO["bin"].shape, views.VIEWS["values"]["low"].shape, views.SHAPE.itemsize]
print(json.dumps(told))
""")
    assert done.returncode == 0, done.stderr
    file, octave, derived, text, bins, spans, shape = json.loads(done.stdout)
    pareto, views = import_module(PARETO), import_module(VIEWS)
    assert file == pareto.__file__
    assert octave == 7
    assert derived == 2.0 ** (0.5 / 7)
    assert text == pareto.__doc__
    assert (bins, spans) == ([50], [4])
    assert shape == views.SHAPE.itemsize


def test_what_cannot_be_changed_is_refused() -> None:
    import_module(PARETO)
    with pytest.raises(ImportError, match="imported already"):
        install({PARETO: {"BINS": 1}})
    code = "from tocsin.bench.variants.patching import assigned, install\n"
    done = run(code + f"install({{'{PARETO}': {{'NONE': 1}}}})\nimport {PARETO}")
    assert "has no constant NONE" in done.stderr
