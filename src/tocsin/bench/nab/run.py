"""Run detectors over a NAB corpus, causally, with one configuration for all files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.baselines import BASELINES, told_once
from tocsin.bench.nab.corpus import Corpus, NabFile, load_published
from tocsin.bench.nab.numenta import out_of_range, published_calibrated, published_gaussian
from tocsin.bench.nab.scoring import Score, false_episodes, score_corpus, windows_hit
from tocsin.detect.fleet import Fleet
from tocsin.detect.result import EVENT_CODES, EventState
from tocsin.detect.settings import Settings

__all__ = [
    "START",
    "Row",
    "row_of",
    "run_detector",
    "run_likelihoods",
    "run_others",
    "run_published",
]

Floats = NDArray[np.float64]
Progress = Callable[[str], None]

#: The code of an event's first row.
START: Final = EVENT_CODES.index(EventState.START)


@dataclass(frozen=True, slots=True)
class Row:
    """One detector's line in the table."""

    detector: str
    #: Best over all thresholds, per profile.
    scores: tuple[Score, ...]
    #: False-alarm episodes per stream and week at the standard profile's threshold.
    episodes: float
    #: The same two at the product's default setting, label-free: its own events. None: has none.
    default_hit: int | None
    default_episodes: float | None
    #: One core, this machine; None where the scores were only read.
    us_per_sample: float | None
    #: Standard deviation of the scores over several seeds; None: there was one run.
    spread: tuple[float, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def run_others(folder: Path, corpus: Corpus, progress: Progress = lambda _: None) -> Iterator[Row]:
    """The trivial baselines, and Numenta's published scores where they are."""
    for name, baseline in BASELINES.items():
        progress(name)
        yield _baseline(name, baseline, corpus)
        yield _baseline(f"{name}, told once", partial(_told_once, baseline), corpus)
    if (folder / "htm_reference").is_dir():
        progress("Numenta HTM, as published")
        yield run_published(folder, corpus)
        yield from run_likelihoods(folder, corpus)


def run_detector(corpus: Corpus, settings: Settings) -> Row:
    """Tocsin's alert score, every file from an empty state."""
    _alerts(corpus.files[0], settings)  # compile, or load the compiled kernels
    events: list[Floats] = []

    def score(file: NabFile) -> Floats:
        alert, starts = _alerts(file, settings)
        events.append(starts)
        return alert

    scores, us = _timed(corpus, score)
    row = row_of(f"tocsin ({settings.model})", corpus, scores, us)
    return Row(
        row.detector,
        row.scores,
        row.episodes,
        windows_hit(corpus, events, 1.0),
        false_episodes(corpus, events, 1.0),
        us,
    )


def run_published(folder: Path, corpus: Corpus) -> Row:
    """Numenta's own scores through this scoring: must give 70.10 standard."""
    return row_of("Numenta HTM, as published", corpus, load_published(folder, corpus), None)


def run_likelihoods(folder: Path, corpus: Corpus) -> Iterator[Row]:
    """The same published raw scores under different likelihoods."""
    raw = load_published(folder, corpus, "raw_score")
    yield row_of("published raw scores", corpus, raw, None)
    scores = [published_gaussian(*pair) for pair in zip(corpus.files, raw, strict=True)]
    yield row_of("published raw, gaussian", corpus, scores, None)
    ruled = [
        np.where(out_of_range(file.values), 1.0, score)
        for file, score in zip(corpus.files, scores, strict=True)
    ]
    yield row_of("published raw, gaussian + range", corpus, ruled, None)
    ours = [published_calibrated(*pair) for pair in zip(corpus.files, raw, strict=True)]
    yield row_of("published raw, calibrated", corpus, ours, None)


def _baseline(name: str, score: Callable[[Floats], Floats], corpus: Corpus) -> Row:
    return row_of(name, corpus, *_timed(corpus, lambda file: score(file.values)))


def _told_once(score: Callable[[Floats], Floats], values: Floats) -> Floats:
    return told_once(score(values))


def _alerts(file: NabFile, settings: Settings) -> tuple[Floats, Floats]:
    rows = np.zeros(len(file.values), dtype=np.int64)
    scored = Fleet(settings, 1).update(rows, file.timestamps, file.values)
    alert = np.nan_to_num(scored["alert_score"], nan=0.0)
    return alert, (scored["event"] == START).astype(np.float64)


def _timed(corpus: Corpus, score: Callable[[NabFile], Floats]) -> tuple[list[Floats], float | None]:
    samples = sum(len(file.values) for file in corpus.files)
    begin = time.perf_counter()
    scores = [score(file) for file in corpus.files]
    return scores, (time.perf_counter() - begin) / samples * 1e6


def row_of(name: str, corpus: Corpus, scores: list[Floats], us: float | None) -> Row:
    """The line of a detector from one score per row of each file; without events."""
    best = score_corpus(corpus, scores)
    return Row(name, tuple(best), false_episodes(corpus, scores, best[0].threshold), None, None, us)
