"""Whole files on their way to an engine or a service, in batches that may be sent again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from tocsin import __version__
from tocsin.engine.batch import Batch, Receipt
from tocsin.errors import BadInputError
from tocsin.ingest.files import ReadOptions, Series
from tocsin.ingest.identity import metric_of
from tocsin.samples import Metric, Samples

__all__ = ["BATCH_ROWS", "Load", "Loaded", "Naming", "Sink", "batches_of", "source_of"]

#: Under this name the samples are counted.
PROTOCOL: Final = "file"
#: Rows of one batch: some tens of milliseconds of work, so that others get their turn.
BATCH_ROWS: Final = 10_000
_READ: Final = 1 << 20

Progress = Callable[[int], None]


class Sink(Protocol):
    """Where batches go."""

    def position(self, source: str) -> int:
        """How many samples of ``source`` are known to be stored; 0 when that is not known."""

    def send(self, batch: Batch) -> Receipt:
        """Return once the batch is stored, however often it must be sent."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What to call a file's metrics.

    ``template`` may hold ``{name}`` (as read), ``{file}`` (the file's name without its ending)
    and ``{folder}`` (the folder that it is in); ``labels`` are added to each metric's own.
    """

    template: str = "{name}"
    labels: Mapping[str, str] = field(default_factory=dict)

    def of(self, metric: Metric, path: Path) -> Metric:
        """The metric's name and labels in the store. Errors: `BadInputError`."""
        known = {"name": metric.name, "file": path.name.partition(".")[0]}
        known["folder"] = path.absolute().parent.name
        try:
            name = self.template.format_map(known)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise BadInputError(
                f"--metric {self.template!r}: may hold {{name}}, {{file}} and {{folder}} only"
            ) from error
        return metric_of(name, {**dict(metric.labels), **self.labels})


def source_of(path: Path, options: ReadOptions, naming: Naming) -> str:
    """A name for what loading this file sends: the same only if every sample is the same.

    Made of the file's content, how it is read, and by which version. Errors: `OSError`.
    Cost: O(bytes).
    """
    # Metrics may be named after the file and its folder.
    names = (path.absolute().parent.name, path.name)
    how = (__version__, options, naming.template, sorted(naming.labels.items()), names)
    digest = hashlib.blake2b(repr(how).encode(), digest_size=12)
    with path.open("rb") as file:
        while piece := file.read(_READ):
            digest.update(piece)
    return f"file:{digest.hexdigest()}:{quote(path.name)[-80:]}"


def batches_of(
    metrics: Sequence[Metric],
    series: Sequence[Series],
    source: str | None,
    *,
    after: int = 0,
    rows: int = BATCH_ROWS,
) -> Iterator[Batch]:
    """The samples of a file in the order of time, as they would have arrived.

    A batch's position is the number of samples up to its end; those up to ``after`` are left out.
    Memory: 24 bytes a sample.
    """
    metric, timestamp, value = _by_time(series)
    for start in range(after, len(value), rows):
        part = slice(start, start + rows)
        which, columns = _used(metrics, metric[part])
        yield Batch(
            which,
            Samples(columns, timestamp[part], value[part]),
            PROTOCOL,
            source=source,
            position=min(start + rows, len(value)),
            sender=source or PROTOCOL,
            bulk=True,
        )


def _by_time(
    series: Sequence[Series],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    metric = np.repeat(np.arange(len(series)), [len(one.values) for one in series])
    timestamp = np.concatenate([one.timestamps for one in series])
    value = np.concatenate([one.values for one in series])
    if len(series) == 1:
        return metric, timestamp, value
    order = np.argsort(timestamp, kind="stable")
    return metric[order], timestamp[order], value[order]


def _used(
    metrics: Sequence[Metric], metric: NDArray[np.int64]
) -> tuple[list[Metric], NDArray[np.int64]]:
    """Only the metrics that a batch has samples of, and its column in terms of them."""
    used, columns = np.unique(metric, return_inverse=True)
    return [metrics[i] for i in used.tolist()], columns.astype(np.int64)


@dataclass(slots=True)
class Loaded:
    """What became of a file's samples."""

    path: Path
    source: str
    samples: int = 0
    #: Stored by a run before this one.
    before: int = 0
    accepted: int = 0
    duplicates: int = 0
    #: Kept, but older than what was there: not scored.
    late: int = 0
    #: Dropped by a rule of intake.
    filtered: int = 0
    #: Refused samples by reason.
    refused: Counter[str] = field(default_factory=Counter)
    #: Cells of the file that are no samples, by reason.
    unread: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many of the samples have been answered for, now or before."""
        kept = self.accepted + self.duplicates + self.late
        return self.before + kept + self.filtered + self.refused.total()

    def count(self, receipt: Receipt) -> None:
        """Add a batch's receipt."""
        self.accepted += receipt.accepted
        self.duplicates += receipt.duplicates
        self.late += receipt.late
        self.filtered += receipt.filtered
        self.refused.update(str(rejection.code) for rejection in receipt.rejected)


@dataclass(slots=True)
class Load:
    """Loads files into a sink, one batch at a time.

    The next batch leaves when the one before is stored: a batch that is known to the sink vouches
    for all before it, and a load that was cut off at any moment goes on there.
    """

    sink: Sink
    rows: int = BATCH_ROWS
    #: Send everything, whatever was sent before; then it cannot be gone on with.
    again: bool = False

    def file(
        self,
        loaded: Loaded,
        metrics: Sequence[Metric],
        series: Sequence[Series],
        progress: Progress,
    ) -> None:
        """Send what is not yet stored of a file's series; ``loaded`` is kept up to date.

        ``progress`` is told the samples of each step. Errors: whatever the sink raises; what was
        stored by then is in ``loaded``.
        """
        loaded.samples = sum(len(one.values) for one in series)
        if not loaded.samples:
            return
        source = None if self.again else loaded.source
        if source is not None:
            loaded.before = min(self.sink.position(source), loaded.samples)
            progress(loaded.before)
        parts = batches_of(metrics, series, source, after=loaded.before, rows=self.rows)
        for batch in parts:
            loaded.count(self.sink.send(batch))
            progress(len(batch))
