"""OTLP's numbers (gauges and sums) out of protobuf into columns; of the rest, where it stands."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.ingest.scans.hashing import begin, end, hash_bytes, mix, word
from tocsin.ingest.scans.protobuf import BYTES, FIXED64, VARINT, skip, span, tag, varint

__all__ = ["COUNT", "ODD", "ODDS", "PARTS", "PLACE", "SPANS", "scan"]

#: Places in ``state``: samples, data points, metrics that are left to others, and everything that
#: was met: resources, scopes, metrics, points and their attributes.
COUNT: Final = 0
PLACE: Final = 1
ODD: Final = 2
PARTS: Final = 3
#: From and to of a sample's resource, its metric's name, and its data point.
SPANS: Final = 6
#: From and to of a metric's resource and of the metric, and the number of its first data point.
ODDS: Final = 5

#: Numbers of fields.
_RESOURCE, _SCOPES, _METRICS = 1, 2, 2
_NAME, _GAUGE, _SUM, _LAST_DATA = 1, 5, 7, 11
_POINTS, _TEMPORALITY, _MONOTONIC = 1, 2, 3
_START, _TIME, _DOUBLE, _INTEGER, _ATTRIBUTES, _FLAGS = 2, 3, 4, 6, 7, 8
_DELTA, _CUMULATIVE = 1, 2

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@kernel
def scan(
    data: Bytes,
    key: Words,
    latest: int,
    most_parts: int,
    hashes: Words,
    spans: Ints,
    times: Ints,
    values: Floats,
    counters: Flags,
    places: Ints,
    odds: Ints,
    state: Ints,
) -> bool:
    """Read an ``ExportMetricsServiceRequest``; False: not plain, or more than there is room.

    A sample each for the data points of gauges and sums, but for metrics of which one is not in
    order: those and all other kinds stand in ``odds``. Texts, scopes, exemplars and what is not
    looked at is not checked. ``latest``: times must be below it.
    """
    scratch = np.zeros((4, 2), dtype=np.uint64)
    floats = np.zeros(1, dtype=np.float64)
    at, stop = 0, len(data)
    while at < stop:
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return False
        if field != 1 or wire != BYTES:
            at = skip(data, at, stop, wire)
            if at < 0:
                return False
            continue
        start, at = span(data, at, stop)
        if at < 0 or not _resource(
            data, start, at, key, latest, hashes, spans, times, values, counters, places, odds,
            state, scratch, floats,
        ):  # fmt: skip
            return False
        if state[PARTS] > most_parts:
            return False
    return True


@kernel
def _only(data: Bytes, at: int, stop: int, wanted: int) -> tuple[int, int, int]:
    """The field of this number and with a length: from, to, and how many there are; -1: damaged."""
    first, last, count = 0, 0, 0
    while at < stop:
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return 0, 0, -1
        if field == wanted and wire == BYTES:
            first, at = span(data, at, stop)
            last = at
            count += 1
        else:
            at = skip(data, at, stop, wire)
        if at < 0:
            return 0, 0, -1
    return first, last, count


@kernel
def _resource(
    data: Bytes,
    at: int,
    stop: int,
    key: Words,
    latest: int,
    hashes: Words,
    spans: Ints,
    times: Ints,
    values: Floats,
    counters: Flags,
    places: Ints,
    odds: Ints,
    state: Ints,
    scratch: Words,
    floats: Floats,
) -> bool:
    """One ResourceMetrics."""
    first, last, count = _only(data, at, stop, _RESOURCE)
    if count < 0 or count > 1:
        return False
    state[PARTS] += 1
    # How many attributes it has is not looked at; each takes some bytes.
    state[PARTS] += (last - first) // 16
    hash_bytes(data, first, last, key, scratch[0])
    while at < stop:
        field, wire, at = tag(data, at, stop)
        start = at
        at = skip(data, at, stop, wire)
        if field != _SCOPES or wire != BYTES:
            continue
        state[PARTS] += 1
        inner = span(data, start, stop)[0]
        while inner < at:
            field, wire, inner = tag(data, inner, at)
            if inner < 0:
                return False
            start = inner
            inner = skip(data, inner, at, wire)
            if inner < 0:
                return False
            if field == _METRICS and wire == BYTES:
                start = span(data, start, at)[0]
                state[PARTS] += 1
                if not _metric(
                    data, start, inner, first, last, key, latest, hashes, spans, times, values,
                    counters, places, odds, state, scratch, floats,
                ):  # fmt: skip
                    return False
    return True


@kernel
def _metric(
    data: Bytes,
    at: int,
    stop: int,
    resource: int,
    resource_end: int,
    key: Words,
    latest: int,
    hashes: Words,
    spans: Ints,
    times: Ints,
    values: Floats,
    counters: Flags,
    places: Ints,
    odds: Ints,
    state: Ints,
    scratch: Words,
    floats: Floats,
) -> bool:
    """One Metric: its samples, or an entry in ``odds``."""
    whole = at
    name, name_end, names = 0, 0, 0
    inside, inside_end, kind = 0, 0, 0
    while at < stop:
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return False
        if wire == BYTES and (field == _NAME or _GAUGE <= field <= _LAST_DATA):
            start, at = span(data, at, stop)
            if at < 0:
                return False
            if field == _NAME:
                name, name_end = start, at
                names += 1
            elif kind:
                return False
            else:
                inside, inside_end, kind = start, at, field
        else:
            at = skip(data, at, stop, wire)
            if at < 0:
                return False
    if names > 1:
        return False
    points = _only(data, inside, inside_end, _POINTS)[2]
    if points < 0:
        return False
    before, place = state[COUNT], state[PLACE]
    state[PARTS] += points
    if points == 0:
        return True
    delta, counter, good = False, False, kind == _GAUGE
    if kind == _SUM:
        delta, counter, good = _sum(data, inside, inside_end)
    if good:
        hash_bytes(data, name, name_end, key, scratch[1])
        good = _points(
            data, inside, inside_end, key, latest, delta, counter, hashes, times, values, counters,
            places, spans, state, scratch, floats,
        )  # fmt: skip
    if good:
        for i in range(before, state[COUNT]):
            spans[i, 0], spans[i, 1] = resource, resource_end
            spans[i, 2], spans[i, 3] = name, name_end
        return True
    state[COUNT] = before
    state[PLACE] = place + points
    n = state[ODD]
    if n == len(odds):
        return False
    odds[n, 0], odds[n, 1] = resource, resource_end
    odds[n, 2], odds[n, 3] = whole, stop
    odds[n, 4] = place
    state[ODD] += 1
    return True


@kernel
def _sum(data: Bytes, at: int, stop: int) -> tuple[bool, bool, bool]:
    """Whether a Sum is delta, whether it is a counter, and whether that is in order."""
    temporality, monotonic = uint64(0), uint64(0)
    while at < stop:
        field, wire, at = tag(data, at, stop)
        if wire == VARINT and field == _TEMPORALITY:
            temporality, at = varint(data, at, stop)
        elif wire == VARINT and field == _MONOTONIC:
            monotonic, at = varint(data, at, stop)
        else:
            at = skip(data, at, stop, wire)
        if at < 0:
            return False, False, False
    delta = temporality == uint64(_DELTA)
    good = delta or temporality == uint64(_CUMULATIVE)
    return delta, monotonic != uint64(0) and not delta, good


@kernel
def _points(
    data: Bytes,
    at: int,
    stop: int,
    key: Words,
    latest: int,
    delta: bool,
    counter: bool,
    hashes: Words,
    times: Ints,
    values: Floats,
    counters: Flags,
    places: Ints,
    spans: Ints,
    state: Ints,
    scratch: Words,
    floats: Floats,
) -> bool:
    """All points of a Gauge or Sum; False: one is not in order, or there is no room."""
    while at < stop:
        field, wire, at = tag(data, at, stop)
        start = at
        at = skip(data, at, stop, wire)
        if field != _POINTS or wire != BYTES:
            continue
        start = span(data, start, stop)[0]
        n, place = state[COUNT], state[PLACE]
        state[PLACE] += 1
        if n == len(values):
            return False
        time, outcome = _point(
            data, start, at, key, latest, delta, counter, scratch, floats, hashes[n], state
        )
        if outcome < 0:
            return False
        if outcome == 0:
            continue
        times[n], values[n], counters[n], places[n] = time, floats[0], counter, place
        spans[n, 4], spans[n, 5] = start, at
        state[COUNT] += 1
    return True


@kernel
def _point(
    data: Bytes,
    at: int,
    stop: int,
    key: Words,
    latest: int,
    delta: bool,
    counter: bool,
    scratch: Words,
    floats: Floats,
    out: Words,
    state: Ints,
) -> tuple[Any, int]:
    """A point's time, and 1; 0: it has no recorded value; -1: it is not in order.

    Its value is put into ``floats``, the hash of what it is a sample of into ``out``.
    """
    time, start = uint64(0), uint64(0)
    kind, bits, flags, attributes = 0, uint64(0), uint64(0), 0
    a, b, c, d = begin(key)
    for i in range(2):
        a, b, c, d = mix(a, b, c, d, scratch[i, 0])
        a, b, c, d = mix(a, b, c, d, scratch[i, 1])
    while at < stop:
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return np.int64(0), -1
        begun = at
        at = skip(data, at, stop, wire)
        if at < 0:
            return np.int64(0), -1
        if wire == FIXED64 and field == _TIME:
            time = word(data, begun)
        elif wire == FIXED64 and field == _START:
            start = word(data, begun)
        elif wire == FIXED64 and field in (_DOUBLE, _INTEGER):
            kind, bits = field, word(data, begun)
        elif wire == VARINT and field == _FLAGS:
            flags = varint(data, begun, stop)[0]
        elif wire == BYTES and field == _ATTRIBUTES:
            hash_bytes(data, span(data, begun, stop)[0], at, key, scratch[2])
            a, b, c, d = mix(a, b, c, d, scratch[2, 0])
            a, b, c, d = mix(a, b, c, d, scratch[2, 1])
            attributes += 1
    state[PARTS] += attributes
    if flags & uint64(1):
        return np.int64(0), 0
    if kind == 0 or time == uint64(0) or time >= uint64(latest):
        return np.int64(0), -1
    scratch[3, 0] = bits
    if kind == _DOUBLE:
        floats[0] = scratch[3].view(np.float64)[0]
    else:
        floats[0] = np.float64(np.int64(bits))
    if delta:
        if start == uint64(0) or start >= time:
            return np.int64(0), -1
        floats[0] = floats[0] * 1e9 / np.float64(time - start)
    end(a, b, c, d, uint64(2 * attributes + counter) << uint64(32), out)
    return np.int64(time), 1
