"""Long courses in blocks: summed up where they are stored, and remembered.

Consecutive samples of a metric are summed up in blocks of equal number. What is stored and scored
does not change any more, so whole blocks are remembered, by pages: whoever looks at a course once
more, or beside where somebody looked, waits for nothing but its newest part.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal, NamedTuple

from sqlalchemy import Engine

from tocsin.bins import Pieces, joined
from tocsin.store.database import told_as_store_error

__all__ = ["PAGE", "SIZES", "Asked", "Blocks"]

#: Samples of a page, and of a block, in each way of cutting.
PAGE: Final = 4_096
SIZES: Final = (16, 256)
#: Pages that are remembered: about 100 MB when all are cut finely, for 17 million samples.
_PAGES: Final = 4_096

#: Threads that make pages, and how many pages a caller makes by itself.
_THREADS: Final = min(4, os.cpu_count() or 1)
_ALONE: Final = 4

Key = tuple[int, int, int]


class Asked(NamedTuple):
    """Of which samples: a metric's with ``low`` <= seq < ``high``."""

    metric: int
    #: A counter's values are its rates.
    counter: bool
    low: int
    high: int
    #: Everything up to this seq is scored.
    scored: int

    @property
    def column(self) -> Literal["rate", "value"]:
        """Where the values are."""
        return "rate" if self.counter else "value"


class Blocks:
    """Any threads. Memory: bounded, see `_PAGES`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        if engine.dialect.name == "postgresql":
            from tocsin.store.postgresql import summed
        else:
            from tocsin.store.sqlite import summed
        self._summed = summed
        self._lock = threading.Lock()
        self._others = ThreadPoolExecutor(_THREADS, "tocsin-blocks")
        #: By metric, size and page; the one used last is the last.
        self._pages: OrderedDict[Key, Pieces] = OrderedDict()

    def between(self, asked: Asked, size: int) -> Pieces:
        """The samples in blocks of ``size`` (of `SIZES`), the first and last maybe smaller.

        Cost: some µs for each page that is remembered; else 1 µs a sample, shared by up to four
        cores. Errors: `StoreError`.
        """
        # Pages begin after multiples of their size: seqs begin at 1.
        first = -(-(asked.low - 1) // PAGE)
        until = min(asked.high - 1, asked.scored) // PAGE
        if first >= until:
            return self._sum(asked, asked.low, asked.high, size)
        return joined(
            [
                self._sum(asked, asked.low, first * PAGE + 1, size),
                *self._whole(asked, range(first, until), size),
                self._sum(asked, until * PAGE + 1, asked.high, size),
            ]
        )

    def _whole(self, asked: Asked, pages: range, size: int) -> list[Pieces]:
        """Whole pages: those that are remembered, and the others, made by several threads."""
        with self._lock:
            known = {page: self._remembered((asked.metric, size, page)) for page in pages}
        missing = [page for page, pieces in known.items() if pieces is None]
        if len(missing) > _ALONE:
            make = partial(self._make, asked, size)
            made = list(self._others.map(make, missing))
        else:
            made = [self._make(asked, size, page) for page in missing]
        known.update(zip(missing, made, strict=True))
        return [pieces for pieces in known.values() if pieces is not None]

    def _remembered(self, key: Key) -> Pieces | None:
        known = self._pages.get(key)
        if known is not None:
            self._pages.move_to_end(key)
        return known

    def _make(self, asked: Asked, size: int, page: int) -> Pieces:
        begin = page * PAGE + 1
        made = self._sum(asked, begin, begin + PAGE, size)
        with self._lock:
            self._pages[asked.metric, size, page] = made
            if len(self._pages) > _PAGES:
                self._pages.popitem(last=False)
        return made

    def _sum(self, asked: Asked, low: int, high: int, size: int) -> Pieces:
        if low >= high:
            return Pieces.empty()
        with told_as_store_error(), self._engine.connect() as connection:
            rows = self._summed(connection, asked.metric, asked.column, low, high, size)
        # Samples may have been forgotten meanwhile: blocks without any tell nothing.
        return Pieces.of_columns(list(zip(*(row for row in rows if row[2]), strict=True)))
