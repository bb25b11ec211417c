"""Models of somebody else's, in this process: names, how objects are called, and what comes out."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detect.test_gaussian_row import by_policy
from tests.engine import toy_models
from tests.engine.toy_models import POISON
from tocsin import Detector, Fleet, scan
from tocsin.detect.likelihood.online import OnlineLikelihood
from tocsin.detect.models.foreign import names
from tocsin.detect.models.foreign.names import Named, permitted
from tocsin.detect.models.foreign.scorer import Scorer
from tocsin.detect.objects import ObjectFleet, fleet_of
from tocsin.detect.settings import Settings
from tocsin.errors import BadInputError, ConfigurationError, ModelError, StateError

TOYS = "tests.engine.toy_models."
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
VALUES = np.random.default_rng(5).normal(size=1200)
TIMES = np.arange(1, 1201) * MINUTE


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


def _poisoned(at: int, count: int = 20) -> Any:
    values = VALUES[:count].copy()
    values[at] = POISON
    return values


# Names


@pytest.mark.parametrize(
    ("model", "path", "arguments"),
    [
        ("a.B", "a.B", {}),
        ("a.b.C()", "a.b.C", {}),
        ("a.b.C(x=1, y='(two)', z={'k': [-1.5, None, True]})", "a.b.C", {"x": 1}),
        ("my-plugin(x=1)", "my-plugin", {"x": 1}),
    ],
)
def test_names_are_read(model: str, path: str, arguments: dict[str, Any]) -> None:
    named = Named.of(model)
    assert named.path == path
    assert named.arguments | arguments == named.arguments
    assert named.plugin == ("." not in path)


@pytest.mark.parametrize(
    "model",
    [
        "",
        "a.b.",
        ".a",
        "a..b",
        "a b",
        "a.B(1)",
        "a.B(x=1",
        "a.B(x=1))",
        "a.B(x=1).c",
        "a.B(x=1)(y=2)",
        "a.B(**{'x': 1})",
        "a.B(x=__import__('os'))",
        "a.B(x=1)\nimport os",
        "a.B(" + "x=" + "(" * 600 + ")" * 600 + ")",
        "a.B(x='" + "y" * 2000 + "')",
        "a.B(x=1, x=2)",
    ],
)
def test_what_is_no_name_is_refused_without_running_anything(model: str) -> None:
    with pytest.raises(ConfigurationError, match="model = "):
        Settings(model=model)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        Named.of(text)
        Named.of(f"a.B({text})")
    except ConfigurationError:
        pass


def test_a_typo_is_told_from_a_class() -> None:
    with pytest.raises(ConfigurationError, match=r"one of views.*did you mean 'views'"):
        Settings(model="veiws")
    assert Settings(model="nobody.has.This").foreign  # whether it is there shows when it is made
    assert not Settings().foreign


def test_plugins_are_found_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "mean": EntryPoint("mean", f"{TOYS[:-1]}:Mean", names.GROUP),
        "gone": EntryPoint("gone", "no.such.module:Thing", names.GROUP),
    }
    monkeypatch.setattr(names, "_plugins", lambda: points)
    assert Named.of("mean(scale=3.0)").make().scale == 3.0
    assert Settings(model="mean").foreign
    with pytest.raises(ConfigurationError, match=r"mean \(plug-ins\)"):
        Settings(model="nothing")
    with pytest.raises(ModelError, match="cannot be imported"):
        Named.of("gone").make()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (TOYS + "Nothing", "has no Nothing"),
        ("no.such.module.Thing", "cannot be imported"),
        (TOYS + "POISON", "is not tests.engine.toy_models's own"),
        # What a module merely imported is not the module's to give.
        (TOYS + "Path", "is not tests.engine.toy_models's own, but of pathlib"),
        ("subprocess.os", "is not subprocess's own"),
        (TOYS + "broken", "LookupError: no file"),
        (TOYS + "Mean(size=3)", "unexpected keyword argument"),
        (TOYS + "NoModel", "has no score_one"),
        (TOYS + "Picky", r"parameters that nobody gives \(mood\)"),
        ("nobody", "no installed package"),
    ],
)
def test_what_is_not_there_is_told(model: str, told: str) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        Scorer.make(model)
    assert caught.value.reason == "model_missing"


def test_nothing_is_permitted_unless_it_is_named() -> None:
    assert not permitted("river.anomaly.LODA", [])
    assert not permitted("riverside.Thing", ["river.*"])
    assert not permitted("os.system(command='river.x')", ["river.*"])
    assert permitted("river.anomaly.LODA(seed=1)", ["my.*", "river.*"])
    assert permitted("hst", ["hst"])


def test_chance_is_seeded_when_nobody_does() -> None:
    first, second = (Scorer.make(TOYS + "Dice").raw(TIMES[:9], VALUES[:9]) for _ in range(2))
    other = Scorer.make(TOYS + "Dice(seed=77)").raw(TIMES[:9], VALUES[:9])
    assert first.tolist() == second.tolist()
    assert first.tolist() != other.tolist()


# Calling objects


@pytest.mark.parametrize("kind", ["Mean", "RiverLike", "Supervised", "Keeper", "tuned"])
def test_arguments_are_given_by_their_names(kind: str) -> None:
    raw = Scorer.make(TOYS + kind).raw(TIMES[:50], VALUES[:50])
    means = np.concatenate([[0.0], np.cumsum(VALUES[:49]) / np.arange(1, 50)])
    expected = np.abs(VALUES[:50] - means)
    expected[0] = 0.0
    np.testing.assert_allclose(raw, expected * (2.0 if kind == "tuned" else 1.0), rtol=1e-9)


def test_the_time_of_a_sample_is_given_to_who_asks() -> None:
    raw = Scorer.make(TOYS + "Seconds").raw(TIMES[:3], VALUES[:3])
    assert raw.tolist() == [60.0, 120.0, 180.0]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (-0.001, "gave the score -0.001: must be from 0"),
        (float("nan"), "gave the score nan"),
        (float("inf"), "gave the score inf"),
        (1e300, "gave the score 1e"),
        (None, "raised TypeError"),
        ("high", "raised ValueError"),
        ([1.0], "raised TypeError"),
        (1j, "raised TypeError"),
    ],
)
def test_what_is_no_score_is_refused_with_its_sample(what: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        Scorer(toy_models.Answers(what)).raw(TIMES[:20], _poisoned(7))
    assert caught.value.row == 7
    assert caught.value.raw.tolist() == [0.5] * 7
    assert "at the sample 666.0" in str(caught.value)


def test_the_gaussian_likelihood_takes_scores_up_to_one() -> None:
    model = toy_models.Answers(1.5)
    assert Scorer(model).raw(TIMES[:1], np.array([POISON])).tolist() == [1.5]
    detector = Detector(model=model, likelihood="gaussian")
    with pytest.raises(ModelError, match="from 0 to 1 with the gaussian likelihood"):
        detector.update_many(TIMES[:20], _poisoned(7), unit="ns")


@pytest.mark.parametrize("kind", [toy_models.Raises, toy_models.Leaves, toy_models.RaisesBadly])
def test_whatever_an_object_raises_is_one_kind_of_error(kind: type[Any]) -> None:
    with pytest.raises(ModelError) as caught:
        Scorer(kind()).raw(TIMES[:20], _poisoned(3))
    assert (caught.value.reason, caught.value.row) == ("model_raised", 3)
    assert "\n" not in str(caught.value)


# Raw scores to likelihood


def test_raw_scores_of_any_scale_become_the_calibrated_likelihood() -> None:
    raw = np.random.default_rng(1).exponential(size=1200) * 1e6
    fleet = Fleet(Settings(model="a.B"), 1)
    rows = np.zeros(1200, dtype=np.int64)
    scored = fleet.judge(rows, TIMES, VALUES, raw)
    slow = OnlineLikelihood(window=1, skip=100)
    expected = [slow.update(score) for score in raw.tolist()]
    assert scored["raw_score"].tolist() == raw.tolist()
    found = [None if np.isnan(one) else one for one in scored["likelihood"].tolist()]
    assert found == expected
    assert found[198] is None
    assert found[199] is not None
    assert fleet.readiness(0).needed == 200
    for name in ("expected", "lower", "upper"):
        assert np.isnan(scored[name]).all()


def test_raw_scores_up_to_one_become_htm_engines_likelihood() -> None:
    raw = np.random.default_rng(2).beta(0.5, 4.0, 1200)
    fleet = Fleet(Settings(model="a.B", likelihood="gaussian"), 1)
    scored = fleet.judge(np.zeros(1200, dtype=np.int64), TIMES, VALUES, raw)
    known = ~np.isnan(scored["likelihood"])
    assert np.flatnonzero(known)[0] == fleet.readiness(0).needed - 1
    slow = by_policy(VALUES, raw)
    np.testing.assert_allclose(scored["likelihood"][known], slow[known], rtol=0, atol=1e-9)


@pytest.mark.parametrize("likelihood", ["evidence", "gaussian"])
@given(cuts=st.lists(st.integers(0, 1200), max_size=5))
def test_any_split_into_batches_gives_the_same_bits(likelihood: str, cuts: list[int]) -> None:
    settings = Settings(model="a.B", likelihood=likelihood)
    raw = np.random.default_rng(3).uniform(size=1200)
    whole = Fleet(settings, 1)
    expected = whole.judge(np.zeros(1200, dtype=np.int64), TIMES, VALUES, raw)
    fleet, parts, start = Fleet(settings, 1), [], 0
    for end in [*sorted(cuts), 1200]:
        part = slice(start, end)
        rows = np.zeros(end - start, dtype=np.int64)
        parts.append(fleet.judge(rows, TIMES[part], VALUES[part], raw[part]))
        fleet = Fleet.from_bytes(fleet.to_bytes(0))
        start = end
    assert np.concatenate(parts).tobytes() == expected.tobytes()
    assert fleet.to_bytes(0) == whole.to_bytes(0)


def test_a_surprise_is_an_event() -> None:
    detector = Detector(model=toy_models.Mean())
    values = VALUES.copy()
    values[1000] = 60.0
    scored = detector.update_many(TIMES, values, unit="ns")
    assert scored["event"][1000] == 1
    assert scored["anomaly_score"][1000] > 0.4
    assert np.count_nonzero(scored["event"] == 1) == 1


# Detector, fleets, scan


def test_an_object_a_name_and_one_by_one_are_the_same() -> None:
    whole = Detector(model=toy_models.Mean(scale=2.0)).update_many(TIMES, VALUES, unit="ns")
    named = Detector(model=TOYS + "Mean(scale=2.0)")
    for k in range(300):
        result = named.update(int(TIMES[k]), float(VALUES[k]), unit="ns")
        assert result.raw_score == whole["raw_score"][k]
        assert (result.likelihood is None) == bool(np.isnan(whole["likelihood"][k]))
        assert result.likelihood is None or result.likelihood == whole["likelihood"][k]
    assert str(named.readiness) == "200 of 200"


def test_options_and_settings_hold_for_an_object() -> None:
    one = Detector(model=toy_models.Mean(), false_alarms_per_week=3)
    two = Detector(Settings(false_alarms_per_week=3), model=toy_models.Mean())
    assert one.settings == two.settings
    assert one.settings.model == TOYS + "Mean"
    with pytest.raises(ConfigurationError, match="unknown setting"):
        Detector(model=toy_models.Mean(), colour=1)
    with pytest.raises(ConfigurationError, match="no score_one"):
        Detector(model=object())


def test_after_a_raise_the_samples_before_are_learnt_and_it_goes_on() -> None:
    detector = Detector(model=toy_models.Raises())
    with pytest.raises(ModelError):
        detector.update_many(TIMES[:20], _poisoned(7), unit="ns")
    assert detector.last_timestamp == TIMES[6]
    assert detector.readiness.seen == 7
    rest = detector.update_many(TIMES[8:600], VALUES[8:600], unit="ns")
    other = Detector(model=toy_models.Mean())
    without = np.r_[0:7, 8:600]
    expected = other.update_many(TIMES[without], VALUES[without], unit="ns")
    assert rest.tobytes() == expected[7:].tobytes()


@given(cut=st.integers(0, 600))
def test_saved_and_restored_it_goes_on_with_the_same_bits(cut: int) -> None:
    whole = Detector(model=toy_models.Keeper()).update_many(TIMES[:600], VALUES[:600], unit="ns")
    first = Detector(model=toy_models.Keeper())
    first.update_many(TIMES[:cut], VALUES[:cut], unit="ns")
    second = Detector.from_bytes(first.to_bytes(), model=toy_models.Keeper)
    assert second.settings == first.settings
    rest = second.update_many(TIMES[cut:600], VALUES[cut:600], unit="ns")
    assert rest.tobytes() == whole[cut:].tobytes()


def test_a_state_never_says_what_to_import() -> None:
    data = Detector(model=toy_models.Keeper()).to_bytes()
    with pytest.raises(StateError, match="give the class of its model"):
        Detector.from_bytes(data)
    with pytest.raises(StateError, match="of a Keeper, not of a BadState"):
        Detector.from_bytes(data, model=toy_models.BadState)
    with pytest.raises(StateError, match="cannot be saved"):
        Detector(model=toy_models.Mean()).to_bytes()
    with pytest.raises(StateError, match="not a saved state of a model"):
        Detector.from_bytes(Detector().to_bytes(), model=toy_models.Keeper)


@pytest.mark.parametrize("where", [0, 7, 9, 40, -20, -1])
def test_a_damaged_state_is_refused(where: int) -> None:
    data = bytearray(Detector(model=toy_models.Keeper()).to_bytes())
    data[where] ^= 0xFF
    with pytest.raises(StateError):
        Detector.from_bytes(bytes(data), model=toy_models.Keeper)


def test_a_fleet_of_objects_keeps_its_metrics_apart() -> None:
    fleet = fleet_of(Settings(model=TOYS + "Mean"), 3)
    assert isinstance(fleet, ObjectFleet)
    metric = np.arange(1200) % 3
    mixed = fleet.update(metric, TIMES, VALUES)
    for k in range(3):
        mine = metric == k
        alone = Detector(model=toy_models.Mean()).update_many(TIMES[mine], VALUES[mine], unit="ns")
        for name in mixed.dtype.names or ():
            np.testing.assert_array_equal(mixed[name][mine], alone[name])


def test_a_plain_fleet_does_not_take_values_for_raw_scores() -> None:
    fleet = Fleet(Settings(model="a.B"), 1)
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(ConfigurationError, match=r"a\.B"):
        fleet.update(one, one + 1, np.ones(1))
    with pytest.raises(BadInputError):
        fleet.judge(one + 1, one + 1, np.ones(1), np.ones(1))
    with pytest.raises(ConfigurationError, match="no class of somebody else's"):
        ObjectFleet(Settings())


def test_the_state_beside_the_objects_is_as_large_as_documented() -> None:
    told = ObjectFleet.__doc__ or ""
    for likelihood in ("evidence", "gaussian"):
        size = Fleet(Settings(model="a.B", likelihood=likelihood)).row_bytes / 1024
        assert f"{size:.1f} KiB" in told


def test_scan_takes_a_class_by_its_name() -> None:
    result = scan(TIMES[:300], VALUES[:300], unit="ns", model=TOYS + "Mean")
    expected = Detector(model=toy_models.Mean()).update_many(TIMES[:300], VALUES[:300], unit="ns")
    np.testing.assert_array_equal(result.samples["likelihood"], expected["likelihood"])


@pytest.mark.parametrize(
    ("model", "likelihood"),
    [
        ("river.anomaly.HalfSpaceTrees(height=5, window_size=50)", "gaussian"),
        ("river.anomaly.GaussianScorer", "gaussian"),
        ("river.anomaly.StandardAbsoluteDeviation", "evidence"),
    ],
)
def test_models_of_river_are_taken_as_they_are(model: str, likelihood: str) -> None:
    pytest.importorskip("river")
    settings = Settings(model=model, likelihood=likelihood)
    values = np.random.default_rng(4).uniform(size=700)
    first, second = (
        Detector(settings).update_many(TIMES[:700], values, unit="ns") for _ in range(2)
    )
    assert first.tobytes() == second.tobytes()
    assert not np.isnan(first["likelihood"][-1])
    assert len(np.unique(first["raw_score"])) > 10
