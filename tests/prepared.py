"""Processes of ``tocsin`` that begin with everything imported, and kernels loaded.

That is most of what a start costs, and the tests start hundreds of services. So one process (this
file, run as a program) does it once, and forks for each that is asked for. What is forked is a
process like any other: its own memory, files, threads, environment and signals; only its imports
lie behind it. `tests.cli.test_up` starts the service as a user does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

__all__ = ["Process", "can_be_forked"]

#: Read by Python or by libraries when they are imported: too late for who is forked.
_READ_EARLY = ("PYTHON", "NUMBA", "OPENBLAS")


def can_be_forked(environment: Mapping[str, str]) -> bool:
    """Whether a process with this environment may be a copy of one with ours."""
    early = {key for key in {*environment, *os.environ} if key.startswith(_READ_EARLY)}
    return all(environment.get(key) == os.environ.get(key) for key in early)


class Process:
    """``tocsin ARGUMENTS`` in a process of its own; what `subprocess.Popen` has of the same name.

    ``stdout``, ``stderr``: pipes, as text.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self.stdout, out = _pipe()
        self.stderr, err = _pipe()
        self._told, asked = socket.socketpair()
        try:
            _parent().ask([out, err, asked.fileno()])
        finally:
            asked.close()
            os.close(out)
            os.close(err)
        wanted = {"arguments": self.args, "environment": dict(environment)}
        self._told.sendall(
            json.dumps(wanted | {"cwd": str(Path(cwd or "").absolute())}).encode() + b"\n"
        )
        self._answers = self._told.makefile("r")
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), if it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. Errors: `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                told = self._told.recv(20)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0) from None
            self.returncode = os.waitstatus_to_exitcode(int(told))
            self._answers.close()
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, which is not told yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it still says, when it has ended. Errors: `subprocess.TimeoutExpired`."""
        said: dict[str, str] = {}
        pipes = {"stdout": self.stdout, "stderr": self.stderr}

        def read(name: str, pipe: IO[str]) -> None:
            with pipe:
                said[name] = pipe.read()

        readers = [threading.Thread(target=read, args=one, daemon=True) for one in pipes.items()]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return said["stdout"], said["stderr"]


def _pipe() -> tuple[IO[str], int]:
    reading, writing = os.pipe()
    return os.fdopen(reading), writing


class _Parent:
    """The process that forks; it ends with this one."""

    def __init__(self) -> None:
        self._asking, other = socket.socketpair()
        command = [sys.executable, "-W", "error", __file__, str(other.fileno())]
        # One thread, so that it can be forked.
        alone = {"OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command,
            env=os.environ | alone,
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        other.close()
        atexit.register(self._end)

    def ask(self, handles: list[int]) -> None:
        socket.send_fds(self._asking, [b"!"], handles)

    def _end(self) -> None:
        self._asking.close()
        self._process.wait()


@cache
def _parent() -> _Parent:
    return _Parent()


def _prepare() -> Any:
    """Import the service, and load the kernels of the default model and of the decoders."""
    import numpy as np

    from tocsin.api import logs, service  # noqa: F401
    from tocsin.cli import up  # noqa: F401
    from tocsin.cli.main import main
    from tocsin.detect.compile import leave_scipy
    from tocsin.detect.fleet import Fleet
    from tocsin.ingest.warming import Warming

    leave_scipy()
    one = np.zeros(1, dtype=np.int64)
    Fleet(None, 1).update(one, one + 1, np.zeros(1))
    warming = Warming()
    warming.start()
    warming.wait()
    return main


def _fork_as_asked(asked: socket.socket) -> list[str]:
    """Fork for each that is asked for; returns, in those only, the arguments."""
    while True:
        message, handles, _, _ = socket.recv_fds(asked, 1, 3)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            asked.close()
            return _begin(*handles)
        for handle in handles:
            os.close(handle)
        _bury()


def _bury() -> None:
    """Let go of those that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def _begin(out: int, err: int, telling: int) -> list[str]:
    """Become what was asked for; who forked it stays behind, and tells how it ended."""
    with socket.socket(fileno=telling) as connection:
        with connection.makefile("r") as told:
            wanted = json.loads(told.readline())
        child = os.fork()
        if child != 0:
            _tell(connection, child, out, err)
    for handle, number in ((out, 1), (err, 2)):
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    arguments: list[str] = wanted["arguments"]
    return arguments


def _tell(connection: socket.socket, child: int, *handles: int) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for handle in handles:
        os.close(handle)
    connection.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    try:
        connection.sendall(f"{status}\n".encode())
    finally:
        os._exit(0)


def _main() -> None:
    asked = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = ""
    tocsin = _prepare()
    gc.collect()
    gc.freeze()
    sys.argv[1:] = _fork_as_asked(asked)
    sys.exit(tocsin(sys.argv[1:]))


if __name__ == "__main__":
    _main()
