"""Samples that are not to be learnt: scored by a state that is given up again.

When a stretch of such samples begins, the metric's state is kept. Until its end the metric is
scored, and followed, as ever; then the kept state is put back, all but where the metric stands
(its open event, its last sample). So a change within the stretch is one event, and afterwards
the model is as if the stretch had not been. What is kept is a row of the same fleet, under the
same budget of memory, and goes into the metric's snapshot.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet
from tocsin.detect.result import RESULT
from tocsin.errors import StateError

__all__ = ["Apart", "packed", "stretches", "unpacked"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_MAGIC: Final = b"TOCSINA"
_HEAD: Final = struct.Struct("<7sBI")  # magic, version, bytes of the kept state
_VERSION: Final = 1


class Apart:
    """The kept states of one fleet's metrics, by the metrics' rows in it."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._kept: dict[int, int] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._kept)

    def kept(self, slot: int) -> int | None:
        """Where the state is that a metric will have again; None: it learns."""
        return self._kept.get(slot)

    def begin(self, slot: int) -> int:
        """Keep a metric's state as it is now; returns where."""
        if slot not in self._kept:
            place = self._free.pop() if self._free else int(self._fleet.add()[0])
            self._fleet.copy(slot, place)
            self._kept[slot] = place
        return self._kept[slot]

    def end(self, slot: int) -> None:
        """Put a metric's kept state back, if there is one."""
        place = self._kept.get(slot)
        if place is not None:
            self._fleet.forget_since(slot, place)
            self.drop(slot)

    def drop(self, slot: int) -> None:
        """Keep nothing of a metric: its state is another one now."""
        place = self._kept.pop(slot, None)
        if place is not None:
            self._free.append(place)

    def update(self, slots: Ints, timestamp: Ints, value: Floats, held: Flags) -> NDArray[np.void]:
        """Score samples of any mix of metrics, each one's in order; ``held``: not to be learnt.

        Bits do not depend on how samples are grouped. Cost: as `Fleet.update`, and some
        microseconds for each metric that begins or ends such a stretch.
        """
        kept = np.fromiter(self._kept, dtype=np.int64, count=len(self._kept))
        concerned = np.isin(slots, np.union1d(slots[held], kept))
        scored = np.zeros(len(slots), dtype=RESULT)
        usual = ~concerned
        if usual.any():
            scored[usual] = self._fleet.update(slots[usual], timestamp[usual], value[usual])
        for some in stretches(slots, held, np.flatnonzero(concerned)):
            for slot, apart in _first_of_each(slots[some], held[some]):
                if apart:
                    self.begin(slot)
                else:
                    self.end(slot)
            scored[some] = self._fleet.update(slots[some], timestamp[some], value[some])
        return scored


def stretches(slots: Ints, held: Flags, which: NDArray[np.intp]) -> Sequence[NDArray[np.intp]]:
    """The samples of ``which`` in turns: in each, all of a metric are held, or none is."""
    if not len(which):
        return []
    order = which[np.argsort(slots[which], kind="stable")]
    mine, flags = slots[order], held[order]
    same = mine[1:] == mine[:-1]
    turn = np.cumsum(np.append(0, same & (flags[1:] != flags[:-1])))
    begins = np.flatnonzero(np.append(True, ~same))
    turn -= np.repeat(turn[begins], np.diff(np.append(begins, len(order))))
    return [np.sort(order[turn == number]) for number in range(int(turn.max()) + 1)]


def _first_of_each(slots: Ints, held: Flags) -> list[tuple[int, bool]]:
    found, first = np.unique(slots, return_index=True)
    return list(zip(found.tolist(), held[first].tolist(), strict=True))


def packed(kept: bytes, state: bytes) -> bytes:
    """A metric's state, and the one that it will have again, as one."""
    return _HEAD.pack(_MAGIC, _VERSION, len(kept)) + kept + state


def unpacked(data: bytes) -> tuple[bytes | None, bytes]:
    """What `packed` was given; the first is None for a state alone. Errors: `StateError`."""
    if not data.startswith(_MAGIC):
        return None, data
    if len(data) < _HEAD.size:
        raise StateError("this state is damaged: it is too short")
    _, version, size = _HEAD.unpack_from(data)
    if version > _VERSION:
        raise StateError(
            f"this state has version {version}, newer than this Tocsin knows ({_VERSION}): upgrade"
        )
    # Both are checksummed.
    return data[_HEAD.size : _HEAD.size + size], data[_HEAD.size + size :]
