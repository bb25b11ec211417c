from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bench.labelled.test_run import AT, write_series
from tocsin.bench.compare.peers import PEERS, Peer, seasonal_naive
from tocsin.bench.compare.run import compare, is_installed
from tocsin.bench.judges import TocsinJudge
from tocsin.bench.labelled.corpus import load_data_sets
from tocsin.bench.nab.corpus import Corpus, NabFile
from tocsin.cli.main import main

MINUTE = 60_000_000_000
#: Slow ones are judged on few rows, or by their users.
FAST = [name for name in PEERS if name not in ("tsanomaly", "timemachines wald", "PySAD KNN-CAD")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "toy").mkdir()
    series = [{"name": name, "score_from": 100} for name in AT]
    (tmp_path / "manifest.json").write_text(json.dumps({"datasets": {"toy": {"series": series}}}))
    for name, at in AT.items():
        write_series(tmp_path / "toy", name, at)
    return tmp_path


def stream(rows: int, jump: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    values = 10.0 + np.random.default_rng(5).normal(size=rows)
    if jump is not None:
        values[jump] += 50.0
    return np.arange(rows, dtype=np.int64) * MINUTE * 30, values


@pytest.mark.parametrize("name", FAST)
def test_a_peer_is_causal_repeatable_and_sees_a_spike(name: str) -> None:
    peer = PEERS[name]
    if not is_installed(peer):
        pytest.skip(f"{peer.module} is not installed")
    times, values = stream(600, jump=500)
    score, size = peer.score(times, values)
    again, _ = peer.score(times, values)
    np.testing.assert_array_equal(score, again)
    shorter, _ = peer.score(times[:550], values[:550])
    np.testing.assert_array_equal(score[:550], shorter)
    assert score.shape == (600,)
    assert np.isfinite(score).all()
    assert score.min() >= 0.0
    assert size is None or size > 0
    if name != "River HalfSpaceTrees":  # which scores the densest regions highest
        assert score[500] >= np.quantile(score[100:500], 0.99)


@pytest.mark.parametrize("name", ["tsanomaly", "timemachines wald", "PySAD KNN-CAD"])
def test_a_slow_peer_scores_every_row(name: str) -> None:
    peer = PEERS[name]
    if not is_installed(peer):
        pytest.skip(f"{peer.module} is not installed")
    rows = {"PySAD KNN-CAD": 900, "tsanomaly": 300, "timemachines wald": 60}[name]
    times, values = stream(rows, jump=rows - 10)
    score, _ = peer.score(times, values)
    assert score.shape == (rows,)
    assert np.isfinite(score).all()
    assert score[rows - 10 :].max() > np.median(score)


def test_a_value_of_yesterday_is_not_of_tomorrow() -> None:
    times = np.arange(300, dtype=np.int64) * MINUTE * 30
    values = np.sin(2 * np.pi * np.arange(300) / 48) + np.arange(300) // 48 * 0.1
    score, _ = seasonal_naive(times, values)
    assert np.all(score[: 48 + 10] == 0.0)
    assert score[100:] == pytest.approx(1.0)
    values[200] += 5.0
    changed, _ = seasonal_naive(times, values)
    np.testing.assert_array_equal(changed[:200], score[:200])
    assert changed[200] > 10.0
    assert changed[248] > 5.0


def test_every_peer_has_two_lines_and_is_asked_once(data: Path) -> None:
    asked = []

    def score(
        times: NDArray[np.int64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], int | None]:
        asked.append(len(values))
        return np.abs(values - np.median(values[:50])), 800

    times, values = stream(1000, jump=600)
    corpus = Corpus((NabFile("x/y.csv", times, values, ((590, 640),)),))
    peer = Peer("simple", "", score, threshold=10.0)
    ours, own, through = compare(TocsinJudge(), [peer], corpus, load_data_sets(data))
    assert [ours.detector, own.detector] == ["tocsin", "simple"]
    assert through.detector == "simple, our likelihood"
    # Three series and a file, each once whole; the rest are warm-ups.
    assert sorted(n for n in asked if n > 200) == [699, 699, 699, 1000]
    assert own.state_bytes == 800
    assert through.state_bytes is not None
    assert through.state_bytes > 800
    assert own.nab is not None
    assert own.nab.default_hit == 1
    assert own.reports[0].default is not None
    assert own.reports[0].default.recall == 1.0
    assert through.reports[0].best.recall == 1.0
    assert through.us_per_sample > own.us_per_sample
    assert json.loads(json.dumps(through.as_dict()))["nab"]["detector"] == through.detector


def test_a_score_without_threshold_has_no_default_events(data: Path) -> None:
    lines = compare(TocsinJudge(), [PEERS["seasonal naive"]], None, load_data_sets(data))
    _, own, through = lines
    assert own.nab is None
    assert own.reports[0].default is None
    assert through.reports[0].default is not None


def test_the_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "figures.json"
    command = ["bench", "compare", "--data", str(data), "--peer", "last difference"]
    assert main([*command, "--every", "2", "--json", str(told)]) == 0
    printed = capsys.readouterr().out
    assert "last difference, our likelihood" in printed
    assert "one in 2 files" in printed
    assert [one["labelled"][0]["series"] for one in json.loads(told.read_text())] == [2, 2, 2]
    assert main(["bench", "compare"]) == 2
    assert "say what to judge on" in capsys.readouterr().err
    assert main([*command, "--peer", "nobody"]) == 2
    assert "must be one of krcf" in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_left_out(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = Peer("absent", "no_such_package_here", seasonal_naive)
    monkeypatch.setitem(PEERS, "absent", missing)
    assert main(["bench", "compare", "--data", str(data), "--peer", "absent"]) == 0
    told = capsys.readouterr()
    assert "absent: left out, no_such_package_here is not installed" in told.err
    assert "tocsin" in told.out
