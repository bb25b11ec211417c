from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bench.labelled.test_run import AT, write_series
from tocsin.bench.compare.peers import PEERS, Peer, seasonal_naive
from tocsin.bench.compare.run import Line, Options, compare, is_installed
from tocsin.bench.compare.scores import Known, key_of, score_all
from tocsin.bench.judges import TocsinJudge
from tocsin.bench.labelled.corpus import load_data_sets
from tocsin.bench.nab.corpus import Corpus, NabFile
from tocsin.cli.main import main
from tocsin.errors import OutputError

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
    score, size = seasonal_naive(times, values)
    assert size == 48 * 16
    assert np.all(score[: 48 + 10] == 0.0)
    assert score[100:] == pytest.approx(1.0)
    values[200] += 5.0
    changed, _ = seasonal_naive(times, values)
    np.testing.assert_array_equal(changed[:200], score[:200])
    assert changed[200] > 10.0
    assert changed[248] > 5.0


class Counting:
    """A peer that counts what it is asked; it fails where values are above its limit."""

    def __init__(self, limit: float = np.inf) -> None:
        self.asked: list[int] = []
        self._limit = limit
        self.peer = Peer("simple", "", self.score, threshold=10.0)

    def score(
        self, times: NDArray[np.int64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], int | None]:
        self.asked.append(len(values))
        if values.max() > self._limit:
            raise ArithmeticError("too much")
        return np.abs(values - np.median(values[:50])), 800

    @property
    def whole(self) -> list[int]:
        """Lengths of the series that it was asked for; the rest are warm-ups."""
        return [n for n in self.asked if n > 200]


def corpus() -> Corpus:
    times, values = stream(1000, jump=600)
    return Corpus((NabFile("x/y.csv", times, values, ((590, 640),)),))


def test_every_peer_has_two_lines_and_is_asked_once(data: Path) -> None:
    counting = Counting()
    lines = compare(TocsinJudge(), [counting.peer], corpus(), load_data_sets(data))
    ours, own, through = lines
    assert [ours.detector, own.detector] == ["tocsin", "simple"]
    assert through.detector == "simple, our likelihood"
    assert sorted(counting.whole) == [699, 699, 699, 1000]
    assert own.state_bytes == 800
    assert through.state_bytes is not None
    assert through.state_bytes > 800
    assert own.nab is not None
    assert own.nab.default_hit == 1
    assert own.reports[0].default is not None
    assert own.reports[0].default.recall == 1.0
    assert through.reports[0].best.recall == 1.0
    assert through.us_per_sample > own.us_per_sample
    assert (own.scored, own.wanted, ours.scored, ours.wanted) == (4, 4, 4, 4)
    assert json.loads(json.dumps(through.as_dict()))["nab"]["detector"] == through.detector


def figures(line: Line) -> object:
    assert line.nab is not None
    return line.nab.scores, [(one.ranking, one.best, one.default) for one in line.reports]


