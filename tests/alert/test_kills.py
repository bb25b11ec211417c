"""From samples to messages with everything going wrong: kills of tocsin, and a bad receiver."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.alert.receivers import HANG, LOST, Hook, hook
from tests.alert.test_delivering import until
from tests.running import Service, running

CALM, TOKEN, SECRET = 300, "t0ken-of-the-channel", "signing-s3cret"
#: An incident is over when it was quiet for a second, and worse when an event lasts four.
CONFIG = """
[incidents]
quiet_s = 1
[[alert]]
match = "*"
warning_score = 1.0
critical_score = 1.0
worse_after_s = 4
[[channel]]
kind = "webhook"
name = "ops"
url_env = "HOOK"
token = "{token}"
secret = "{secret}"
picture = true
timeout_s = 1
title = "{{severity}} {{change}} {{title}}"
[[channel]]
kind = "webhook"
name = "dead"
url = "http://127.0.0.1:{dead}/dead-s3cret"
timeout_s = 300
"""


class Story:
    """A metric that is calm, goes wrong, stays wrong, and is well again, a second a sample."""

    def __init__(self) -> None:
        self.now = int(time.time()) - CALM - 60
        self._rng = np.random.default_rng(4)

    def go_on(self, service: Service, samples: int, level: float) -> None:
        """Some more, acknowledged."""
        values = (level + self._rng.normal(size=samples)).tolist()
        told = [
            {"metric": "web.latency", "timestamp": self.now + i, "value": value}
            for i, value in enumerate(values)
        ]
        answer = service.post(told)
        assert answer == {"accepted": samples, "duplicates": 0, "rejected": []}
        self.now += samples


def changes(receiver: Hook) -> dict[str, set[str]]:
    """The ids of each kind of message."""
    found: dict[str, set[str]] = {}
    for body, uid in zip(receiver.bodies, receiver.ids, strict=True):
        assert body["id"] == uid
        found.setdefault(body["type"].removeprefix("incident."), set()).add(uid)
    return found


def shown(service: Service) -> str:
    """Everything that the interface tells of channels and changes."""
    paths = ("channels", "notifications", "audit", "incidents", "now", "session")
    return "".join(service.client.get(f"/api/v1/{path}").text for path in paths)


def test_each_change_is_told_once_whatever_is_killed_and_whatever_the_receiver_does(
    tmp_path: Path,
) -> None:
    data, config, story = tmp_path / "data", tmp_path / "tocsin.toml", Story()
    with hook() as receiver, hook() as dead:
        dead.plan = [HANG] * 1_000
        config.write_text(CONFIG.format(token=TOKEN, secret=SECRET, dead=dead.port))
        receiver.plan = [500, LOST, HANG, 429, 410, LOST, 503]

        def started() -> Any:
            return running(data, "--config", str(config), HOOK=receiver.url)

        with started() as service:
            story.go_on(service, CALM, 50.0)
            story.go_on(service, 2, 70.0)
            service.kill()  # as soon as the samples are acknowledged
        with started() as service:
            until(lambda: receiver.tries >= 2)  # it has opened, and the answer was lost
            story.go_on(service, 12, 70.0)
            service.kill()
        with started() as service:
            until(lambda: "worsened" in changes(receiver), 60)
            story.go_on(service, 40, 50.0)
            service.kill()
        with started() as service:
            until(lambda: "resolved" in changes(receiver), 60)
            until(
                lambda: (
                    not service.get("notifications", status="pending", channel="ops")[
                        "notifications"
                    ]
                )
            )
            assert service.get("incidents")["incidents"][0]["state"] == "resolved"
            told = shown(service)
            dead.let_go.set()
            code, _, logs = service.stop()
    assert code == 0
    # At least once, and each change under an id of its own, in order.
    ids = changes(receiver)
    assert {change: len(some) for change, some in ids.items()} == {
        "opened": 1,
        "worsened": 1,
        "resolved": 1,
    }
    assert len(receiver.taken) >= 4  # a lost answer makes a repeat ...
    order = list(dict.fromkeys(receiver.ids))
    assert order == [next(iter(ids[c])) for c in ("opened", "worsened", "resolved")]
    by_id = {body["id"]: body for body in receiver.bodies}
    for body in receiver.bodies:  # ... of the same words
        assert body["title"] == by_id[body["id"]]["title"]
        assert base64.b64decode(body["picture_png"]).startswith(b"\x89PNG")
    assert by_id[order[0]]["title"] == "info opened web.latency"
    assert by_id[order[1]]["title"] == "warning worsened web.latency"
    for hidden in (TOKEN, SECRET, "s3cret-path", "dead-s3cret"):
        assert hidden not in told
        assert hidden not in logs


def test_a_receiver_that_hangs_delays_no_other_one(tmp_path: Path) -> None:
    """Measured from the acknowledgement of the sample to the message's arrival."""
    story, config = Story(), tmp_path / "tocsin.toml"
    with hook() as receiver, hook() as dead:
        dead.plan = [HANG] * 1_000
        config.write_text(CONFIG.format(token=TOKEN, secret=SECRET, dead=dead.port))
        with running(tmp_path / "d", "--config", str(config), HOOK=receiver.url) as service:
            story.go_on(service, CALM, 50.0)
            story.go_on(service, 2, 70.0)
            began = time.monotonic()
            until(lambda: receiver.taken and dead.tries)
            story.go_on(service, 12, 70.0)
            until(lambda: "worsened" in changes(receiver))
            assert time.monotonic() - began < 60
            assert dead.tries == 1, "the dead one still has its first message"
            dead.let_go.set()
