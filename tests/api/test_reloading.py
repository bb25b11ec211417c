"""The configuration is read again, by a real service."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import running

BEFORE = """
[[channel]]
kind = "webhook"
name = "ops"
url = "http://127.0.0.1:9/"

[[alert]]
match = "a.*"
alarm = false
"""
AFTER = """
max_metrics = 5_000

[[channel]]
kind = "webhook"
name = "night"
url = "http://127.0.0.1:9/other"

[[alert]]
match = "b.*"
direction = "up"
routes = ["night"]
"""


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal")
def test_rules_and_channels_are_read_again(tmp_path: Path) -> None:
    config = tmp_path / "tocsin.toml"
    config.write_text(BEFORE)
    with running(tmp_path / "data", "--config", str(config)) as service:

        def matches() -> list[str]:
            return [rule["match"] for rule in service.get("rules")["rules"]]

        def channels() -> list[str]:
            return [channel["name"] for channel in service.get("channels")["channels"]]

        assert (matches(), channels()) == (["a.*"], ["ops"])
        config.write_text("[[alert]]\nmatch = 5")
        service.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)  # nothing is to happen
        assert (matches(), channels()) == (["a.*"], ["ops"])
        config.write_text(AFTER)
        service.process.send_signal(signal.SIGHUP)
        until(lambda: (matches(), channels()) == (["b.*"], ["night"]))
        # The interface goes by it, too.
        revision = service.get("rules")["revision"]
        body = {"rules": [{"match": "c.*", "routes": ["night"]}], "revision": revision}
        assert service.client.put("/api/v1/rules", json=body).status_code == 200
        config.write_text(BEFORE)
        service.process.send_signal(signal.SIGHUP)
        until(lambda: channels() == ["ops"])
        assert matches() == ["c.*"]  # what was set by hand goes before the file
        assert service.client.delete("/api/v1/rules").status_code == 200
        assert matches() == ["a.*"]
        code, _, err = service.stop()
    assert code == 0
    assert "configuration_not_reloaded" in err
    assert "takes_a_restart=['max_metrics']" in err
