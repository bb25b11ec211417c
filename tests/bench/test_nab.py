from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tocsin.bench.baselines import BASELINES, told_once
from tocsin.bench.nab.corpus import Corpus, NabFile, load_corpus, load_published
from tocsin.bench.nab.run import run_detector
from tocsin.bench.nab.scoring import PROFILES, false_episodes, score_corpus, windows_hit
from tocsin.detect.settings import Settings
from tocsin.errors import MissingDataError

HOUR = 3_600_000_000_000


def corpus(*windows: tuple[int, int], rows: int = 1000) -> Corpus:
    times = np.arange(rows) * HOUR
    return Corpus((NabFile("a/b.csv", times, np.zeros(rows), tuple(windows)),))


def alarm(*rows: int, size: int = 1000) -> np.ndarray:
    score = np.zeros(size)
    score[list(rows)] = 1.0
    return score


def test_the_perfect_detector_has_100_and_the_silent_one_0() -> None:
    both = corpus((300, 399), (600, 699))
    for result in score_corpus(both, [alarm(300, 600)]):
        assert result.score == pytest.approx(100.0)
        assert (result.windows_hit, result.false_rows) == (2, 0)
    for result in score_corpus(both, [alarm()]):
        assert result.score == 0.0


def test_earlier_is_worth_more() -> None:
    both = corpus((300, 399), (600, 699))
    early, late = (score_corpus(both, [alarm(row)])[0].score for row in (310, 390))
    assert 50 > early > late > 0
    # The formula at relative position -(399 - 390 + 1) / 100.
    worth = (2 / (1 + np.exp(-0.5)) - 1) / (2 / (1 + np.exp(-5)) - 1)
    assert late == pytest.approx(100 * (worth + 1) / 4)


def test_a_false_alarm_costs_what_its_profile_says() -> None:
    one = corpus((300, 399))
    score = alarm(300) + 2 * alarm(200)  # the false alarm is the higher: no threshold avoids it
    standard, low_fp, low_fn = (result.score for result in score_corpus(one, [score]))
    assert standard == pytest.approx(100 * (2 - 0.11) / 2)
    assert low_fp == pytest.approx(100 * (2 - 0.22) / 2)
    assert low_fn == pytest.approx(100 * (3 - 0.11) / 3)


def test_probation_is_not_scored() -> None:
    result = score_corpus(corpus((300, 399)), [alarm(300) + 2 * alarm(0, 149)])[0]
    assert result.score == pytest.approx(100.0)


def test_only_the_best_row_of_a_window_counts() -> None:
    result = score_corpus(corpus((300, 399)), [alarm(300, 350, 399)])[0]
    assert result.score == pytest.approx(100.0)


def test_a_false_alarm_right_after_a_window_costs_little() -> None:
    near, far = (
        score_corpus(corpus((300, 399)), [alarm(300) + 2 * alarm(row)])[0].score
        for row in (401, 900)
    )
    assert near > far


def test_a_threshold_serves_all_files_at_once() -> None:
    two = Corpus(corpus((300, 399)).files + corpus((300, 399)).files)
    quiet, loud = alarm(300) * 0.1, alarm(300) + 0.5 * alarm(*range(500, 1000))
    best = score_corpus(two, [quiet, loud])[0]
    assert best.threshold == 1.0
    assert best.windows_hit == 1


def test_episodes_merge_alarms_within_six_hours() -> None:
    one = corpus((300, 399))
    score = alarm(500, 503, 506, 520, 350, 10)
    assert windows_hit(one, [score], 1.0) == 1
    weeks = (1000 - 1 - 150) / (7 * 24)
    assert false_episodes(one, [score], 1.0) == pytest.approx(2 / weeks)


def test_a_missing_corpus_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        MissingDataError, match=r"git clone .*combined_windows|combined_windows.*git"
    ):
        load_corpus(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps({"a/b.csv": []}))
    with pytest.raises(MissingDataError, match=r"a/b\.csv"):
        load_corpus(tmp_path)


def test_baselines_are_causal() -> None:
    values = np.random.default_rng(0).normal(size=600)
    for baseline in BASELINES.values():
        whole, half = baseline(values), baseline(values[:300])
        np.testing.assert_allclose(whole[:300], half)
        np.testing.assert_allclose(told_once(whole)[:300], told_once(half))


def test_the_published_scores_of_numenta_give_the_published_number(shared: Path) -> None:
    whole = load_corpus(shared / "nab")
    published = load_published(shared / "nab", whole)
    results = {r.profile: r for r in score_corpus(whole, published)}
    assert round(results[PROFILES[0].name].score, 2) == 70.10
    assert whole.windows == 116


def test_the_default_model_keeps_its_quality(shared: Path) -> None:
    row = run_detector(load_corpus(shared / "nab"), Settings())
    assert row.scores[0].score > 74
    assert row.default_hit is not None
    assert row.default_hit >= 95
    assert row.default_episodes is not None
    assert row.default_episodes < 0.37


def test_the_halves_make_the_whole() -> None:
    whole = Corpus(tuple(corpus((300, 399)).files[0] for _ in range(5)))
    assert [len(whole.half(half).files) for half in ("all", "even", "odd")] == [5, 3, 2]
    assert whole.half("even").windows + whole.half("odd").windows == whole.windows
