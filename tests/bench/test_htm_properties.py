"""The published properties of hierarchical temporal memory hold here."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.bench.htm_properties import (
    PoolerAlone,
    SequenceMemory,
    capacity,
    encoder_overlap,
    high_order,
    lost_cells,
    pooler_noise,
    switch,
)
from tocsin.detect.fleet import Fleet
from tocsin.detect.models.htm.insight import active_cells, columns_of, predicted_cells
from tocsin.detect.models.htm.parameters import Htm
from tocsin.detect.settings import Settings


def test_near_values_share_bits_far_ones_do_not() -> None:
    overlap = encoder_overlap(range(40))
    assert overlap[0] == 1.0
    assert np.all(np.diff(overlap[:20]) < 0.0)
    assert overlap[25:].max() < 0.1


@pytest.mark.parametrize("on", [5, 40, 300])
def test_two_percent_of_the_columns_win_whatever_the_input(on: int) -> None:
    rng = np.random.default_rng(on)
    pooler = PoolerAlone(400)
    for _ in range(20):
        columns = pooler.learn(rng.choice(400, on, replace=False))
        assert len(np.unique(columns)) == 40
        assert np.all(np.diff(columns) > 0)


def test_alike_inputs_have_alike_winners_others_do_not() -> None:
    rng = np.random.default_rng(3)
    pooler = PoolerAlone(1000)
    first, other = rng.permutation(1000)[:200].reshape(2, 100)
    near = np.concatenate([first[5:], other[:5]])
    share = [len(np.intersect1d(pooler.win(first), pooler.win(b))) / 40 for b in (near, other)]
    assert share[0] > 0.5
    assert share[1] < 0.1


def test_learning_makes_winners_robust_to_noise() -> None:
    """Cui, Ahmad & Hawkins (2017): after training, noisy inputs keep their winners."""
    noises = [0.0, 0.2, 0.4]
    before, after = pooler_noise(noises, trained=0), pooler_noise(noises, trained=10)
    assert before[0] == after[0] == 1.0
    assert np.all(after[1:] > before[1:] + 0.3)
    assert after[2] > 0.8


def test_high_order_sequences_are_told_apart() -> None:
    """ABCD and XBCY: what follows C depends on what came before B."""
    told = high_order(80, punishment=0.05)
    assert told[0].max() == 0.0
    d_after_abc, y_after_abc, y_after_xbc, d_after_xbc = told[-10:].mean(axis=0)
    assert min(d_after_abc, y_after_xbc) > 0.95
    assert max(y_after_abc, d_after_xbc) < 0.2


def test_with_one_cell_a_column_context_is_lost() -> None:
    """The control: without cells to tell contexts apart, both D and Y are predicted."""
    told = high_order(40, cells=1)[-10:].mean(axis=0)
    assert told.min() > 0.9


def test_eager_scores_learn_the_same_sequences() -> None:
    told = high_order(60, eager=True)[-10:].mean(axis=0)
    assert min(told[0], told[2]) > 0.95


def test_forty_percent_of_the_cells_may_be_lost() -> None:
    """Hawkins & Ahmad (2016): accuracy hardly falls until well over a third is gone."""
    whole, third, forty, most = lost_cells([0.0, 0.3, 0.4, 0.8])
    assert whole == 1.0
    assert third > 0.95
    assert forty > 0.9
    assert most < 0.5


def test_capacity_is_what_there_are_segments_for() -> None:
    """Up to there nothing is lost; beyond it, segments go before they have become firm."""
    few, many = capacity([20, 80], 4096)
    assert few == 1.0
    assert many < 0.5
    assert capacity([80], 32_768)[0] > 0.85


def test_relearns_after_a_switch_of_all_patterns() -> None:
    """Cui, Ahmad & Hawkins (2016): surprise jumps at the switch and falls as before it."""
    surprise = switch(400)
    half = len(surprise) // 2
    assert surprise[half] > 0.4
    assert surprise[half] > 2 * surprise[half - 1]
    assert surprise[half + 2 :].max() < 0.25


def test_what_is_predicted_does_not_burst() -> None:
    """The raw score of the plain memory is the share of winners that were not predicted."""
    rng = np.random.default_rng(4)
    memory = SequenceMemory()
    symbols = [np.sort(rng.choice(1024, 20, replace=False)) for _ in range(4)]
    for k in range(200):
        told, columns = memory.predicted(), symbols[(k * k) % 7 % 4]
        assert memory.step(columns) == pytest.approx(1.0 - told[columns].mean())


def test_a_models_state_says_what_its_raw_scores_say() -> None:
    settings = Settings(model="htm", htm={"preset": "small", "eager": False})
    htm = Htm.of(settings.htm)
    fleet, only = Fleet(settings, 1), np.zeros(1, dtype=np.int64)
    for k in range(250):
        told = columns_of(predicted_cells(fleet.take(only)[0]["memory"], htm), htm)
        moment = np.array([k * 300_000_000_000])
        scored = fleet.update(only, moment, np.array([float(k % 7)]))
        won = columns_of(active_cells(fleet.take(only)[0]["memory"]), htm)
        assert len(won) == htm.active_columns
        missed = len(np.setdiff1d(won, told)) / len(won)
        assert scored["raw_score"][0] == pytest.approx(missed)
    assert scored["raw_score"][0] < 0.5
