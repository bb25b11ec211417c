"""Who sends: the senders that were heard lately, by protocol and source."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

__all__ = ["Heard", "Sender"]

#: How many senders are told apart; beyond, the one that was silent longest is forgotten.
_SENDERS: Final = 1_000


class Sender(NamedTuple):
    """A sender: over which protocol, from where ("": this process), and what came."""

    protocol: str
    source: str
    #: When it was last heard (ns, by the clock of this machine).
    last: int
    #: How many of its samples were stored since it was first heard in this process.
    samples: int


class Heard:
    """Senders by protocol and source. Any threads. Memory: about 300 bytes for each of 1,000."""

    def __init__(self, most: int = _SENDERS, clock: Callable[[], int] = time.time_ns) -> None:
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        #: The one that was heard last is the last.
        self._senders: OrderedDict[tuple[str, str], Sender] = OrderedDict()

    def note(self, protocol: str, sender: str, samples: int) -> None:
        """Somebody was answered; ``sender``: as a batch has it. Cost: 1 µs."""
        source = sender.removeprefix(f"{protocol} ").removeprefix("source ")
        key = (protocol, "" if source == protocol else source)
        with self._lock:
            before = self._senders.pop(key, None)
            total = samples + (before.samples if before else 0)
            self._senders[key] = Sender(*key, self._clock(), total)
            if len(self._senders) > self._most:
                self._senders.popitem(last=False)

    def newest(self, most: int) -> list[Sender]:
        """The senders that were heard last, the last one first."""
        with self._lock:
            return list(reversed(self._senders.values()))[:most]