def test_kept_scores_are_not_computed_again(data: Path, tmp_path: Path) -> None:
    options, sets = Options(scores_out=tmp_path / "kept"), load_data_sets(data)
    once, again = Counting(), Counting()
    first = list(compare(TocsinJudge(), [once.peer], corpus(), sets, options))
    second = list(compare(TocsinJudge(), [again.peer], corpus(), sets, options))
    assert len(once.whole) == 4
    assert again.asked == []
    assert [figures(line) for line in first] == [figures(line) for line in second]
    assert first[1].us_per_sample == second[1].us_per_sample
    assert second[1].state_bytes == 800
    # Another way to call it, a damaged file, another series: asked again.
    other = Counting()
    changed = Peer("simple", "", other.score, 10.0, revision=2)
    list(compare(TocsinJudge(), [changed], corpus(), sets, options))
    assert len(other.whole) == 4
    file = sorted((tmp_path / "kept").rglob("*.npz"))[0]
    file.write_bytes(file.read_bytes()[:100])
    damaged = Counting()
    list(compare(TocsinJudge(), [damaged.peer], corpus(), sets, options))
    assert len(damaged.whole) == 1


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    series = [stream(300 + k) for k in range(4)]
    first, said = Counting(), []

    def interrupt(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_all(first.peer, series, tmp_path, progress=interrupt)
    assert "samples left, about 0 min to go" in said[1]
    second = Counting()
    known = score_all(second.peer, series, tmp_path)
    assert (first.whole, second.whole) == ([300, 301], [302, 303])
    assert all(known.has(*one) for one in series)


def test_when_its_time_is_up_the_rest_is_left_out(data: Path, tmp_path: Path) -> None:
    counting, sets = Counting(), load_data_sets(data)
    series = [(one.timestamps, one.values) for one in sets[0].series]
    score_all(counting.peer, series[:1], tmp_path)
    options = Options(tmp_path, limit_s=0.0)
    _, own, through = compare(TocsinJudge(), [counting.peer], corpus(), sets, options)
    assert len(counting.whole) == 1
    assert (own.scored, own.wanted) == (through.scored, through.wanted) == (1, 4)
    assert own.nab is None
    assert own.reports[0].series == 1
    nothing = list(compare(TocsinJudge(), [counting.peer], corpus(), [], options))
    assert (nothing[1].scored, nothing[1].nab, nothing[1].reports) == (0, None, ())


def test_a_peer_that_fails_scores_nothing_and_it_is_told(tmp_path: Path) -> None:
    counting = Counting(limit=30.0)
    series = [stream(300), stream(400, jump=350)]
    for known in (score_all(counting.peer, series, tmp_path) for _ in range(2)):
        assert known.failures == ["ArithmeticError: too much"]
        assert known.score(*series[1])[0].max() == 0.0
        assert known.score(*series[0])[0].max() > 0.0


def test_what_is_not_known_is_not_made_up() -> None:
    times, values = stream(300)
    with pytest.raises(KeyError, match="has not scored"):
        Known(Counting().peer, {}).score(times, values)
    assert key_of(times, values) != key_of(times + 1, values)


def test_scores_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        score_all(Counting().peer, [stream(300)], tmp_path / "file")


def test_a_score_without_threshold_has_no_default_events(data: Path) -> None:
    lines = compare(TocsinJudge(), [PEERS["seasonal naive"]], None, load_data_sets(data))
    _, own, through = lines
    assert own.nab is None
    assert own.reports[0].default is None
    assert through.reports[0].default is not None


def test_the_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "figures.json"
    command = ["bench", "compare", "--data", str(data), "--peer", "last difference"]
    command += ["--scores-out", str(tmp_path / "kept")]
    assert main([*command, "--series", "1", "--json", str(told)]) == 0
    printed = capsys.readouterr().out
    assert "last difference, our likelihood" in printed
    assert "1 of 3 series of toy" in printed
    assert [one["labelled"][0]["series"] for one in json.loads(told.read_text())] == [1, 1, 1]
    assert main([*command, "--limit", "1e-9"]) == 0
    printed, said = capsys.readouterr()
    assert "2 of 3 series" in printed
    assert "1 of 3 series left out, its time was up" in " ".join(said.split())
    assert main(["bench", "compare"]) == 2
    assert "say what to judge on" in capsys.readouterr().err
    assert main([*command, "--peer", "nobody"]) == 2
    assert "must be one of krcf" in capsys.readouterr().err
    assert main([*command, "--files", "0"]) == 2
    assert main([*command, "--limit", "-1"]) == 2


def test_a_peer_that_fails_is_marked(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PEERS, "simple", Counting(limit=0.0).peer)
    assert main(["bench", "compare", "--data", str(data), "--peer", "simple"]) == 0
    printed, said = capsys.readouterr()
    assert "fails in 3" in printed
    assert "scores nothing in 3 series: ArithmeticError: too much" in " ".join(said.split())


def test_a_peer_that_is_not_installed_is_left_out(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = Peer("absent", "no_such_package_here", seasonal_naive)
    monkeypatch.setitem(PEERS, "absent", missing)
    assert main(["bench", "compare", "--data", str(data), "--peer", "absent"]) == 0
    told = capsys.readouterr()
    assert "absent: left out, no_such_package_here is not installed" in told.err
    assert "tocsin" in told.out
