"""Finding metrics by parts of their names and labels, among a million of them.

Names are made of few different *terms*: the parts between dots, and labels. A term that occurs in
a thousand metrics is kept once; of each metric only the numbers of its terms are. A word is looked
for in the terms, and the metrics are those that have one of the terms found.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.samples import Metric

__all__ = ["Index", "Words", "words_of"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Metrics that are taken in with the lock held.
_PIECE: Final = 5_000
#: Words whose terms are remembered.
_WORDS: Final = 256
#: What lies between the terms of a name; a word that has some of it may span several.
_BETWEEN: Final = re.compile(r"[.{},\s]+")
_LABEL: Final = re.compile(r'^([^=,{}"\s]+)=([^"]*)$')


#: A word as it may stand in a title: as it is, and where it is ``key=value``, as ``key="value``.
Word = tuple[str, ...]


class Words(tuple[Word, ...]):
    """What is looked for: words in lower case that must all occur in ``name{key="value",…}``."""

    __slots__ = ()

    @property
    def loose(self) -> Words:
        """Those that `Index.rows` does not decide alone: they may span several terms."""
        return Words(word for word in self if any(map(_BETWEEN.search, word)))

    def are_in(self, metric: Metric) -> bool:
        """Whether they all occur in a metric's name and labels. Cost: some µs."""
        title = str(metric).lower()
        return all(any(text in title for text in word) for word in self)


def words_of(text: str) -> Words:
    """The words of a question; ``key=value`` stands for ``key="value`` too.

    >>> words_of("CPU host=web-1")
    (('cpu',), ('host=web-1', 'host="web-1'))
    """
    return Words(_forms(word) for word in text.lower().split())


def _forms(word: str) -> Word:
    label = _LABEL.match(word)
    return (word,) if label is None else (word, f'{label[1]}="{label[2]}')


