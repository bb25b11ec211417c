"""The StatsD client from PyPI: what it sent adds up to what is stored."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

import statsd

from tests.clients.programs import stored, until
from tests.running import running


def test_what_the_client_sends_adds_up(tmp_path: Path) -> None:
    chance = random.Random(3)
    settings = {"TOCSIN_STATSD": "127.0.0.1:0", "TOCSIN_STATSD_INTERVAL_S": "1"}
    with running(tmp_path / "data", **settings) as service:
        client = statsd.StatsClient("127.0.0.1", service.port("statsd"), prefix="shop")
        orders, times, users = 0, list[int](), set[int]()
        for number in range(900):
            amount, took, user = (chance.randrange(1, 100) for _ in range(3))
            with client.pipeline() as pipe:
                pipe.incr("orders", amount)
                pipe.timing("wait", took)
                pipe.set("users", user)
                pipe.gauge("stock", number)
            orders += amount
            times.append(took)
            users.add(user)
            if number % 300 == 0:
                time.sleep(0.4)
        client.gauge("level", 10)
        client.gauge("level", -4, delta=True)
        client.gauge("level", 1, delta=True)
        client.gauge("below", -7)
        client.decr("orders", 5)
        client.close()
        until(lambda: "shop.below" in stored(service))
        # The next flushes bring what came last, then zeros.
        until(lambda: list(stored(service)["shop.orders"].values())[-2:] == [0.0, 0.0])
        found = {name: list(samples.items()) for name, samples in stored(service).items()}
    assert all(at == int(at) for samples in found.values() for at, _ in samples)
    values = {name: [value for _, value in samples] for name, samples in found.items()}
    assert sum(values["shop.orders"]) == orders - 5
    assert sum(values["shop.wait.count"]) == len(times)
    assert sum(values["shop.wait.sum"]) == sum(times)
    assert min(values["shop.wait.lower"]) == min(times)
    assert max(values["shop.wait.upper"]) == max(times)
    assert values["shop.stock"][-1] == 899
    assert values["shop.level"][-1] == 7
    assert values["shop.below"] == [-7]
    assert max(values["shop.users"]) <= len(users) <= sum(values["shop.users"])
    for mean, total, count in zip(
        values["shop.wait.mean"], values["shop.wait.sum"], values["shop.wait.count"], strict=False
    ):
        assert math.isclose(mean, total / count)
