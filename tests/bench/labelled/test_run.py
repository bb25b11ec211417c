from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from tocsin.bench.baselines import rolling_z
from tocsin.bench.judges import Judged, TocsinJudge, baseline_judge
from tocsin.bench.labelled.corpus import load_data_sets
from tocsin.bench.labelled.run import judge_data_set
from tocsin.cli.main import main
from tocsin.errors import MissingDataError

MINUTE = 60_000_000_000
AT = {"a": (400, 404), "b": (500, 500), "c": ()}


def write_series(folder: Path, name: str, at: tuple[int, ...], rows: int = 700) -> None:
    rng = np.random.default_rng(len(name))
    values, label = rng.normal(size=rows), np.zeros(rows, dtype=np.int8)
    if at:
        values[at[0] : at[1] + 1] += 40.0
        label[at[0] : at[1] + 1] = 1
    values[7] = np.nan
    times = pa.array(np.arange(rows) * MINUTE // 1_000_000, pa.timestamp("ms", tz="UTC"))
    table = pa.table({"timestamp": times, "value": values, "label": label})
    parquet.write_table(table, folder / f"{name}.parquet")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "labelled"
    (folder / "toy").mkdir(parents=True)
    series = [{"name": name, "score_from": 100} for name in reversed(AT)]
    (folder / "manifest.json").write_text(json.dumps({"datasets": {"toy": {"series": series}}}))
    for name, at in AT.items():
        write_series(folder / "toy", name, at)
    return folder


@dataclass(frozen=True)
class Loud:
    """Alarms wherever it is told to, and remembers what it was given."""

    at: tuple[int, ...]
    name: str = "loud"

    def run(
        self, timestamps: NDArray[np.int64], values: NDArray[np.float64], timezone: str = "UTC"
    ) -> Judged:
        score = np.zeros(len(values))
        for row in self.at:
            score[row : row + 1] = 1.0
        return Judged(score, score, score > 0, 8 * len(values))


def test_series_are_read_in_order_without_missing_values(data: Path) -> None:
    (found,) = load_data_sets(data)
    assert (found.name, [one.name for one in found.series]) == ("toy", ["a", "b", "c"])
    first = found.series[0]
    assert len(first.values) == len(first.timestamps) == len(first.labels) == 699
    assert np.isfinite(first.values).all()
    # The row that is not a number lay before: everything moves up by one.
    assert first.score_from == 99
    assert np.flatnonzero(first.labels).tolist() == list(range(399, 404))
    assert set(np.diff(first.timestamps)) == {MINUTE, 2 * MINUTE}
    assert [one.name for one in found.half("even").series] == ["a", "c"]
    assert [one.name for one in found.half("odd").series] == ["b"]


def test_rows_before_score_from_are_not_judged(data: Path) -> None:
    (found,) = load_data_sets(data)
    early = judge_data_set(Loud((50, 90, 98)), found)
    assert early.default is not None
    assert (early.default.false_alarms, early.best.f1) == (0, 0.0)
    late = judge_data_set(Loud((99,)), found)
    assert late.default is not None
    assert late.default.false_alarms == len(AT)


def test_figures_of_a_report(data: Path) -> None:
    (found,) = load_data_sets(data)
    report = judge_data_set(Loud((399, 600)), found)
    assert report.default is not None
    # "a" is hit, "b" is not (its event is at 499); 600 is false in all three, 399 in two.
    assert (report.default.events, report.default.hit) == (2, 1)
    assert report.default.false_alarms == 5
    assert report.best.hit == 1
    assert set(report.vus_pr) == {"a", "b"}
    assert report.state_bytes == 8 * 699
    told = report.as_dict()
    assert json.loads(json.dumps(told))["default"]["false_alarms"] == 5


def test_ours_finds_what_cannot_be_overlooked(data: Path, tmp_path: Path) -> None:
    (found,) = load_data_sets(data)
    out = tmp_path / "scores"
    report = judge_data_set(TocsinJudge(), found, out)
    assert report.default is not None
    assert report.default.recall == 1.0
    assert report.default.median_delay == 0.0
    assert report.ranking is not None
    assert report.ranking.auc_roc > 0.9
    written = parquet.read_table(out / "toy" / "a.parquet")
    assert written.num_rows == 699
    assert {"timestamp", "label", "anomaly_score", "alert_score", "alarm"} <= set(
        written.column_names
    )


def test_a_score_without_a_threshold_has_no_default(data: Path) -> None:
    (found,) = load_data_sets(data)
    report = judge_data_set(baseline_judge("z", rolling_z), found)
    assert report.default is None
    assert report.best.recall == 1.0
    assert report.as_dict()["default"] is None


def test_the_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "figures.json"
    command = ["bench", "labelled", "--data", str(data), "--json", str(told)]
    assert main([*command, "--scores-out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "toy" in printed
    assert "value novelty" in printed
    assert len(json.loads(told.read_text())) == 4
    assert (tmp_path / "out" / "toy" / "c.parquet").is_file()
    assert main([*command, "--alone", "--half", "odd"]) == 0
    (only,) = json.loads(told.read_text())
    assert only["series"] == 1


def test_what_is_missing_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"must contain manifest\.json"):
        load_data_sets(tmp_path / "nothing")
    (data / "toy" / "b.parquet").unlink()
    with pytest.raises(MissingDataError, match=r"names b, but .*b\.parquet is not there"):
        load_data_sets(data)
    parquet.write_table(pa.table({"value": [1.0]}), data / "toy" / "b.parquet")
    with pytest.raises(MissingDataError, match="is no labelled series"):
        load_data_sets(data)
    (data / "manifest.json").write_text('{"datasets": {"toy": {}}}')
    with pytest.raises(MissingDataError, match="is no manifest"):
        load_data_sets(data)


def test_the_cloud_series(shared: Path) -> None:
    """Figures of trivial baselines that were measured before this code was written."""
    (cloud,) = load_data_sets(shared / "labelled")
    report = judge_data_set(baseline_judge("rolling z-score", rolling_z), cloud)
    assert report.ranking is not None
    assert report.ranking.vus_pr == pytest.approx(0.49, abs=0.005)
    assert report.best.f1 == pytest.approx(0.50, abs=0.01)
    assert report.best.events == 238
