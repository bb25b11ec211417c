"""Models of somebody else's in worker processes: whatever they do, others go on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engine import toy_models
from tests.engine.toy_models import POISON
from tocsin import Detector
from tocsin.config import Config, load
from tocsin.detect.result import RESULT
from tocsin.detect.settings import Settings
from tocsin.engine.foreign import ForeignLane, Workshop
from tocsin.engine.lanes import Lane
from tocsin.engine.worker import Worker
from tocsin.engine.worker_messages import Make, Score
from tocsin.errors import ConfigurationError, ModelError, StateError

ROOT = Path(__file__).parents[2]
TOYS = "tests.engine.toy_models."
TIMES = np.arange(1, 601) * 60_000_000_000
VALUES = np.random.default_rng(6).normal(size=600)
POISONED = VALUES.copy()
POISONED[150] = POISON
#: A model that is not back after this long hangs: long enough for a busy machine.
DEADLINE_S = 3.0


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    made = Workshop(Config(allow_models=["tests.*", "river.*"], model_deadline_s=DEADLINE_S))
    yield made
    made.stop()


def lane_of(shop: Workshop, model: str, **settings: Any) -> ForeignLane:
    lane = shop.lane(Settings(model=model if model == "sneaky.M" else TOYS + model, **settings))
    assert lane is not None
    return lane


def expected(model: Any, count: int = 600, **settings: Any) -> NDArray[np.void]:
    scored = Detector(model=model, **settings).update_many(TIMES[:count], VALUES[:count], unit="ns")
    found = np.zeros(count, dtype=RESULT)
    for name in RESULT.names or ():
        found[name] = scored[name]
    return found


def end_of(pid: int) -> bool:
    """Whether a process is gone within some seconds (or is a zombie that nobody waits for)."""
    for _ in range(400):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_our_own_models_are_not_its_business(shop: Workshop) -> None:
    assert shop.lane(Settings()) is None
    lane: Lane = lane_of(shop, "Mean")
    assert lane.slow
    assert lane.foreign


def test_a_worker_gives_the_same_bits_as_the_object_here(shop: Workshop) -> None:
    for likelihood in ("evidence", "gaussian"):
        lane = lane_of(shop, "Mean(scale=0.01)", likelihood=likelihood)
        lane.open(1)
        parts = [
            lane.update(1, TIMES[start:end], VALUES[start:end])
            for start, end in ((0, 1), (1, 1), (1, 40), (40, 600))
        ]
        whole = expected(toy_models.Mean(scale=0.01), likelihood=likelihood)
        assert np.concatenate(parts).tobytes() == whole.tobytes()
        assert lane.readiness(1).ready
        lane.forget(1)


def test_metrics_of_one_lane_are_apart_and_slots_are_used_again(shop: Workshop) -> None:
    lane = lane_of(shop, "Mean")
    for metric in (1, 2):
        lane.open(metric)
    lane.update(1, TIMES[:9], VALUES[:9] + 100.0)
    whole = expected(toy_models.Mean())
    assert lane.update(2, TIMES, VALUES).tobytes() == whole.tobytes()
    lane.forget(1)
    assert not lane.holds(1)
    for metric in (3, 2):  # a new one, and one that begins anew
        lane.open(metric)
        assert lane.readiness(metric).seen == 0
        assert lane.update(metric, TIMES, VALUES).tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("model", "reason", "told"),
    [
        ("Raises", "model_raised", "raised ZeroDivisionError: this value is poison"),
        ("Leaves", "model_raised", "raised SystemExit: 3"),
        ("RaisesBadly", "model_raised", "its text cannot be shown"),
        ("Eats", "model_raised", "MemoryError"),
        ("Answers(what=-1.0)", "model_raised", "gave the score -1.0"),
        ("Exits", "model_died", "exit code 7; going down"),
        ("Crashes", "model_died", "signal SIGSEGV; Fatal Python error: Segmentation fault"),
        ("Hangs", "model_hung", "no answer within 3 s"),
    ],
)
def test_a_failing_model_is_told_and_its_metric_comes_back(
    shop: Workshop, model: str, reason: str, told: str
) -> None:
    lane, failures = lane_of(shop, model), shop.failures
    metric = sum(model.encode())
    lane.open(metric)
    with pytest.raises(ModelError, match=told) as caught:
        lane.update(metric, TIMES, POISONED)
    assert caught.value.reason == reason
    assert caught.value.row == (150 if reason == "model_raised" else 127)
    assert shop.failures == failures + (reason != "model_raised")
    assert not lane.holds(metric)
    # Without the poison it is learnt anew, wherever it runs now, and is as if nothing had been.
    lane.open(metric)
    scored = lane.update(metric, TIMES, VALUES)
    kind = model.partition("(")[0]
    assert scored.tobytes() == expected(getattr(toy_models, kind)()).tobytes()


def test_others_in_the_process_are_lost_with_it_and_say_so() -> None:
    shop = Workshop(Config(allow_models=["tests.*"], model_deadline_s=DEADLINE_S))
    bad, good = lane_of(shop, "Exits"), lane_of(shop, "Mean")
    for lane, metric in ((bad, 1), (good, 2), (good, 3)):
        lane.open(metric)
    good.update(2, TIMES[:300], VALUES[:300])
    with pytest.raises(ModelError):
        bad.update(1, TIMES, POISONED)
    assert not good.holds(2)
    assert good.holds(3)  # it has learnt nothing: nothing is lost
    with pytest.raises(ModelError) as caught:
        good.update(2, TIMES[300:], VALUES[300:])
    assert caught.value.reason == "model_lost"
    # Replayed from what is stored, it is where it was.
    good.open(2)
    parts = [good.update(2, TIMES[:300], VALUES[:300]), good.update(2, TIMES[300:], VALUES[300:])]
    assert np.concatenate(parts).tobytes() == expected(toy_models.Mean()).tobytes()
    # The bad one goes on elsewhere: the next time it takes nobody along.
    bad.open(1)
    with pytest.raises(ModelError):
        bad.update(1, TIMES, POISONED)
    assert good.holds(2)
    shop.stop()


def test_who_hangs_again_is_waited_for_beside_the_others() -> None:
    shop = Workshop(Config(allow_models=["tests.*"], model_deadline_s=120.0))
    lane = lane_of(shop, "Hangs")
    shop.suspect(1)
    lane.open(1)
    lane.update(1, TIMES[:1], VALUES[:1])
    ends: list[str] = []

    def hang() -> None:
        try:
            lane.update(1, TIMES[1:2], np.array([POISON]))
        except ModelError as error:
            ends.append(error.reason)

    thread = threading.Thread(target=hang)
    thread.start()
    for metric in range(2, 40):  # the arrays of the lane grow meanwhile
        lane.open(metric)
        assert lane.update(metric, TIMES, VALUES).tobytes() == expected(toy_models.Mean()).tobytes()
    assert thread.is_alive()
    worker = shop.host(1).worker
    assert worker is not None
    os.kill(worker.pid, 9)
    thread.join(60)
    assert ends == ["model_died"]
    assert lane.holds(39)
    assert not lane.holds(1)
    shop.stop()


def test_a_worker_that_somebody_else_kills_is_replaced() -> None:
    shop = Workshop(Config(allow_models=["tests.*"]))
    lane = lane_of(shop, "Mean")
    lane.open(1)
    lane.update(1, TIMES[:300], VALUES[:300])
    worker = shop.host(1).worker
    assert worker is not None
    os.kill(worker.pid, 9)
    assert end_of(worker.pid)
    assert not lane.holds(1)
    lane.open(1)
    assert lane.update(1, TIMES, VALUES).tobytes() == expected(toy_models.Mean()).tobytes()
    shop.stop()
    assert not lane.holds(1)
    lane.open(1)
    with pytest.raises(ModelError, match="the service stops"):
        lane.update(1, TIMES, VALUES)


def test_what_a_model_started_ends_with_it(tmp_path: Path) -> None:
    shop = Workshop(Config(allow_models=["tests.*"], model_deadline_s=1.0))
    note = tmp_path / "pid"
    lane = lane_of(shop, f"HangsWithChildren(note={str(note)!r})")
    lane.open(1)
    with pytest.raises(ModelError) as caught:
        lane.update(1, TIMES[:1], np.array([POISON]))
    assert caught.value.reason == "model_hung"
    assert end_of(int(note.read_text()))
    shop.stop()


def test_prints_input_and_environment_are_no_way_out_or_in(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = lane_of(shop, "Chatters")
    lane.open(1)
    assert len(lane.update(1, TIMES[:100], VALUES[:100])) == 100
    monkeypatch.setenv("TOCSIN_TOKEN", "secret")
    own = Workshop(Config(allow_models=["tests.*"]))
    looks = lane_of(own, "Environment")
    looks.open(1)
    assert looks.update(1, TIMES[:1], VALUES[:1])["raw_score"].tolist() == [0.0]
    own.stop()


def test_a_model_that_nobody_allowed_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "imported"
    (tmp_path / "sneaky.py").write_text(f"open({str(mark)!r}, 'w')\nclass M: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    shop = Workshop(Config(allow_models=["tests.*"]))
    lane = lane_of(shop, "sneaky.M")
    lane.open(1)
    with pytest.raises(ModelError, match="allow_models") as caught:
        lane.update(1, TIMES, VALUES)
    assert caught.value.reason == "model_not_allowed"
    assert not mark.exists()
    assert shop.host(1).worker is None
    shop.stop()


def test_a_missing_model_is_told(shop: Workshop) -> None:
    lane = lane_of(shop, "Nothing")
    lane.open(1)
    with pytest.raises(ModelError, match="has no Nothing") as caught:
        lane.update(1, TIMES, VALUES)
    assert caught.value.reason == "model_missing"


# States


def test_a_state_with_bytes_of_its_own_goes_on_with_the_same_bits(shop: Workshop) -> None:
    lane = lane_of(shop, "Keeper(scale=3.0)")
    lane.open(1)
    lane.update(1, TIMES[:300], VALUES[:300])
    state = lane.to_bytes(1)
    assert state is not None
    lane.open(2)
    lane.load(2, state)
    assert lane.holds(2)
    assert lane.readiness(2).seen == 300
    rest = lane.update(2, TIMES[300:], VALUES[300:])
    assert rest.tobytes() == expected(toy_models.Keeper(scale=3.0))[300:].tobytes()


def test_a_model_without_bytes_has_no_state_to_give(shop: Workshop) -> None:
    lane = lane_of(shop, "Mean")
    lane.open(1)
    lane.update(1, TIMES, VALUES)
    assert lane.to_bytes(1) is None


def test_a_bad_state_is_refused_and_the_metric_is_as_new(shop: Workshop) -> None:
    lane, others = lane_of(shop, "Keeper"), lane_of(shop, "Keeper", likelihood="gaussian")
    lane.open(1)
    lane.update(1, TIMES[:300], VALUES[:300])
    state = lane.to_bytes(1)
    assert state is not None
    damaged = bytearray(state)
    damaged[len(damaged) // 2] ^= 0xFF
    with pytest.raises(StateError, match="damaged"):
        lane.load(1, bytes(damaged))
    others.open(2)
    with pytest.raises(StateError, match="other settings"):
        others.load(2, state)
    dies = lane_of(shop, "BadState")
    dies.open(3)
    dies.update(3, TIMES[:9], VALUES[:9])
    saved = dies.to_bytes(3)
    assert saved is not None
    with pytest.raises(StateError, match="exit code 9"):
        dies.load(3, saved)
    assert dies.holds(3)
    assert dies.readiness(3).seen == 0
    assert len(dies.update(3, TIMES, VALUES)) == 600


# The process itself


def test_a_worker_ends_by_itself_when_the_service_is_gone_and_a_model_hangs(
    tmp_path: Path,
) -> None:
    program = (
        "import sys, threading, time, os\n"
        "from tocsin.engine.worker import Worker\n"
        "from tocsin.engine.worker_messages import Make, Score\n"
        "import numpy as np\n"
        "worker = Worker(2**31)\n"
        f"worker.ask(Make(1, '{TOYS}Hangs', 1e9, None, 1.0), 60)\n"
        "print(worker.pid, flush=True)\n"
        f"data = np.array([{POISON}]).tobytes()\n"
        "threading.Thread(target=worker.ask, args=(Score(1, data, data, 1.0), 600)).start()\n"
        "time.sleep(0.3)\n"
        "os._exit(0)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert out.returncode == 0, out.stderr
    assert end_of(int(out.stdout))


def test_an_answer_that_is_none_ends_the_worker() -> None:
    worker = Worker(2**31)
    # Score with an object that was never made: an answer all the same, and the worker lives.
    data = np.zeros(1).tobytes()
    assert "KeyError" in str(worker.ask(Score(9, data, data, 1.0), 60))
    assert worker.alive
    worker.kill()
    assert not worker.alive
    with pytest.raises(ModelError) as caught:
        worker.ask(Make(1, TOYS + "Mean", 1.0, None, 1.0), 10)
    assert caught.value.reason == "model_died"


# Configuration


@pytest.mark.parametrize(
    "told",
    [
        {"detect": {"model": "my.Model"}},
        {"watch": [{"match": "*", "model": "my.Model(x=1)"}]},
        {"detect": {"model": "my.Model"}, "allow_models": ["river.*"]},
    ],
)
def test_the_service_does_not_start_with_models_that_nobody_allowed(told: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r'allow_models = \["my.Model"\]'):
        load(None, {}, told)


def test_allowed_models_come_from_a_variable_too() -> None:
    config = load(None, {"TOCSIN_ALLOW_MODELS": "river.*, my.*"}, {"detect": {"model": "my.Model"}})
    assert config.allow_models == ["river.*", "my.*"]
