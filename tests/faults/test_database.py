"""The database goes away, or is full, and comes back: no loss, no restart, and senders are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.faults.campaign import Campaign, Report
from tests.faults.stores import (
    LONG,
    PostgresStore,
    SmallDisk,
    SqliteStore,
    Store,
    small_disk,
    stores,
    wait_until,
)


def failing(campaign: Campaign) -> bool:
    """Whether the service says that it cannot store."""
    status, _ = campaign.service.health()
    return status == 503


def well(campaign: Campaign) -> bool:
    status, _ = campaign.service.health()
    return status == 200


def pushed_back(campaign: Campaign) -> int:
    """How often senders were told to come again."""
    assert campaign.load is not None
    statuses = campaign.load.tally.statuses
    return statuses["503"] + statuses["429"]


@stores("sqlite", "postgresql")
@pytest.mark.timeout(900)
def test_the_database_is_gone_for_a_while(
    tmp_path: Path, store: Store, long: bool, reported: Callable[[Report], None]
) -> None:
    folder = tmp_path / "service"
    with Campaign("database gone", folder, store, TOCSIN_QUEUE_SAMPLES="300") as campaign:
        reported(campaign.report)
        campaign.begin()
        life = campaign.service.process.pid
        times, seconds = (3, 30.0) if long else (1, 2.0)
        for _ in range(times):
            campaign.run_on(1.0)
            before = pushed_back(campaign)
            with store.gone():
                began = time.monotonic()
                _wait_pushed_back(campaign, before)
                campaign.run_on(max(0.0, seconds - (time.monotonic() - began)))
                assert failing(campaign)
            wait_until("it is well again", 120, lambda: well(campaign))
            campaign.progress()
        assert campaign.service.process.pid == life
        assert campaign.service.alive()
        campaign.report.numbers["gone"] = f"{times} x {seconds:.0f} s"
        campaign.report.numbers["pushed back"] = pushed_back(campaign)
        campaign.verdict()


@pytest.mark.timeout(900)
def test_no_file_may_grow(
    tmp_path: Path, long: bool, reported: Callable[[Report], None], sqlite_store: Store
) -> None:
    """The system refuses every byte beyond a limit, as a quota does; then it is lifted."""
    with Campaign("no file may grow", tmp_path / "service", sqlite_store) as campaign:
        reported(campaign.report)
        campaign.begin()
        for _ in range(5 if long else 1):
            campaign.run_on(1.0)
            campaign.service.may_write(4096)
            _full_and_well_again(campaign, long, lambda: campaign.service.may_write(-1))
        campaign.verdict()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"] if LONG else ["postgresql"])
def test_the_disk_is_full(
    tmp_path: Path,
    kind: str,
    long: bool,
    reported: Callable[[Report], None],
    request: pytest.FixtureRequest,
) -> None:
    """A file system with no room left; then there is room again."""
    with small_disk(48) as disk:
        store = _on_disk(disk, kind, request)
        try:
            with Campaign("disk full", tmp_path / "service", store) as campaign:
                reported(campaign.report)
                campaign.begin()
                for _ in range(5 if long else 1):
                    campaign.run_on(1.0)
                    disk.fill()
                    _full_and_well_again(campaign, long, disk.make_room)
                campaign.verdict()
        finally:  # else the server could not write a checkpoint without this disk
            disk.make_room()
            if isinstance(store, PostgresStore):
                store.drop()


def _on_disk(disk: SmallDisk, kind: str, request: pytest.FixtureRequest) -> Store:
    if kind == "sqlite":
        return SqliteStore(disk.folder)
    store = PostgresStore(request.getfixturevalue("sturdy_server"))
    store.put_tables_on(disk.folder)
    return store


def _full_and_well_again(campaign: Campaign, long: bool, relieve: Callable[[], None]) -> None:
    before = pushed_back(campaign)
    _wait_pushed_back(campaign, before)
    # What is stored can still be read.
    answer = httpx.get(f"{campaign.service.url}/api/v1/metrics", timeout=30)
    assert answer.status_code == 200
    campaign.run_on(10.0 if long else 0.5)
    relieve()
    wait_until("it is well again", 120, lambda: well(campaign))
    campaign.progress()


def _wait_pushed_back(campaign: Campaign, before: int) -> None:
    wait_until("it says that it cannot store", 120, lambda: failing(campaign))
    wait_until("senders are pushed back", 120, lambda: pushed_back(campaign) > before)
