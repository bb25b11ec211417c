"""``tocsin htm``: what is printed, written and drawn is of the file that was given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tocsin.bench.htm_inspection import inspect
from tocsin.bench.htm_pictures import draw_properties
from tocsin.cli.main import main
from tocsin.detect.fleet import Fleet
from tocsin.detect.models.htm.parameters import Htm
from tocsin.detect.settings import Settings
from tocsin.errors import ConfigurationError

SMALL = Settings(model="htm", htm="small")
FIVE_MINUTES = 300_000_000_000


def series(rows: int) -> tuple[np.ndarray, np.ndarray]:
    times = 1_704_067_200_000_000_000 + np.arange(rows) * FIVE_MINUTES
    return times, np.round(10 * np.sin(np.arange(rows) / 3.0), 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pytest.importorskip("pyarrow")
    times, values = series(600)
    rows = [f"{t // 10**9},{v},{v * 2}" for t, v in zip(times.tolist(), values, strict=True)]
    path = tmp_path / "metrics.csv"
    path.write_text("\n".join(["time,wave,double", *rows]))
    return path


def test_looking_changes_no_score() -> None:
    times, values = series(300)
    seen = inspect(times, values, SMALL, looks=40)
    plain = Fleet(SMALL, 1).update(np.zeros(300, dtype=np.int64), times, values)
    assert np.array_equal(seen.scored["raw_score"], plain["raw_score"])
    assert len(seen.looks) == 40
    assert seen.looks["row"][[0, -1]].tolist() == [1, 299]


def test_sparsity_is_what_was_set_and_use_is_bounded() -> None:
    seen = inspect(*series(500), SMALL, looks=50)
    htm = Htm.of("small")
    assert np.all(seen.looks["active_columns"] == htm.active_columns)
    assert seen.sparsity[0] == pytest.approx(htm.active_columns / htm.columns)
    assert np.all(seen.looks["predicted_active"] <= seen.looks["predicted_columns"])
    assert np.all(seen.looks["connected"] <= seen.looks["synapses"])
    assert np.all(seen.looks["segments"] <= htm.segments)
    assert seen.looks["predicted_active"][-10:].mean() > seen.looks["predicted_active"][:10].mean()


def test_what_cannot_be_looked_into_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="only htm"):
        inspect(*series(10), Settings())
    with pytest.raises(ConfigurationError, match="two samples"):
        inspect(*series(1), SMALL)


def test_inspect_prints_writes_and_draws(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    told, drawn = tmp_path / "looks.json", tmp_path / "looks.png"
    command = ["htm", "inspect", str(file), "--htm", "preset=small", "--looks", "30"]
    assert main([*command, "--metric", "double", "--json", str(told), "--plot", str(drawn)]) == 0
    printed = capsys.readouterr().out
    assert "double, 600 samples" in printed
    assert "256 columns of 8 cells; active: 4.69% of columns" in printed
    looks = json.loads(told.read_text())
    assert len(looks) == 30
    assert looks[-1]["row"] == 599
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_inspect_says_what_is_wrong(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["htm", "inspect", str(file), "--metric", "triple"]) == 2
    assert "no metric 'triple'; there is wave, double" in capsys.readouterr().err
    assert main(["htm", "inspect", str(file), "--htm", "preset=tiny"]) == 2
    assert "unknown htm preset 'tiny'" in capsys.readouterr().err


def test_pictures_of_the_properties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    import tocsin.bench.htm_pictures as drawing

    monkeypatch.setattr(drawing, "PICTURES", {"encoder": drawing.PICTURES["encoder"]})
    (path,) = draw_properties(tmp_path)
    assert path == tmp_path / "htm-encoder.png"
    assert path.read_bytes().startswith(b"\x89PNG")
