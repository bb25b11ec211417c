"""The Numenta Anomaly Benchmark's official scoring, of one alarm score per row.

A file's labelled windows are rewarded once each, by how early the first row at or above the
threshold lies in them; every other such row costs, less so shortly after a window. One threshold
serves all files. The sum is normalised between a detector that never speaks (0) and one that
speaks on the first row of every window and nowhere else (100).

Source: Lavin & Ahmad, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly
Benchmark" (2015), and NAB's own description of probation (15 % of a file, at most 750 rows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.nab.corpus import Corpus, NabFile

__all__ = ["PROFILES", "Profile", "Score", "false_episodes", "score_corpus", "windows_hit"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: False alarms closer than this are one episode.
EPISODE_NS: Final = 6 * 3_600 * 1_000_000_000
WEEK_NS: Final = 7 * 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """What a hit, a miss and a false alarm are worth."""

    name: str
    true_positive: float
    false_negative: float
    false_positive: float


#: NAB's three application profiles (its ``config/profiles.json``).
PROFILES: Final = (
    Profile("standard", 1.0, 1.0, 0.11),
    Profile("reward_low_FP_rate", 1.0, 1.0, 0.22),
    Profile("reward_low_FN_rate", 1.0, 2.0, 0.11),
)


@dataclass(frozen=True, slots=True)
class Score:
    """One profile's result over a corpus at its best threshold."""

    profile: str
    score: float
    threshold: float
    windows_hit: int
    false_rows: int


def _sigmoid(position: Floats) -> Floats:
    """NAB's scaled sigmoid: 1 well before, 0 at the window's end, -1 from three widths past it."""
    value = 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 3.0))) - 1.0
    return np.where(position > 3.0, -1.0, value)


@dataclass(frozen=True, slots=True)
class _Weights:
    """Per counted row of a file: its unweighted worth and its window (-1: none)."""

    worth: Floats
    window: Ints
    rows: Ints


def _weigh(file: NabFile) -> _Weights:
    n = len(file.values)
    index = np.arange(n)
    worth = np.full(n, -1.0)
    window = np.full(n, -1, dtype=np.int64)
    for k, (first, last) in enumerate(file.windows):
        width = last - first + 1
        inside = slice(first, last + 1)
        position = -(last - index[inside] + 1) / width
        worth[inside] = _sigmoid(position) / _sigmoid(np.array([-1.0]))[0]
        window[inside] = k
        end = file.windows[k + 1][0] if k + 1 < len(file.windows) else n
        after = slice(last + 1, end)
        if width > 1:
            worth[after] = _sigmoid((index[after] - last) / (width - 1.0))
    counted = np.flatnonzero((window >= 0) | (index >= file.probation))
    return _Weights(worth[counted], window[counted], counted)


def score_corpus(
    corpus: Corpus, scores: list[Floats], profiles: tuple[Profile, ...] = PROFILES
) -> list[Score]:
    """Sweep every threshold over all files at once and return each profile's best.

    ``scores`` holds one array per file of the corpus, a number per row (not-a-number: silent).
    Cost: O(rows log rows).
    """
    worth, window, height = [], [], []
    offset = 0
    for file, score in zip(corpus.files, scores, strict=True):
        weights = _weigh(file)
        worth.append(weights.worth)
        window.append(np.where(weights.window >= 0, weights.window + offset, -1))
        height.append(np.nan_to_num(score[weights.rows], nan=0.0))
        offset += len(file.windows)
    return [
        _sweep(p, np.concatenate(worth), np.concatenate(window), np.concatenate(height), offset)
        for p in profiles
    ]


def _sweep(profile: Profile, worth: Floats, window: Ints, height: Floats, windows: int) -> Score:
    """Lower the threshold from the highest score to the lowest, keeping the running total."""
    order = np.argsort(-height, kind="stable")
    total = -profile.false_negative * windows
    null = total
    best_of: dict[int, float] = {}
    false_rows = 0
    best = Score(profile.name, 0.0, float("inf"), 0, 0)
    best_total = total
    ordered = height[order]
    for place, row in enumerate(order.tolist()):
        k = int(window[row])
        gain = float(worth[row])
        if k >= 0:
            gain *= profile.true_positive
            known = best_of.get(k)
            if known is None:
                total += gain + profile.false_negative
                best_of[k] = gain
            elif gain > known:
                total += gain - known
                best_of[k] = gain
        else:
            total += gain * profile.false_positive
            false_rows += 1
        last_of_tie = place + 1 == len(ordered) or ordered[place + 1] != ordered[place]
        if last_of_tie and total > best_total:
            best_total = total
            best = Score(profile.name, 0.0, float(ordered[place]), len(best_of), false_rows)
    perfect = profile.true_positive * windows
    value = 100.0 * (best_total - null) / (perfect - null) if windows else 0.0
    return Score(best.profile, value, best.threshold, best.windows_hit, best.false_rows)


def windows_hit(corpus: Corpus, scores: list[Floats], threshold: float) -> int:
    """Labelled windows with at least one row at or above the threshold."""
    return sum(
        bool(np.any(score[first : last + 1] >= threshold))
        for file, score in zip(corpus.files, scores, strict=True)
        for first, last in file.windows
    )


def false_episodes(corpus: Corpus, scores: list[Floats], threshold: float) -> float:
    """False-alarm episodes per stream and week: alarms outside windows, merged within six hours."""
    episodes, weeks = 0, 0.0
    for file, score in zip(corpus.files, scores, strict=True):
        outside = np.ones(len(score), dtype=bool)
        outside[: file.probation] = False
        for first, last in file.windows:
            outside[first : last + 1] = False
        times = file.timestamps[outside & (score >= threshold)]
        episodes += int(np.count_nonzero(np.diff(times) > EPISODE_NS)) + bool(len(times))
        weeks += (file.timestamps[-1] - file.timestamps[file.probation]) / WEEK_NS
    return float(episodes / weeks)
