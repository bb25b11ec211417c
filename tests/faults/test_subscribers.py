"""A subscriber that dies between receiving and confirming gets it again; nothing is lost."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.campaign import Campaign, Report
from tests.faults.stores import Store, stores, wait_until

_NAME = "mortal"


class Mortal(threading.Thread):
    """Follows the results under a name. What it has taken care of outlives it."""

    def __init__(self, url: str, chance: float) -> None:
        super().__init__(daemon=True)
        self._url = f"{url}/api/v1"
        self._chance = chance
        self._random = random.Random(9)
        self._enough = threading.Event()
        #: (uid, seq) -> value, in the order in which they first came.
        self.taken: dict[tuple[str, int], float] = {}
        self.names: dict[str, str] = {}
        self.deaths = 0
        self.repeats = 0
        self.failure: BaseException | None = None

    def finish(self) -> None:
        self._enough.set()
        self.join(60)
        assert self.failure is None, self.failure

    def run(self) -> None:
        try:
            while not self._enough.is_set():
                try:
                    self._live()
                except httpx.TransportError:
                    self._enough.wait(0.05)
        except BaseException as error:
            self.failure = error

    def _live(self) -> None:
        # Ends with every quiet moment, too: the next life goes on after what was confirmed.
        with (
            httpx.Client(base_url=self._url, timeout=2) as client,
            client.stream("GET", "/stream", params={"subscriber": _NAME}) as answer,
        ):
            if answer.status_code == 503:  # it has begun, but does not answer in time yet
                return
            assert answer.status_code == 200, answer.status_code
            message: dict[str, str] = {}
            for line in answer.iter_lines():
                if self._enough.is_set():
                    return
                if line:
                    key, _, text = line.partition(": ")
                    message[key] = text
                    continue
                if not self._take(client, message):
                    return
                message = {}

    def _take(self, client: httpx.Client, message: dict[str, str]) -> bool:
        """Take care of a message, and confirm it if that is the end of a commit."""
        # Incidents come along by themselves, and are no part of a commit.
        if message.get("event") == "incident":
            return True
        assert "event" not in message, message
        if "data" in message:
            self._store(json.loads(message["data"]))
        if self._random.random() < self._chance:
            self.deaths += 1
            return False
        if "id" in message:
            told = {"position": int(message["id"])}
            answer = client.put(f"/subscribers/{_NAME}", json=told)
            if answer.status_code == 503:  # not confirmed: it comes again
                return False
            answer.raise_for_status()
        return True

    def _store(self, told: dict[str, Any]) -> None:
        for sample in told["samples"]:
            key = (sample["metric"], sample["seq"])
            self.names[sample["metric"]] = sample["name"]
            if key in self.taken:
                self.repeats += 1
                assert self.taken[key] == sample["value"]
            self.taken.setdefault(key, sample["value"])


@stores("sqlite")
@pytest.mark.timeout(900)
def test_a_subscriber_that_dies(
    tmp_path: Path, store: Store, long: bool, reported: Callable[[Report], None]
) -> None:
    with Campaign("subscriber dies", tmp_path / "service", store) as campaign:
        reported(campaign.report)
        campaign.service.begin()
        made = httpx.put(f"{campaign.service.url}/api/v1/subscribers/{_NAME}", json={"position": 0})
        assert made.status_code == 200, made.text
        campaign.service.kill()
        campaign.begin()
        mortal = Mortal(campaign.service.url, 0.05 if long else 0.2)
        mortal.start()
        for _ in range(20 if long else 1):
            campaign.run_on(3.0 if long else 1.5)
            campaign.kill()
            campaign.service.begin()
        assert campaign.load is not None
        campaign.progress()
        acknowledged = campaign.load.finish()

        def all_has_arrived() -> bool:
            assert mortal.failure is None, mortal.failure
            return len(mortal.taken) >= sum(acknowledged)

        wait_until("all has arrived", 300, all_has_arrived)
        mortal.finish()
        campaign.report.numbers |= {"deaths": mortal.deaths, "repeats": mortal.repeats}
        campaign.verdict()
        assert mortal.deaths > 0
        _assert_complete(campaign, mortal, acknowledged)


def _assert_complete(campaign: Campaign, mortal: Mortal, acknowledged: list[int]) -> None:
    received: dict[str, list[tuple[int, float]]] = {}
    for (uid, seq), value in mortal.taken.items():
        received.setdefault(mortal.names[uid], []).append((seq, value))
    for one, count in zip(campaign.series, acknowledged, strict=True):
        expected = list(enumerate(one.values[:count].tolist(), 1))
        assert received.get(one.metric.name, []) == expected, one.metric
