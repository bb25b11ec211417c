"""Judge detectors on data sets of labelled series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.judges import Judge, Judged, Stopwatch
from tocsin.bench.labelled.alarms import NOTHING, Tally, best_tally, tally
from tocsin.bench.labelled.corpus import DataSet, Series
from tocsin.bench.labelled.ranking import auc_pr, auc_roc, buffer_width, volume_under_surface
from tocsin.errors import OutputError

__all__ = ["Ranking", "Report", "average", "judge_data_set", "rank_of"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well anomaly scores rank, each in [0, 1]; the mean over series that have events."""

    vus_pr: float
    vus_roc: float
    auc_pr: float
    auc_roc: float


@dataclass(frozen=True, slots=True)
class Report:
    """One judge's line for one data set."""

    judge: str
    data_set: str
    series: int
    #: None: no series has an event.
    ranking: Ranking | None
    #: Events of the alert score at its best threshold for the whole data set.
    best: Tally
    threshold: float
    #: Events of the alarms of the judge's own default setting; None: it has none.
    default: Tally | None
    us_per_sample: float
    state_bytes: int | None
    #: VUS-PR of every series that has events, by name.
    vus_pr: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        ranking = None if self.ranking is None else asdict(self.ranking)
        return {
            "judge": self.judge,
            "data_set": self.data_set,
            "series": self.series,
            "ranking": ranking,
            "best": {"threshold": self.threshold, **_told(self.best)},
            "default": None if self.default is None else _told(self.default),
            "us_per_sample": self.us_per_sample,
            "state_bytes": self.state_bytes,
            "vus_pr_by_series": self.vus_pr,
        }


def _told(found: Tally) -> dict[str, Any]:
    return {
        "events": found.events,
        "hit": found.hit,
        "false_alarms": found.false_alarms,
        "recall": found.recall,
        "precision": found.precision,
        "f1": found.f1,
        "false_per_1000": found.false_per_1000,
        "median_delay": found.median_delay,
    }


def rank_of(score: Floats, labels: Bools, width: int) -> Ranking:
    """Every ranking figure of one series; needs a labelled row and one that is not."""
    volume = volume_under_surface(score, labels, width)
    return Ranking(volume.pr, volume.roc, auc_pr(score, labels), auc_roc(score, labels))


def average(rankings: list[Ranking]) -> Ranking | None:
    """The mean of each figure; None of nothing."""
    if not rankings:
        return None
    rows = [list(asdict(one).values()) for one in rankings]
    return Ranking(*np.mean(rows, axis=0).tolist())


def judge_data_set(
    judge: Judge,
    data: DataSet,
    scores_out: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run a judge over every series of a data set, each from nothing, and weigh what it said.

    ``scores_out``: also write every series' scores to ``<folder>/<data set>/<series>.parquet``.
    Errors: `OutputError`. Cost: the judge's; O(n (events + width of the buffers)) for the weighing.
    """
    watch = Stopwatch(judge)
    scores, labels = [], []
    ranked: dict[str, Ranking] = {}
    default: Tally | None = NOTHING
    for series in data.series:
        progress(f"{judge.name}: {data.name}/{series.name}")
        judged = watch.run(series.timestamps, series.values)
        if scores_out is not None:
            _write(scores_out / data.name, series, judged)
        counted = slice(series.score_from, None)
        truth = series.labels[counted]
        scores.append(judged.alert_score[counted])
        labels.append(truth)
        if truth.any() and not truth.all():
            width = buffer_width(series.values)
            ranked[series.name] = rank_of(judged.anomaly_score[counted], truth, width)
        if judged.alarms is None:
            default = None
        elif default is not None:
            default += tally(judged.alarms[counted], truth)
    best, threshold = best_tally(scores, labels)
    return Report(
        judge.name,
        data.name,
        len(data.series),
        average(list(ranked.values())),
        best,
        threshold,
        default,
        watch.us_per_sample,
        watch.state_bytes,
        {name: one.vus_pr for name, one in ranked.items()},
    )


def _write(folder: Path, series: Series, judged: Judged) -> None:
    from pyarrow import parquet, table

    alarms = judged.alarms if judged.alarms is not None else np.zeros(len(series.values), bool)
    columns = {
        "timestamp": series.timestamps.astype("datetime64[ns]"),
        "value": series.values,
        "label": series.labels,
        "anomaly_score": judged.anomaly_score,
        "alert_score": judged.alert_score,
        "alarm": alarms,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table(columns), folder / f"{series.name}.parquet")
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
