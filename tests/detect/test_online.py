from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.detect.likelihood.online import OnlineLikelihood
from tocsin.errors import BadSampleError, ConfigurationError, StateError

RAW = np.random.default_rng(0).exponential(size=3000)


@given(st.lists(st.integers(0, 3000), max_size=6), st.integers(1, 12))
def test_any_split_into_batches_gives_the_same_bits(cuts: list[int], window: int) -> None:
    whole = OnlineLikelihood(window).p_values(RAW)
    likelihood, parts, start = OnlineLikelihood(window), [], 0
    for end in [*sorted(cuts), len(RAW)]:
        parts.append(likelihood.p_values(RAW[start:end]))
        start = end
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_one_by_one_is_the_same_as_many() -> None:
    one, many = OnlineLikelihood(), OnlineLikelihood().update_many(RAW[:500])
    for row, raw in enumerate(RAW[:500].tolist()):
        found = one.update(raw)
        assert (found is None) == bool(np.isnan(many[row]))
        assert found is None or found == many[row]


@given(st.integers(0, 2999))
def test_saved_and_restored_it_goes_on_with_the_same_bits(cut: int) -> None:
    whole = OnlineLikelihood().p_values(RAW)
    first = OnlineLikelihood()
    first.update_many(RAW[:cut])
    second = OnlineLikelihood.from_bytes(first.to_bytes())
    assert second.p_values(RAW[cut:]).tobytes() == whole[cut:].tobytes()


def test_says_not_yet_until_skipped_and_needed_rows_were_seen() -> None:
    likelihood = OnlineLikelihood(skip=50)
    found = likelihood.update_many(RAW[:200])
    assert np.all(np.isnan(found[:149]))
    assert not np.any(np.isnan(found[149:]))
    assert str(likelihood.readiness) == "150 of 150"


@pytest.mark.parametrize("bad", [-1e-9, np.nan, np.inf, -np.inf, 1e300])
def test_a_bad_raw_score_names_its_row_and_nothing_is_learnt(bad: float) -> None:
    likelihood = OnlineLikelihood()
    likelihood.update_many(RAW[:300])
    before = likelihood.to_bytes()
    with pytest.raises(BadSampleError, match="row 2: the raw score") as caught:
        likelihood.update_many([0.1, 0.2, bad])
    assert caught.value.row == 2
    assert likelihood.to_bytes() == before


@pytest.mark.parametrize("options", [{"window": 0}, {"window": 65}, {"skip": -1}])
def test_wrong_settings_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="must be"):
        OnlineLikelihood(**options)


@pytest.mark.parametrize("where", [0, 7, 9, 30, -1])
def test_damaged_state_is_refused(where: int) -> None:
    data = bytearray(OnlineLikelihood().to_bytes())
    data[where] ^= 0xFF
    with pytest.raises(StateError):
        OnlineLikelihood.from_bytes(bytes(data))


def test_too_predictable_is_no_anomaly() -> None:
    likelihood = OnlineLikelihood(window=1)
    likelihood.update_many(1.0 + RAW)
    found = likelihood.update(0.0)
    assert found is not None
    assert found < 0.5


@pytest.mark.parametrize("window", [1, 8])
def test_anomalies_do_not_hide_the_next_but_a_lasting_change_is_accepted(window: int) -> None:
    likelihood = OnlineLikelihood(window)
    likelihood.update_many(RAW)
    first = likelihood.p_values(np.full(window, 20.0))[-1]
    likelihood.update_many(np.random.default_rng(1).exponential(size=300))
    second = likelihood.p_values(np.full(window, 20.0))[-1]
    assert first < 1e-3
    assert second < 1e-2
    after = likelihood.p_values(np.full(2000, 20.0))
    assert after[-1] > 0.01
