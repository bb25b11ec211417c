"""Decoded samples on their way from a protocol's objects into columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.errors import BadInputError
from tocsin.ingest.decoded import Decoded
from tocsin.samples import Metric, Samples

__all__ = ["Columns"]


@dataclass(slots=True)
class Columns:
    """Collects samples; each metric is made and checked once, by a key of the caller's choice."""

    protocol: str
    metrics: list[Metric] = field(default_factory=list)
    #: Indices of metrics whose values are cumulative counts.
    counters: set[int] = field(default_factory=set)
    metric: list[int] = field(default_factory=list)
    timestamp: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    _known: dict[Hashable, int | str] = field(default_factory=dict)

    def index_of(
        self, key: Hashable, make: Callable[[], Metric], *, counter: bool = False
    ) -> int | str:
        """The metric's index; or, where ``make`` raised `BadInputError`, what it said."""
        index = self._known.get(key)
        if index is None:
            try:
                self.metrics.append(make())
                index = len(self.metrics) - 1
                if counter:
                    self.counters.add(index)
            except BadInputError as error:
                index = str(error)
            self._known[key] = index
        return index

    def add(self, place: int, metric: int | str, timestamp: int, value: float) -> None:
        """One sample; ``place``: where it stood; ``metric``: what `index_of` returned."""
        if isinstance(metric, str):
            self.refuse(place, Reason.BAD_METRIC, metric)
            return
        self.metric.append(metric)
        self.timestamp.append(timestamp)
        self.value.append(value)

    def refuse(self, place: int, code: Reason, detail: str) -> None:
        """One sample that cannot be taken."""
        self.rejected.append(Rejection(place, code, detail))

    def done(self) -> Decoded:
        """Everything, as columns."""
        samples = Samples(
            np.array(self.metric, dtype=np.int64),
            np.array(self.timestamp, dtype=np.int64),
            np.array(self.value, dtype=np.float64),
        )
        batch = Batch(self.metrics, samples, self.protocol, counters=frozenset(self.counters))
        return Decoded(batch, self.rejected)
