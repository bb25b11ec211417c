"""What ``tocsin scan`` says: notes on files, the table of events, JSON, and progress."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tocsin.samples import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tocsin.detect.events import Event
    from tocsin.detect.result import Readiness
    from tocsin.ingest.files import FileReading, Refusal, Series
    from tocsin.scanning import SeriesResult

__all__ = [
    "FileOutcome",
    "SeriesOutcome",
    "Watch",
    "file_notes",
    "improbable",
    "print_events",
    "print_json",
    "series_notes",
    "watching",
]

#: Lines of a kind that are shown before "and so on".
_SHOWN: Final = 3
#: Less probable than this is not told apart.
_LEAST: Final = 1e-10
#: The columns of the table and the characters that each needs at least: a date, a number.
_COLUMNS: Final = {
    "metric": 8,
    "start": 10,
    "peak": 10,
    "end": 10,
    "how improbable": 10,
    "value": 7,
    "expected": 9,
    "why": 30,
}
#: Characters of a table that is not shown on a terminal, at most.
_WIDEST: Final = 10_000


@dataclass(slots=True)
class SeriesOutcome:
    """What came of one metric of a file, without its samples."""

    metric: str
    samples: int
    duplicates: int
    conflicts: int
    gaps: int
    interval_ns: int | None
    readiness: Readiness
    events: list[Event]

    @classmethod
    def of(cls, series: Series, result: SeriesResult) -> SeriesOutcome:
        """Of a series as it was read and scored."""
        return cls(
            metric=str(series.metric),
            samples=len(series.values),
            duplicates=series.duplicates,
            conflicts=series.conflicts,
            gaps=series.gaps,
            interval_ns=series.interval_ns or None,
            readiness=result.readiness,
            events=result.events,
        )

    @property
    def alarms(self) -> list[Event]:
        """Its events, but for those that are muted."""
        return [event for event in self.events if not event.muted]

    @property
    def notes(self) -> list[str]:
        """What the reader of its scores should know."""
        if self.readiness.ready:
            return []
        return [f"{self.metric}: {self.readiness} samples needed for a likelihood: no scores yet"]


@dataclass(slots=True)
class FileOutcome:
    """What came of one file."""

    path: Path
    rows: int = 0
    guess: str = ""
    notices: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    #: The first of them, with their places.
    refusals: list[Refusal] = field(default_factory=list)
    series: list[SeriesOutcome] = field(default_factory=list)
    output: Path | None = None
    error: str | None = None

    def told(self, reading: FileReading) -> None:
        """Take over what reading it said."""
        self.rows, self.guess = reading.rows, reading.guess
        self.notices, self.refused = list(reading.notices), dict(reading.refused)
        self.refusals = list(reading.refusals)


def improbable(likelihood: float) -> str:
    """How improbable a sample is, to two digits.

    >>> improbable(0.999996), improbable(1.0)
    ('1 in 250,000', 'under 1 in 10,000,000,000')
    """
    p = 1.0 - likelihood
    if p < _LEAST * 1.01:
        return f"under 1 in {1 / _LEAST:,.0f}"
    return f"1 in {float(f'{1 / p:.2g}'):,.0f}"


def file_notes(outcome: FileOutcome) -> list[str]:
    """The guess, the notices and the refusals of a file, each as a line."""
    lines = [f"{outcome.path}: {outcome.guess}", *(f"  {notice}" for notice in outcome.notices)]
    if not outcome.refused:
        return lines
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in outcome.refused.items())
    lines.append(f"  refused {sum(outcome.refused.values()):,}: {kinds}")
    for refusal in outcome.refusals[:_SHOWN]:
        column = f", column {refusal.column}" if refusal.column else ""
        lines.append(f"    line {refusal.line}{column}: {refusal.reason}")
    return lines


def series_notes(outcome: FileOutcome) -> list[str]:
    """What is to be known of a file's metrics once they are scored, a few lines at most."""
    lines = [f"  {note}" for one in outcome.series for note in one.notes]
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"  and {more:,} metrics more like this"] if more > 0 else lines


def print_events(outcomes: Sequence[FileOutcome], timezone: str) -> None:
    """The table of events on standard output, in ``timezone``, and a line that sums up."""
    series = [one for outcome in outcomes for one in outcome.series]
    if not series:
        return
    table = _table(outcomes, timezone)
    if table.row_count:
        print(_drawn(table), end="")
    samples = sum(one.samples for one in series)
    muted = sum(len(one.events) - len(one.alarms) for one in series)
    note = f" ({muted:,} muted)" if muted else ""
    print(
        f"{_count(table.row_count, 'event')}{note} in {_count(samples, 'sample')} "
        f"of {_count(len(series), 'metric')}"
    )


