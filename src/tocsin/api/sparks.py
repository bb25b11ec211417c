"""Small charts of metrics: their last samples, with the expected band."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.api.parts import Parts
from tocsin.bins import as_numbers
from tocsin.samples import SECOND_NS
from tocsin.store.courses import Course

__all__ = ["MetricRef", "SparkOut", "courses_of", "ref_of"]

Numbers = list[float | None]


class MetricRef(msgspec.Struct):
    """Which metric."""

    uid: str
    name: str
    labels: dict[str, str]
    #: ``name{key="value",…}``.
    title: str


class SparkOut(msgspec.Struct, omit_defaults=True):
    """The last samples of a metric, oldest first; of a counter its rates per second."""

    #: Seconds since 1970.
    t: list[float]
    v: Numbers
    #: The expected band; left out where it was not asked for.
    lower: Numbers | None = None
    upper: Numbers | None = None

    @classmethod
    def of(cls, course: Course, *, band: bool = True) -> SparkOut:
        """With or without its band."""
        times = (course.timestamp / SECOND_NS).tolist()
        edges = (as_numbers(course.lower), as_numbers(course.upper)) if band else (None, None)
        return cls(times, as_numbers(course.value), *edges)


def ref_of(state: Parts, row: int) -> MetricRef:
    """Which metric a row of the registry is."""
    metric = state.engine.registry.metrics[row]
    return MetricRef(state.engine.registry.uids[row], metric.name, dict(metric.labels), str(metric))


def courses_of(state: Parts, rows: Sequence[int], count: int) -> list[Course]:
    """The last ``count`` samples of rows of the registry. Errors: `StoreError`."""
    position = state.engine.registry.position
    metrics = [(int(position["id"][row]), bool(position["counter"][row])) for row in rows]
    return state.courses.newest(metrics, count)
