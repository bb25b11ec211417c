"""``tocsin load``: files of metrics into the service's database, or into a running service."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from tocsin.cli.load_follow import as_followed, follow_files
from tocsin.cli.load_history import fetch, queries_of
from tocsin.cli.load_history import watching as history_watching
from tocsin.cli.load_output import Watch, file_line, summary, watching
from tocsin.cli.main import BAD_INPUT, INTERRUPTED
from tocsin.errors import BadInputError, ConfigurationError, MissingExtraError, TocsinError
from tocsin.ingest.files import ReadOptions, find_files, read_file
from tocsin.ingest.loading import BATCH_ROWS, Load, Loaded, Naming, Sink, source_of

if TYPE_CHECKING:
    from tocsin.config import Config
    from tocsin.ingest.query_range import Query

__all__ = ["load"]


def load(
    *paths: Path,
    data: Path | None = None,
    database: str | None = None,
    url: str | None = None,
    token: str | None = None,
    config: Path | None = None,
    prometheus: str | None = None,
    query: tuple[str, ...] = (),
    start: str | None = None,
    end: str | None = None,
    step: str = "1m",
    prometheus_token: str | None = None,
    metric: str = "{name}",
    label: tuple[str, ...] = (),
    time_column: str | None = None,
    value_column: tuple[str, ...] = (),
    metric_column: str | None = None,
    label_column: tuple[str, ...] = (),
    time_format: str | None = None,
    delimiter: str | None = None,
    header: Annotated[bool | None, Parameter(negative="--no-header")] = None,
    timezone: str = "UTC",
    batch_rows: int = BATCH_ROWS,
    again: bool = False,
    follow: bool = False,
    quiet: Annotated[bool, Parameter(alias="-q")] = False,
) -> int:
    """Load files of metrics: store and score every sample, as if it had arrived live.

    Reads what `tocsin scan` reads; or, with --prometheus, the history of a Prometheus API, which
    must come before what is newer. Writes into the database itself, or with --url sends to a
    running service, which goes on serving others meanwhile. Interrupted at any moment, the same
    command goes on where it was, and no sample is stored twice.

    Exit code: 0 it ran; 2 something could not be used (the rest was done); 130 interrupted.

    Parameters
    ----------
    paths
        Files, or folders to look through.
    data
        Folder of the service's database. Default: ./tocsin-data
    database
        Another database, as for tocsin up.
    url
        A running service instead, such as http://127.0.0.1:8765
    token
        The service's token; or set TOCSIN_TOKEN.
    config
        The service's configuration file (TOML), so that it is scored with the same settings.
    prometheus
        History instead of files: a Prometheus API (Prometheus, VictoriaMetrics, Mimir, Thanos),
        such as http://127.0.0.1:9090
    query
        What to ask it for (PromQL), such as {job="node"}; may be repeated.
    start
        From when: epoch seconds or ISO 8601 with zone.
    end
        Until when. Default: now
    step
        The time between two points, such as 15s or 1m.
    prometheus_token
        Its token; or set PROMETHEUS_TOKEN.
    metric
        What to call the metrics; may hold {name} (as read), {file} and {folder}.
    label
        A label KEY=VALUE for all of them; may be repeated.
    time_column
        The column that holds the time.
    value_column
        A column that holds values; may be repeated.
    metric_column
        The column that says which metric a row belongs to.
    label_column
        A column that tells metrics of one name apart, such as a host; may be repeated.
    time_format
        How times are written: a strptime pattern such as %d.%m.%Y, or s, ms, us or ns since 1970,
        or iso.
    delimiter
        What separates the cells of a CSV file.
    header
        Whether the first row of a CSV file names its columns.
    timezone
        Zone of times that have none, such as Europe/Berlin.
    batch_rows
        Samples of one batch.
    again
        Send everything, also what an earlier run has sent: for metrics deleted since.
    follow
        Go on with what the files get, until Ctrl-C: CSV with a header, or JSON with one sample a
        line (.ndjson, .jsonl). Files may be rotated or emptied meanwhile.
    quiet
        Print nothing but errors.
    """
    if batch_rows < 1:
        raise ConfigurationError(f"--batch-rows {batch_rows}: must be at least 1")
    token = token or os.environ.get("TOCSIN_TOKEN")
    into = _Into(url, token, config, data, database)
    if prometheus is not None:
        if paths:
            raise BadInputError("give files or --prometheus, not both")
        named = {"template": metric, "labels": _labels(label)}
        queries = queries_of(prometheus, query, start, end, step, **named)
        shown = prometheus_token or os.environ.get("PROMETHEUS_TOKEN")
        return _history(queries, into, shown, batch_rows, again=again, quiet=quiet)
    if not paths:
        raise BadInputError("say which files or folders to load: tocsin load PATH…")
    columns = ReadOptions(
        time_column=time_column,
        value_columns=value_column,
        metric_column=metric_column,
        label_columns=label_column,
        time_format=time_format,
        timezone=timezone,
        delimiter=delimiter,
        header=header,
    )
    errors = Console(stderr=True, highlight=False)
    naming = Naming(metric, _labels(label))
    job = _Job(columns, naming, errors, quiet)
    with (
        job.watching([] if follow else paths) as watch,
        into.opened(watch.waits) as sink,
    ):
        if follow:
            followed = [as_followed(path, columns, naming) for path in paths]
            return follow_files(followed, sink, errors)
        job.run(Load(sink, batch_rows, again), watch)
    return job.finish()


def _history(
    queries: Sequence[Query],
    into: _Into,
    token: str | None,
    rows: int,
    *,
    again: bool,
    quiet: bool,
) -> int:
    errors = Console(stderr=True, highlight=False)

    def say(line: str) -> None:
        if not quiet:
            errors.print(line, markup=False, soft_wrap=True)

    with history_watching(errors, queries, quiet=quiet) as watch, into.opened(watch.waits) as sink:
        whole = fetch(sink, queries, watch, say, token=token, rows=rows, again=again)
    return 0 if whole else INTERRUPTED


@dataclass(frozen=True, slots=True)
class _Into:
    """Where samples go: a running service, or the database itself."""

    url: str | None
    token: str | None
    config: Path | None
    data: Path | None
    database: str | None

    @contextmanager
    def opened(self, waits: Callable[[str], None]) -> Iterator[Sink]:
        """The way there; ``waits`` is told why one waits."""
        if self.url is None:
            with _engine(_configuration(self.config, self.data, self.database), waits) as sink:
                yield sink
            return
        if self.data or self.database or self.config:
            raise ConfigurationError("give --url, or --data, --database and --config: not both")
        with _service(self.url, self.token, waits) as sink:
            yield sink


def _labels(told: Sequence[str]) -> dict[str, str]:
    labels = {}
    for one in told:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise ConfigurationError(f"--label {one!r}: must be KEY=VALUE")
        labels[key] = value
    return labels


def _configuration(config: Path | None, data: Path | None, database: str | None) -> Config:
    from tocsin.config import load as load_config

    flags = {"data": None if data is None else str(data), "database": database}
    return load_config(config, os.environ, flags)


@contextmanager
def _engine(config: Config, waits: Callable[[str], None]) -> Iterator[Sink]:
    """An engine of our own on the database, which no service may hold meanwhile."""
    from tocsin.api.logs import set_up_logs
    from tocsin.engine.engine import Engine
    from tocsin.ingest.local import EngineSink
    from tocsin.store.database import claim

    set_up_logs(config.log_level)
    with claim(config.url, busy_s=config.busy_s) as database:
        engine = Engine(database, config)
        engine.start()
        try:
            yield EngineSink(engine, database, waits)
        finally:
            engine.stop()


@contextmanager
def _service(url: str, token: str | None, waits: Callable[[str], None]) -> Iterator[Sink]:
    try:
        from tocsin.ingest.remote import ServiceSink
    except ModuleNotFoundError as error:
        raise MissingExtraError("--url", "server") from error
    sink = ServiceSink(url, token=token, notice=waits)
    try:
        yield sink
    finally:
        sink.close()


@dataclass(slots=True)
class _Job:
    """One run of the command: what was asked, and what came of each file so far."""

    columns: ReadOptions
    naming: Naming
    errors: Console
    quiet: bool
    files: list[Path] = field(default_factory=list)
    done: list[Loaded] = field(default_factory=list)
    #: The file that was being loaded when Ctrl-C came.
    cut: Loaded | None = None
    interrupted: bool = False
    failed: bool = False
    began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def watching(self, paths: Sequence[Path]) -> Iterator[Watch]:
        """The progress bar over all files among ``paths``."""
        self.files = self._find(paths)
        with watching(self.errors, self.files, quiet=self.quiet) as watch:
            yield watch

    def run(self, load: Load, watch: Watch) -> None:
        """Load file after file, until the end or Ctrl-C."""
        try:
            for path in self.files:
                self._load(path, load, watch)
        except KeyboardInterrupt:
            self.interrupted = True

    def finish(self) -> int:
        """Say what came of it; returns the exit code."""
        if not self.quiet and self.done:
            self._say(summary(self.done, time.perf_counter() - self.began))
        if self.interrupted:
            self._tell_where()
            return INTERRUPTED
        return BAD_INPUT if self.failed else 0

    def _find(self, paths: Sequence[Path]) -> list[Path]:
        found: dict[Path, None] = {}
        for path in paths:
            try:
                found.update(dict.fromkeys(find_files([path])))
            except TocsinError as error:
                self._fail(path, error)
        return list(found)

    def _load(self, path: Path, load: Load, watch: Watch) -> None:
        watch.file(path)
        try:
            loaded = Loaded(path, source_of(path, self.columns, self.naming))
            reading = read_file(path, self.columns)
            metrics = [self.naming.of(one.metric, path) for one in reading.series]
            watch.rows(sum(len(one.values) for one in reading.series))
            self.cut = loaded
            load.file(loaded, metrics, reading.series, watch.advance)
        except (BadInputError, OSError) as error:
            self._fail(path, error)
        else:
            loaded.unread.update(reading.refused)
            self.done.append(loaded)
            if not self.quiet:
                self._say(file_line(loaded))
        self.cut = None
        watch.file_done()

    def _fail(self, path: Path, error: Exception) -> None:
        self.failed = True
        told = " ".join(str(error).split())
        self._say(f"error: {told}" if str(path) in told else f"error: {path}: {told}")

    def _tell_where(self) -> None:
        told = f"interrupted: {len(self.done)} of {len(self.files)} files loaded"
        if self.cut is not None:
            told += f"; {self.cut.path} up to sample {self.cut.done:,} of {self.cut.samples:,}"
        self._say(f"{told}; the same command goes on there")

    def _say(self, line: str) -> None:
        self.errors.print(line, markup=False, soft_wrap=True)
