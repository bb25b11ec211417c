"""Ctrl-C that waits: what is nearly done is finished, and then known to be done."""

from __future__ import annotations

import signal
import threading
from typing import Any

__all__ = ["Hold"]


class Hold:
    """Between `start` and `end` Ctrl-C is noted; `end` raises the KeyboardInterrupt then.

    Does nothing outside of the main thread, which alone gets signals.
    """

    def __init__(self) -> None:
        self._before: Any = None
        self._noted = False

    def start(self) -> None:
        """Hold back from here on."""
        if self._before is None and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)

    def end(self) -> None:
        """No longer; raises KeyboardInterrupt when Ctrl-C was noted. Without `start`: nothing."""
        if self._before is None:
            return
        signal.signal(signal.SIGINT, self._before)
        self._before = None
        if self._noted:
            self._noted = False
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._noted = True
