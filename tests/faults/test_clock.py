"""The machine's clock jumps back and forth by an hour while samples arrive."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.faults.campaign import Campaign, Report
from tests.faults.stores import LONG, Store

_HOUR = 3_600

#: Put before the program: its clock is the machine's and what a file says (seconds).
_CLOCK = """
import time
_real_ns, _jump = time.time_ns, {file!r}
def _ns():
    with open(_jump) as file:
        return _real_ns() + int(file.read() or 0) * 1_000_000_000
time.time_ns, time.time = _ns, lambda: _ns() / 1e9
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("reorder_s", ["0", "30"] if LONG else ["30"])
def test_the_clock_jumps(
    tmp_path: Path,
    sqlite_store: Store,
    long: bool,
    reported: Callable[[Report], None],
    reorder_s: str,
) -> None:
    file = tmp_path / "jump"
    _set(file, 0)
    with Campaign(
        f"clock jumps, window of {reorder_s} s",
        tmp_path / "service",
        sqlite_store,
        before=_CLOCK.format(file=str(file)),
        TOCSIN_REORDER_S=reorder_s,
    ) as campaign:
        reported(campaign.report)
        campaign.begin()
        jumps = [-1, 1, 0] * (10 if long else 1)
        for hours in jumps:
            campaign.run_on(1.0)
            _set(file, hours * _HOUR)
            campaign.progress()
            assert _now_is_taken(campaign, hours)
        # What waits in the window goes on when its time has come by the clock.
        if reorder_s != "0":
            _set(file, _HOUR)
        campaign.report.numbers["jumps"] = len(jumps)
        campaign.verdict()


def _set(file: Path, seconds: int) -> None:
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(file)


def _now_is_taken(campaign: Campaign, hours: int) -> bool:
    """A sample of now is taken, but for one that the service's clock says is in the future."""
    sample = {"metric": "clock.now", "timestamp": time.time(), "value": 1.0}
    url = f"{campaign.service.url}/api/v1/samples"
    answer = httpx.post(url, json={"samples": [sample]}, timeout=30).json()
    if hours < 0:
        return [r["reason"].partition(":")[0] for r in answer["rejected"]] == ["future"]
    return bool(answer["accepted"] == 1)
