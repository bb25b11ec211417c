"""Result files: every scored sample as CSV or Parquet, one file per input, whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from tocsin.detect.result import NUMBERS
from tocsin.errors import ConfigurationError, MissingExtraError, OutputError
from tocsin.samples import SECOND_NS
from tocsin.scanning import SeriesResult, event_text

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv, parquet
except ImportError as error:
    raise MissingExtraError("reading and writing CSV and Parquet files", "files") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["COLUMNS", "Format", "format_of", "replacing", "result_paths", "write_results"]

Format = Literal["csv", "parquet"]

#: The columns of a result file, in this order.
COLUMNS: Final = (
    "metric",
    "timestamp",
    "value",
    "rate",
    "raw_score",
    "likelihood",
    "anomaly_score",
    "alert_score",
    "expected",
    "lower",
    "upper",
    "event",
)
_TYPES: Final = {
    "metric": pa.string(),
    "timestamp": pa.timestamp("ns", "UTC"),
    "event": pa.string(),
}
_SCHEMA: Final = pa.schema([(name, _TYPES.get(name, pa.float64())) for name in COLUMNS])
#: Samples turned into text or compressed at a time: some ten megabytes.
_CHUNK: Final = 65_536
_SUFFIXES: Final = (".gz", ".csv", ".tsv", ".txt", ".parquet", ".ndjson", ".jsonl", ".json")


def format_of(source: Path) -> Format:
    """The format of results that suits an input file: Parquet for Parquet, else CSV."""
    return "parquet" if source.suffix.lower() == ".parquet" else "csv"


def result_paths(
    sources: Sequence[Path], folder: Path, wanted: Format | None = None
) -> dict[Path, Path]:
    """Where each input's results go: ``folder`` / its stem, in its ``wanted`` or own format.

    Inputs whose results would meet there keep their folders (relative to the one that all inputs
    share), then their whole names, so that no result overwrites another.

    >>> inputs = [Path("a/cpu.csv.gz"), Path("a/io.csv"), Path("b/io.csv")]
    >>> [path.as_posix() for path in result_paths(inputs, Path("out")).values()]
    ['out/cpu.csv', 'out/a/io.csv', 'out/b/io.csv']

    Errors: `OutputError` when a result would overwrite an input.
    """
    if wanted is not None and wanted not in get_args(Format):
        raise ConfigurationError(f"format = {wanted!r}: must be csv or parquet")
    unique = list(dict.fromkeys(sources))
    shared = _shared(unique)
    names = _distinct(
        [_candidates(s, shared, wanted or format_of(s), i) for i, s in enumerate(unique, 1)]
    )
    found = {source: folder / name for source, name in zip(unique, names, strict=True)}
    inputs = {source.resolve() for source in unique}
    for target in found.values():
        if target.resolve() in inputs:
            raise OutputError(
                f"{target}: the results would overwrite an input: choose another folder with --out"
            )
    return found


def write_results(target: Path, series: Iterable[SeriesResult], form: Format) -> int:
    """Write scored series one after the other; returns the number of rows.

    CSV has times in ISO 8601 (UTC) and empty cells for what is not known, Parquet
    ``timestamp[ns, UTC]`` and nulls; numbers read back exactly. A series is released once it is
    written. Errors: `OutputError`, and then nothing is left under ``target``'s name.
    """
    rows = 0
    with replacing(target) as file:
        write, close = (_parquet if form == "parquet" else _csv)(file)
        for table in _tables(series):
            write(table)
            rows += table.num_rows
        close()
    return rows


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes ``target``'s place once it is written and on disk, else leaves no trace.

    Errors: `OutputError` for whatever the system says while it is written.
    """
    name = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with name.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        name.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written ({error.strerror or error}); nothing was left there: "
            "make room or choose another place"
        ) from error
    finally:
        with suppress(OSError):
            name.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the new name last; systems that cannot open folders do without."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _stem(source: Path) -> str:
    name = source.name
    while (dot := name.rfind(".")) > 0 and name[dot:].lower() in _SUFFIXES:
        name = name[:dot]
    return name


def _shared(sources: Sequence[Path]) -> Path:
    folders = [str(source.absolute().parent) for source in sources]
    return Path(os.path.commonpath(folders or ["."]))


def _candidates(source: Path, shared: Path, form: Format, number: int) -> Iterator[str]:
    """Names for one input's results, each longer than the one before; at last with its number."""
    folder = source.absolute().parent.relative_to(shared)
    yield f"{_stem(source)}.{form}"
    yield (folder / f"{_stem(source)}.{form}").as_posix()
    yield (folder / f"{source.name}.{form}").as_posix()
    for part in count(1):
        yield (folder / f"{source.name}-{number}-{part}.{form}").as_posix()


def _distinct(candidates: Sequence[Iterator[str]]) -> list[str]:
    names = [next(one) for one in candidates]
    while True:
        # Some file systems take `A.csv` and `a.csv` for the same.
        uses = Counter(name.casefold() for name in names)
        if max(uses.values(), default=1) == 1:
            return names
        for i, name in enumerate(names):
            if uses[name.casefold()] > 1:
                names[i] = next(candidates[i])


def _tables(series: Iterable[SeriesResult]) -> Iterator[Any]:
    """Tables of some ten thousand rows, however short or long the series are."""
    waiting: list[Any] = []
    rows = 0
    for one in series:
        for batch in _batches(one):
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= _CHUNK:
                yield pa.Table.from_batches(waiting, _SCHEMA)
                waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting, _SCHEMA)


def _batches(one: SeriesResult) -> Iterator[Any]:
    for start in range(0, len(one.values), _CHUNK):
        part = slice(start, start + _CHUNK)
        scored = one.scored[part]
        columns = {
            "metric": pa.repeat(str(one.metric), len(scored)),
            "timestamp": pa.array(one.timestamps[part]).cast(_TYPES["timestamp"]),
            "value": pa.array(one.values[part]),
            "event": pa.array(event_text(scored), pa.string()),
        }
        for name in NUMBERS:
            column = np.ascontiguousarray(scored[name])
            columns[name] = pa.array(column, mask=np.isnan(column))
        yield pa.record_batch([columns[name] for name in COLUMNS], schema=_SCHEMA)


Sink = tuple["Callable[[Any], None]", "Callable[[], None]"]


def _parquet(file: IO[bytes]) -> Sink:
    writer = parquet.ParquetWriter(file, _SCHEMA, compression="zstd")
    return writer.write_table, writer.close


def _csv(file: IO[bytes]) -> Sink:
    file.write((",".join(COLUMNS) + "\n").encode())
    plain = csv.WriteOptions(include_header=False, quoting_style="none")
    quoted = csv.WriteOptions(include_header=False, quoting_style="needed")

    def write(table: Any) -> None:
        names = pc.unique(table["metric"])
        special = pc.any(pc.match_substring_regex(names, '[,"\r\n]')).as_py()
        csv.write_csv(_with_iso_times(table), file, quoted if special else plain)

    return write, lambda: None


def _with_iso_times(table: Any) -> Any:
    times = table["timestamp"]
    text = times.cast(pa.timestamp(_unit(times), "UTC")).cast(pa.string())
    text = pc.replace_substring(text, " ", "T", max_replacements=1)
    return table.set_column(COLUMNS.index("timestamp"), "timestamp", text)


def _unit(times: Any) -> str:
    """The coarsest unit that loses nothing."""
    numbers = times.cast(pa.int64()).to_numpy()
    for unit, size in (("s", SECOND_NS), ("ms", 1_000_000), ("us", 1_000)):
        if not np.any(numbers % size):
            return unit
    return "ns"
