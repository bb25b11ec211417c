"""What a variant of the model is measured by, with the default settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tocsin.bench.judges import TocsinJudge
from tocsin.bench.labelled.corpus import load_data_sets
from tocsin.bench.labelled.run import Report, judge_data_set
from tocsin.bench.nab.corpus import load_corpus
from tocsin.bench.nab.run import run_detector
from tocsin.detect.settings import Settings

__all__ = ["HEADS", "LABELLED_HEADS", "NAB_HEADS", "Figures", "measure"]

#: Field -> head of its column.
NAB_HEADS: Final = {
    "standard": "NAB std",
    "low_fp": "low FP",
    "low_fn": "low FN",
    "hit": "hit",
    "episodes": "FA",
}
LABELLED_HEADS: Final = {
    "vus_pr": "VUS-PR",
    "auc_pr": "AUC-PR",
    "best_f1": "best F1",
    "f1": "F1",
}
HEADS: Final = {**NAB_HEADS, **LABELLED_HEADS}


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one variant; None where there was no such data."""

    standard: float | None = None
    low_fp: float | None = None
    low_fn: float | None = None
    #: Windows hit by the events of the default setting, and false-alarm episodes a stream-week.
    hit: float | None = None
    episodes: float | None = None
    #: Means over the labelled data sets.
    vus_pr: float | None = None
    auc_pr: float | None = None
    best_f1: float | None = None
    f1: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Plain values, for JSON."""
        return asdict(self)

    def less(self, other: Figures) -> Figures:
        """The difference, figure by figure."""
        ours, theirs = self.as_dict(), other.as_dict()
        return Figures(**{name: _minus(ours[name], theirs[name]) for name in HEADS})


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def measure(nab: Path | None, data: Path | None, half: str) -> Figures:
    """Judge the model on a NAB folder, a folder of labelled data sets, or both.

    Cost: some 5 seconds for both, and compiling.
    """
    found: dict[str, Any] = {}
    if nab is not None:
        row = run_detector(load_corpus(nab).half(half), Settings())
        scores = [score.score for score in row.scores]
        found |= dict(zip(NAB_HEADS, (*scores, row.default_hit, row.default_episodes), strict=True))
    if data is not None:
        sets = [one.half(half) for one in load_data_sets(data)]
        reports = [judge_data_set(TocsinJudge(), one) for one in sets]
        found |= dict(zip(LABELLED_HEADS, _means(reports), strict=True))
    return Figures(**found)


def _means(reports: list[Report]) -> list[float]:
    told = [one for one in reports if one.ranking is not None and one.default is not None]
    rows = [
        (one.ranking.vus_pr, one.ranking.auc_pr, one.best.f1, one.default.f1)
        for one in told
        if one.ranking is not None and one.default is not None
    ]
    means: list[float] = np.mean(rows, axis=0).tolist()
    return means
