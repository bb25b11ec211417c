from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import Detector
from tocsin.detect.models.views import VIEWS, with_recent, without_recent


@given(lasting=st.floats(0, 8), evidence=st.floats(0, 60))
def test_without_recent_undoes_with_recent(lasting: float, evidence: float) -> None:
    row = np.zeros(1, dtype=VIEWS)[0]
    row["lasting"] = lasting
    total = with_recent(row, evidence)
    assert total >= evidence
    assert without_recent(row, total) == pytest.approx(evidence, abs=1e-9)


def test_nothing_unusual_is_no_anomaly_whatever_came_before() -> None:
    row = np.zeros(1, dtype=VIEWS)[0]
    row["lasting"] = 8.0
    assert with_recent(row, 0.0) == 0.0


def test_an_anomaly_that_lasts_scores_more_than_its_first_sample() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=3000)
    values[2500:2508] = [9.0, -8.0, 12.0, -11.0, 15.0, -14.0, 18.0, -17.0]
    raw = Detector().update_many(np.arange(3000) * 300, values, unit="s")["raw_score"]
    assert raw[2500] > np.max(raw[2000:2500])
    assert np.max(raw[2501:2508]) > raw[2500]


def test_a_usual_value_in_an_unusual_place_is_told() -> None:
    """A wave that stands still for a while at values it has every day."""
    at = np.arange(288 * 20)
    values = (
        50 + 20 * np.sin(2 * np.pi * at / 288) + 0.2 * np.random.default_rng(3).normal(size=len(at))
    )
    values[5000:5006] = 50.0
    values[5000:5006:2] += 8.0
    scored = Detector().update_many(at * 300, values, unit="s")
    assert np.nanmax(scored["anomaly_score"][5000:5012]) > np.nanmax(
        scored["anomaly_score"][2000:5000]
    )
