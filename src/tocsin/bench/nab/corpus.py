"""A folder of the Numenta Anomaly Benchmark: its files, labelled windows and published scores."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import MissingDataError

__all__ = ["HALVES", "Corpus", "NabFile", "load_corpus", "load_published"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PROBATION_SHARE: Final = 0.15
#: Rows of a file that count for probation: it never has more than 750.
PROBATION_ROWS: Final = 5000


#: To develop on one half of what is labelled and to confirm on the other.
HALVES: Final = {"all": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}


@dataclass(frozen=True, slots=True)
class NabFile:
    """One labelled series: times (ns, UTC), values, and windows as (first row, last row)."""

    name: str
    timestamps: Ints
    values: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows at the start that are not scored."""
        return int(PROBATION_SHARE * min(len(self.values), PROBATION_ROWS))


@dataclass(frozen=True, slots=True)
class Corpus:
    """All files of a NAB folder, in the order of their names."""

    files: tuple[NabFile, ...]

    @property
    def windows(self) -> int:
        """Labelled windows in all files."""
        return sum(len(f.windows) for f in self.files)

    def half(self, which: str) -> Corpus:
        """Every other file: ``even`` (the first, third, ...), ``odd`` or ``all``."""
        return Corpus(self.files[HALVES[which]])


def load_corpus(folder: Path) -> Corpus:
    """Read ``data/**.csv`` and ``labels/combined_windows.json`` of a NAB folder.

    Errors: `MissingDataError` says what the folder must hold and where to get it.
    """
    labels = folder / "labels" / "combined_windows.json"
    data = folder / "data"
    if not labels.is_file() or not data.is_dir():
        raise MissingDataError(
            f"{folder} holds no Numenta Anomaly Benchmark: it must contain "
            "data/<group>/<series>.csv and labels/combined_windows.json. "
            "Get it with: git clone https://github.com/numenta/NAB, then --data NAB"
        )
    windows: dict[str, list[list[str]]] = json.loads(labels.read_text(encoding="utf-8"))
    files = []
    for name in sorted(windows):
        path = data / name
        if not path.is_file():
            raise MissingDataError(f"{labels} names {name}, but {path} is not there")
        files.append(_read(name, path, windows[name]))
    return Corpus(tuple(files))


def _read(name: str, path: Path, windows: list[list[str]]) -> NabFile:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    cells = [line.rsplit(",", 1) for line in lines if line]
    times = np.array([c[0] for c in cells], dtype="datetime64[ns]").astype(np.int64)
    values = np.array([float(c[1]) for c in cells])
    spans = []
    for first, last in windows:
        ends = np.array([first, last], dtype="datetime64[ns]").astype(np.int64)
        # A window begins and ends on rows; repeated times (DST) count by their first row.
        spans.append((int(np.searchsorted(times, ends[0])), _row_of(times, int(ends[1]))))
    return NabFile(name, times, values, tuple(spans))


def _row_of(times: Ints, moment: int) -> int:
    rows = np.flatnonzero(times == moment)
    return int(rows[0]) if len(rows) else int(np.searchsorted(times, moment, side="right")) - 1


def load_published(folder: Path, corpus: Corpus, column: str = "anomaly_score") -> list[Floats]:
    """What Numenta published for its HTM detector, from ``htm_reference/**.csv.gz``.

    ``column``: ``anomaly_score`` or ``raw_score``. Errors: `MissingDataError`.
    """
    scores = []
    for file in corpus.files:
        path = folder / "htm_reference" / f"{file.name}.gz"
        if not path.is_file():
            raise MissingDataError(
                f"{path} is not there: published scores need one file per series"
            )
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            scores.append(np.array([float(row[column]) for row in csv.DictReader(lines)]))
    return scores
