"""A real ``tocsin up`` in a process of its own, and ways to talk to it."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.prepared import Process, can_be_forked

START_S = 240.0
#: The first sample of a kind may compile a kernel.
_PATIENT = {"TOCSIN_ANSWER_S": "100"}
_PROGRAM = "import sys; from tocsin.cli.main import main; sys.exit(main(sys.argv[1:]))"
Started = Process | subprocess.Popen[str]


def environment() -> dict[str, str]:
    """This process's, without what would configure the service."""
    return {key: text for key, text in os.environ.items() if not key.startswith("TOCSIN_")}


def run_up(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """``tocsin up`` that is expected to end by itself."""
    return run("up", *arguments, cwd=cwd, **variables)


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Any command of ``tocsin``, to its end."""
    process = start(arguments, environment() | variables, cwd)
    try:
        out, err = process.communicate(timeout=START_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


def start(
    arguments: Sequence[str],
    variables: dict[str, str],
    cwd: Path | None = None,
    *,
    before: str = "",
) -> Started:
    """A command of ``tocsin`` in a process of its own.

    ``variables``: its whole environment; ``before``: Python that runs before anything is imported.
    """
    if not before and can_be_forked(variables):
        return Process(arguments, variables, cwd)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", before + _PROGRAM, *arguments],
        env=variables,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Service:
    """A running service; ports are free ones unless one is given."""

    def __init__(
        self, data: Path, *arguments: str, http: str = "127.0.0.1:0", **variables: str
    ) -> None:
        command = ["up", "--data", str(data), "--http", http, "--graphite", "127.0.0.1:0"]
        self.process = start([*command, *arguments], environment() | _PATIENT | variables)
        self.ready_line = self._first_line()
        page = re.search(r"page (http://[^ ,]+)", self.ready_line)
        graphite = re.search(r"graphite [^ ,]+:(\d+)", self.ready_line)
        assert page
        assert graphite
        self.client = httpx.Client(base_url=page[1], timeout=120)
        self.graphite = ("127.0.0.1", int(graphite[1]))

    def port(self, key: str) -> int:
        """The port of a listener."""
        found = re.search(rf"\b{key} [^ ,]+:(\d+)", self.ready_line)
        assert found, self.ready_line
        return int(found[1])

    def _first_line(self) -> str:
        lines: queue.Queue[str] = queue.Queue()
        assert self.process.stdout is not None
        reader = threading.Thread(target=lambda: lines.put(self.process.stdout.readline()))  # type: ignore[union-attr]
        reader.start()
        line = lines.get(timeout=START_S)
        reader.join()
        if "ready" not in line:
            _, err = self.process.communicate(timeout=10)
            raise AssertionError(f"did not start: {line!r} {err}")
        return line

    def post(self, samples: Sequence[dict[str, Any]], **kwargs: Any) -> dict[str, Any]:
        response = self.client.post("/api/v1/samples", json={"samples": samples}, **kwargs)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def get(self, path: str, **query: Any) -> Any:
        response = self.client.get(f"/api/v1/{path}", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def uid(self, name: str) -> str:
        (found,) = [m for m in self.get("metrics", match=name)["metrics"] if m["name"] == name]
        uid: str = found["uid"]
        return uid

    def samples(self, name: str) -> list[dict[str, Any]]:
        """All samples of a metric, page by page."""
        path, cursor, found = f"metrics/{self.uid(name)}/samples", None, []
        while True:
            query = {"limit": 1000} | ({"cursor": cursor} if cursor else {})
            page = self.get(path, **query)
            found += page["samples"]
            cursor = page["cursor"]
            if cursor is None:
                return found

    def stop(self, with_signal: int = signal.SIGTERM) -> tuple[int, str, str]:
        """End it; returns exit code, what it printed after the first line, and its errors."""
        self.process.send_signal(with_signal)
        out, err = self.process.communicate(timeout=60)
        self.client.close()
        return self.process.wait(), out, err

    def kill(self) -> None:
        """End it at once, if it still runs, and let go of everything."""
        self.client.close()
        self.process.kill()
        self.process.wait(60)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def running(data: Path, *arguments: str, **variables: str) -> Iterator[Service]:
    service = Service(data, *arguments, **variables)
    try:
        yield service
    finally:
        service.kill()