def _drawn(table: Table) -> str:
    console = Console(highlight=False)
    if not console.is_terminal:  # a file or a pipe has room
        wide = console.options.update(width=_WIDEST)
        console.width = Measurement.get(console, wide, table).maximum
    # Not printed by the console itself, which would end the process where a pipe is closed.
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def print_json(outcomes: Sequence[FileOutcome], left: Sequence[Path], report: Path | None) -> None:
    """One JSON document on standard output; unknown numbers are null, times in UTC."""
    document = {
        "files": [_file(outcome) for outcome in outcomes],
        "events": [_event(*one) for one in _events(outcomes)],
        "not_done": [str(path) for path in left],
        "report": str(report) if report and not left else None,
    }
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _events(outcomes: Sequence[FileOutcome]) -> Iterator[tuple[FileOutcome, SeriesOutcome, Event]]:
    for outcome in outcomes:
        for one in outcome.series:
            for event in one.events:
                yield outcome, one, event


def _table(outcomes: Sequence[FileOutcome], timezone: str) -> Table:
    events = list(_events(outcomes))
    many = len(outcomes) > 1 and not all(_tells_file(file, one) for file, one, _ in events)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    # A narrow terminal gets more lines, not less of a time or a name.
    for name, width in {**({"file": 8} if many else {}), **_COLUMNS}.items():
        right = name in ("value", "expected")
        table.add_column(
            name, justify="right" if right else "left", overflow="fold", min_width=width
        )
    for outcome, one, event in events:
        cells = _cells(one, event, timezone)
        table.add_row(*map(Text, [outcome.path.name, *cells] if many else cells))
    return table


def _cells(one: SeriesOutcome, event: Event, timezone: str) -> list[str]:
    """One event as text, in the order of `_COLUMNS`."""
    start, peak, end = (
        iso(moment, timezone).replace("T", " ") for moment in (event.start, event.peak, event.end)
    )
    band = f"({_number(event.lower)} to {_number(event.upper)})"
    return [
        one.metric,
        start,
        peak,
        f"{end} (open)" if event.open else end,
        improbable(event.likelihood),
        _number(event.value),
        f"{_number(event.expected)} {band}",
        _why(event),
    ]


def _why(event: Event) -> str:
    told = f"{event.pattern.replace('_', ' ')}: {event.why}"
    if event.because:
        told += f" (told: {event.because})"
    return f"{told} (muted: {event.muted})" if event.muted else told


def _tells_file(outcome: FileOutcome, one: SeriesOutcome) -> bool:
    """Whether the metric was named after its file."""
    return outcome.path.name.startswith(one.metric)


def _number(value: float) -> str:
    if math.isnan(value):
        return "unknown"
    return f"{value:.5g}".replace("inf", "∞")


def _file(outcome: FileOutcome) -> dict[str, Any]:
    return {
        "path": str(outcome.path),
        "rows": outcome.rows,
        "guess": outcome.guess,
        "notices": outcome.notices,
        "refused": outcome.refused,
        "refusals": [asdict(refusal) for refusal in outcome.refusals],
        "series": [_series(one) for one in outcome.series],
        "output": str(outcome.output) if outcome.output else None,
        "error": outcome.error,
    }


def _series(one: SeriesOutcome) -> dict[str, Any]:
    return {
        "metric": one.metric,
        "samples": one.samples,
        "duplicates": one.duplicates,
        "conflicts": one.conflicts,
        "gaps": one.gaps,
        "interval_s": None if one.interval_ns is None else one.interval_ns / 1e9,
        "ready": one.readiness.ready,
        "readiness": str(one.readiness),
        "events": len(one.events),
    }


def _event(outcome: FileOutcome, one: SeriesOutcome, event: Event) -> dict[str, Any]:
    told: dict[str, Any] = {"file": str(outcome.path), "metric": one.metric}
    for name, value in asdict(event).items():
        if name in ("start", "peak", "end"):
            told[name] = iso(value)
        elif isinstance(value, float) and not math.isfinite(value):
            told[name] = None
        else:
            told[name] = value
    return told


class Watch:
    """Progress over all files by their bytes, within a file by its samples; or nothing at all."""

    def __init__(self, progress: Progress | None, files: Sequence[Path]) -> None:
        self._progress = progress
        self._sizes = {path: max(1, path.stat().st_size) if path.exists() else 1 for path in files}
        self._before = self._size = self._rows = self._done = 0
        if progress:
            self._task = progress.add_task("", total=sum(self._sizes.values()))

    def file(self, path: Path) -> None:
        """A file is begun."""
        self._size, self._rows, self._done = self._sizes[path], 0, 0
        if self._progress:
            self._progress.update(self._task, description=path.name)

    def rows(self, count: int) -> None:
        """It was read and has so many samples."""
        self._rows = count

    def advance(self, count: int) -> None:
        """So many more of its samples were scored."""
        self._done += count
        if self._progress and self._rows:
            share = self._size * self._done / self._rows
            self._progress.update(self._task, completed=self._before + share)

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
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
    with bar:
        yield Watch(bar, files)
