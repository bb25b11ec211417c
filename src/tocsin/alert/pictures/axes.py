"""Where the marks of an axis are, and what they say."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

import numpy as np

from tocsin.samples import SECOND_NS

__all__ = ["round_values", "time_marks", "told_value"]

#: Steps between marks of time (seconds).
_STEPS: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600),
    *(7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000),
)
_PREFIXES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def round_values(low: float, high: float, count: int) -> list[float]:
    """About ``count`` round numbers within low … high (low < high, finite)."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * f for f in (1.0, 2.0, 2.5, 5.0, 10.0) if power * f >= rough * 0.999)
    first = math.ceil(low / step)
    last = math.floor(high / step)
    return [n * step for n in range(first, min(last, first + 50) + 1)]


def told_value(value: float) -> str:
    """A number in few characters: 1.5k, 2.25M, 3e-07."""
    size = abs(value)
    for factor, prefix in _PREFIXES:
        if factor <= size < 1e15:
            return f"{value / factor:.4g}{prefix}"
    return f"{value:.4g}"


def time_marks(start: int, end: int, count: int) -> list[tuple[int, str]]:
    """About ``count`` round times within start … end (ns), in UTC, with words for them."""
    seconds = max((end - start) / SECOND_NS, 1e-9)
    step = next((s for s in _STEPS if s * count >= seconds), _STEPS[-1])
    first = -(-start // (step * SECOND_NS))
    stop = end // (step * SECOND_NS)
    times = np.arange(first, min(stop, first + 50) + 1) * step * SECOND_NS
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%d %b"
    told, day = [], None
    for time in times.tolist():
        moment = datetime.fromtimestamp(time // SECOND_NS, UTC)
        # The day is said once, and where it changes.
        text = moment.strftime(form if moment.date() == day or step >= 86_400 else f"%d %b {form}")
        told.append((time, text))
        day = moment.date()
    return told
