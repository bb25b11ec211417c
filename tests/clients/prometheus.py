"""A real Prometheus server for tests, started from the binary of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

START_S = 60.0

_CONFIG = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
- job_name: self
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""
_REMOTE = """
remote_write:
- url: {url}
  remote_timeout: 20s
  queue_config: {{batch_send_deadline: 500ms, max_samples_per_send: 500}}
  metadata_config: {{send_interval: 1s}}
"""


def binary() -> str:
    """Where it is; without one, fails under CI and skips elsewhere."""
    found = shutil.which("prometheus")
    if found:
        return found
    reason = "no Prometheus here: no prometheus on the PATH"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(true: Any, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


class Prometheus:
    """A server that scrapes itself every second and, given a ``url``, writes there."""

    def __init__(
        self, folder: Path, url: str | None = None, *, scrape: str = "", receives: bool = False
    ) -> None:
        """``scrape``: more of ``scrape_configs``; ``receives``: what others write to it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        config = _CONFIG.format(port=self.port) + scrape
        config += _REMOTE.format(url=url) if url else ""
        (folder / "prometheus.yml").write_text(config)
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [
                binary(),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                *(["--web.enable-remote-write-receiver"] if receives else []),
            ],
            cwd=folder,
            stdout=self._log,
            stderr=self._log,
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=30)
        wait_until(self._ready, START_S, "Prometheus is ready")

    def _ready(self) -> bool:
        try:
            return self.client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            assert self.process.poll() is None, "Prometheus has ended"
            return False

    def query(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = self.client.get("/api/v1/query", params={"query": query} | parameters)
        assert answer.status_code == 200, answer.text
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def range(self, query: str, start: int, end: int, step: int) -> list[dict[str, Any]]:
        told: dict[str, Any] = {"query": query, "start": start, "end": end, "step": step}
        answer = self.client.get("/api/v1/query_range", params=told)
        assert answer.status_code == 200, answer.text
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def own(self, name: str) -> float:
        """A metric of its own, summed up, as it stands now and not at the last scrape."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def stop(self) -> None:
        self.client.close()
        self.process.kill()  # asked politely it waits for a receiver that has gone
        self.process.wait(60)
        self._log.close()


@contextmanager
def prometheus(
    folder: Path, url: str | None = None, *, scrape: str = "", receives: bool = False
) -> Iterator[Prometheus]:
    server = Prometheus(folder, url, scrape=scrape, receives=receives)
    try:
        yield server
    finally:
        server.stop()
