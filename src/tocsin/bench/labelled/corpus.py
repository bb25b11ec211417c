"""A folder of labelled series: its manifest, and one Parquet file a series."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.nab.corpus import HALVES
from tocsin.errors import MissingDataError

__all__ = ["DataSet", "Series", "load_data_sets"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_COLUMNS: Final = ("timestamp", "value", "label")


@dataclass(frozen=True, slots=True)
class Series:
    """One labelled series: times (ns, UTC), values, and which rows are anomalies.

    Rows before ``score_from`` are for learning: they feed a detector and are not judged.
    """

    name: str
    timestamps: Ints
    values: Floats
    labels: Bools
    score_from: int


@dataclass(frozen=True, slots=True)
class DataSet:
    """Series of one origin, in the order of their names."""

    name: str
    series: tuple[Series, ...]

    def half(self, which: str) -> DataSet:
        """Every other series: ``even`` (the first, third, ...), ``odd`` or ``all``."""
        return DataSet(self.name, self.series[HALVES[which]])


def load_data_sets(folder: Path) -> list[DataSet]:
    """Read ``manifest.json`` and ``<data set>/<series>.parquet`` of a folder.

    The manifest: ``{"datasets": {<data set>: {"series": [{"name": ..., "score_from": row}]}}}``;
    a series has the columns timestamp, value, label (0 or 1).
    Errors: `MissingDataError` says what the folder must hold; `MissingExtraError` (by import).
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise MissingDataError(
            f"{folder} holds no labelled series: it must contain manifest.json "
            '({"datasets": {NAME: {"series": [{"name": ..., "score_from": ...}]}}}) and '
            "NAME/<series>.parquet with the columns timestamp, value, label"
        )
    try:
        described = json.loads(manifest.read_text(encoding="utf-8"))["datasets"]
        return [
            DataSet(name, tuple(_read(folder / name, one) for one in _by_name(about["series"])))
            for name, about in sorted(described.items())
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise MissingDataError(
            f"{manifest} is no manifest of labelled series: {error!r}"
        ) from error


def _by_name(series: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(series, key=lambda one: str(one["name"]))


def _read(folder: Path, about: dict[str, Any]) -> Series:
    from pyarrow import lib, parquet

    path = folder / f"{about['name']}.parquet"
    if not path.is_file():
        raise MissingDataError(f"the manifest names {about['name']}, but {path} is not there")
    try:
        table = parquet.read_table(path, columns=list(_COLUMNS))
        columns = [table.column(name).to_numpy() for name in _COLUMNS]
    except (lib.ArrowException, KeyError) as error:
        raise MissingDataError(
            f"{path} is no labelled series (columns {', '.join(_COLUMNS)}): {error}"
        ) from error
    return _series(str(about["name"]), int(about["score_from"]), *columns)


def _series(name: str, score_from: int, times: Any, values: Any, labels: Any) -> Series:
    numbers = np.asarray(values, dtype=np.float64)
    kept = np.isfinite(numbers)
    return Series(
        name,
        np.asarray(times, dtype="datetime64[ns]").astype(np.int64)[kept],
        numbers[kept],
        np.asarray(labels)[kept] != 0,
        int(np.count_nonzero(kept[:score_from])),
    )
