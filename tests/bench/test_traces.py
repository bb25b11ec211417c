from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.bench.nab import run as nab_run
from tocsin.bench.nab.corpus import Corpus, load_corpus, load_published
from tocsin.bench.nab.numenta import out_of_range, published_gaussian
from tocsin.bench.nab.run import run_likelihoods
from tocsin.bench.traces import TOLERANCE, Replay, Trace, load_traces, replay, replay_all
from tocsin.cli.main import main
from tocsin.detect.likelihood.policy import StreamingPolicy
from tocsin.detect.likelihood.rows import MemoryRows, Rows
from tocsin.errors import FileFormatError, MissingDataError

CONFIG = {
    "statistics_min_sample_size": 100,
    "statistics_sample_size": 8640,
    "statistics_refresh_rate": 24,
}


@pytest.fixture(scope="module")
def traces(shared: Path) -> list[Trace]:
    return load_traces(shared / "traces")


@pytest.fixture(scope="module")
def replays(traces: list[Trace]) -> list[Replay]:
    return list(replay_all(traces))


def test_every_trace_by_every_plan_is_exact(replays: list[Replay]) -> None:
    assert len(replays) == 32
    assert {replay.plan for replay in replays} == {"live", "batch20", "catchup", "mixed"}
    assert max(replay.difference for replay in replays) < 1e-12
    assert all(replay.exact for replay in replays)


def test_its_way_of_reading_reads_what_it_read(replays: list[Replay]) -> None:
    for found in replays:
        assert found.same_way == found.original
        assert (found.ours.count, found.ours.tail_rows) == (0, 0)


def test_the_parameters_are_those_it_ended_with(shared: Path, replays: list[Replay]) -> None:
    for found in replays:
        path = shared / "traces" / f"{found.trace.replace('/', '__')}.json"
        told = json.loads(path.read_text())["plans"][found.plan]["final_params"]
        assert found.parameters is not None
        law, params = found.parameters.gaussian, told["params"]
        assert found.parameters.last_row == told["last_rowid_for_stats"]
        assert law.mean == pytest.approx(params["distribution"]["mean"], rel=1e-12)
        assert law.variance == pytest.approx(params["distribution"]["variance"], rel=1e-12)
        assert law.total == params["movingAverage"]["total"]
        assert list(law.window) == params["movingAverage"]["historicalValues"]
        assert law.likelihoods == pytest.approx(params["historicalLikelihoods"], rel=1e-12)


def test_statistics_are_made_after_the_same_batches(shared: Path, traces: list[Trace]) -> None:
    for trace in traces:
        path = shared / "traces" / f"{trace.name.replace('/', '__')}.json"
        told = json.loads(path.read_text())["plans"]["catchup"]["params_after_batch"]
        plan = next(plan for plan in trace.plans if plan.name == "catchup")
        memory, parameters, after = MemoryRows(8640), None, []
        for batch in plan.batches(trace.rows):
            parameters = StreamingPolicy(trace.settings).score(parameters, batch, memory).parameters
            memory.append(batch)
            assert parameters is not None
            after.append([int(batch.ids[-1]), parameters.last_row])
        assert after == told


