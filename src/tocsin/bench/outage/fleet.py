"""A fleet to have outages in: real and made series as metrics of hosts, on one time axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.injected.backgrounds import DAY_NS, INTERVAL_NS, synthetic
from tocsin.bench.labelled.corpus import load_data_sets
from tocsin.bench.nab.corpus import load_corpus
from tocsin.samples import Metric

__all__ = ["END_NS", "KINDS", "Track", "fleet"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: All series end here: midnight (UTC) after Sunday, 2024-02-04.
END_NS: Final = 1_707_091_200 * 1_000_000_000
#: What every host has.
KINDS: Final = (
    *("cpu", "memory", "disk.write", "net.in", "net.out"),
    *("http.requests", "http.errors", "http.latency"),
)
#: Hosts of a service, and services of a region.
_HOSTS: Final = 3
_SERVICES: Final = 4
#: Series with fewer samples a day are not used: an outage would be over before they see it.
_LONGEST_STEP_NS: Final = 600 * 1_000_000_000
#: Real series that last less have not learnt enough when the outages begin (days beside them).
_LEARNT_DAYS: Final = 3.0


@dataclass(frozen=True)
class Track:
    """One metric of the fleet: times (ns, UTC), values, and rows that its origin has labelled."""

    metric: Metric
    #: Where it comes from: a file's name, or the kind of a made one.
    origin: str
    timestamps: Ints
    values: Floats
    labels: Bools

    def label(self, key: str) -> str:
        """What a label says."""
        return dict(self.metric.labels)[key]


def fleet(
    metrics: int, days: float, judged: float, *, nab: Path | None, data: Path | None, seed: int
) -> list[Track]:
    """So many metrics of ``days`` days, real series first and the rest made, mixed over the hosts.

    Real series keep their own intervals; each is shifted so that all end together. ``judged``:
    how many days at the end are judged. Errors: `MissingDataError`.
    """
    rng = np.random.default_rng(seed)
    real = [*_real(nab, data, days, judged)]
    real = [real[at] for at in rng.permutation(len(real)).tolist()]
    series = real[:metrics]
    series += [*_made(metrics - len(series), days, seed)]
    places = rng.permutation(metrics).tolist()
    named = [replace(one, metric=_named(at)) for one, at in zip(series, places, strict=True)]
    return sorted(named, key=lambda one: str(one.metric))


def _named(place: int) -> Metric:
    host, kind = divmod(place, len(KINDS))
    service = host // _HOSTS
    labels = {
        "host": f"host-{host:02d}",
        "service": f"service-{service:02d}",
        "region": f"region-{service // _SERVICES}",
        "env": "prod",
    }
    return Metric.of(KINDS[kind], labels)


def _made(count: int, days: float, seed: int) -> Iterator[Track]:
    made = 0
    while made < count:
        for one in synthetic(1_000 * (seed + 1) + made):
            if made < count:
                times = one.timestamps + (END_NS - INTERVAL_NS - one.timestamps[-1])
                yield _cut(one.name, times, one.values, np.zeros(len(times), dtype=bool), days)
                made += 1


def _real(nab: Path | None, data: Path | None, days: float, judged: float) -> Iterator[Track]:
    for name, times, values, labels in _series(nab, data):
        rising = np.append(True, np.diff(np.maximum.accumulate(times)) > 0)
        times, values, labels = times[rising], values[rising], labels[rising]
        step = int(np.median(np.diff(times)))
        long = times[-1] - times[0] >= (judged + _LEARNT_DAYS) * DAY_NS
        if step <= _LONGEST_STEP_NS and long and len(np.unique(values)) > 1:
            yield _cut(name, times + (END_NS - step - times[-1]), values, labels, days)


def _series(nab: Path | None, data: Path | None) -> Iterator[tuple[str, Ints, Floats, Bools]]:
    for file in load_corpus(nab).files if nab else ():
        labels = np.zeros(len(file.values), dtype=bool)
        for first, last in file.windows:
            labels[first : last + 1] = True
        yield file.name, file.timestamps, file.values, labels
    for one in (
        (series for group in load_data_sets(data) for series in group.series) if data else ()
    ):
        yield one.name, one.timestamps, one.values, one.labels


def _cut(name: str, times: Ints, values: Floats, labels: Bools, days: float) -> Track:
    """Its last days; the metric is named later."""
    kept = times >= END_NS - int(days * DAY_NS)
    return Track(Metric.of("unnamed"), name, times[kept], values[kept], labels[kept])
