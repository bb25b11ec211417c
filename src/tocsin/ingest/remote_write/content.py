"""What a remote write request brought, and how it is put together from scanned columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.remote_write.known import Known, Pair, metric
from tocsin.ingest.scans import remote_write as scan
from tocsin.samples import LATEST_NS, Metric, Samples

__all__ = ["PROTOCOL", "Content", "Scanned", "check", "read"]

#: Under this name the samples are counted.
PROTOCOL: Final = "remote_write"

_MS: Final = 1_000_000
_LATEST_MS: Final = LATEST_NS // _MS

Ints = NDArray[np.int64]
Entries = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Content:
    """The good samples as a batch, the bad ones by place, and how much there was of the rest."""

    batch: Batch
    rejected: list[Rejection]
    #: Staleness markers: series that ended.
    markers: int = 0
    #: Native histograms and exemplars, which are not stored.
    histograms: int = 0
    exemplars: int = 0


@dataclass(frozen=True, slots=True)
class Scanned:
    """Columns that a scan fills, with room for ``most`` samples."""

    series: Ints
    kind: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    samples: Ints
    bits: NDArray[np.uint64]
    counts: Ints

    @classmethod
    def room(cls, size: int, most: int) -> Scanned:
        """Room for what a body of ``size`` bytes can hold. Memory is only taken where written."""
        # A sample has at least two bytes.
        n = min(size // 2, most)
        return cls(
            np.empty((n, 2), dtype=np.int64),
            np.empty(n, dtype=np.uint8),
            np.zeros((n, 2), dtype=np.uint64),
            np.empty((n, 2), dtype=np.int64),
            np.empty(n, dtype=np.uint64),
            np.zeros(8, dtype=np.int64),
        )


def check(outcome: int, message: str, most: int) -> None:
    """Raise what a scan returned. Errors: `BadInputError`, `TooLargeError`."""
    if outcome == scan.TOO_MANY:
        raise TooLargeError(f"more than {most} samples (or types) at once: send fewer")
    if outcome >= 0:
        raise BadInputError(f"the body is not a {message}: damaged at byte {outcome}")


def read(
    scanned: Scanned,
    known: Known,
    labels: Callable[[int], list[Pair] | str],
    counters: Callable[[Entries], NDArray[np.bool_]],
) -> Content:
    """The content of scanned columns.

    ``labels``: reads the labels of a series that is not known, or says what is wrong with them;
    ``counters``: which of these entries, one per series, are counters.
    Cost: 0.2 µs a sample of a series that is known, 10 µs for one that is not.
    """
    series, count = int(scanned.counts[scan.SERIES]), int(scanned.counts[scan.SAMPLES])
    # Only what is written plainly is remembered.
    plain = scanned.kind[:series] == scan.PLAIN
    entries = known.entries(scanned.hashes[:series], lambda i: metric(labels(i)), plain)
    declared = counters(entries)
    which, moments = scanned.samples[:count, 0], scanned.samples[:count, 1]
    values = scanned.bits[:count].view(np.float64)
    # Not by np.abs: the smallest integer has none.
    good = (moments > -_LATEST_MS) & (moments < _LATEST_MS)
    rejected = [_bad_time(place) for place in np.flatnonzero(~good).tolist()]
    bad = known.bad(entries)
    if bad.any():
        places = np.flatnonzero(good & bad[which]).tolist()
        rejected += [_bad_metric(place, known.metrics[entries[which[place]]]) for place in places]
        good &= ~bad[which]
        which = (np.cumsum(~bad) - 1)[which]
        entries, declared = entries[~bad], declared[~bad]
    if not good.all():
        which, moments, values = which[good], moments[good], values[good]
    samples = Samples(np.ascontiguousarray(which), moments * _MS, np.ascontiguousarray(values))
    numbers = frozenset(np.flatnonzero(declared).tolist())
    batch = Batch(known.metrics_of(entries), samples, PROTOCOL, counters=numbers)
    counts = scanned.counts
    return Content(
        batch,
        rejected,
        int(counts[scan.MARKERS]),
        int(counts[scan.HISTOGRAMS]),
        int(counts[scan.EXEMPLARS]),
    )


def _bad_time(place: int) -> Rejection:
    return Rejection(place, Reason.BAD_TIMESTAMP, "milliseconds beyond the year 2261")


def _bad_metric(place: int, why: Metric | str) -> Rejection:
    return Rejection(place, Reason.BAD_METRIC, str(why))
