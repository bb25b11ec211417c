"""Saved states that cannot be used: damaged, newer, of other settings. More is replayed then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Table, create_engine, func, select, update

from tests.faults.campaign import Campaign, Report
from tests.faults.judge import reading
from tests.faults.stores import Store, stores, wait_until
from tocsin.store import schema

#: Where a saved state says its version.
_VERSION_AT = 7


@stores("sqlite")
@pytest.mark.timeout(600)
def test_states_that_cannot_be_used(
    tmp_path: Path, store: Store, long: bool, reported: Callable[[Report], None]
) -> None:
    folder = tmp_path / "service"
    load = {"pace_s": 0.005, "most": 300}
    with Campaign("states of no use", folder, store, load=load) as campaign:
        reported(campaign.report)
        campaign.begin()
        spoiled = 0
        for _ in range(10 if long else 1):
            campaign.run_on(1.0)
            wait_until("there are states", 240, lambda: _rows(store.url, schema.snapshot) > 20)
            wait_until("there are events", 240, lambda: _rows(store.url, schema.event))
            campaign.kill()
            spoiled += _spoil(store.url)
            campaign.service.begin()
            campaign.progress()
        told = campaign.service.told
        campaign.report.numbers["spoiled"] = spoiled
        campaign.verdict()
        assert "damaged" in told
        assert "newer" in told


def _rows(url: str, table: Table) -> int:
    with reading(url) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _spoil(url: str) -> int:
    """Every third metric keeps its states; of the others the newest, or all, are spoiled."""
    c = schema.snapshot.c
    engine = create_engine(url)
    spoiled = 0
    with engine.begin() as connection:
        rows = connection.execute(select(schema.snapshot).order_by(c.metric, c.seq.desc())).all()
        before = None
        for row in rows:
            newest, before = row.metric != before, row.metric
            kind = row.metric % 6
            # 0, 3: sound; 1, 4: the newest; 2, 5: all of them.
            if kind in (0, 3) or (kind in (1, 4) and not newest):
                continue
            state = _newer(row.state) if kind > 2 else _damaged(row.state)
            connection.execute(
                update(schema.snapshot)
                .where(c.metric == row.metric, c.seq == row.seq)
                .values(state=state)
            )
            spoiled += 1
    engine.dispose()
    return spoiled


def _damaged(state: bytes) -> bytes:
    middle = len(state) // 2
    return state[:middle] + bytes([state[middle] ^ 1]) + state[middle + 1 :]


def _newer(state: bytes) -> bytes:
    version = state[_VERSION_AT] + 1
    return state[:_VERSION_AT] + bytes([version]) + state[_VERSION_AT + 1 :]
