"""What ``tocsin load`` says: progress, measured rate, time left, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tocsin.ingest.loading import Loaded

__all__ = ["Watch", "file_line", "summary", "watching"]


class Watch:
    """Progress over all files by their bytes, within a file by its samples; or nothing at all."""

    def __init__(self, progress: Progress | None, files: Sequence[Path]) -> None:
        self._progress = progress
        self._sizes = {path: max(1, path.stat().st_size) if path.exists() else 1 for path in files}
        self._before = self._size = self._rows = self._done = 0
        self._sent, self._began = 0, time.monotonic()
        if progress:
            self._task = progress.add_task("", total=sum(self._sizes.values()), rate="")

    def file(self, path: Path) -> None:
        """A file is begun."""
        self._size, self._rows, self._done = self._sizes[path], 0, 0
        if self._progress:
            self._progress.update(self._task, description=path.name)

    def rows(self, count: int) -> None:
        """It was read and has so many samples."""
        self._rows = count

    def advance(self, count: int) -> None:
        """So many more of its samples are stored."""
        self._done += count
        self._sent += count
        if self._progress and self._rows:
            rate = self._sent / max(time.monotonic() - self._began, 1e-3)
            share = self._size * self._done / self._rows
            self._progress.update(
                self._task, completed=self._before + share, rate=f"{rate:,.0f} samples/s"
            )

    def waits(self, reason: str) -> None:
        """The service takes nothing at the moment."""
        if self._progress:
            self._progress.update(self._task, rate=f"waits: {reason[:60]}")

    def file_done(self) -> None:
        """The file is done, or given up."""
        self._before += self._size
        if self._progress:
            self._progress.update(self._task, completed=self._before)


@contextmanager
def watching(console: Console, files: Sequence[Path], *, quiet: bool) -> Iterator[Watch]:
    """A `Watch` with a progress bar, if ``console`` is a terminal and may be used."""
    if quiet or not console.is_terminal:
        yield Watch(None, files)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield Watch(bar, files)


def file_line(loaded: Loaded) -> str:
    """What came of one file, in a line."""
    told = [f"{loaded.accepted:,} stored"]
    if loaded.before:
        told.append(f"{loaded.before:,} by an earlier run (--again sends them once more)")
    if loaded.duplicates:
        told.append(f"{loaded.duplicates:,} already known")
    if loaded.late:
        told.append(f"{loaded.late:,} too late to be scored")
    if loaded.filtered:
        told.append(f"{loaded.filtered:,} dropped by a rule of intake")
    told += [f"{count:,} refused ({reason})" for reason, count in sorted(loaded.refused.items())]
    told += [f"{count:,} cells not read ({why})" for why, count in sorted(loaded.unread.items())]
    return f"{loaded.path}: {loaded.samples:,} samples: {', '.join(told)}"


def summary(files: Sequence[Loaded], seconds: float) -> str:
    """What came of all of them, and how fast, in a line."""
    refused: Counter[str] = Counter()
    for one in files:
        refused.update(one.refused)
    stored = sum(one.accepted for one in files)
    known = sum(one.before + one.duplicates for one in files)
    rate = sum(one.samples for one in files) / max(seconds, 1e-9)
    noun = "file" if len(files) == 1 else "files"
    return (
        f"{len(files):,} {noun}: {stored:,} samples stored, {known:,} already there, "
        f"{refused.total():,} refused; {seconds:.1f} s, {rate:,.0f} samples/s"
    )
