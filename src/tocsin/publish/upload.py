"""A file that somebody has sent, scanned: its report as JSON, by a process of its own.

Files of strangers may take long, or much memory, to read: the process has bounds of both, and
what it does delays nobody else. Nothing of the file is kept.
"""

from __future__ import annotations

import heapq
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tocsin.config import PREFIX
from tocsin.detect.events import Event
from tocsin.detect.settings import Settings
from tocsin.errors import BadInputError, TocsinError, TooLargeError
from tocsin.ingest.files import FileReading, ReadOptions, read_file
from tocsin.publish.bins import binned
from tocsin.samples import iso
from tocsin.scanning import SeriesResult, scan_all

__all__ = ["Bounds", "main", "report_of", "scan_apart"]

#: Series of a report, events of each, and points of its chart.
_SERIES: Final = 20
_EVENTS: Final = 200
_POINTS: Final = 1_500
_PROGRAM: Final = "from tocsin.publish.upload import main; main()"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one scan may take."""

    #: Samples (cells of a Parquet file), and series.
    samples: int = 5_000_000
    series: int = 10_000
    seconds: float = 120.0
    memory: int = 4 * 2**30


_USUAL: Final = Bounds()


def scan_apart(path: Path, timezone: str, bounds: Bounds = _USUAL) -> bytes:
    """The report of a file as JSON, made by a process that ends with this call.

    Errors: `BadInputError` and `TooLargeError` as `tocsin scan` says them; the file is called by
    its name alone. Cost: some 2 s, and 4 µs a sample.
    """
    asked = {"path": str(path), "timezone": timezone, "bounds": _as_dict(bounds)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # The service's secrets are nobody's business there.
        env={key: text for key, text in os.environ.items() if not key.startswith(PREFIX)},
        start_new_session=True,
    )
    try:
        answer, _ = process.communicate(json.dumps(asked).encode(), bounds.seconds)
    except subprocess.TimeoutExpired:
        raise TooLargeError(
            f"{path.name}: takes longer than {bounds.seconds:g} s: use tocsin scan"
        ) from None
    finally:
        process.kill()
        with process:
            process.wait()
    if process.returncode or not answer:
        raise TooLargeError(f"{path.name}: takes too much memory to scan here: use tocsin scan")
    if answer[:1] == b"!":
        kind, _, told = answer[1:].decode().partition(" ")
        raise TooLargeError(told) if kind == "large" else BadInputError(told)
    return answer


def main() -> None:
    """The process: reads what is asked, answers the report, or "!" and what is wrong."""
    asked = json.loads(sys.stdin.buffer.read())
    path, bounds = Path(asked["path"]), Bounds(**asked["bounds"])
    _be_modest(bounds.memory)
    try:
        answer = json.dumps(report_of(path, asked["timezone"], bounds), allow_nan=False)
    except TocsinError as error:
        kind = "large" if isinstance(error, TooLargeError) else "bad"
        answer = f"!{kind} {str(error).replace(str(path), path.name)}"
    sys.stdout.buffer.write(answer.encode("utf-8", "replace"))


def report_of(path: Path, timezone: str, bounds: Bounds = _USUAL) -> dict[str, Any]:
    """What was odd in a file: the most unusual series first.

    Errors: `BadInputError`, `TooLargeError`.
    """
    settings = Settings(timezone=timezone)
    _check_parquet(path, bounds)
    reading = read_file(path, ReadOptions(timezone=timezone))
    samples = sum(len(one.values) for one in reading.series)
    if samples > bounds.samples or len(reading.series) > bounds.series:
        raise TooLargeError(
            f"{path.name}: {samples:,} samples in {len(reading.series):,} series, more than "
            f"{bounds.samples:,} in {bounds.series:,}: use tocsin scan"
        )
    results = scan_all([(s.metric, s.timestamps, s.values) for s in reading.series], settings)
    found, events = _most_unusual(results)
    return _head(reading, samples, events) | {"series": found}


def _most_unusual(results: Iterable[SeriesResult]) -> tuple[list[dict[str, Any]], int]:
    """Reports of the most unusual series, and how many events all have together."""
    kept: list[tuple[tuple[float, int, int], dict[str, Any]]] = []
    events = 0
    for number, one in enumerate(results):
        events += len(one.events)
        rank = (max((e.anomaly_score for e in one.events), default=-1.0), len(one.events), -number)
        if len(kept) < _SERIES:
            heapq.heappush(kept, (rank, _series(one)))
        elif rank > kept[0][0]:
            heapq.heapreplace(kept, (rank, _series(one)))
    return [told for _, told in sorted(kept, key=lambda it: it[0], reverse=True)], events


def _head(reading: FileReading, samples: int, events: int) -> dict[str, Any]:
    return {
        "rows": reading.rows,
        "samples": samples,
        "series_total": len(reading.series),
        "events_total": events,
        "guess": reading.guess,
        "notices": reading.notices,
        "refused": reading.refused,
    }


def _series(one: SeriesResult) -> dict[str, Any]:
    largest = sorted(one.events, key=lambda event: -event.anomaly_score)[:_EVENTS]
    return {
        "title": str(one.metric),
        "name": one.metric.name,
        "labels": dict(one.metric.labels),
        "samples": len(one.values),
        "readiness": {"seen": one.readiness.seen, "needed": one.readiness.needed},
        "events_total": len(one.events),
        "events": [_event(event) for event in sorted(largest, key=lambda event: event.start)],
        "columns": binned(one.timestamps, one.watched, one.scored, _POINTS),
    }


def _event(event: Event) -> dict[str, Any]:
    def known(number: float) -> float | None:
        return float(number) if np.isfinite(number) else None

    return {
        "start": iso(event.start),
        "peak": iso(event.peak),
        "end": iso(event.end),
        "open": event.open,
        "value": known(event.value),
        "expected": known(event.expected),
        "anomaly_score": known(event.anomaly_score),
        "samples": event.samples,
        "pattern": event.pattern,
        "why": event.why,
    }


def _check_parquet(path: Path, bounds: Bounds) -> None:
    """Refuse a file that would unpack to too much, before it is unpacked."""
    if not path.name.lower().endswith(".parquet"):
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        told = pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return  # whoever reads it says what is wrong
    cells = told.num_rows * told.num_columns
    if cells > bounds.samples:
        raise TooLargeError(
            f"{path.name}: {cells:,} cells, more than {bounds.samples:,}: use tocsin scan"
        )


def _be_modest(memory: int) -> None:
    """Step back for those who send, and end rather than take all memory."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        os.nice(10)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _as_dict(bounds: Bounds) -> dict[str, Any]:
    return {name: getattr(bounds, name) for name in bounds.__dataclass_fields__}
