"""HTM Engine's own quality test: its rules, and that Tocsin's HTM model does better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tocsin.bench.nab.corpus import load_corpus
from tocsin.bench.recorded import NETWORK_IN, RECORDED, Matrix, judge, score_matrix
from tocsin.detect.settings import Settings


def flags(size: int, *rows: int) -> np.ndarray:
    made = np.zeros(size, dtype=bool)
    made[list(rows)] = True
    return made


def test_a_label_may_be_found_within_the_window() -> None:
    labels = flags(30, 10, 11)
    assert score_matrix(flags(30, 16), labels) == Matrix(2, 0, 0, 22)
    assert score_matrix(flags(30, 17), labels) == Matrix(1, 1, 0, 22)
    assert score_matrix(flags(30, 18), labels) == Matrix(0, 2, 1, 21)


def test_false_alarms_and_rows_that_are_not_judged() -> None:
    assert score_matrix(flags(30, 3, 9, 25), flags(30, 10)) == Matrix(0, 1, 3, 20)
    assert score_matrix(flags(30, 3, 9, 25), flags(30, 10), first=5) == Matrix(0, 1, 2, 16)


@pytest.mark.parametrize("preset", ["default", "small"])
@pytest.mark.parametrize("likelihood", ["evidence", "gaussian"])
def test_better_than_recorded(shared: Path, preset: str, likelihood: str) -> None:
    files = {file.name: file for file in load_corpus(shared / "nab").files}
    settings = Settings(model="htm", htm=preset, likelihood=likelihood)
    matrix = judge(files[NETWORK_IN], settings)
    judged = RECORDED.false_positive + RECORDED.true_negative
    assert matrix.false_positive + matrix.true_negative == judged
    assert matrix.quality > RECORDED.quality
    assert matrix.false_positive < RECORDED.false_positive
