"""A small fleet with a past: what is sent to a service so that its page has something to show.

Two days of samples a minute, with the shapes of real ones (daily and hourly waves, noise, steps),
two outages that several metrics share, one that is over and one that goes on, and a metric whose
name and labels would run a script if anybody took them for markup.
"""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

import numpy as np

from tests.running import Service

__all__ = ["HOSTILE", "STEP_S", "STORY", "Metric", "live", "tell"]

STEP_S: Final = 60
LENGTH: Final = 2_880
#: Tried in every view: an element that runs a script, one that ends the script, and a handler.
HOSTILE: Final = '<img src=x onerror="document.title=1">'
_HOSTILE_LABELS: Final = {
    "host": "<script>document.title=2</script>",
    "path": '"><b onclick=x>&amp;',
}
#: The outage that goes on began so many samples ago; the one that is over, so many.
_NOW: Final = 25
_BEFORE: Final = 700
_BEFORE_LENGTH: Final = 20
_PER_REQUEST: Final = 9_000


class Metric(NamedTuple):
    """How a metric behaves: its level, daily wave and noise, and what an outage does to it."""

    name: str
    labels: dict[str, str]
    level: float
    wave: float
    noise: float
    #: Factor while the outage goes on, and by how many samples it is late.
    outage: float = 1.0
    late: int = 0
    #: Factor in the earlier one.
    before: float = 1.0


STORY: Final = (
    Metric("http.latency_ms", {"host": "web-1"}, 40, 12, 2, outage=6, late=0),
    Metric("cpu.busy", {"host": "web-1"}, 35, 15, 2, outage=2.6, late=2),
    Metric("http.errors", {"host": "web-1"}, 4, 1, 1, outage=15, late=3),
    Metric("http.requests", {"host": "web-1"}, 900, 500, 25, outage=0.2, late=4),
    Metric("cpu.busy", {"host": "web-2"}, 32, 15, 2),
    Metric("http.latency_ms", {"host": "web-2"}, 42, 12, 2),
    Metric("disk.queue", {"host": "db-1"}, 2, 0.5, 0.3, before=14),
    Metric("query.seconds", {"host": "db-1"}, 0.02, 0.004, 0.001, before=9, late=1),
    Metric("temperature", {"room": "cellar"}, 19, 2, 0.1),
    Metric(HOSTILE, _HOSTILE_LABELS, 10, 3, 0.5, outage=5),
)


def tell(service: Service, now: float | None = None) -> float:
    """Send the whole past to a service; returns the time of the last sample.

    Cost: 28,800 samples, about two seconds.
    """
    end = now or time.time()
    begin = end - (LENGTH - 1) * STEP_S
    samples = [
        sample for number, metric in enumerate(STORY) for sample in _samples(metric, number, begin)
    ]
    samples.sort(key=lambda sample: sample["timestamp"])
    for start in range(0, len(samples), _PER_REQUEST):
        service.post(samples[start : start + _PER_REQUEST])
    return end


def live(service: Service, metric: Metric, value: float, at: float | None = None) -> None:
    """One sample more, of now."""
    service.post([_sample(metric, at or time.time(), value)])


def _samples(metric: Metric, number: int, begin: float) -> list[dict[str, Any]]:
    random = np.random.default_rng(number)
    place = np.arange(LENGTH)
    times = begin + place * STEP_S
    before = (place - LENGTH) * STEP_S  # from the end: the same story at any hour
    wave = np.sin(2 * np.pi * before / 86_400) + 0.2 * np.sin(2 * np.pi * before / 3_600)
    values = metric.level + metric.wave * wave + metric.noise * random.standard_normal(LENGTH)
    values[LENGTH - _NOW + metric.late :] *= metric.outage
    start = LENGTH - _BEFORE + metric.late
    values[start : start + _BEFORE_LENGTH] *= metric.before
    return [_sample(metric, at, round(value, 4)) for at, value in zip(times, values, strict=True)]


def _sample(metric: Metric, at: float, value: float) -> dict[str, Any]:
    return {"metric": metric.name, "labels": metric.labels, "timestamp": at, "value": float(value)}
