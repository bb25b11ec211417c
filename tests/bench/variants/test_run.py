from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.labelled.test_run import AT, write_series
from tocsin.bench.variants import run as running
from tocsin.bench.variants.measure import Figures, measure
from tocsin.bench.variants.run import Measured, On, Variant, measure_all
from tocsin.cli.main import main

ALARM = "tocsin.detect.alarm"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "labelled"
    (folder / "toy").mkdir(parents=True)
    series = [{"name": name, "score_from": 100} for name in AT]
    (folder / "manifest.json").write_text(json.dumps({"datasets": {"toy": {"series": series}}}))
    for name, at in AT.items():
        write_series(folder / "toy", name, at)
    return folder


@pytest.fixture
def nab(tmp_path: Path) -> Path:
    folder = tmp_path / "nab"
    (folder / "labels").mkdir(parents=True)
    (folder / "data" / "x").mkdir(parents=True)
    lines = ["timestamp,value"]
    lines += [f"2024-01-{1 + k // 24:02d} {k % 24:02d}:00:00,{k % 7}" for k in range(400)]
    lines[350] = lines[350].split(",")[0] + ",900"
    for name in ("one", "two"):
        (folder / "data" / "x" / f"{name}.csv").write_text("\n".join(lines))
    span = [["2024-01-15 02:00:00", "2024-01-15 20:00:00"]]
    windows = {"x/one.csv": span, "x/two.csv": span}
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    return folder


def test_a_variant_is_measured_in_a_process_of_its_own(nab: Path, data: Path) -> None:
    as_it_is = measure(nab, data, "all")
    assert as_it_is.vus_pr is not None
    assert as_it_is.standard is not None
    assert as_it_is.hit == 2
    assert as_it_is.f1 is not None
    assert as_it_is.f1 > 0.5
    # There are 700 rows at most: nothing is ready before they end.
    patient = Variant("patient", {"tocsin.detect.kernels.evidence": {"NEEDED": 1000}})
    (told,) = measure_all([patient], On(nab, data))
    assert told.failure == ""
    assert told.figures is not None
    assert (told.figures.hit, told.figures.f1) == (0, 0.0)


def test_a_variant_that_cannot_be_is_told(data: Path) -> None:
    (told,) = measure_all([Variant("broken", {ALARM: {"_NOT_THERE": 1.0}})], On(None, data))
    assert told.figures is None
    assert "has no constant _NOT_THERE" in told.failure


class Fake:
    """Measures at once, and counts; what has a name with "fail" in it fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        monkeypatch.setattr(running, "_measure", self.measure)

    def measure(self, variant: Variant, on: On) -> Measured:
        self.asked.append(variant.name)
        if "fail" in variant.name:
            return Measured(variant, None, "no such thing")
        step = float(len(variant.name))
        return Measured(variant, Figures(vus_pr=step, auc_pr=0.5, best_f1=0.5, f1=0.5))


def variant(name: str, value: float) -> Variant:
    return Variant(name, {ALARM: {"_WORSE": value}})


def test_figures_are_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, kept = Fake(monkeypatch), tmp_path / "kept"
    wanted = [variant("a", 1.0), variant("bb", 2.0), variant("fails", 3.0)]
    first = measure_all(wanted, On(None, data), 2, kept)
    assert sorted(fake.asked) == ["a", "bb", "fails"]
    assert [one.variant.name for one in first] == ["a", "bb", "fails"]
    assert first[1].figures == Figures(vus_pr=2.0, auc_pr=0.5, best_f1=0.5, f1=0.5)
    again = measure_all([*wanted, variant("ccc", 4.0)], On(None, data), 1, kept)
    assert fake.asked[3:] == ["fails", "ccc"]
    assert again[:2] == first[:2]
    measure_all(wanted[:1], On(None, data, "even"), 1, kept)
    assert fake.asked[5:] == ["a"]
    (data / "toy" / "a.parquet").write_bytes(b"other")
    measure_all(wanted[:1], On(None, data), 1, kept)
    assert fake.asked[6:] == ["a"]


def test_an_interrupted_run_keeps_what_it_has(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, kept = Fake(monkeypatch), tmp_path / "kept"

    def interrupted(text: str) -> None:
        if text.startswith("2 of"):
            raise KeyboardInterrupt

    wanted = [variant("abcd"[:k], float(k)) for k in range(1, 5)]
    with pytest.raises(KeyboardInterrupt):
        measure_all(wanted, On(None, data), 1, kept, interrupted)
    assert len(list(kept.glob("*.json"))) == 2
    before = len(fake.asked)
    assert len(measure_all(wanted, On(None, data), 1, kept)) == 4
    assert len(fake.asked) - before == 2


def test_figures_subtract() -> None:
    one, other = Figures(standard=3.0, hit=2.0), Figures(standard=1.0)
    assert one.less(other) == Figures(standard=2.0)


def test_the_commands(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Fake(monkeypatch)
    told = tmp_path / "told.json"
    options = ["--data", str(data), "--json", str(told)]
    assert main(["bench", "ablation", *options, "--half", "even"]) == 0
    printed = capsys.readouterr().out
    assert "without the value view" in printed
    assert "even half" in printed
    assert "NAB std" not in printed.splitlines()[2]
    assert json.loads(told.read_text())[0]["variant"] == "as it is"
    assert main(["bench", "sensitivity", *options, "--only", "alarm._WORSE"]) == 0
    printed = capsys.readouterr().out
    assert "alarm._WORSE 1.4 → 0.7" in printed
    assert "largest change" in printed
    assert len(json.loads(told.read_text())) == 3
    assert main(["bench", "sensitivity", *options, "--only", "nothing"]) == 2
    assert "no constant is called so" in capsys.readouterr().err
    assert main(["bench", "ablation"]) == 2
    assert main(["bench", "ablation", "--data", str(data), "--jobs", "0"]) == 2
    assert main(["bench", "ablation", "--nab", str(tmp_path)]) != 0
