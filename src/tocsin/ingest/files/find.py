"""The data files that a user's paths mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tocsin.errors import FileFormatError

__all__ = ["find_files"]

_ENDINGS: Final = (".csv", ".csv.gz", ".parquet", ".ndjson", ".jsonl")


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files among ``paths``, and the data files in the folders among them, at any depth.

    A file that is named is taken whatever its ending; folders are searched for ``*.csv``,
    ``*.csv.gz``, ``*.parquet``, ``*.ndjson`` and ``*.jsonl`` that are not hidden. Sorted
    within a folder; nothing twice.

    Errors: `FileFormatError` for a path that is not there, and for a folder without data.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_files_of(Path(path))))
    return list(found)


def _files_of(path: Path) -> list[Path]:
    if not path.exists():
        raise FileFormatError(f"{path}: there is no such file or folder")
    if not path.is_dir():
        return [path]
    files = sorted(_walk(path))
    if not files:
        raise FileFormatError(
            f"{path}: no data in this folder; looked for {', '.join('*' + e for e in _ENDINGS)}"
        )
    return files


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                yield Path(where, name)


def _refuse(error: OSError) -> None:
    raise FileFormatError(f"{error.filename}: cannot be listed: {error.strerror}") from error
