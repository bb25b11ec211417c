"""Finding metrics by parts of their names and labels, among a million of them.

Names are made of few different *terms*: the parts between dots, and labels. A term that occurs in
a thousand metrics is kept once; of each metric only the numbers of its terms are. A word is looked
for in the terms, and the metrics are those that have one of the terms found.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections.abc import Sequence
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.kernels import mark_rows, mark_terms, packed
from tocsin.samples import Metric

__all__ = ["Index", "Words", "words_of"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Metrics that are taken in with the lock held.
_PIECE: Final = 5_000
#: Words whose terms are remembered, and names and labels whose numbers are.
_WORDS: Final = 32
_LATELY: Final = 65_536
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

    Memory: 4 bytes for each term of each metric, 4 for each metric, and some 200 for each different
    term. A million metrics with three labels and three parts a name: 32 MiB.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        """``metrics``: the list itself, which others append to."""
        self._metrics = metrics
        self._lock = threading.Lock()
        self._number: dict[str, int] = {}
        #: All terms, one a line; where each begins, and the end.
        self._text = bytearray()
        self._begins = array("q", [0])
        #: The numbers of the terms of each row, row by row, and where those of each row end.
        self._terms = array("i")
        self._ends = array("i")
        #: The terms in order, and the place of each in it; made when it is needed.
        self._sorted: list[int] = []
        self._rank: Ints = np.empty(0, dtype=np.int64)
        #: By word: the terms, of so many, in which it occurs.
        self._found: dict[str, Mask] = {}
        #: The numbers of names and labels that came lately.
        self._lately: dict[str | tuple[str, str], tuple[int, ...]] = {}

    def grow(self) -> bool:
        """Take in some metrics that are new; whether there are more. Cost: 2 µs each."""
        with self._lock:
            done = len(self._ends)
            until = min(len(self._metrics), done + _PIECE)
            for row in range(done, until):
                self._take(self._metrics[row])
            return until < len(self._metrics)

    def rows(self, words: Words) -> Mask:
        """By row: whether all words occur, or, of `Words.loose` ones, all their parts.

        Takes in what is new first. Cost: some ms for each word and a million metrics.
        """
        while self.grow():
            pass
        with self._lock:
            having = np.ones(len(self._ends), dtype=np.bool_)
            for word in words:
                # Of several forms each looks at what the words before have left.
                having = reduce(np.logical_or, [self._with(text, having) for text in word])
            return having

    def by_name(self, rows: Ints, count: int) -> list[int]:
        """The first ``count`` of these rows in the order of their terms: name, then labels.

        Upper and lower case alike. Cost: some ns a row.
        """
        with self._lock:
            ends = np.frombuffer(self._ends, dtype=np.int32)
            terms = np.frombuffer(self._terms, dtype=np.int32)
            rows = rows[rows < len(ends)]
            first: list[int] = _least(rows, terms, ends, self._ranked(), count).tolist()
            return first

    def _take(self, metric: Metric) -> None:
        lately = self._lately
        parts: list[str | tuple[str, str]] = [metric.name, *metric.labels]
        for part in parts:
            numbers = lately.get(part)
            if numbers is None:
                if len(lately) >= _LATELY:
                    lately.clear()
                numbers = lately[part] = tuple(map(self._numbered, _terms_of(part)))
            self._terms.extend(numbers)
        self._ends.append(len(self._terms))

    def _numbered(self, term: str) -> int:
        number = self._number.get(term)
        if number is None:
            number = self._number[term] = len(self._number)
            self._text += term.encode("utf-8", "surrogatepass") + b"\n"
            self._begins.append(len(self._text))
        return number

    def _with(self, text: str, having: Mask) -> Mask:
        """Of the rows ``having``: whether all parts of ``text`` occur."""
        having = having.copy()
        terms = np.frombuffer(self._terms, dtype=np.int32)
        ends = np.frombuffer(self._ends, dtype=np.int32)
        for part in filter(None, _BETWEEN.split(text)):
            mark_rows(terms, ends, self._terms_with(part), having)
        return having

    def _terms_with(self, part: str) -> Mask:
        """By term: whether ``part`` occurs in it. Cost: 1 ns a byte of new terms."""
        before = self._found.pop(part, np.zeros(0, dtype=np.bool_))
        found = np.zeros(len(self._number), dtype=np.bool_)
        found[: len(before)] = before
        begins = np.frombuffer(self._begins, dtype=np.int64)[len(before) :]
        sought = np.frombuffer(part.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        text = np.frombuffer(self._text, dtype=np.uint8)
        mark_terms(text, begins, sought, found[len(before) :])
        self._found[part] = found
        if len(self._found) > _WORDS:
            del self._found[next(iter(self._found))]
        return found

    def _ranked(self) -> Ints:
        """By number: the place of each term among all in order."""
        if len(self._rank) < len(self._number):
            known = list(self._number)
            self._sorted.extend(range(len(self._sorted), len(known)))
            self._sorted.sort(key=known.__getitem__)
            self._rank = np.empty(len(known), dtype=np.int64)
            self._rank[self._sorted] = np.arange(len(known))
        return self._rank


def _terms_of(part: str | tuple[str, str]) -> list[str]:
    """The terms of a name, or of a label."""
    if isinstance(part, str):
        return [term for term in _BETWEEN.split(part.lower()) if term]
    (text,) = Metric("", (part,)).label_texts
    return [text.lower().replace("\n", " ")]


def _least(
    rows: Ints, terms: NDArray[np.int32], ends: NDArray[np.int32], rank: Ints, count: int
) -> Ints:
    """The ``count`` rows whose sequences of terms are the least, in order; of equals the first."""
    bits = max(1, (len(rank) + 1).bit_length())
    at_once = 62 // bits
    taken: list[Ints] = []
    left, missing, depth = rows, count, 0
    while len(left) > missing > 0:
        keys = np.empty(len(left), dtype=np.int64)
        packed(left, terms, ends, rank, depth, bits, keys)
        last = np.partition(keys, missing - 1)[missing - 1]
        taken.append(left[keys < last])
        left, missing, depth = left[keys == last], missing - len(taken[-1]), depth + at_once
        if last & ((1 << bits) - 1) == 0:  # these have no more terms
            break
    chosen = np.sort(np.concatenate([*taken, left[:missing]]))
    begins = np.where(chosen > 0, ends[chosen - 1], 0)
    told = zip(begins.tolist(), ends[chosen].tolist(), strict=True)
    keys_of = [rank[terms[begin:end]].tolist() for begin, end in told]
    return chosen[sorted(range(len(chosen)), key=keys_of.__getitem__)]
