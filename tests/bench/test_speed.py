"""What a sample costs: the figures are of the run that they say."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from tocsin import Fleet, Settings
from tocsin.bench import speed
from tocsin.bench.compare.peers import PEERS, Peer
from tocsin.cli.main import main
from tocsin.errors import ConfigurationError

SIZES = (1, 70, 1_500)


def test_points_are_of_what_was_measured() -> None:
    told: list[str] = []
    points = list(speed.measure_speed(SIZES, 1_000, Settings(), told.append))
    assert [point.metrics for point in points] == [*SIZES]
    assert [point.samples for point in points] == [1_000, 1_050, 1_500]
    assert {point.row_bytes for point in points} == {Fleet().row_bytes}
    for point in points:
        assert point.us_per_sample * point.per_second_core == pytest.approx(1e6)
        assert point.per_second_all > 0
        assert point.resident > point.metrics * point.row_bytes
    assert told == ["learning", "1 metrics", "70 metrics", "1,500 metrics"]


def test_metrics_go_on_with_what_they_have_learnt() -> None:
    """Level and phase fit the state: what is measured is the usual case, not the unusual."""
    fleet, states = Fleet(), speed._learnt(Settings())
    for first in (0, 64, 128):
        fleet.put(fleet.add(64), states)
        assert fleet.seen(first + 1) == fleet.seen(1) == 601
    metric, times, values = speed._Clock(192)._columns(5)
    scored = fleet.update(metric, times, values)
    assert np.isfinite(scored["likelihood"]).all()
    assert (scored["event"] == 0).mean() > 0.9
    assert len({fleet.seen(metric) for metric in range(64)}) == 64


def test_slow_peers_get_few_samples() -> None:
    asked: list[int] = []

    def slow(times: object, values: np.ndarray) -> tuple[np.ndarray, int]:
        asked.append(len(values))
        end = time.process_time() + (0.2 if len(asked) > 1 else 0.0)
        while time.process_time() < end:
            pass
        return values, 77

    (cost,) = speed.measure_peers([Peer("slow", "", slow)], lambda _: None)
    assert asked[:2] == [300, 300]
    assert 300 < cost.samples < 5_000
    assert cost.samples == asked[-1]
    assert cost.state_bytes == 77
    quick = next(speed.measure_peers([PEERS["last difference"]], lambda _: None))
    assert quick.samples == 5_000
    assert quick.us_per_sample < cost.us_per_sample


def test_a_fleet_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="GiB are free"):
        next(speed.measure_speed([10**9], 1, Settings(), lambda _: None))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    told, picture = tmp_path / "speed.json", tmp_path / "speed.png"
    command = ["bench", "speed", "--metrics", "200", "--metrics", "3", "--samples", "400"]
    command += ["--peer", "seasonal naive", "--json", str(told), "--picture", str(picture)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "200 metrics" in said
    assert "seasonal naive" in said
    few, many, peer = json.loads(told.read_text())
    assert (few["metrics"], many["metrics"], peer["name"]) == (3, 200, "seasonal naive")
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert main(["bench", "speed", "--metrics", "0"]) == 2
    assert "must be at least 1" in capsys.readouterr().err
    assert main(["bench", "speed", "--metrics", "1", "--peer", "nobody"]) == 2
    assert "--peer 'nobody'" in capsys.readouterr().err
    nowhere = tmp_path / "nowhere" / "speed.png"
    command = ["bench", "speed", "--metrics", "3", "--samples", "9", "--no-peers"]
    assert main([*command, "--picture", str(nowhere)]) == 2
    assert "cannot write" in capsys.readouterr().err
