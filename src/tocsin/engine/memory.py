"""Keeping states within a memory budget: least recently used ones leave the process's memory.

States lie in ordinary memory while all of them fit. When they do not, they move into a file that
is mapped into memory: whatever was not used lately is given back to the system, which keeps it in
the file and brings it back when a kernel touches it. Bits never change on the way.
"""

from __future__ import annotations

import mmap
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet

__all__ = ["Memory", "Resident"]

Ints = NDArray[np.int64]

_log: Final = structlog.get_logger("tocsin.engine")

#: When the budget is exceeded, as much is given back as leaves this share of it.
_LEAVE: Final = 0.9
#: A file has room for as many metrics as there may be, up to this.
_FILE_BYTES: Final = 64 * 2**30
#: Not every system can give pages back by advice.
_CAN_RELEASE: Final = hasattr(mmap, "MADV_DONTNEED")


@dataclass(slots=True)
class Resident:
    """One fleet's states: which are in memory, and when each was last used."""

    fleet: Fleet
    most: int
    used: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    inside: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    mapped: mmap.mmap | None = None
    capacity: int = 0

    @property
    def bytes(self) -> int:
        """Bytes of states that are in memory."""
        return int(np.count_nonzero(self.inside)) * self.fleet.row_bytes


class Memory:
    """The budget of all fleets together. Each fleet is used by one thread at a time."""

    def __init__(self, budget: int, folder: Path) -> None:
        """``budget``: bytes of states in memory; ``folder``: where the rest goes."""
        #: Bytes of states that may be in memory.
        self.budget = budget
        self._folder = folder
        self._clock = 0
        self._all: list[Resident] = []
        self._tight = False
        self._lock = threading.Lock()
        #: How often a state was brought back.
        self.returned = 0
        #: How often a state was given back to the system.
        self.released = 0

    def watch(self, fleet: Fleet, most: int) -> Resident:
        """Take a fleet of ``most`` metrics at most under the budget; tell its uses with `use`."""
        found = Resident(fleet, most)
        self._all.append(found)
        return found

    @property
    def bytes(self) -> int:
        """Bytes of states in memory, of all fleets."""
        return sum(resident.bytes for resident in self._all)

    def use(self, resident: Resident, slots: Ints) -> None:
        """These states are about to be used, by the thread that owns their fleet.

        Cost: O(slots), more when some must leave.
        """
        with self._lock:
            self._use(resident, slots)

    def _use(self, resident: Resident, slots: Ints) -> None:
        self._make_room(resident)
        self._clock += 1
        self.returned += int(np.count_nonzero(~resident.inside[slots] & (resident.used[slots] > 0)))
        resident.used[slots] = self._clock
        resident.inside[slots] = True
        if self.bytes > self.budget and _CAN_RELEASE:
            self._shrink(resident)

    def _make_room(self, resident: Resident) -> None:
        missing = len(resident.fleet) - len(resident.used)
        if missing > 0:
            more = max(missing, len(resident.used))
            resident.used = np.concatenate([resident.used, np.zeros(more, dtype=np.int64)])
            resident.inside = np.concatenate([resident.inside, np.zeros(more, dtype=np.bool_)])
        outgrown = resident.mapped is not None and len(resident.fleet) > resident.capacity
        if outgrown or (self._tight and resident.mapped is None):
            self._map(resident)

    def _shrink(self, mine: Resident) -> None:
        # Only its own thread may move a fleet; the others follow at their next use.
        self._tight = True
        if mine.mapped is None:
            self._map(mine)
        excess = self.bytes - int(_LEAVE * self.budget)
        for resident in sorted(self._all, key=lambda one: one.bytes, reverse=True):
            if excess > 0:
                excess -= self._release(resident, excess)

    def _map(self, resident: Resident) -> None:
        """Move a fleet's states into a file without a name: it goes when the process does."""
        size = resident.fleet.row_bytes
        # Room that nobody has written to takes no room on the disk.
        capacity = max(2 * len(resident.fleet), min(resident.most, _FILE_BYTES // size))
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            file.truncate(capacity * size)
            mapped = mmap.mmap(file.fileno(), capacity * size)
        rows = np.frombuffer(mapped, dtype=resident.fleet.row_type)
        resident.fleet.move_to(rows)
        resident.mapped, resident.capacity = mapped, capacity
        _log.info("states_mapped", metrics=len(resident.fleet), bytes=capacity * size)

    def _release(self, resident: Resident, excess: int) -> int:
        """Give the least recently used states back; says how many bytes."""
        if resident.mapped is None:
            return 0
        size = resident.fleet.row_bytes
        inside = np.flatnonzero(resident.inside & (resident.used < self._clock))
        oldest = inside[np.argsort(resident.used[inside], kind="stable")]
        leaving = np.sort(oldest[: -(-excess // size)])
        for first, last in _runs(leaving):
            start = first * size // mmap.PAGESIZE * mmap.PAGESIZE
            end = min(-(-(last + 1) * size // mmap.PAGESIZE) * mmap.PAGESIZE, len(resident.mapped))
            resident.mapped.madvise(mmap.MADV_DONTNEED, start, end - start)
        resident.inside[leaving] = False
        self.released += len(leaving)
        return len(leaving) * size


def _runs(slots: Ints) -> list[tuple[int, int]]:
    """Neighbouring slots as (first, last)."""
    if not len(slots):
        return []
    breaks = np.flatnonzero(np.diff(slots) > 1)
    firsts = np.concatenate([slots[:1], slots[breaks + 1]])
    lasts = np.concatenate([slots[breaks], slots[-1:]])
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
