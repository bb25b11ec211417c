"""A histogram's buckets, what came since an earlier count of them, and quantiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.errors import BadInputError

__all__ = ["Buckets", "Explicit", "Exponential", "quantiles"]

#: Scales that OpenTelemetry's histograms can have, and some more.
_SCALES: Final = range(-11, 33)
#: Powers of two beyond which there are no numbers.
_POWERS: Final = (-1_075.0, 1_024.0)

#: Lower and upper edge, and how many values lie between.
Span = tuple[float, float, int]


@dataclass(frozen=True, slots=True)
class Explicit:
    """Values up to each bound, and beyond the last one. Errors: `BadInputError`."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.bounds) + 1:
            raise BadInputError(f"{len(self.counts)} buckets for {len(self.bounds)} bounds")
        pairs = zip(self.bounds, self.bounds[1:], strict=False)
        if not all(map(math.isfinite, self.bounds)) or any(low >= high for low, high in pairs):
            raise BadInputError("the bounds are not finite and rising")

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return 2 * len(self.counts)

    def since(self, before: Buckets) -> Explicit | None:
        """What came since; None when that cannot be known."""
        if not isinstance(before, Explicit) or before.bounds != self.bounds:
            return None
        more = tuple(a - b for a, b in zip(self.counts, before.counts, strict=True))
        return None if min(more) < 0 else Explicit(self.bounds, more)

    def spans(self) -> Iterator[Span]:
        """From the smallest values to the largest; the outermost end at their only edge.

        But what is below a first bound that is positive lies above zero.
        """
        if not self.bounds:
            return
        edges = (min(0.0, self.bounds[0]), *self.bounds, self.bounds[-1])
        yield from zip(edges, edges[1:], self.counts, strict=False)

    def between(self, low: float, high: float, part: float) -> float:
        """The value so far on the way through a bucket."""
        return low + (high - low) * part


@dataclass(frozen=True, slots=True)
class Exponential:
    """Values by the power of two that they lie below, in steps of 2^-scale."""

    scale: int
    zero: int
    threshold: float
    #: How many by the bucket's index; negative values by their size.
    positive: Mapping[int, int]
    negative: Mapping[int, int]

    def __post_init__(self) -> None:
        if self.scale not in _SCALES:
            raise BadInputError(f"a scale of {self.scale} is beyond what histograms have")
        if not 0 <= self.threshold < math.inf:
            raise BadInputError(f"a zero threshold of {self.threshold:g}")

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return 4 * (len(self.positive) + len(self.negative)) + 4

    def since(self, before: Buckets) -> Exponential | None:
        """What came since; None when that cannot be known."""
        if not isinstance(before, Exponential) or before.threshold != self.threshold:
            return None
        scale = min(self.scale, before.scale)
        now, then = self._coarser(scale), before._coarser(scale)
        zero = now.zero - then.zero
        positive, negative = _less(now.positive, then.positive), _less(now.negative, then.negative)
        if zero < 0 or positive is None or negative is None:
            return None
        return Exponential(scale, zero, self.threshold, positive, negative)

    def _coarser(self, scale: int) -> Exponential:
        """The same with fewer, wider buckets."""
        steps = self.scale - scale
        if not steps:
            return self
        sides = []
        for side in (self.positive, self.negative):
            wide: dict[int, int] = {}
            for index, count in side.items():
                wide[index >> steps] = wide.get(index >> steps, 0) + count
            sides.append(wide)
        return Exponential(scale, self.zero, self.threshold, *sides)

    def spans(self) -> Iterator[Span]:
        """From the smallest values to the largest."""
        for index in sorted(self.negative, reverse=True):
            yield -self._edge(index + 1), -self._edge(index), self.negative[index]
        yield -self.threshold if self.negative else 0.0, self.threshold, self.zero
        for index in sorted(self.positive):
            yield self._edge(index), self._edge(index + 1), self.positive[index]

    def _edge(self, index: int) -> float:
        power = math.ldexp(index, -self.scale)
        if power >= _POWERS[1]:
            return math.inf
        return math.pow(2.0, max(power, _POWERS[0]))

    def between(self, low: float, high: float, part: float) -> float:
        """The value so far on the way through a bucket, in equal ratios."""
        if low > 0:
            return low * math.pow(high / low, part)
        if high < 0:
            return high * math.pow(low / high, 1 - part)
        return low + (high - low) * part


Buckets = Explicit | Exponential


def _less(now: Mapping[int, int], then: Mapping[int, int]) -> dict[int, int] | None:
    more = {index: count - then.get(index, 0) for index, count in now.items()}
    gone = any(count and index not in now for index, count in then.items())
    return None if gone or any(count < 0 for count in more.values()) else more


def quantiles(
    buckets: Buckets, wanted: Sequence[float], least: float, most: float
) -> list[float] | None:
    """Interpolated within their buckets, between ``least`` and ``most``; None: there are no values.

    ``wanted``: between 0 and 1, rising. Cost: O(buckets).
    """
    spans = [span for span in buckets.spans() if span[2]]
    total = sum(count for *_, count in spans)
    if not total:
        return None
    found, passed, at = [], 0, 0
    for rank in (part * total for part in wanted):
        while at < len(spans) - 1 and passed + spans[at][2] < rank:
            passed += spans[at][2]
            at += 1
        low, high, count = spans[at]
        value = buckets.between(low, high, min(1.0, (rank - passed) / count))
        found.append(min(max(value, least), most))
    return found
