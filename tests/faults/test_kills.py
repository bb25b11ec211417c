"""kill -9 at random moments under load, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, Report
from tests.faults.stores import Store, stores
from tests.faults.workload import make_series
from tocsin.detect.settings import Settings

MANY, FEW = 100, 3
#: This share of the kills comes while it starts.
_STARTING = 0.2


@stores("sqlite", "postgresql")
@pytest.mark.timeout(3_600)
def test_killing_again_and_again(
    tmp_path: Path, store: Store, long: bool, reported: Callable[[Report], None]
) -> None:
    # Two metrics are scored behind the commit.
    slow = make_series(2, 3_000, seed=5, prefix="slow", settings=Settings(model="htm", htm="small"))
    with Campaign(
        "kill -9",
        tmp_path / "service",
        store,
        series=[*make_series(22, 15_000, seed=17), *slow],
        config='[[watch]]\nmatch = "slow.*"\nmodel = "htm"\nhtm = "small"\n',
        load={"most": 200},
    ) as campaign:
        reported(campaign.report)
        kills = MANY if long else FEW
        campaign.begin()
        starting = 1.0
        while campaign.kills < kills:
            campaign.run_on(campaign.random.uniform(0.02, 1.2))
            campaign.check_acknowledged()
            campaign.kill()
            while campaign.random.random() < _STARTING:
                campaign.service.start()
                time.sleep(campaign.random.uniform(0, 1.2 * starting))
                campaign.kill()
            starting = campaign.service.begin()
        campaign.report.numbers["last start"] = f"{starting:.1f} s"
        campaign.verdict()
