"""Real clients that run on this machine, beside a real service."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tests.running import Service
from tocsin.samples import parse_metric

__all__ = [
    "Stored",
    "client",
    "differing",
    "free_port",
    "listening",
    "program",
    "refused",
    "stored",
    "until",
]

#: Metric as text → time (s, to the microsecond) → value.
Stored = dict[str, dict[float, float]]


def program(name: str) -> str:
    """Where a program is; without it, fails under CI and skips elsewhere."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found:
        return found
    reason = f"no {name} here: see the target clients of the Makefile"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def client(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until the block ends; its output is in ``log``."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nobody listens on, for programs that take no 0."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def stored(service: Service) -> Stored:
    """Every sample of the service."""
    found: Stored = {}
    cursor: str | None = None
    while True:
        page = service.get("metrics", limit=1000, **({"cursor": cursor} if cursor else {}))
        for metric in page["metrics"]:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(metric["labels"].items()))
            name = f"{metric['name']}{{{labels}}}" if labels else metric["name"]
            found[str(parse_metric(name))] = _samples(service, metric["uid"])
        cursor = page["cursor"]
        if cursor is None:
            return found


def _samples(service: Service, uid: str) -> dict[float, float]:
    found: dict[float, float] = {}
    cursor: str | None = None
    while True:
        query = {"limit": 1000} | ({"cursor": cursor} if cursor else {})
        page = service.get(f"metrics/{uid}/samples", **query)
        for sample in page["samples"]:
            moment = datetime.fromisoformat(sample["timestamp"]).timestamp()
            found[round(moment, 6)] = sample["value"]
        cursor = page["cursor"]
        if cursor is None:
            return found


def refused(service: Service, protocol: str) -> dict[str, int]:
    """How many samples of a protocol were refused, by reason."""
    text = service.client.get("/metrics").text
    pattern = rf'tocsin_samples_rejected_total{{protocol="{protocol}",reason="(\w+)"}} (\S+)'
    return {reason: int(float(count)) for reason, count in re.findall(pattern, text)}


def differing(sent: Stored, found: Stored) -> list[str]:
    """What was sent and is not stored as it was, and what is stored and was not sent."""
    told = []
    for name in sorted(sent.keys() | found.keys()):
        one, other = sent.get(name, {}), found.get(name, {})
        for moment in sorted(one.keys() | other.keys()):
            if one.get(moment) != other.get(moment):
                told.append(f"{name} at {moment}: {one.get(moment)} → {other.get(moment)}")
    return told
