"""Reading a target's text again: what changes from scrape to scrape are mostly the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from tocsin.engine.batch import Batch
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.exposition import PROTOCOL, decode
from tocsin.samples import Metric, Samples

__all__ = ["Reader"]

Frame = tuple[object, ...]

#: The longest value that is read without the parser (characters).
_LONGEST: Final = 40


class Reader:
    """Reads one target's text as `decode` does, and remembers its lines up to their values.

    Where every line is known, and the comments are as they were, the parser is not needed.
    Cost then: a microsecond a sample. Memory: the lines of one scrape.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels
        #: What a text must have in common with the one that was learnt.
        self._frame: Frame = ()
        self._heads: dict[str, int] = {}
        self._metrics: Sequence[Metric] = ()
        self._counters: frozenset[int] = frozenset()

    def decode(self, body: bytes, content_type: str, at: int) -> Decoded:
        """The samples of one scrape at ``at`` (ns). Errors: `BadInputError`."""
        try:
            frame, lines = _parts(body.decode(), content_type)
            if frame == self._frame and self._heads:
                return self._again(lines, at)
        except (UnicodeDecodeError, _UnknownLineError):
            pass
        decoded = decode(body, content_type, at, self._labels)
        self._learn(*_parts(body.decode(), content_type), decoded, at)
        return decoded

    def _again(self, lines: Sequence[str], at: int) -> Decoded:
        which, values = [], []
        for line in lines:
            head, _, value = line.rpartition(" ")
            index = self._heads.get(head)
            if index is None or len(value) > _LONGEST or "_" in value:
                raise _UnknownLineError
            which.append(index)
            values.append(_number(value))
        samples = Samples(
            np.array(which, dtype=np.int64),
            np.full(len(which), at, dtype=np.int64),
            np.array(values, dtype=np.float64),
        )
        return Decoded(Batch(self._metrics, samples, PROTOCOL, counters=self._counters), [])

    def _learn(self, frame: Frame, lines: Sequence[str], decoded: Decoded, at: int) -> None:
        """Samples come in the order of their lines."""
        batch, self._heads = decoded.batch, {}
        if decoded.rejected or len(batch) != len(lines):
            return
        self._frame, self._metrics, self._counters = frame, batch.metrics, batch.counters
        columns = zip(batch.samples.metric.tolist(), batch.samples.timestamp.tolist(), strict=True)
        for line, (index, moment) in zip(lines, columns, strict=True):
            head, _, _ = line.rpartition(" ")
            # With a time of its own, or an exemplar, a line ends otherwise.
            if moment == at and (head.endswith("}") or " " not in head) and " # " not in line:
                self._heads[head] = index


class _UnknownLineError(Exception):
    """Only the parser can tell."""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _UnknownLineError from None


def _parts(text: str, content_type: str) -> tuple[Frame, list[str]]:
    """What decides how lines are read: comments and where they stand; and the lines of samples."""
    lines: list[str] = []
    frame: list[object] = [content_type]
    for line in map(str.strip, text.split("\n")):
        if line[:1] == "#":
            frame.append((len(lines), line))
        elif line:
            lines.append(line)
    return tuple(frame), lines
