"""The list of what was refused: complete counts, and the first thousand in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.files.reading import Refusal

__all__ = ["Refusals", "clip"]

_KEPT: Final = 1000
_WIDEST: Final = 80


def clip(text: str) -> str:
    """The text, shortened so that a message stays readable."""
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


class Refusals:
    """Collects refusals of a file; memory is bounded however many there are."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._kept: list[Refusal] = []

    @property
    def counts(self) -> dict[str, int]:
        """How many were refused, by kind of reason."""
        return dict(self._counts)

    def first(self) -> list[Refusal]:
        """The first 1000 refusals in the order of lines."""
        return sorted(self._kept, key=lambda refusal: refusal.line)[:_KEPT]

    def count(self, kind: str, times: int) -> None:
        """Count refusals without a place of their own."""
        if times:
            self._counts[kind] += times

    def add(self, kind: str, line: int, column: str, text: str, reason: str) -> None:
        """Note one refusal."""
        self._counts[kind] += 1
        if len(self._kept) < 2 * _KEPT:
            self._kept.append(Refusal(line, column, clip(text), reason))

    def add_rows(
        self,
        kind: str,
        rows: NDArray[np.int64],
        lines: NDArray[np.int64],
        column: str,
        text: Callable[[int], str],
        reason: str,
    ) -> None:
        """Note the cells of ``column`` in ``rows`` (rising); ``{text}`` in reason is the cell."""
        self.count(kind, len(rows))
        for row in rows[:_KEPT].tolist():
            cell = clip(text(row))
            shown = reason.replace("{text}", repr(cell))
            self._kept.append(Refusal(int(lines[row]), column, cell, shown))
        if len(self._kept) > 4 * _KEPT:
            self._kept = self.first()
