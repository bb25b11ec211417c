"""How improbable it is that metrics are anomalous at once: whether they belong together.

While all is well, a metric has about ``rate`` events a second by itself. That one of them comes
within ``span`` seconds costs

    alone = -log10(rate * span)                                             (decades)

A common cause is taken to have the probability ``chance`` at any place and time; it shows in k of
the n metrics that are there, and which k these are must be told, too:

    common = -log10(chance) + log10(n choose k)

An event belongs to an incident when ``common`` of all of them is less than what the incident and
the event cost each for itself. So the second metric of a host of ten joins the first one, and of
two hosts that fail at once each has an incident of its own, although all their metrics share a
label: of the hundreds that have it, so few would be an odd choice.

How strong an incident of m metrics is, to rank it:

    evidence = max over its events of -log10 p  +  max(0, -log10 P(N >= m - 1))     (decades)

where p is the improbability of an event's highest sample, and N a Poisson variable with the mean
(n - 1) * rate * span: so many others would have events by chance. Ten metrics of one host within a
minute stand above one metric that is a little stranger than each of them, and ten of a million do
not.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["MOST_DECADES", "alone", "chance", "cooccurrence", "ways"]

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


def alone(gap_s: float, rate: float) -> float:
    """The decades of one metric's having an event by itself within so many seconds.

    >>> round(alone(100.0, 1e-5), 2)
    3.0
    """
    return max(0.0, -math.log10(max(gap_s * rate, 10.0**-MOST_DECADES)))


def ways(metrics: int, peers: int) -> float:
    """The decades of in how many ways so many can be chosen among their peers.

    >>> round(ways(2, 200), 2), ways(5, 5)
    (4.3, 0.0)
    """
    if metrics >= peers:
        return 0.0
    told = math.lgamma(peers + 1) - math.lgamma(metrics + 1) - math.lgamma(peers - metrics + 1)
    return max(0.0, told / math.log(10.0))
