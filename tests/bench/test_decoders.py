from __future__ import annotations

import json
from pathlib import Path

import pytest

from tocsin.bench.decoders import CONTESTS, Plan, measure
from tocsin.cli.main import main


def test_every_contest_counts_the_same_samples_on_both_sides() -> None:
    plan = Plan(metrics=300, request=100, passes=1)
    for make in CONTESTS:
        contest = make(plan)
        assert sum(map(contest.ours, contest.bodies)) == 300, contest.protocol
        assert sum(map(contest.other, contest.bodies)) == 300, contest.protocol


def test_figures() -> None:
    found = list(measure(Plan(metrics=50, request=20, passes=1), lambda _: None))
    assert len({one.protocol for one in found}) == len(CONTESTS)
    assert all(one.ratio == one.ours / one.other for one in found)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    told = ["--metrics", "50", "--request", "20", "--passes", "1", "--json", str(path)]
    assert main(["bench", "decoders", *told]) == 0
    assert "remote write 2.0" in capsys.readouterr().out
    assert len(json.loads(path.read_text())) == len(CONTESTS)
