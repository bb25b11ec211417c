"""Loops over all metrics, for answers to people: which have a word, how they rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel

__all__ = ["mark_rows", "mark_terms", "packed", "rank_keys"]

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@kernel
def mark_terms(
    text: NDArray[np.uint8], begins: Ints, sought: NDArray[np.uint8], found: Mask
) -> None:
    """Set ``found`` for each term in which ``sought`` occurs.

    ``text``: the terms, each ended by one more byte; ``begins``: where each begins, and the end.
    """
    size = len(sought)
    for term in range(len(begins) - 1):
        last = begins[term + 1] - 1 - size
        for at in range(begins[term], last + 1):
            if text[at] == sought[0]:
                same = 1
                while same < size and text[at + same] == sought[same]:
                    same += 1
                if same == size:
                    found[term] = True
                    break


@kernel
def mark_rows(terms: NDArray[np.int32], ends: NDArray[np.int32], found: Mask, having: Mask) -> None:
    """Unset ``having`` for rows that have none of the terms ``found``.

    ``terms``: of all rows; ``ends``: where each row's end.
    """
    begin = 0
    for row in range(len(ends)):
        end = ends[row]
        if having[row]:
            having[row] = False
            for at in range(begin, end):
                if found[terms[at]]:
                    having[row] = True
                    break
        begin = end


@kernel
def packed(
    rows: Ints,
    terms: NDArray[np.int32],
    ends: NDArray[np.int32],
    rank: Ints,
    depth: int,
    bits: int,
    keys: Ints,
) -> None:
    """Each row's terms from ``depth`` on, as many as fit, as one number that sorts as they do."""
    for i in range(len(rows)):
        row = rows[i]
        begin = 0 if row == 0 else ends[row - 1]
        key = 0
        for at in range(begin + depth, begin + depth + 62 // bits):
            key = key << bits
            if at < ends[row]:
                key |= rank[terms[at]] + 1
        keys[i] = key


@kernel
def rank_keys(
    scores: Floats, times: Ints, rows: Ints, ages: Ints, unknown: float, keys: Floats
) -> None:
    """See `tocsin.engine.ranking.by_score`: scores, less 2 for each time in ``ages`` passed."""
    for i in range(len(rows)):
        row = rows[i]
        key = scores[row]
        if np.isnan(key):
            key = unknown
        for age in ages:
            if times[row] < age:
                key -= 2.0
        keys[i] = key
