"""The service with models of somebody else's, good ones beside bad ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine import toy_models
from tests.engine.toy_models import POISON
from tests.running import Service, run_up, running
from tocsin import Detector

ROOT = Path(__file__).parents[2]
START_S = 1_700_000_000
VALUES = np.random.default_rng(8).normal(size=500)
TIMES = (START_S + 60 * np.arange(500)) * 1_000_000_000
POISONED_AT = 120

MODELS = {
    "raises": "Raises",
    "hangs": "Hangs",
    "exits": "Exits",
    "good": "Mean",
    "keeps": "Keeper",
}
CONFIGURATION = 'allow_models = ["tests.*", "river.*"]\nmodel_deadline_s = 1.0\n' + "".join(
    f'[[watch]]\nmatch = "{name}"\nmodel = "tests.engine.toy_models.{kind}"\n'
    for name, kind in MODELS.items()
)
RIVER = "river.anomaly.HalfSpaceTrees(height=5, window_size=50)"


def samples_of(name: str, first: int, last: int) -> list[dict[str, Any]]:
    values = VALUES.copy()
    if name in ("raises", "hangs", "exits"):
        values[POISONED_AT] = POISON
    return [
        {"metric": name, "timestamp": START_S + 60 * k, "value": float(values[k])}
        for k in range(first, last)
    ]


def wait_for(found: Callable[[], bool]) -> None:
    for _ in range(400):
        if found():
            return
        time.sleep(0.25)
    raise AssertionError("it never came about")


def scored(service: Service, name: str, count: int) -> bool:
    samples = service.samples(name)
    return len(samples) == count and all(one["raw_score"] is not None for one in samples)


def status(service: Service, name: str) -> str:
    (found,) = [m for m in service.get("metrics")["metrics"] if m["name"] == name]
    told: str = found["status"]
    return told


def matches(samples: list[dict[str, Any]], model: Any) -> None:
    """The service's results are to the bit those of the object in this process."""
    expected = Detector(model=model).update_many(
        TIMES[: len(samples)], VALUES[: len(samples)], unit="ns"
    )
    for name in ("raw_score", "likelihood", "anomaly_score", "alert_score"):
        found = [np.nan if one[name] is None else one[name] for one in samples]
        np.testing.assert_array_equal(found, expected[name], err_msg=name)


def test_bad_models_are_in_error_and_the_others_go_on_through_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    pytest.importorskip("river")
    file.write_text(CONFIGURATION + f'[[watch]]\nmatch = "trees"\nmodel = "{RIVER}"\n')
    names = [*MODELS, "trees", "plain"]
    options = ("--config", str(file))
    with running(tmp_path / "data", *options, PYTHONPATH=str(ROOT)) as service:
        service.post([one for name in names for one in samples_of(name, 0, 300)])
        for name in ("good", "keeps", "trees", "plain"):
            wait_for(lambda name=name: scored(service, name, 300))  # type: ignore[misc]
        for name in ("raises", "hangs", "exits"):
            wait_for(lambda name=name: status(service, name) == "error")  # type: ignore[misc]
            # Nothing after the poison is scored, and all of it is stored.
            samples = service.samples(name)
            assert len(samples) == 300
            assert all(one["raw_score"] is None for one in samples[POISONED_AT:])
        # What came before it gets its results as soon as it is known what the poison is.
        wait_for(lambda: service.samples("raises")[POISONED_AT - 1]["raw_score"] is not None)
        matches(service.samples("raises")[:POISONED_AT], toy_models.Mean())
        assert service.samples("raises")[POISONED_AT]["raw_score"] is None
        assert service.client.get("/healthz").status_code == 200
    with running(tmp_path / "data", *options, PYTHONPATH=str(ROOT)) as service:
        service.post([one for name in names for one in samples_of(name, 300, 500)])
        for name in ("good", "keeps", "trees", "plain"):
            wait_for(lambda name=name: scored(service, name, 500))  # type: ignore[misc]
        matches(service.samples("good"), toy_models.Mean())
        matches(service.samples("keeps"), toy_models.Keeper())
        matches(service.samples("trees"), RIVER)
        matches(service.samples("plain"), "views")
        code, _, err = service.stop()
        assert code == 0
        assert "Traceback" not in err


def test_nobody_elses_code_runs_without_consent(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('[detect]\nmodel = "tests.engine.toy_models.Mean"\n')
    out = run_up("--data", str(tmp_path / "data"), "--config", str(file), cwd=tmp_path)
    assert out.returncode != 0
    assert 'allow_models = ["tests.engine.toy_models.Mean"]' in out.stderr
    assert not (tmp_path / "data").exists()
