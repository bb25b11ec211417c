"""A real service in a process of its own, to be measured."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from tocsin.errors import StartError

__all__ = ["Service", "running"]

_STOP_S: Final = 300.0


class Service:
    """``tocsin up``, from its start until `stop` or `kill`.

    ``ready_s``: seconds from the start of the process until it took samples.
    """

    def __init__(self, folder: Path, url: str, settings: Mapping[str, str]) -> None:
        """Start it. Errors: `StartError` with what it said."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")}
        environment |= {"TOCSIN_HTTP": "127.0.0.1:0", "TOCSIN_GRAPHITE": "off", **settings}
        began = time.perf_counter()
        with (folder / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tocsin", "up"),
                    *("--data", str(folder / "data"), "--database", url),
                ],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"page (http://[^ ,]+?)/?[, ]", line)
        if not found:
            self._process.kill()
            self._process.wait()
            raise StartError(f"the service did not start: {_last_lines(folder / 'service.log')}")
        self.ready_s = time.perf_counter() - began
        self.url = found[1]
        #: HOST:PORT of the listeners, by their keys.
        self.listeners = dict(re.findall(r", (\w+) ([^ ,]+:\d+)(?=,)", line))
        self._ps = psutil.Process(self._process.pid)

    @property
    def resident(self) -> int:
        """Bytes that it has in memory now (RSS)."""
        return int(self._ps.memory_info().rss)

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU that it has used."""
        times = self._ps.cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        """End it cleanly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, so that the next start has to replay."""
        self._end(signal.SIGKILL)

    def _end(self, with_signal: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            self._process.wait(_STOP_S)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _last_lines(log: Path) -> str:
    return " ".join(log.read_text(errors="replace").splitlines()[-3:])


@contextmanager
def running(folder: Path, url: str, **settings: str) -> Iterator[Service]:
    """A service that does not outlive the context."""
    service = Service(folder, url, settings)
    try:
        yield service
    finally:
        service.kill()
