"""What ``tocsin load --prometheus`` does: history from a Prometheus API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tocsin.errors import ConfigurationError
from tocsin.ingest.loading import Sink
from tocsin.ingest.moments import moment_ns

if TYPE_CHECKING:
    from tocsin.ingest.query_range import Fetched, Query

__all__ = ["Watch", "fetch", "queries_of", "watching"]


class Watch:
    """Progress over all queries by their points; or nothing at all."""

    def __init__(self, progress: Progress | None, points: int) -> None:
        self._progress = progress
        self._before, self._began = 0, time.monotonic()
        if progress:
            self._task = progress.add_task("", total=points, rate="")

    def query(self, query: Query) -> None:
        """A query is begun."""
        if self._progress:
            self._progress.update(self._task, description=query.query[:40])

    def advance(self, points: int, samples: int) -> None:
        """So many points of it are dealt with, with so many samples."""
        if self._progress:
            rate = samples / max(time.monotonic() - self._began, 1e-3)
            done = self._before + points
            self._progress.update(self._task, completed=done, rate=f"{rate:,.0f} samples/s")

    def waits(self, reason: str) -> None:
        """One side takes nothing at the moment."""
        if self._progress:
            self._progress.update(self._task, rate=f"waits: {reason[:60]}")

    def done(self, query: Query) -> None:
        """A query is done."""
        self._before += query.points
        self._began = time.monotonic()


@contextmanager
def watching(console: Console, queries: Sequence[Query], *, quiet: bool) -> Iterator[Watch]:
    """A `Watch` with a progress bar, if ``console`` is a terminal and may be used."""
    points = sum(query.points for query in queries)
    if quiet or not console.is_terminal:
        yield Watch(None, points)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield Watch(bar, points)


def queries_of(
    url: str,
    queries: Sequence[str],
    start: str | None,
    end: str | None,
    step: str,
    **naming: Any,
) -> list[Query]:
    """What is asked for. Errors: `ConfigurationError`, `TimestampError`, `BadInputError`."""
    from tocsin.ingest.query_range import Query, duration_ms, milliseconds

    if not queries or start is None:
        raise ConfigurationError("--prometheus needs --query and --start (and --end, --step)")
    began = milliseconds(moment_ns(start))
    ended = milliseconds(time.time_ns() if end is None else moment_ns(end))
    if ended < began:
        raise ConfigurationError(f"--end {end}: must not be before --start {start}")
    return [Query(url, one, began, ended, duration_ms(step), **naming) for one in queries]


def fetch(
    sink: Sink,
    queries: Sequence[Query],
    watch: Watch,
    say: Callable[[str], None],
    *,
    token: str | None,
    rows: int,
    again: bool,
) -> bool:
    """Fetch all; says whether it came to the end, and not to Ctrl-C."""
    from tocsin.ingest.query_range import Api, Fetch, Fetched

    for query in queries:
        api, fetched = Api(query.url, token=token, notice=watch.waits), Fetched()
        watch.query(query)
        try:
            Fetch(api, sink, rows, again).run(query, fetched, watch.advance)
        except KeyboardInterrupt:
            say(f"interrupted: {_line(query, fetched)}; the same command goes on there")
            return False
        finally:
            api.close()
        watch.done(query)
        say(_line(query, fetched))
    return True


def _line(query: Query, fetched: Fetched) -> str:
    told = [f"{fetched.accepted:,} stored"]
    if fetched.before:
        told.append(f"{fetched.before:,} points by an earlier run (--again fetches them once more)")
    if fetched.duplicates:
        told.append(f"{fetched.duplicates:,} already known")
    if fetched.late:
        told.append(f"{fetched.late:,} too late to be scored")
    told += [f"{count:,} refused ({reason})" for reason, count in sorted(fetched.refused.items())]
    return f"{query.query}: {fetched.samples:,} samples: {', '.join(told)}"
