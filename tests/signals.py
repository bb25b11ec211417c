"""Samples to feed, and what one undisturbed detector makes of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tocsin import Detector
from tocsin.detect.events import EventFold
from tocsin.detect.result import EVENT_CODES
from tocsin.samples import iso

START = 1_700_000_000
STEP = 60
NUMBERS = (
    "raw_score",
    "likelihood",
    "anomaly_score",
    "alert_score",
    "expected",
    "lower",
    "upper",
)


def calm_then_spike(calm: int = 2_000, after: int = 100, seed: int = 7) -> list[float]:
    """Noise, an enormous spike of five samples, noise."""
    rng = np.random.default_rng(seed)
    noise = (50 + rng.normal(size=calm + 5 + after)).round(3)
    noise[calm : calm + 5] += 1_000
    return [float(value) for value in noise]


def as_samples(
    name: str, values: list[float], first: int = 0, **labels: str
) -> list[dict[str, Any]]:
    return [
        {"metric": name, "labels": labels, "timestamp": START + STEP * i, "value": value}
        for i, value in enumerate(values, first)
    ]


def undisturbed(values: list[float]) -> list[dict[str, Any]]:
    """Results as the interface tells them, from one detector that was fed everything at once."""
    times = START + STEP * np.arange(len(values))
    rows = Detector().update_many(times, values, unit="s")
    return [
        {name: _known(row[name]) for name in NUMBERS}
        | {"value": float(row["value"]), "event": EVENT_CODES[int(row["event"])].value}
        for row in rows
    ]


def _known(number: Any) -> float | None:
    return None if math.isnan(number) else float(number)


def assert_same_bits(samples: list[dict[str, Any]], values: list[float]) -> None:
    assert [sample["seq"] for sample in samples] == list(range(1, len(values) + 1))
    for sample, expected in zip(samples, undisturbed(values), strict=True):
        assert {key: sample[key] for key in expected} == expected


def undisturbed_events(values: list[float]) -> list[dict[str, Any]]:
    """Events as the interface tells them, oldest first, from one detector fed at once."""
    rows = Detector().update_many(START + STEP * np.arange(len(values)), values, unit="s")
    found = {}
    for event in EventFold().feed(rows["timestamp"], rows["value"], rows):
        found[event.start] = event
    return [
        {
            "start": iso(event.start),
            "peak": iso(event.peak),
            "end": iso(event.end),
            "open": event.open,
            "value": event.value,
            "samples": event.samples,
        }
        | {name: _known(getattr(event, name)) for name in NUMBERS if hasattr(event, name)}
        for event in found.values()
    ]


def assert_same_events(events: list[dict[str, Any]], values: list[float]) -> None:
    """``events``: all of the metric's, newest first."""
    expected = undisturbed_events(values)
    assert expected
    for told, event in zip(reversed(events), expected, strict=True):
        assert {key: told[key] for key in event} == event
