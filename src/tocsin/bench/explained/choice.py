"""Which events are shown: by one rule, so that nobody picks the nice ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.nab.corpus import Corpus, NabFile
from tocsin.detect.events import Event, EventFold
from tocsin.detect.fleet import Fleet
from tocsin.detect.settings import Settings

__all__ = ["Shown", "choose", "shown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An event, the series that it is of with its scored rows, and whether it was labelled."""

    file: NabFile
    scored: NDArray[np.void]
    event: Event
    right: bool

    @property
    def folder(self) -> str:
        """The group of series that it is of."""
        return self.file.name.partition("/")[0]


def shown(corpus: Corpus, settings: Settings, right: int = 8, wrong: int = 2) -> list[Shown]:
    """The clearest events within labelled windows, and the clearest ones outside of any.

    At most one of a file, and the folders in turn, so that every kind of series is among them.
    Every file is scored from an empty state; what happens in its probation is left out.
    """
    found = [one for file in corpus.files for one in _events(file, settings)]
    hits = choose((one for one in found if one.right), right)
    taken = {one.file.name for one in hits}
    others = (one for one in found if not one.right and one.file.name not in taken)
    return hits + choose(others, wrong)


def choose(found: Iterable[Shown], count: int) -> list[Shown]:
    """The clearest of each folder, then the second of each, and so on; at most one of a file."""
    files: set[str] = set()
    folders: Counter[str] = Counter()
    turns = []
    for one in sorted(found, key=_clearness, reverse=True):
        if one.file.name not in files:
            files.add(one.file.name)
            turns.append((folders[one.folder], one))
            folders[one.folder] += 1
    # Sorting is stable: within a turn the clearest comes first.
    return [one for _, one in sorted(turns, key=lambda turn: turn[0])][:count]


def _clearness(one: Shown) -> tuple[float, int]:
    """By anomaly score, which has a most; among equals by length."""
    return one.event.anomaly_score, one.event.samples


def _events(file: NabFile, settings: Settings) -> Iterator[Shown]:
    rows = np.zeros(len(file.values), dtype=np.int64)
    scored = Fleet(settings, 1).update(rows, file.timestamps, file.values)
    events = {e.start: e for e in EventFold().feed(file.timestamps, file.values, scored)}
    after = file.timestamps[file.probation]
    for event in events.values():
        if event.start >= after:
            yield Shown(file, scored, event, _labelled(file, event.start, file.windows))


def _labelled(file: NabFile, moment: int, windows: Sequence[tuple[int, int]]) -> bool:
    times = file.timestamps
    return any(times[first] <= moment <= times[last] for first, last in windows)
