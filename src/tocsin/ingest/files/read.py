"""One file in, its series out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tocsin.errors import BadInputError, MissingExtraError
from tocsin.ingest.files.options import ReadOptions
from tocsin.ingest.files.reading import FileReading
from tocsin.samples import zone

__all__ = ["read_file"]

_GUESS_ALL: Final = ReadOptions()


def read_file(path: Path, options: ReadOptions = _GUESS_ALL) -> FileReading:
    """Read the series of a CSV, JSON (an object a line; both also gzipped) or Parquet file.

    What cannot be read without guessing is refused, by cell with its line where the rest of the
    file is sound, else as an error; the good samples beside a bad one are kept.

    Errors: `FileFormatError` when the file as a whole cannot be read, `TimestampError` when its
    times can be read in more than one way, `ConfigurationError` for an unknown zone,
    `MissingExtraError` without pyarrow. All name the file.
    Cost: O(bytes), about a second for a million rows of two cells; a few times the file in memory.
    """
    path = Path(path)
    zone(options.timezone)
    try:
        from tocsin.ingest.files.assemble import read_series
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "pyarrow":
            raise MissingExtraError("reading CSV and Parquet files", "files") from error
        raise
    try:
        return read_series(path, options)
    except BadInputError as error:
        raise type(error)(f"{path}: {error}") from error
