"""Results as series of Prometheus: one each for the scores, the expectation and the value.

A metric ``web.latency{host="a"}`` becomes ``tocsin_anomaly_score{metric="web.latency",host="a"}``
and so on. Labels that Prometheus does not take are changed to ones that it does; what is not known,
and a band without a bound, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.publish.delivery import Delivery
from tocsin.rules import matches
from tocsin.samples import Metric

__all__ = ["FAMILIES", "Chosen", "Labels", "columns", "labels_of"]

Labels = tuple[tuple[str, str], ...]

#: Names of series, and what each of them says.
FAMILIES: Final[Mapping[str, tuple[str, str]]] = {
    "tocsin_anomaly_score": ("anomaly_score", "How improbable the sample is, from 0 to 1"),
    "tocsin_alert_score": ("alert_score", "The anomaly score where it is news, else 0"),
    "tocsin_expected": ("expected", "What the model expected"),
    "tocsin_lower": ("lower", "The band whose crossing is the decision: below"),
    "tocsin_upper": ("upper", "The band whose crossing is the decision: above"),
    "tocsin_value": ("value", "What was watched: the value, of a counter its rate per second"),
}
_NOT_ALLOWED: Final = re.compile(r"[^a-zA-Z0-9_]")
_NAME: Final = "metric"


def labels_of(metric: Metric) -> Labels:
    """Labels as Prometheus takes them, sorted; the metric's name is the label ``metric``.

    >>> labels_of(Metric.of("web.latency", {"host.name": "a", "metric": "x", "0": ""}))
    (('exported_metric', 'x'), ('host_name', 'a'), ('metric', 'web.latency'))
    """
    found = {_NAME: metric.name}
    for key, value in metric.labels:
        name = _NOT_ALLOWED.sub("_", key)
        if name[:1].isdigit():
            name = f"_{name}"
        while name in found or name.startswith("__"):
            name = f"exported_{name}"
        if value:  # empty is as good as missing there
            found[name] = value
    return tuple(sorted(found.items()))


def columns(delivery: Delivery, which: NDArray[np.int64]) -> Sequence[NDArray[np.float64]]:
    """What the families say of some samples, in their order."""
    scored = delivery.scored[which]
    value = np.where(np.isnan(scored["rate"]), delivery.value[which], scored["rate"])
    return [value if field == "value" else scored[field] for field, _ in FAMILIES.values()]


class Chosen:
    """The metrics that match any of some patterns, at most so many: those that came first.

    Cost: O(patterns) for a metric that is new; after that O(1).
    """

    def __init__(self, patterns: Iterable[str], most: int) -> None:
        self._patterns = tuple(patterns)
        self._most = most
        self._known: dict[str, Labels | None] = {}
        self._taken: set[Labels] = set()
        #: Metrics that match and are left out: there are too many, or two would be one series.
        self.left_out = 0

    def labels(self, uid: str, metric: Metric) -> Labels | None:
        """Its labels; None: it is not chosen."""
        if uid not in self._known:
            self._known[uid] = self._choose(uid, metric)
        return self._known[uid]

    def _choose(self, uid: str, metric: Metric) -> Labels | None:
        if not any(matches(pattern, metric) for pattern in self._patterns):
            return None
        labels = labels_of(metric)
        if labels in self._taken:
            # Another one is called the same there, or was before it was deleted.
            labels = tuple(sorted((*labels, ("uid", uid))))
        if len(self._taken) >= self._most:
            self.left_out += 1
            return None
        self._taken.add(labels)
        return labels
