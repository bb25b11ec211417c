from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.bench.labelled.ranking import (
    auc_pr,
    auc_roc,
    buffer_width,
    runs,
    volume_under_surface,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def slow_volume(score: Floats, labels: Bools, widest: int) -> tuple[float, float]:
    """The paper's definition with the package's choices, row by row."""
    areas = [slow_areas(score, labels, width) for width in range(widest + 1)]
    return tuple(np.mean(areas, axis=0).tolist())


def slow_areas(score: Floats, labels: Bools, width: int) -> tuple[float, float]:
    rows = range(len(score))
    events = runs(labels).tolist()
    half = width // 2
    worth = [float(label) for label in labels]
    for row in rows:
        for first, last in events:
            distance = max(first - row, row - last)
            if 0 < distance <= half:
                worth[row] += (1 - distance / width) ** 0.5
    worth = [min(1.0, w) for w in worth]
    zones: list[set[int]] = []
    for first, last in events:
        zone = {row for row in rows if first - half <= row <= last + half}
        if zones and zones[-1] & zone:
            zones[-1] |= zone
        else:
            zones.append(zone)
    falling = sorted(score, reverse=True)
    curve = [(0.0, 0.0, 1.0)]
    for place in np.linspace(0, len(score) - 1, 250).astype(int):
        told = {row for row in rows if score[row] >= falling[place]}
        found = sum(worth[row] for row in told)
        # Labelled rows count whole, buffer rows only where they were told.
        reached = sum(worth[row] for row in rows if labels[row] or row in told)
        positive = (sum(labels) + reached) / 2
        exists = sum(bool(zone & told) for zone in zones) / len(zones)
        recall = min(found / positive, 1.0) * exists
        false = (len(told) - found) / (len(score) - positive)
        curve.append((recall, false, found / len(told)))
    pr = sum((b[0] - a[0]) * b[2] for a, b in pairwise(curve))
    curve.append((1.0, 1.0, 0.0))
    roc = sum((b[1] - a[1]) * (a[0] + b[0]) / 2 for a, b in pairwise(curve))
    return pr, roc


def example(seed: int, rows: int = 300) -> tuple[Floats, Bools]:
    """A score that ranks labelled rows higher, but not always; some of its values are equal."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(rows, dtype=bool)
    for first in rng.integers(0, rows, 3).tolist():
        labels[first : first + int(rng.integers(1, 15))] = True
    near = np.convolve(labels, np.ones(5) / 5, "same")
    return np.round(rng.random(rows) + 0.5 * near, 2), labels


#: (seed, widest buffer): VUS-PR, VUS-ROC as the package ``vus`` 0.0.6 computed them.
PUBLISHED = {
    (0, 0): (0.7459390043442526, 0.8984482758620689),
    (1, 1): (0.28836961692647933, 0.7820619413843275),
    (2, 10): (0.5985575621556636, 0.8765538380809105),
    (3, 25): (0.6918314433832016, 0.933586949545531),
    (4, 60): (0.9176531907140454, 0.9755791490159711),
}


@pytest.mark.parametrize(("case", "expected"), PUBLISHED.items())
def test_it_is_what_the_authors_package_computes(
    case: tuple[int, int], expected: tuple[float, float]
) -> None:
    seed, widest = case
    found = volume_under_surface(*example(seed), widest)
    assert (found.pr, found.roc) == pytest.approx(expected, abs=1e-12)


def test_the_authors_package_agrees_where_it_is_installed() -> None:
    metrics = pytest.importorskip(
        "vus.utils.metrics", reason="compared with the package only where vus is installed"
    )
    for seed in range(20):
        score, labels = example(seed)
        theirs = metrics.metricor().RangeAUC_volume_opt(labels.astype(int), score, 30)
        ours = volume_under_surface(score, labels, 30)
        assert (ours.roc, ours.pr) == pytest.approx(theirs[-2:], abs=1e-12)


@pytest.mark.parametrize("widest", [0, 1, 2, 9])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_its_definition_says(seed: int, widest: int) -> None:
    score, labels = example(seed, 80)
    found = volume_under_surface(score, labels, widest)
    assert (found.pr, found.roc) == pytest.approx(slow_volume(score, labels, widest), abs=1e-12)


@given(st.integers(0, 10_000), st.integers(0, 12))
def test_only_the_order_of_scores_counts(seed: int, widest: int) -> None:
    score, labels = example(seed, 120)
    assert volume_under_surface(score, labels, widest) == volume_under_surface(
        np.asarray(np.exp(3 * score)), labels, widest
    )


def test_a_perfect_score_without_buffer_has_a_volume_of_1() -> None:
    _, labels = example(1)
    found = volume_under_surface(labels.astype(np.float64), labels, 0)
    assert found.pr == pytest.approx(1.0)
    assert found.roc == pytest.approx(1.0)


def test_areas_of_a_score_that_says_nothing() -> None:
    _, labels = example(2)
    flat = np.zeros(len(labels))
    assert auc_roc(flat, labels) == 0.5
    assert auc_pr(flat, labels) == pytest.approx(labels.mean())


def test_average_precision_by_hand() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.7, 0.1])
    labels = np.array([True, False, True, False, True])
    # Precision 1 at the first, 2 of 4 at the tie, 3 of 5 at the last.
    assert auc_pr(score, labels) == pytest.approx((1 + 2 / 4 + 3 / 5) / 3)
    # Pairs won: 2 by the first, 0.5 by the tied one, none by the last, of 6.
    assert auc_roc(score, labels) == pytest.approx((2 + 0.5 + 0) / 6)


def test_runs_touch_both_ends() -> None:
    marked = np.array([True, True, False, True, False, True])
    assert runs(marked).tolist() == [[0, 1], [3, 3], [5, 5]]
    assert runs(np.zeros(3, bool)).tolist() == []


def test_the_buffer_is_a_period_wide() -> None:
    rows = np.arange(2000.0)
    noise = 0.1 * np.random.default_rng(0).normal(size=2000)
    assert buffer_width(np.asarray(np.sin(2 * np.pi * rows / 48) + noise)) == pytest.approx(
        48, abs=1
    )
    assert buffer_width(np.zeros(2000)) == 125
    assert buffer_width(rows) == 125
    assert buffer_width(np.array([1.0])) == 125
