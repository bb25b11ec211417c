"""The HTM model on NAB: several seeds, and a range that is given in advance."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.bench.nab.corpus import Corpus, NabFile
from tocsin.bench.nab.htm import mean_row, range_of, run_seeds
from tocsin.bench.nab.run import Row
from tocsin.bench.nab.scoring import Score
from tocsin.cli.bench.nab import htm_table
from tocsin.detect.settings import Settings
from tocsin.errors import ConfigurationError

FIVE_MINUTES = 300_000_000_000


def row(score: float, hit: int, us: float | None) -> Row:
    return Row("d", (Score("standard", score, 0.5, hit, 3),), 0.25, hit, None, us)


def test_the_mean_of_several_runs() -> None:
    mean = mean_row([row(60.0, 80, 10.0), row(64.0, 83, 30.0), row(62.0, 83, 20.0)])
    assert mean.scores[0].score == pytest.approx(62.0)
    assert mean.spread == pytest.approx((2.0,))
    assert (mean.scores[0].windows_hit, mean.default_hit) == (82, 82)
    assert (mean.us_per_sample, mean.default_episodes) == (20.0, None)
    assert mean_row([row(60.0, 80, None)]).spread is None


def test_the_range_that_nab_tells() -> None:
    assert range_of(np.array([10.0, 20.0, 15.0])) == (8.0, 22.0)
    assert range_of(np.array([3.0, 3.0])) == (2.8, 4.2)


def test_seeds_differ_and_runs_repeat() -> None:
    rng = np.random.default_rng(1)
    values = 10 * np.sin(np.arange(1200) / 9) + rng.normal(size=1200)
    values[900:903] = 60.0
    times = np.arange(1200) * FIVE_MINUTES
    corpus = Corpus((NabFile("a/b.csv", times, values, ((880, 920),)),))
    settings = Settings(model="htm", likelihood="gaussian", htm={"preset": "small", "cells": 4})
    rows = list(run_seeds(corpus, settings, 2, range_given=True))
    again = list(run_seeds(corpus, settings, 2, range_given=True))
    assert [r.scores for r in rows] == [r.scores for r in again]
    assert rows[0].detector == "tocsin (htm, gaussian, range given)"
    assert rows[-1].scores[0].windows_hit == 1  # the spike is out of range
    assert all(r.spread is not None for r in rows)


def test_parameters_on_the_command_line() -> None:
    table = htm_table(("preset=small", "columns=512", "range_trim=0.5", "range_rule=false"))
    assert table == {"preset": "small", "columns": 512, "range_trim": 0.5, "range_rule": False}
    with pytest.raises(ConfigurationError, match="must be KEY=VALUE"):
        htm_table(("columns",))
