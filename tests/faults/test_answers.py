"""What was stored, but whose answer was lost on the way, is not stored again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, Report
from tests.faults.proxy import LossyProxy
from tests.faults.stores import PostgresStore, Store, stores, wait_until
from tests.faults.supervised import Supervised
from tests.postgres import USER


@stores("sqlite")
@pytest.mark.timeout(600)
def test_lost_answers_to_clients(
    tmp_path: Path, store: Store, long: bool, reported: Callable[[Report], None]
) -> None:
    """Every fourth answer of the service is lost; the clients send again."""
    proxies: list[LossyProxy] = []

    def address(service: Supervised) -> str:
        target = ("127.0.0.1", service.port)
        proxies.append(
            LossyProxy(target, chance=0.25, seed=3, choose=lambda piece: piece[:4] == b"POST")
        )
        return f"http://127.0.0.1:{proxies[0].port}"

    folder = tmp_path / "service"
    with Campaign("answers lost", folder, store, address=address) as campaign:
        reported(campaign.report)
        campaign.begin()
        campaign.run_on(60 if long else 2)
        wait_until("enough is lost", 120, lambda: proxies[0].lost > (100 if long else 5))
        proxies[0].lose(0.0)
        campaign.report.numbers["answers lost"] = proxies[0].lost
        campaign.verdict()
        proxies[0].__exit__()
    assert campaign.load is not None
    assert campaign.load.tally.duplicates > 0


@pytest.mark.timeout(600)
def test_lost_answers_to_commits(
    tmp_path: Path,
    postgres_store: PostgresStore,
    long: bool,
    reported: Callable[[Report], None],
) -> None:
    """The database has committed, but the service never hears of it; it must not do so twice."""
    socket = postgres_store.server.folder / ".s.PGSQL.5432"
    with LossyProxy(str(socket), chance=0.2, seed=5, choose=lambda p: b"COMMIT" in p) as proxy:
        url = f"postgresql+psycopg://{USER}@127.0.0.1:{proxy.port}/{postgres_store.database}"
        with Campaign(
            "commits' answers lost", tmp_path / "service", postgres_store, database=url
        ) as campaign:
            proxy.lose(0.0)  # until it has started
            reported(campaign.report)
            campaign.begin()
            proxy.lose(0.2)
            campaign.run_on(60 if long else 3)
            wait_until("enough is lost", 120, lambda: proxy.lost > (50 if long else 2))
            proxy.lose(0.0)
            campaign.report.numbers["answers lost"] = proxy.lost
            campaign.verdict()
