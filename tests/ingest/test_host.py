from __future__ import annotations

import math
import time

from tocsin.ingest.host import Host, Rates
from tocsin.samples import Metric

COUNTER = Metric.of("counter")


def test_counters_become_rates() -> None:
    rates = Rates()
    assert rates.per_second(COUNTER, 100, 10.0) is None
    assert rates.per_second(COUNTER, 300, 12.0) == 100.0
    assert rates.per_second(Metric.of("other"), 300, 12.0) is None


def test_a_counter_that_was_reset_gives_no_rate_and_goes_on() -> None:
    rates = Rates()
    rates.per_second(COUNTER, 1_000, 10.0)
    assert rates.per_second(COUNTER, 5, 11.0) is None
    assert rates.per_second(COUNTER, 25, 12.0) == 20.0
    assert rates.per_second(COUNTER, 30, 12.0) is None


def test_the_second_look_has_everything_and_it_is_plausible() -> None:
    host = Host()
    first = {metric.name for metric, _ in host.read()}
    time.sleep(0.05)
    found = host.read()
    assert len({metric for metric, _ in found}) == len(found)
    assert all(math.isfinite(value) and value >= 0 for _, value in found)
    by_name = {metric.name: value for metric, value in found}
    for name in ("host.cpu.percent", "host.cpu.user_percent", "host.memory.used_percent"):
        assert 0 <= by_name[name] <= 100
    assert "host.cpu.percent" not in first
    assert by_name["host.memory.available_bytes"] > 1e6
    assert by_name["host.processes"] >= 1
    assert {"host.load.1m", "host.load.5m", "host.load.15m"} <= set(by_name)


def test_a_busy_process_is_seen() -> None:
    host = Host()
    host.read()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        pass
    assert dict(host.read())[Metric.of("host.cpu.percent")] > 5
