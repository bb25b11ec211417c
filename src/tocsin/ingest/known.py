"""What was read before: metrics by the hashes of the bytes that stand for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.scans import hashing
from tocsin.samples import Metric

__all__ = ["Known", "twice"]

Entries = NDArray[np.int32]
Hashes = NDArray[np.uint64]
S = TypeVar("S", bound=np.generic)

_FIRST: Final = 1_024


class Known:
    """Metrics by the hash of their bytes as they came; numbers 0, 1, 2 … of entries.

    An entry is a metric, or, where the bytes make none, why. Memory: ``limit`` entries at most
    (or those of one request, if they are more), about 100 bytes each beside the metric; when it
    is full everything is forgotten and read anew. One thread at a time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        #: The secret of the hashes.
        self.key: Hashes = np.frombuffer(os.urandom(16), dtype=np.uint64)
        #: How often everything was forgotten.
        self.epoch = 0
        self._turn = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew. What was returned before is void."""
        self.epoch += 1
        self.metrics: list[Metric | str] = []
        self._bad = np.zeros(_FIRST, dtype=np.bool_)
        #: When an entry was last numbered, and how (see `hashing.distinct`).
        self._turns = np.zeros(_FIRST, dtype=np.int64)
        self._places = np.zeros(_FIRST, dtype=np.int32)
        self._keys = np.zeros((2 * _FIRST, 2), dtype=np.uint64)
        self._values = np.full(2 * _FIRST, -1, dtype=np.int32)

    def __len__(self) -> int:
        return len(self.metrics)

    def hash_of(self, text: bytes, out: Hashes) -> None:
        """Write the hash of bytes that are told by hand into ``out``."""
        hashing.hash_bytes(np.frombuffer(text, dtype=np.uint8), 0, len(text), self.key, out)

    def entries(
        self,
        hashes: Hashes,
        read: Callable[[int], Metric | str],
        plain: NDArray[np.bool_] | None = None,
    ) -> Entries:
        """The entry of each hash; ``read`` makes those that are not known, by their place.

        ``plain``: which are to be remembered; None: all. Cost: 0.1 µs each, and what ``read``
        takes.
        """
        entries = self._found(hashes, plain)
        new = int(np.count_nonzero(entries < 0))
        if not new:
            return entries
        if self._room_for(new):
            entries = self._found(hashes, plain)
        missing = np.flatnonzero(entries < 0)
        # The same may stand in a request several times.
        fresh: dict[tuple[int, int], int] = {}
        added = np.full(len(missing), -1, dtype=np.int32)
        for place, i in enumerate(missing.tolist()):
            told = (int(hashes[i, 0]), int(hashes[i, 1]))
            remembered = plain is None or bool(plain[i])
            number = fresh.get(told) if remembered else None
            if number is None:
                number = self.add(read(i))
                if remembered:
                    added[place] = fresh[told] = number
            entries[i] = number
        hashing.put(self._keys, self._values, hashes[missing], added)
        return entries

    def add(self, entry: Metric | str) -> int:
        """A new entry."""
        number = len(self.metrics)
        self._make_room(number + 1)
        self.metrics.append(entry)
        self._bad[number] = isinstance(entry, str)
        return number

    def bad(self, entries: Entries) -> NDArray[np.bool_]:
        """Which entries are no metrics."""
        return self._bad[entries]

    def metrics_of(self, entries: Entries) -> list[Metric]:
        """The metrics of these entries, which must be some."""
        metrics = cast("list[Metric]", self.metrics)
        return [metrics[entry] for entry in entries.tolist()]

    def distinct(self, entries: Entries) -> tuple[list[Metric], NDArray[np.int64]]:
        """The metrics of entries, each once and as they first come; and of each entry its place."""
        self._turn += 1
        order = np.empty(len(entries), dtype=np.int32)
        which = np.empty(len(entries), dtype=np.int64)
        count = hashing.distinct(entries, self._turn, self._turns, self._places, order, which)
        return self.metrics_of(order[:count]), which

    def _found(self, hashes: Hashes, plain: NDArray[np.bool_] | None) -> Entries:
        found = np.empty(len(hashes), dtype=np.int32)
        hashing.find(self._keys, self._values, hashes, found)
        if plain is not None:
            found[~plain] = -1
        return found

    def _room_for(self, count: int) -> bool:
        """Forget everything when this many entries more are too many; says whether it was so."""
        full = len(self) > 0 and len(self) + count > self._limit
        if full:
            self.forget()
        return full

    def _make_room(self, count: int) -> None:
        if count <= len(self._bad):
            return
        self._bad = twice(self._bad)
        self._turns = twice(self._turns)
        self._places = twice(self._places)
        there = self._values >= 0
        keys, values = self._keys[there], self._values[there]
        self._keys = np.zeros((2 * len(self._keys), 2), dtype=np.uint64)
        self._values = np.full(len(self._keys), -1, dtype=np.int32)
        hashing.put(self._keys, self._values, keys, values)


def twice(array: NDArray[S]) -> NDArray[S]:
    """An array of twice the length, zeros at its end."""
    more = np.zeros(2 * len(array), dtype=array.dtype)
    more[: len(array)] = array
    return more
