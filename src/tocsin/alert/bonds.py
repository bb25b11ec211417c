"""Bonds: what metrics may share that makes their events belong together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tocsin.samples import Metric

__all__ = ["bonds_of", "called", "group_of"]

#: Stems of a name that are looked at: its first parts.
_STEMS = 4


def bonds_of(metric: Metric) -> tuple[str, ...]:
    """Its labels, its name, and the stems of its name (the parts before its dots).

    >>> bonds_of(Metric.of("web.latency.p99", {"host": "a"}))
    ('host=a', '=web.latency.p99', 'web.*', 'web.latency.*')
    >>> bonds_of(Metric.of("cpu"))
    ('=cpu',)
    """
    labels = (f"{key}={value}" for key, value in metric.labels)
    parts = metric.name.split(".")[:-1][:_STEMS]
    stems = (".".join(parts[: i + 1]) + ".*" for i in range(len(parts)))
    return (*labels, f"={metric.name}", *stems)


def called(bonds: Iterable[str], places: Sequence[str]) -> str:
    """The bond that says best where this is: a place, a name, a stem, or any label.

    >>> called(["az=1", "host=a", "=cpu"], ["host"]), called(["=cpu", "az=1"], ["host"])
    ('host=a', 'cpu')
    """
    known = list(bonds)
    for place in places:
        for bond in known:
            if bond.startswith(f"{place}="):
                return bond
    names = [bond[1:] for bond in known if bond.startswith("=")]
    stems = sorted((bond for bond in known if bond.endswith(".*") and "=" not in bond), key=len)
    return [*sorted(known), *stems, *names][-1] if known else ""


def group_of(metric: Metric, places: Sequence[str]) -> str:
    """What a metric is ranked under: where it is, else the first part of its name.

    >>> group_of(Metric.of("web.latency", {"host": "a"}), ["host"])
    'host=a'
    >>> group_of(Metric.of("web.latency"), ["host"]), group_of(Metric.of("cpu"), ["host"])
    ('web.*', 'cpu')
    """
    labels = dict(metric.labels)
    for place in places:
        if labels.get(place):
            return f"{place}={labels[place]}"
    first, dot, _ = metric.name.partition(".")
    return f"{first}.*" if dot else first