class Index:
    """Terms over a list of metrics that grows. Any threads.

    Memory: 8 bytes for each term of each metric, and some 200 for each different term. A million
    metrics with three labels and three parts a name: about 50 MB.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        """``metrics``: the list itself, which others append to."""
        self._metrics = metrics
        self._lock = threading.Lock()
        self._done = 0
        self._number: dict[str, int] = {}
        #: All terms, one a line, and where each begins.
        self._text = bytearray()
        self._begins = array("q")
        #: For each term of each metric, metric by metric: its number, and the metric's row.
        self._terms = array("i")
        self._rows = array("i")
        #: Where the terms of each row end.
        self._ends = array("q")
        #: The terms in order, and the place of each in it; made when it is needed.
        self._sorted: list[int] = []
        self._rank: Ints = np.empty(0, dtype=np.int64)
        #: By word: in which of so many terms it occurs.
        self._found: dict[str, Mask] = {}

    def grow(self) -> bool:
        """Take in some metrics that are new; whether there are more. Cost: some 5 µs each."""
        with self._lock:
            until = min(len(self._metrics), self._done + _PIECE)
            for row in range(self._done, until):
                for term in _terms_of(self._metrics[row]):
                    self._terms.append(self._numbered(term))
                    self._rows.append(row)
                self._ends.append(len(self._terms))
            self._done = until
            return until < len(self._metrics)

    def rows(self, words: Words) -> NDArray[np.bool_]:
        """By row: whether all words occur, or, of `Words.loose` ones, all their parts.

        Takes in what is new first. Cost: 10 ms for each word and a million metrics.
        """
        while self.grow():
            pass
        with self._lock:
            found = np.ones(self._done, dtype=np.bool_)
            for word in words:
                found &= reduce(np.logical_or, map(self._with_parts, word))
            return found

    def _with_parts(self, text: str) -> Mask:
        """By row: whether all parts of ``text`` occur."""
        having = np.ones(self._done, dtype=np.bool_)
        for part in filter(None, _BETWEEN.split(text)):
            having &= self._having(part)
        return having

    def by_name(self, rows: Ints, count: int) -> list[int]:
        """The first ``count`` of these rows, in the order of their terms: name, then labels.

        Cost: some ns a row, once more for as many terms as the first ones share.
        """
        with self._lock:
            rows = rows[rows < self._done]
            rank, terms = self._ranked(), np.frombuffer(self._terms, dtype=np.int32)
            ends = np.frombuffer(self._ends, dtype=np.int64)
            begins, ends = np.where(rows > 0, ends[rows - 1], 0), ends[rows]
            first: list[int] = rows[_least(rank, terms, begins, ends, count)].tolist()
            return first

    def _ranked(self) -> Ints:
        """By number: the place of each term among all in order."""
        if len(self._rank) < len(self._number):
            known = list(self._number)
            self._sorted.extend(range(len(self._sorted), len(known)))
            self._sorted.sort(key=known.__getitem__)
            self._rank = np.empty(len(known), dtype=np.int64)
            self._rank[self._sorted] = np.arange(len(known))
        return self._rank

    def _having(self, part: str) -> Mask:
        """By row: whether it has a term in which ``part`` occurs."""
        terms = np.frombuffer(self._terms, dtype=np.int32)
        rows = np.frombuffer(self._rows, dtype=np.int32)
        having = np.zeros(self._done, dtype=np.bool_)
        having[rows[self._terms_with(part)[terms]]] = True
        return having

    def _terms_with(self, part: str) -> Mask:
        """By term: whether ``part`` occurs in it."""
        before = self._found.pop(part, np.zeros(0, dtype=np.bool_))
        mask = np.zeros(len(self._begins), dtype=np.bool_)
        mask[: len(before)] = before
        new = len(before)
        if new < len(self._begins):
            places = np.fromiter(self._occurrences(part, self._begins[new]), dtype=np.int64)
            begins = np.frombuffer(self._begins, dtype=np.int64)
            mask[np.searchsorted(begins, places, side="right") - 1] = True
        self._found[part] = mask
        if len(self._found) > _WORDS:
            del self._found[next(iter(self._found))]
        return mask

    def _occurrences(self, part: str, start: int) -> Iterator[int]:
        """Where ``part`` occurs in the text, at most once a term."""
        sought, text = part.encode("utf-8", "surrogatepass"), self._text
        at = text.find(sought, start)
        while at >= 0:
            yield at
            at = text.find(sought, text.find(b"\n", at))

    def _numbered(self, term: str) -> int:
        number = self._number.get(term)
        if number is None:
            number = self._number[term] = len(self._begins)
            self._begins.append(len(self._text))
            self._text += term.encode("utf-8", "surrogatepass") + b"\n"
        return number


def _terms_of(metric: Metric) -> list[str]:
    terms = [part for part in _BETWEEN.split(metric.name.lower()) if part]
    return terms + [text.lower().replace("\n", " ") for text in metric.label_texts]


def _least(rank: Ints, terms: NDArray[np.int32], begins: Ints, ends: Ints, count: int) -> Ints:
    """Places of the ``count`` least sequences of terms, in order; of equals the first ones."""
    taken: list[Ints] = []
    places, missing, depth = np.arange(len(begins)), count, 0
    while len(places) > missing > 0:
        at = begins[places] + depth
        ended = at >= ends[places]
        key = np.where(ended, -1, rank[terms[np.where(ended, 0, at)]])
        last = np.partition(key, missing - 1)[missing - 1]
        taken.append(places[key < last])
        places, missing, depth = places[key == last], missing - len(taken[-1]), depth + 1
        if last < 0:
            break
    chosen = np.sort(np.concatenate([*taken, places[:missing]]))
    keys = [tuple(rank[terms[begins[i] : ends[i]]].tolist()) for i in chosen.tolist()]
    return chosen[sorted(range(len(keys)), key=keys.__getitem__)]
