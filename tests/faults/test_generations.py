"""Metrics are deleted and come again while their samples and results are on their way."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from tests.faults.campaign import Campaign, Report
from tests.faults.judge import judge_generations, reading, waiting
from tests.faults.stores import Store, stores, wait_until
from tests.faults.workload import make_series
from tocsin.detect.settings import Settings
from tocsin.store import schema


class Deleter(threading.Thread):
    """Deletes any metric, again and again."""

    def __init__(self, url: str, pause_s: float) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._pause = pause_s
        self._random = random.Random(11)
        self._enough = threading.Event()
        self.deleted = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with httpx.Client(base_url=f"{self._url}/api/v1", timeout=60) as client:
                while not self._enough.wait(self._pause):
                    self._one(client)
        except BaseException as error:
            self.failure = error

    def _one(self, client: httpx.Client) -> None:
        try:
            metrics = client.get("/metrics", params={"limit": 1000}).json()["metrics"]
            if not metrics:
                return
            answer = client.delete(f"/metrics/{self._random.choice(metrics)['uid']}")
        except httpx.TransportError:
            return  # killed just now
        assert answer.status_code in (204, 404, 503), answer.text
        self.deleted += answer.status_code == 204

    def finish(self) -> None:
        self._enough.set()
        self.join(60)
        assert self.failure is None, self.failure


@stores("postgresql")
@pytest.mark.timeout(900)
def test_generations_never_mix(
    tmp_path: Path, store: Store, long: bool, reported: Callable[[Report], None]
) -> None:
    slow = make_series(2, 3_000, seed=5, prefix="slow", settings=Settings(model="htm", htm="small"))
    with Campaign(
        "delete and re-create",
        tmp_path / "service",
        store,
        series=[*make_series(8, 90_000 if long else 15_000, seed=23), *slow],
        config='[[watch]]\nmatch = "slow.*"\nmodel = "htm"\nhtm = "small"\n',
    ) as campaign:
        reported(campaign.report)
        campaign.begin()
        assert campaign.load is not None
        deleter = Deleter(campaign.service.url, 1.0 if long else 0.3)
        deleter.start()
        for _ in range(20 if long else 1):
            campaign.run_on(3.0 if long else 2.0)
            campaign.kill()
            campaign.service.begin()
        campaign.run_on(1.5)
        deleter.finish()
        campaign.progress()
        acknowledged = campaign.load.finish()
        wait_until("everything is scored", 300, lambda: waiting(store.url) == 0)
        wait_until("deleted data is gone", 120, lambda: _left_over(store.url) == 0)
        findings = judge_generations(store.url, campaign.series, acknowledged)
        campaign.report.numbers["deleted"] = deleter.deleted
        # Samples that are sent once more may be older than the first of a new generation: late.
        complaints = campaign.load.tally.complaints
        complaints[:] = [one for one in complaints if "late: older" not in one]
        campaign.tell(findings)
        assert campaign.service.stop() == 0
        assert findings, "\n".join(findings.mismatches[:20])
        assert not complaints, complaints[:5]
        assert deleter.deleted >= (50 if long else 3)


def _left_over(url: str) -> int:
    """Samples, events and states of deleted metrics."""
    gone = select(schema.metric.c.id).where(schema.metric.c.deleted.is_not(None))
    tables = (schema.sample, schema.event, schema.snapshot)
    with reading(url) as connection:
        return sum(
            connection.execute(
                select(func.count()).select_from(table).where(table.c.metric.in_(gone))
            ).scalar_one()
            for table in tables
        )
