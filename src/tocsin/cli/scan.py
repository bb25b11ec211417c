"""``tocsin scan``: what was odd in files of metrics, when, how odd, and what was expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter
from rich.console import Console

from tocsin.cli.interrupts import Hold
from tocsin.cli.main import BAD_INPUT, FOUND_EVENTS, INTERRUPTED
from tocsin.cli.marks_file import Marks
from tocsin.cli.scan_output import (
    FileOutcome,
    SeriesOutcome,
    file_notes,
    print_events,
    print_json,
    series_notes,
    watching,
)
from tocsin.detect.marks import Wish
from tocsin.detect.settings import DIRECTIONS, KINDS, LIKELIHOODS, MODELS, Settings
from tocsin.errors import BadInputError, MissingExtraError, OutputError, TocsinError
from tocsin.ingest.files import FileReading, ReadOptions, find_files, read_file
from tocsin.publish.results import Format, format_of, result_paths, write_results
from tocsin.samples import Metric
from tocsin.scanning import TOGETHER, SeriesResult, scan_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tocsin.cli.scan_output import Watch
    from tocsin.ingest.files import Series
    from tocsin.publish.report import ReportSeries

__all__ = ["scan"]

_MODEL_HELP = f"What finds samples surprising; one of: {', '.join(MODELS)}."
_DIRECTION_HELP = f"Which deviations are told; one of: {', '.join(DIRECTIONS)}."
_LIKELIHOOD_HELP = (
    f"What makes surprise a probability; one of: {', '.join(LIKELIHOODS)} (HTM Engine's)."
)
#: Samples of series that are scored together, at most.
_TOGETHER: Final = 1_000_000
_KIND_HELP = f"What values are; one of: {', '.join(KINDS)} (a count, watched as its rate)."


def scan(
    *paths: Path,
    time_column: str | None = None,
    value_column: tuple[str, ...] = (),
    metric_column: str | None = None,
    label_column: tuple[str, ...] = (),
    time_format: str | None = None,
    delimiter: str | None = None,
    header: Annotated[bool | None, Parameter(negative="--no-header")] = None,
    timezone: str = "UTC",
    false_alarms_per_week: float | None = None,
    direction: Annotated[str, Parameter(help=_DIRECTION_HELP)] = Settings().direction,
    least_change: float = 0.0,
    least_relative_change: float = 0.0,
    model: Annotated[str, Parameter(help=_MODEL_HELP)] = Settings().model,
    likelihood: Annotated[str, Parameter(help=_LIKELIHOOD_HELP)] = Settings().likelihood,
    kind: Annotated[str, Parameter(help=_KIND_HELP)] = Settings().kind,
    marks: Path | None = None,
    out: Path | None = None,
    format: Format | None = None,
    report: Path | None = None,
    json: bool = False,
    fail_on_event: bool = False,
    quiet: Annotated[bool, Parameter(alias="-q")] = False,
) -> int:
    """Find what was odd in files of metrics.

    Reads CSV, NDJSON (both also .gz) and Parquet files, and folders of them: a time and a value; a
    time and a column for each metric; or a metric column beside time and value. What the columns
    mean is found out and said. Prints a table of events.

    Exit code: 0 it ran; 1 there are events and --fail-on-event was given; 2 something could not
    be used (the rest was done); 130 interrupted.

    Parameters
    ----------
    paths
        Files, or folders to look through.
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
        Zone of times that have none, of the daily profile, and of the times in the table, such as
        Europe/Berlin.
    false_alarms_per_week
        About how many false alarms are accepted per metric and week.
    direction
        Which deviations from the expected value are told.
    least_change
        The smallest deviation from the expected value that is told, in the metric's units.
    least_relative_change
        The same as a share of the expected value: 0.1 for a tenth.
    model
        What finds samples surprising.
    likelihood
        What makes surprise a probability.
    kind
        What values are: a gauge is watched as it is, a counter as its rate per second.
    marks
        A JSON file of what is (not) an anomaly: [{"kind": "not_anomaly", "start": …, "end": …}, …]
        with times in ISO 8601. Each acts as if it had been said as soon as it was over.
    out
        Write every sample's scores into this folder, one file per input.
    format
        The format of those files; as the input if not said.
    report
        Write an interactive page that opens offline to this .html file.
    json
        Print one JSON document, for machines.
    fail_on_event
        Exit with code 1 when there are events.
    quiet
        Print nothing but events and errors.
    """
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
    said = {
        "timezone": timezone,
        "false_alarms_per_week": false_alarms_per_week,
        "direction": direction,
        "least_change": least_change,
        "least_relative_change": least_relative_change,
        "model": model,
        "likelihood": likelihood,
        "kind": kind,
    }
    settings = Settings.of({name: given for name, given in said.items() if given is not None})
    if not paths:
        raise BadInputError("say which files or folders to scan: tocsin scan PATH…")
    if format and not out:
        raise BadInputError("--format is about result files: say where to with --out DIR")
    job = _Job(settings, columns, Console(stderr=True, highlight=False), quiet, report is not None)
    if marks is not None:
        job.marks = Marks.read(marks)
    return job.run(paths, out, format, report, as_json=json, fail_on_event=fail_on_event)


@dataclass(slots=True)
class _Job:
    """One run of the command: what was asked, and what came of each file so far."""

    settings: Settings
    columns: ReadOptions
    errors: Console
    quiet: bool
    #: A report needs all samples at its end; without one, each file is released when it is done.
    keep: bool
    outcomes: list[FileOutcome] = field(default_factory=list)
    kept: list[ReportSeries] = field(default_factory=list)
    hold: Hold = field(default_factory=Hold)
    marks: Marks = field(default_factory=Marks)

    def run(
        self,
        paths: Sequence[Path],
        out: Path | None,
        form: Format | None,
        report: Path | None,
        *,
        as_json: bool,
        fail_on_event: bool,
    ) -> int:
        """Scan, write and print; returns the exit code."""
        if report:
            _check_report(report)
        if out:
            _make_folder(out)
        files = self._find(paths)
        targets = result_paths(files, out, form) if out else {}
        left = self._scan_all(files, targets)
        if report and not left and self.kept:
            self._report(report)
        if as_json:
            print_json(self.outcomes, left, report)
        else:
            print_events(self.outcomes, self.settings.timezone)
            if not self.quiet and any(outcome.series for outcome in self.outcomes):
                self.errors.print(f"setting: {self.settings.promise} (--false-alarms-per-week)")
        if left:
            return self._interrupted(len(files), left, targets)
        if any(outcome.error for outcome in self.outcomes):
            return BAD_INPUT
        events = any(one.alarms for outcome in self.outcomes for one in outcome.series)
        return FOUND_EVENTS if fail_on_event and events else 0

    def _find(self, paths: Sequence[Path]) -> list[Path]:
        """All files; a path with none is reported and does not stop the others."""
        found: dict[Path, None] = {}
        for path in paths:
            try:
                found.update(dict.fromkeys(find_files([path])))
            except TocsinError as error:
                self._failed(FileOutcome(path), error)
        return list(found)

    def _scan_all(self, files: Sequence[Path], targets: dict[Path, Path]) -> list[Path]:
        """Scan file by file; returns those that were left undone because of Ctrl-C."""
        try:
            with watching(self.errors, files, quiet=self.quiet) as watch:
                for path in files:
                    self._scan_file(path, targets.get(path), watch)
        except KeyboardInterrupt:
            done = {outcome.path for outcome in self.outcomes}
            return [path for path in files if path not in done]
        return []

    def _scan_file(self, path: Path, target: Path | None, watch: Watch) -> None:
        outcome = FileOutcome(path)
        watch.file(path)
        try:
            reading = read_file(path, self.columns)
            outcome.told(reading)
            if not self.quiet:
                self._say(file_notes(outcome))
            watch.rows(sum(len(series.values) for series in reading.series))
            self._score(reading, outcome, target, watch)
        except TocsinError as error:
            self._failed(outcome, error)
        else:
            self.outcomes.append(outcome)
            if not self.quiet:
                self._say(series_notes(outcome))
        finally:
            self.hold.end()
        watch.file_done()

    def _score(
        self, reading: FileReading, outcome: FileOutcome, target: Path | None, watch: Watch
    ) -> None:
        scored = self._scored(reading, outcome, watch)
        if target is None:
            _exhaust(scored)
            return
        try:
            write_results(target, scored, format_of(target))
        except OutputError:
            _exhaust(scored)  # the events are wanted all the same
            raise
        outcome.output = target

    def _scored(
        self, reading: FileReading, outcome: FileOutcome, watch: Watch
    ) -> Iterator[SeriesResult]:
        """Score some series at a time, letting go of them before the next."""
        reading.series.reverse()
        while reading.series:
            some = _taken(reading.series)
            columns = [(one.metric, one.timestamps, one.values) for one in some]
            for series, result in zip(
                some, scan_all(columns, self.settings, watch.advance, self._wishes), strict=True
            ):
                one = SeriesOutcome.of(series, result)
                outcome.series.append(one)
                if self.keep:
                    self._keep(outcome, one, result)
                yield result
            del some, columns, series, result
        # Results that are on disk must count as done: what is left to do is short.
        self.hold.start()

    def _wishes(self, metric: Metric) -> Sequence[Wish]:
        return self.marks.of(str(metric))

    def _keep(self, outcome: FileOutcome, one: SeriesOutcome, result: SeriesResult) -> None:
        from tocsin.publish.report import ReportSeries

        self.kept.append(
            ReportSeries(
                metric=one.metric,
                timestamps=result.timestamps,
                values=result.watched,
                scored=result.scored,
                events=result.events,
                notes=[outcome.path.name, *outcome.notices, *one.notes],
            )
        )

    def _report(self, path: Path) -> None:
        from tocsin.publish.report import write_report

        names = [outcome.path.name for outcome in self.outcomes]
        write_report(path, names[0] if len(names) == 1 else f"{len(names)} files", self.kept)
        if not self.quiet:
            self._say([f"report: {path}"])

    def _failed(self, outcome: FileOutcome, error: TocsinError) -> None:
        outcome.error = " ".join(str(error).split())
        self.outcomes.append(outcome)
        told = outcome.error
        if str(outcome.path) not in told:
            told = f"{outcome.path}: {told}"
        self._say([f"error: {told}"])

    def _interrupted(self, count: int, left: Sequence[Path], targets: dict[Path, Path]) -> int:
        done = f"interrupted: {count - len(left)} of {count} files done"
        if targets:
            done += " and their results written"
        self._say([f"{done}; not done: {', '.join(map(str, left))}"])
        return INTERRUPTED

    def _say(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.errors.print(line, markup=False, soft_wrap=True)


def _taken(waiting: list[Series]) -> list[Series]:
    """Series from the end of a list, as many as go together and are not too long for memory."""
    taken = [waiting.pop()]
    samples = len(taken[0].values)
    while waiting and len(taken) < TOGETHER and samples + len(waiting[-1].values) <= _TOGETHER:
        taken.append(waiting.pop())
        samples += len(taken[-1].values)
    return taken


def _exhaust(scored: Iterator[SeriesResult]) -> None:
    for _ in scored:
        pass


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be made a folder ({error.strerror}): choose another with --out"
        ) from error


def _check_report(path: Path) -> None:
    """Say now, not after the work, that the report has no place or no library."""
    if find_spec("plotly") is None:
        raise MissingExtraError("--report", "report")
    if not path.parent.is_dir():
        raise OutputError(f"the report {path} has no place: make the folder {path.parent} first")
