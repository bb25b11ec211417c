"""The judge sees what is wrong: a campaign without mismatches means something."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from sqlalchemy import create_engine, text

from tests.faults.judge import judge, judge_outbox
from tests.faults.workload import Series, make_series
from tocsin.config import Config
from tocsin.engine.batch import Batch
from tocsin.engine.engine import Engine
from tocsin.samples import Samples
from tocsin.store.database import claim


@pytest.fixture(scope="module")
def series() -> list[Series]:
    return make_series(2, 1_000, seed=3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, series: list[Series]) -> bytes:
    """A database that holds these series."""
    folder = tmp_path_factory.mktemp("judge")
    url = f"sqlite:///{folder / 'whole.db'}"
    config = msgspec.structs.replace(Config(), data=str(folder), database=url)
    with claim(url) as database:
        engine = Engine(database, config)
        engine.start()
        for one in series:
            column = np.zeros(len(one.values), dtype=np.int64)
            batch = Batch([one.metric], Samples(column, one.times, one.values), "test")
            assert engine.submit(batch).result(60).accepted == len(one.values)
        engine.stop()
    return (folder / "whole.db").read_bytes()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ("select 1", ""),
        ("update sample set raw_score = raw_score * (1 + 1e-15) where seq = 900", "raw_score"),
        ("update sample set likelihood = null where seq = 900", "likelihood"),
        ("update sample set event = null where seq = 900", "event"),
        ("update sample set value = value + 1e-9 where seq = 1", "value"),
        ("update sample set timestamp = timestamp + 1 where seq = 1000", "timestamp"),
        ("delete from sample where seq = 500 and metric = 1", "seq"),
        ("delete from sample where seq = 1000 and metric = 1", "999 samples stored"),
        ("update progress set scored_seq = 999 where metric = 1", "scored up to"),
        ("update progress set last_value = 0 where metric = 1", "position"),
        ("delete from event where id = 1", "events"),
        ("update event set open = 1 - open where id = 1", "events"),
        ("delete from outbox where id = 1", "outbox"),
        ("update outbox set ranges = x'' where id = 2", "outbox"),
    ],
)
def test_what_is_wrong_is_seen(
    tmp_path: Path, whole: bytes, series: list[Series], spoil: str, told: str
) -> None:
    file = tmp_path / "spoilt.db"
    file.write_bytes(whole)
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text(spoil))
    engine.dispose()
    findings = judge(f"sqlite:///{file}", series, [1_000, 1_000])
    judge_outbox(f"sqlite:///{file}", findings)
    assert findings.events > 0 or "event" in spoil
    if told:
        assert any(told in mismatch for mismatch in findings.mismatches), findings.mismatches
    else:
        assert findings, findings.mismatches