def test_the_command_prints_and_succeeds(
    tmp_path: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (shared / "traces").glob("artificialWithAnomaly__*"):
        (tmp_path / path.name).symlink_to(path)
    assert main(["bench", "traces", "--data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for word in ("art_load_balancer_spikes", "catchup", "83.59", "0.00"):
        assert word in out


# Made-up traces


def write(folder: Path, *, sizes: Any = 7, scores: list[float] | None = None, **told: Any) -> None:
    """A trace of 150 rows by one plan."""
    rng = np.random.default_rng(0)
    rows = Rows.of(np.arange(1, 151), rng.normal(size=150), rng.random(150))
    scores = scores or [0.0] * 150
    cells = zip(rows.ids, rows.values, rows.raw_scores, scores, strict=True)
    with gzip.open(folder / "a__b.csv.gz", "wt", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["rowid", "timestamp", "value", "raw_anomaly_score", "anomaly_score_odd"])
        for row, value, raw, score in cells:
            writer.writerow([row, "2020-01-01", repr(float(value)), repr(float(raw)), repr(score)])
    whole = {"config": CONFIG, "plans": {"odd": {"batch_sizes": sizes}}} | told
    (folder / "a__b.json").write_text(json.dumps(whole))


def expected(sizes: list[int], folder: Path) -> list[float]:
    """The right scores of the trace that is there."""
    trace = load_traces(folder)[0]
    memory, parameters, scores = MemoryRows(8640), None, []
    begin = 0
    for size in sizes:
        batch = trace.rows[begin : begin + size]
        scored = StreamingPolicy().score(parameters, batch, memory)
        parameters, begin = scored.parameters, begin + size
        scores += scored.anomaly_scores.tolist()
        memory.append(batch)
    return scores


@pytest.mark.parametrize("sizes", [7, [7]])
def test_a_single_size_is_always_that_size(tmp_path: Path, sizes: Any) -> None:
    write(tmp_path, sizes=sizes)
    write(tmp_path, sizes=sizes, scores=expected([7] * 22, tmp_path))
    trace = load_traces(tmp_path)[0]
    assert [len(b) for b in trace.plans[0].batches(trace.rows)] == [7] * 21 + [3]
    found = replay(trace, trace.plans[0])
    assert found.exact
    assert found.original is None


def test_a_difference_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, sizes=[100, 50])
    right = expected([100, 50], tmp_path)
    write(tmp_path, sizes=[100, 50], scores=right)
    assert main(["bench", "traces", "--data", str(tmp_path)]) == 0
    right[120] += 2 * TOLERANCE
    write(tmp_path, sizes=[100, 50], scores=right)
    assert main(["bench", "traces", "--data", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "2.0e-09" in captured.out
    assert "a/b, odd: differs by 2e-09" in captured.err
    right[120] = float("nan")
    write(tmp_path, sizes=[100, 50], scores=right)
    assert main(["bench", "traces", "--data", str(tmp_path)]) == 1


def test_no_traces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MissingDataError, match="holds no traces: it must contain"):
        load_traces(tmp_path)
    assert main(["bench", "traces", "--data", str(tmp_path)]) == 2
    assert "holds no traces" in capsys.readouterr().err
    write(tmp_path)
    (tmp_path / "a__b.csv.gz").unlink()
    with pytest.raises(MissingDataError, match=r"a__b\.csv\.gz is not"):
        load_traces(tmp_path)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"plans": {"other": {"batch_sizes": 1}}}, "no 'anomaly_score_other'"),
        ({"plans": {"odd": {}}}, "no 'batch_sizes'"),
        ({"plans": {"odd": {"batch_sizes": [100, 60]}}}, "160 rows, not 150"),
        ({"plans": {"odd": {"batch_sizes": [0]}}}, "above 0"),
        ({"plans": [1]}, "cannot be used"),
        ({"config": {"statistics_size": 5}}, "no 'statistics_size'"),
        ({"config": {"statistics_refresh_rate": -24}}, "refresh_interval = -24"),
    ],
)
def test_a_broken_trace_is_named(tmp_path: Path, told: dict[str, Any], message: str) -> None:
    write(tmp_path, **told)
    with pytest.raises(FileFormatError, match=rf"a__b\.json: .*{message}"):
        load_traces(tmp_path)


def test_a_trace_without_rows_or_json_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "a__b.csv").write_text("rowid,value,raw_anomaly_score,anomaly_score_odd\n")
    with pytest.raises(FileFormatError, match="no rows"):
        load_traces(tmp_path)
    (tmp_path / "a__b.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"a__b\.json"):
        load_traces(tmp_path)


# The published raw scores of NAB under Numenta's likelihood


@pytest.fixture(scope="module")
def corpus(shared: Path) -> Corpus:
    return load_corpus(shared / "nab")


@pytest.fixture(scope="module")
def gaussian(shared: Path, corpus: Corpus) -> list[NDArray[np.float64]]:
    """The scores of each file under Numenta's likelihood; they take a while."""
    raw = load_published(shared / "nab", corpus, "raw_score")
    return [published_gaussian(*pair) for pair in zip(corpus.files, raw, strict=True)]


def test_the_published_scores_come_out_row_by_row(
    shared: Path, corpus: Corpus, gaussian: list[NDArray[np.float64]]
) -> None:
    published = load_published(shared / "nab", corpus)
    for file, found, told in zip(corpus.files, gaussian, published, strict=True):
        ruled = np.where(out_of_range(file.values), 1.0, found)
        np.testing.assert_allclose(ruled, told, atol=1e-8)


def test_the_published_raw_scores_give_the_published_numbers(
    shared: Path,
    corpus: Corpus,
    gaussian: list[NDArray[np.float64]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {file.name: scores for file, scores in zip(corpus.files, gaussian, strict=True)}
    monkeypatch.setattr(nab_run, "published_gaussian", lambda file, _: known[file.name])
    rows = list(run_likelihoods(shared / "nab", corpus))
    standard = [round(row.scores[0].score, 2) for row in rows]
    assert standard[:3] == [47.15, 60.78, 70.10]
    # Only likelihood and alarm differ: as good as the Gaussian one, which keeps no rate.
    assert standard[3] == pytest.approx(standard[1], abs=2.0)
    assert rows[2].scores[0].windows_hit == 96


def test_range_rule() -> None:
    values = np.array([5.0, 5.0, 9.0, 9.2, 9.5, 4.8, 4.5, 9.0])
    # No range yet; then 5..9 with a margin of .2; 9.5 is out by .29 > .21; 4.8 is in, 4.5 is out.
    assert np.flatnonzero(out_of_range(values)).tolist() == [4, 6]
    assert out_of_range(np.full(5, 3.0)).tolist() == [False] * 5
    assert out_of_range(np.empty(0)).tolist() == []
