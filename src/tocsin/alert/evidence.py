"""How improbable it is that so many metrics are anomalous at once, and all of it together.

While all is well, a metric has about ``rate`` events a second: its false-alarm budget, as stated.
Of n metrics that share something, the n - 1 others then have about

    mean = (n - 1) * rate * span

events within ``span`` seconds, independently of each other: a Poisson variable N. That k or more
others are anomalous within that time has the probability P(N >= k). An incident of m metrics has

    evidence = max over its events of -log10 p  +  max(0, -log10 P(N >= m - 1))     (decades)

where p is the improbability of an event's highest sample. So ten metrics of one host within a
minute stand above one metric that is a little stranger than each of them, and ten metrics of a
million do not.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["MOST_DECADES", "chance", "cooccurrence"]

#: More than this is not told apart.
MOST_DECADES: Final = 100.0
#: Terms that are smaller than the sum by so much change nothing.
_SMALL: Final = 1e-17


def chance(others: int, peers: int, span_s: float, rate: float) -> float:
    """The decades (-log10) of P(N >= others): see above; 0 where it is no surprise.

    >>> chance(0, 50, 60.0, 1e-7)
    0.0
    >>> round(chance(1, 51, 200.0, 1e-7), 2), round(chance(2, 51, 200.0, 1e-7), 2)
    (3.0, 6.3)
    """
    mean = max(peers - 1, others) * rate * span_s
    if others <= 0 or others <= mean:
        return 0.0
    if mean <= 0.0:
        return MOST_DECADES
    first = (others * math.log(mean) - mean - math.lgamma(others + 1)) / math.log(10.0)
    term = total = 1.0
    at = others
    while term > _SMALL * total:
        at += 1
        term *= mean / at
        total += term
    return min(MOST_DECADES, max(0.0, -first - math.log10(total)))


def cooccurrence(metrics: int, peers: int, span_s: float, rate: float) -> float:
    """What an incident of so many metrics has beyond its strangest event (decades)."""
    return chance(metrics - 1, peers, span_s, rate)
