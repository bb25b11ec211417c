"""Where the states of fleets are: reserved memory that costs nothing unused, and a budget.

States lie in ordinary memory while all of them fit. When they do not, they move into a file that
is mapped into memory: whatever was not used lately is given back to the system, which keeps it in
the file and brings it back when a kernel touches it. Bits never change on the way.
"""

from __future__ import annotations

import mmap
import platform
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tocsin.detect.fleet import Fleet

__all__ = ["Memory", "Resident", "reserved"]

Ints = NDArray[np.int64]
Rows = NDArray[np.void]

#: When the budget is exceeded, as much is given back as leaves this share of it.
_LEAVE: Final = 0.9
#: Addresses that are reserved for one fleet: more rows than fit in there must be copied to grow.
RESERVED: Final = 64 * 2**30
#: Not every system can give pages back by advice …
_CAN_RELEASE: Final = hasattr(mmap, "MADV_DONTNEED")
#: … or promise addresses without memory for them: Linux's MAP_NORESERVE, which Python 3.11 to 3.13
#: do not name; 0: not known.
_LIKE_X86: Final = ("x86_64", "aarch64", "riscv64", "s390x", "armv7l")
_NO_RESERVE: Final[int] = getattr(
    mmap,
    "MAP_NORESERVE",
    0x4000 if sys.platform == "linux" and platform.machine() in _LIKE_X86 else 0,
)


def reserved(layout: np.dtype[np.void], needed: int, most: int | None = None) -> Rows:
    """Zeros with room for ``needed`` rows and many more, up to ``most``.

    Only rows that are written to take memory, where the system can do that; else there is room
    for twice as many. Errors: `MemoryError` when there is not even room for those needed.
    """
    room = max(needed, min(RESERVED // layout.itemsize, most or RESERVED))
    while _NO_RESERVE and room > needed:
        found = _mapped(layout, room)
        if found is not None:
            return found
        room //= 2  # there is a limit to addresses
    return np.zeros(2 * needed, layout)


def _mapped(layout: np.dtype[np.void], room: int) -> Rows | None:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
    try:
        pages = mmap.mmap(-1, room * layout.itemsize, flags=flags)
    except (OSError, OverflowError, ValueError):
        return None
    return np.frombuffer(pages, dtype=layout)


@dataclass(slots=True)
class Resident:
    """One fleet's states: which are in memory, and when each was last used."""

    fleet: Fleet
    used: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    inside: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    mapped: mmap.mmap | None = None
    capacity: int = 0

    @property
    def bytes(self) -> int:
        """Bytes of states that are in memory."""
        return int(np.count_nonzero(self.inside)) * self.fleet.row_bytes


class Memory:
    """The budget of all fleets that are given it. Each fleet is used by one thread at a time."""

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

    def watch(self, fleet: Fleet) -> Resident:
        """Take a fleet under the budget; it tells its uses with `use`."""
        found = Resident(fleet)
        with self._lock:
            self._all.append(found)
        return found

    @property
    def bytes(self) -> int:
        """Bytes of states in memory, of all fleets."""
        return sum(resident.bytes for resident in self._all)

    def use(self, resident: Resident, rows: Ints) -> None:
        """These states are about to be used, by the thread that owns their fleet.

        Cost: O(rows), more when some must leave.
        """
        with self._lock:
            self._use(resident, rows)

    def _use(self, resident: Resident, rows: Ints) -> None:
        self._make_room(resident)
        self._clock += 1
        self.returned += int(np.count_nonzero(~resident.inside[rows] & (resident.used[rows] > 0)))
        resident.used[rows] = self._clock
        resident.inside[rows] = True
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
        size, most = resident.fleet.row_bytes, resident.fleet.most
        # Room that nobody has written to takes no room on the disk.
        capacity = max(2 * len(resident.fleet), min(most or RESERVED, RESERVED // size))
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            file.truncate(capacity * size)
            mapped = mmap.mmap(file.fileno(), capacity * size)
        resident.fleet.move_to(np.frombuffer(mapped, dtype=resident.fleet.row_type))
        resident.mapped, resident.capacity = mapped, capacity

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


def _runs(rows: Ints) -> list[tuple[int, int]]:
    """Neighbouring rows as (first, last)."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) > 1)
    firsts: NDArray[Any] = np.concatenate([rows[:1], rows[breaks + 1]])
    lasts: NDArray[Any] = np.concatenate([rows[breaks], rows[-1:]])
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
