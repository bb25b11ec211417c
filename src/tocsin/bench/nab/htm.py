"""The HTM model over a NAB corpus with several seeds: mean and spread.

Its raw scores are judged three ways: by the likelihood and alarm that were asked for, by Numenta's
likelihood as their NAB detector used it, and by that with their range rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.nab.corpus import Corpus, NabFile
from tocsin.bench.nab.numenta import out_of_range, published_gaussian
from tocsin.bench.nab.run import START, Row, row_of
from tocsin.bench.nab.scoring import false_episodes, windows_hit
from tocsin.detect.fleet import Fleet
from tocsin.detect.models.htm.parameters import Htm
from tocsin.detect.settings import Settings

__all__ = ["mean_row", "range_of", "run_seeds"]

Floats = NDArray[np.float64]
Progress = Callable[[str], None]

#: Buckets that NAB's HTM detector divides the given range into.
_BUCKETS: Final = 130
#: What NAB adds to each end of a file's range before it tells a detector.
_PADDING: Final = 0.2


def range_of(values: Floats) -> tuple[float, float]:
    """The range that NAB's HTM detector is told before a file's first row.

    It is taken from the whole file: no stream knows it.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        high += 1.0
    padding = _PADDING * (high - low)
    return low - padding, high + padding


def run_seeds(
    corpus: Corpus,
    settings: Settings,
    seeds: int = 1,
    range_given: bool = False,
    *,
    progress: Progress = lambda _: None,
) -> Iterator[Row]:
    """One row for each way to judge the model's raw scores, over ``seeds`` seeds.

    ``range_given``: tell the model each file's range in advance, as NAB does.
    """
    told = f"htm, {settings.likelihood}" + (", range given" if range_given else "")
    found: dict[str, list[Row]] = {}
    for seed in range(seeds):
        progress(f"{told}, seed {seed + 1} of {seeds}")
        for row in _run(corpus, _seeded(settings, seed), told, range_given):
            found.setdefault(row.detector, []).append(row)
    for rows in found.values():
        yield mean_row(rows)


def mean_row(rows: list[Row]) -> Row:
    """The mean of several runs, with the standard deviation of their scores.

    Counts and episodes are means as well, counts to the nearest whole number.
    """
    each = np.array([[score.score for score in row.scores] for row in rows])
    first = rows[0]

    def mean(values: list[float | int | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    hit = mean([row.default_hit for row in rows])
    return Row(
        first.detector,
        tuple(
            replace(
                score,
                score=float(each[:, k].mean()),
                threshold=float(np.mean([row.scores[k].threshold for row in rows])),
                windows_hit=round(np.mean([row.scores[k].windows_hit for row in rows])),
                false_rows=round(np.mean([row.scores[k].false_rows for row in rows])),
            )
            for k, score in enumerate(first.scores)
        ),
        float(np.mean([row.episodes for row in rows])),
        None if hit is None else round(hit),
        mean([row.default_episodes for row in rows]),
        mean([row.us_per_sample for row in rows]),
        tuple(each.std(axis=0, ddof=1).tolist()) if len(rows) > 1 else None,
    )


def _seeded(settings: Settings, seed: int) -> Settings:
    htm = Htm.of(settings.htm)
    return replace(settings, htm=replace(htm, seed=htm.seed + seed))


def _run(corpus: Corpus, settings: Settings, told: str, range_given: bool) -> Iterator[Row]:
    first = corpus.files[0]  # compile, or load the compiled kernels
    _score(replace(first, timestamps=first.timestamps[:2], values=first.values[:2]), settings)
    begin = time.perf_counter()
    scored = [_score(file, _told(settings, file, range_given)) for file in corpus.files]
    us = (time.perf_counter() - begin) / sum(len(file.values) for file in corpus.files) * 1e6
    raw = [np.asarray(rows["raw_score"]) for rows in scored]
    alerts = [np.nan_to_num(rows["alert_score"], nan=0.0) for rows in scored]
    events = [(rows["event"] == START).astype(np.float64) for rows in scored]
    yield replace(
        row_of(f"tocsin ({told})", corpus, alerts, us),
        default_hit=windows_hit(corpus, events, 1.0),
        default_episodes=false_episodes(corpus, events, 1.0),
    )
    gaussian = [published_gaussian(*pair) for pair in zip(corpus.files, raw, strict=True)]
    yield row_of("  its raw, gaussian as in NAB", corpus, gaussian, None)
    ruled = [
        np.where(out_of_range(file.values), 1.0, score)
        for file, score in zip(corpus.files, gaussian, strict=True)
    ]
    yield row_of("  its raw, gaussian + range", corpus, ruled, None)


def _told(settings: Settings, file: NabFile, range_given: bool) -> Settings:
    if not range_given:
        return settings
    low, high = range_of(file.values)
    known = replace(Htm.of(settings.htm), range_low=low, range_high=high, buckets=_BUCKETS)
    return replace(settings, htm=known)


def _score(file: NabFile, settings: Settings) -> NDArray[np.void]:
    rows = np.zeros(len(file.values), dtype=np.int64)
    return Fleet(settings, 1).update(rows, file.timestamps, file.values)
