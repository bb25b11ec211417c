"""Which series come again and again: their metrics, names, and what the names say."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import BadInputError
from tocsin.ingest import known
from tocsin.ingest.identity import metric_of
from tocsin.ingest.remote_write.counters import suffix_of
from tocsin.samples import Metric

__all__ = ["NAME", "Known", "Pair", "metric"]

#: The label that holds a metric's name.
NAME: Final = "__name__"
Pair = tuple[str, str]
K = TypeVar("K", bound=Hashable)

_FIRST: Final = 1_024
#: Pairs of label and value that are kept, so that metrics share them, and the longest of them.
_PAIRS: Final = 100_000
_LONGEST: Final = 256


class Known(known.Known):
    """Series by the hash of their labels as they came."""

    def __init__(self, limit: int) -> None:
        self._pairs: dict[Hashable, Pair] = {}
        super().__init__(limit)

    def forget(self) -> None:
        """Begin anew. What was returned before is void."""
        super().forget()
        #: Names of metrics, and the number of each.
        self.names: list[str] = []
        self._name: dict[str, int] = {}
        self._names_of = np.zeros(_FIRST, dtype=np.int32)
        self._suffixes = np.zeros(_FIRST, dtype=np.uint8)

    def add(self, entry: Metric | str) -> int:
        """A new entry."""
        number = super().add(entry)
        if number == len(self._suffixes):
            self._names_of = known.twice(self._names_of)
            self._suffixes = known.twice(self._suffixes)
        name = "" if isinstance(entry, str) else entry.name
        self._suffixes[number] = suffix_of(name)
        self._names_of[number] = self._name_number(name)
        return number

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


def metric(pairs: Sequence[Pair] | str) -> Metric | str:
    """The metric of these labels, or why there is none; ``pairs`` as text: what is wrong."""
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
