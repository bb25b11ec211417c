"""What the HTM model costs by its age: the figures are of the run they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tocsin.bench.htm import Age, ages_up_to, faults, run_ages
from tocsin.cli.main import main
from tocsin.detect.fleet import Fleet
from tocsin.detect.settings import Settings


def test_ages_end_where_the_run_does() -> None:
    assert ages_up_to(1_000) == (1_000,)
    assert ages_up_to(1_000_000)[-2:] == (500_000, 1_000_000)


def test_state_is_fixed_and_use_grows() -> None:
    ages = list(run_ages(1_500, ("small",)))
    assert [age.samples for age in ages] == [1_000, 1_500]
    size = Fleet(Settings(model="htm", htm="small")).row_bytes
    assert {age.state_bytes for age in ages} == {size}
    assert 0 < ages[0].segments <= ages[1].segments
    assert all(0 < age.synapses <= age.segments * 255 for age in ages)
    assert all(age.us_per_sample > 0.0 for age in ages)


def test_what_gets_worse_with_age_is_told() -> None:
    young = Age("small", 80_000, 30.0, 1000, 500, 10, 100, 10**8)
    first = replace(young, samples=1_000, us_per_sample=5.0)
    old = replace(young, samples=500_000, us_per_sample=40.0)
    assert faults([first, young, old]) == []
    assert "46.0 µs after 500,000" in faults([young, replace(old, us_per_sample=46.0)])[0]
    assert "the state has 1,001 bytes" in faults([young, replace(old, state_bytes=1001)])[0]
    assert "the process" in faults([young, replace(old, process_bytes=2 * 10**8)])[0]
    assert faults([young, replace(old, preset="default", us_per_sample=300.0)]) == []


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "ages.json"
    command = ["bench", "htm", "--samples", "1000", "--preset", "small", "--json", str(told)]
    assert main(command) == 0
    assert "small" in capsys.readouterr().out
    assert json.loads(told.read_text())[0]["samples"] == 1_000
    assert main(["bench", "htm", "--samples", "10"]) == 2
    assert "must be from 1000" in capsys.readouterr().err
    assert main(["bench", "htm", "--preset", "tiny"]) == 2
    assert "unknown htm preset 'tiny'" in capsys.readouterr().err
