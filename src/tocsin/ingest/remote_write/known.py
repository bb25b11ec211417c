"""What was read before: the metrics of label blocks that come again and again."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import BadInputError
from tocsin.ingest.identity import metric_of
from tocsin.ingest.remote_write import scan
from tocsin.ingest.remote_write.counters import suffix_of
from tocsin.samples import Metric

__all__ = ["NAME", "Known", "Pair"]

#: The label that holds a metric's name.
NAME: Final = "__name__"
Pair = tuple[str, str]
K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=np.generic)

_FIRST: Final = 1_024
#: Pairs of label and value that are kept, so that metrics share them, and the longest of them.
_PAIRS: Final = 100_000
_LONGEST: Final = 256


class Known:
    """Metrics by the hash of their labels as they came; numbers 0, 1, 2 … of entries.

    An entry is a metric, or, where the labels make none, why. Memory: ``limit`` entries at most,
    about 100 bytes each beside the metric; when it is full everything is forgotten and read anew.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        #: The secret of the hashes.
        self.key: NDArray[np.uint64] = np.frombuffer(os.urandom(16), dtype=np.uint64)
        self._pairs: dict[Hashable, Pair] = {}
        #: How often everything was forgotten.
        self.epoch = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew. What was returned before is void."""
        self.epoch += 1
        self.metrics: list[Metric | str] = []
        #: Names of metrics, and the number of each.
        self.names: list[str] = []
        self._name: dict[str, int] = {}
        self._names_of = np.zeros(_FIRST, dtype=np.int32)
        self._bad = np.zeros(_FIRST, dtype=np.bool_)
        self._suffixes = np.zeros(_FIRST, dtype=np.uint8)
        self._keys = np.zeros((2 * _FIRST, 2), dtype=np.uint64)
        self._values = np.full(2 * _FIRST, -1, dtype=np.int32)

    def __len__(self) -> int:
        return len(self.metrics)

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Entries of these hashes; -1 for those that are not known. Cost: 0.1 µs each."""
        found = np.empty(len(hashes), dtype=np.int32)
        scan.find(self._keys, self._values, hashes, found)
        return found

    def metrics_of(self, entries: NDArray[np.int32]) -> list[Metric]:
        """The metrics of these entries, which must be some."""
        metrics = cast("list[Metric]", self.metrics)
        return [metrics[entry] for entry in entries.tolist()]

    def room_for(self, count: int) -> bool:
        """Forget everything when this many entries more are too many; says whether it was so."""
        full = len(self) > 0 and len(self) + count > self._limit
        if full:
            self.forget()
        return full

    def add(self, pairs: Sequence[Pair] | str) -> int:
        """A new entry of these labels, or of what is wrong with them."""
        entry = _metric(pairs)
        number = len(self.metrics)
        self._make_room(number + 1)
        self.metrics.append(entry)
        self._bad[number] = isinstance(entry, str)
        name = "" if isinstance(entry, str) else entry.name
        self._suffixes[number] = suffix_of(name)
        self._names_of[number] = self._name_number(name)
        return number

    def remember(self, hashes: NDArray[np.uint64], numbers: NDArray[np.int32]) -> None:
        """Find these entries by these (new, different) hashes from now on; -1 is left out."""
        scan.put(self._keys, self._values, hashes, numbers)

    def bad(self, entries: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which entries are no metrics."""
        return self._bad[entries]

    def suffixes(self, entries: NDArray[np.int32]) -> NDArray[np.uint8]:
        """What the ends of their names say (`Suffix`)."""
        return self._suffixes[entries]

    def names_of(self, entries: NDArray[np.int32]) -> NDArray[np.int32]:
        """The numbers of their names."""
        return self._names_of[entries]

    def number_of_name(self, name: str) -> int:
        """The number of a name that some entry has; -1: none has."""
        return self._name.get(name, -1)

    def pair(self, key: K, read: Callable[[K], Pair]) -> Pair:
        """A label as text, shared by all metrics that have it; ``read`` makes it from its key.

        Errors: what ``read`` raises.
        """
        pair = self._pairs.get(key)
        if pair is None:
            pair = read(key)
            if len(self._pairs) >= _PAIRS:
                self._pairs.clear()
            if len(pair[0]) + len(pair[1]) <= _LONGEST:
                self._pairs[key] = pair
        return pair

    def _name_number(self, name: str) -> int:
        number = self._name.get(name)
        if number is None:
            number = self._name[name] = len(self.names)
            self.names.append(name)
        return number

    def _make_room(self, count: int) -> None:
        if count <= len(self._bad):
            return
        self._names_of = _twice(self._names_of)
        self._bad = _twice(self._bad)
        self._suffixes = _twice(self._suffixes)
        self._rehash()

    def _rehash(self) -> None:
        """A table of twice the length."""
        there = self._values >= 0
        keys, values = self._keys[there], self._values[there]
        self._keys = np.zeros((2 * len(self._keys), 2), dtype=np.uint64)
        self._values = np.full(len(self._keys), -1, dtype=np.int32)
        scan.put(self._keys, self._values, keys, values)


def _twice(array: NDArray[S]) -> NDArray[S]:
    more = np.zeros(2 * len(array), dtype=array.dtype)
    more[: len(array)] = array
    return more


def _metric(pairs: Sequence[Pair] | str) -> Metric | str:
    if isinstance(pairs, str):
        return pairs
    labels = dict(pairs)
    if len(labels) != len(pairs):
        return "a label appears twice"
    name = labels.pop(NAME, "")
    # An empty value is the same as no label.
    labels = {label: value for label, value in labels.items() if value}
    try:
        metric_of(name, labels)
    except BadInputError as error:
        return str(error)
    return Metric(name, tuple(sorted(p for p in pairs if p[0] != NAME and p[1])))
