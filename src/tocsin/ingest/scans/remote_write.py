"""Compiled scans of remote write's bytes: protobuf's wire format into columns, without objects.

Everything that is read lies in one array of bytes; every step is bounded by where its message
ends.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.ingest.scans.hashing import begin, end, hash_bytes, mix, word
from tocsin.ingest.scans.protobuf import BYTES, FIXED64, VARINT, skip, span, tag, varint

__all__ = [
    "BAD_REFERENCE",
    "EXEMPLARS",
    "HISTOGRAMS",
    "MARKERS",
    "METADATA",
    "ODD_REFERENCES",
    "PLAIN",
    "SAMPLES",
    "SCATTERED",
    "SERIES",
    "STALE",
    "TOO_MANY",
    "scan_1",
    "scan_2",
]

#: The bits of the NaN that says: this series ends here.
STALE: Final = 0x7FF0000000000002

#: What the scans return beside -1 (all is well) and the place of a damaged byte.
TOO_MANY: Final = -2

#: Places in ``counts``.
SERIES: Final = 0
SAMPLES: Final = 1
MARKERS: Final = 2
HISTOGRAMS: Final = 3
EXEMPLARS: Final = 4
METADATA: Final = 5
_REFERENCES: Final = 6

#: How the labels of a series are.
PLAIN: Final = 0
#: Other fields lie between them.
SCATTERED: Final = 1
#: 2.0: a reference leads nowhere; there is a name without a value.
BAD_REFERENCE: Final = 2
ODD_REFERENCES: Final = 3

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


@kernel
def _sample(data: Bytes, at: int, stop: int) -> tuple[Any, Any, int]:
    """A sample's value as bits, its milliseconds, and 0; the last is -1 when it is damaged."""
    bits, moment = uint64(0), np.int64(0)
    while at < stop:
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return bits, moment, -1
        if field == 1 and wire == FIXED64 and stop - at >= 8:
            bits = word(data, at)
            at += 8
        elif field == 2 and wire == VARINT:
            number, at = varint(data, at, stop)
            moment = np.int64(number)
        else:
            at = skip(data, at, stop, wire)
        if at < 0:
            return bits, moment, -1
    return bits, moment, 0


@kernel
def scan_1(
    data: Bytes,
    key: Words,
    series: Ints,
    kind: Bytes,
    hashes: Words,
    samples: Ints,
    bits: Words,
    metadata: Ints,
    counts: Ints,
) -> int:
    """Read a ``prometheus.WriteRequest``.

    Fills ``series`` (from, to: the bytes of the labels), ``kind`` and ``hashes`` per series that
    has samples; ``samples`` (series, milliseconds) and ``bits`` (the values') per sample that is
    no staleness marker; ``metadata`` (from, to) per such message; and ``counts``. Returns -1, or
    `TOO_MANY` for more than there is room, or the place in ``data`` that cannot be read.
    """
    at, stop = 0, len(data)
    while at < stop:
        began = at
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return began
        if wire == BYTES and field in (1, 3):
            start, at = span(data, at, stop)
            if at < 0:
                return began
            if field == 1:
                bad = _series_1(data, start, at, key, series, kind, hashes, samples, bits, counts)
                if bad != -1:
                    return bad
            elif counts[METADATA] == len(metadata):
                return TOO_MANY
            else:
                metadata[counts[METADATA], 0] = start
                metadata[counts[METADATA], 1] = at
                counts[METADATA] += 1
        else:
            at = skip(data, at, stop, wire)
            if at < 0:
                return began
    return -1


@kernel
def _series_1(
    data: Bytes,
    at: int,
    stop: int,
    key: Words,
    series: Ints,
    kind: Bytes,
    hashes: Words,
    samples: Ints,
    bits: Words,
    counts: Ints,
) -> int:
    """One TimeSeries of 1.0."""
    first, last, scattered = at, at, False
    seen = False
    before = counts[SAMPLES]
    while at < stop:
        began = at
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return began
        if wire != BYTES:
            at = skip(data, at, stop, wire)
            if at < 0:
                return began
            continue
        start, at = span(data, at, stop)
        if at < 0:
            return began
        if field == 1:
            if not seen:
                first, seen = began, True
            elif last != began:
                scattered = True
            last = at
        elif field == 2:
            bad = _take(data, start, at, counts[SERIES], samples, bits, counts)
            if bad != -1:
                return bad
        elif field == 3:
            counts[EXEMPLARS] += 1
        elif field == 4:
            counts[HISTOGRAMS] += 1
    if counts[SAMPLES] > before:
        n = counts[SERIES]
        series[n, 0] = first
        series[n, 1] = last if seen else first
        kind[n] = SCATTERED if scattered else PLAIN
        hash_bytes(data, series[n, 0], series[n, 1], key, hashes[n])
        counts[SERIES] += 1
    return -1


@kernel
def _take(
    data: Bytes, at: int, stop: int, of: int, samples: Ints, bits: Words, counts: Ints
) -> int:
    """One sample; a staleness marker is only counted."""
    value, moment, bad = _sample(data, at, stop)
    if bad < 0:
        return at
    if value == uint64(STALE):
        counts[MARKERS] += 1
        return -1
    n = counts[SAMPLES]
    if n == len(samples):
        return TOO_MANY
    samples[n, 0] = of
    samples[n, 1] = moment
    bits[n] = value
    counts[SAMPLES] += 1
    return -1


@kernel
def scan_2(
    data: Bytes,
    key: Words,
    symbols: Ints,
    symbol_hashes: Words,
    references: NDArray[np.uint32],
    series: Ints,
    kind: Bytes,
    types: Bytes,
    hashes: Words,
    samples: Ints,
    bits: Words,
    counts: Ints,
) -> int:
    """Read an ``io.prometheus.write.v2.Request``, as `scan_1` does.

    ``symbols``: from, to in ``data``; ``series``: from, to in ``references``, which are numbers
    of symbols; ``types``: the type that the metadata declares. ``counts[SERIES]`` counts series.
    """
    bad, known = _symbols(data, symbols)
    if bad != -1:
        return bad
    for i in range(known):
        hash_bytes(data, symbols[i, 0], symbols[i, 1], key, symbol_hashes[i])
    at, stop = 0, len(data)
    while at < stop:
        began = at
        field, wire, at = tag(data, at, stop)
        start = at
        at = skip(data, at, stop, wire)
        if at < 0:
            return began
        if field == 5 and wire == BYTES:
            start = span(data, start, stop)[0]
            bad = _series_2(
                data, start, at, key, known, symbol_hashes, references, series, kind, types,
                hashes, samples, bits, counts,
            )  # fmt: skip
            if bad != -1:
                return bad
    return -1


@kernel
def _symbols(data: Bytes, symbols: Ints) -> tuple[int, int]:
    """All symbols, which may stand anywhere: -1 or what is wrong, and how many."""
    at, stop, known = 0, len(data), 0
    while at < stop:
        began = at
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return began, 0
        start = at
        at = skip(data, at, stop, wire)
        if at < 0:
            return began, 0
        if field == 4 and wire == BYTES:
            if known == len(symbols):
                return TOO_MANY, 0
            symbols[known, 0] = span(data, start, stop)[0]
            symbols[known, 1] = at
            known += 1
    return -1, known


@kernel
def _series_2(
    data: Bytes,
    at: int,
    stop: int,
    key: Words,
    known: int,
    symbol_hashes: Words,
    references: NDArray[np.uint32],
    series: Ints,
    kind: Bytes,
    types: Bytes,
    hashes: Words,
    samples: Ints,
    bits: Words,
    counts: Ints,
) -> int:
    """One TimeSeries of 2.0."""
    before = counts[SAMPLES]
    first = counts[_REFERENCES]
    declared = uint64(0)
    while at < stop:
        began = at
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return began
        if field == 1 and wire == VARINT:
            number, at = varint(data, at, stop)
            _refer(number, references, counts)
        elif wire == BYTES:
            start, at = span(data, at, stop)
            if at < 0:
                return began
            if field == 1:
                while start < at:
                    number, start = varint(data, start, at)
                    if start < 0:
                        return began
                    _refer(number, references, counts)
            elif field == 2:
                bad = _take(data, start, at, counts[SERIES], samples, bits, counts)
                if bad != -1:
                    return bad
            elif field == 3:
                counts[HISTOGRAMS] += 1
            elif field == 4:
                counts[EXEMPLARS] += 1
            elif field == 5:
                declared, good = _declared(data, start, at, declared)
                if good < 0:
                    return began
        else:
            at = skip(data, at, stop, wire)
        if at < 0:
            return began
    if counts[SAMPLES] > before:
        n, last = counts[SERIES], counts[_REFERENCES]
        series[n, 0], series[n, 1] = first, last
        types[n] = declared if declared < uint64(255) else uint64(255)
        kind[n] = _hash_references(references, first, last, known, symbol_hashes, key, hashes[n])
        counts[SERIES] += 1
    else:
        counts[_REFERENCES] = first
    return -1


@kernel
def _refer(number: Any, references: NDArray[np.uint32], counts: Ints) -> None:
    references[counts[_REFERENCES]] = np.uint32(number)
    counts[_REFERENCES] += 1


@kernel
def _declared(data: Bytes, at: int, stop: int, declared: Any) -> tuple[Any, int]:
    """The type in a Metadata message, and 0; -1 when it is damaged."""
    while at < stop:
        field, wire, at = tag(data, at, stop)
        if at < 0:
            return declared, -1
        if field == 1 and wire == VARINT:
            declared, at = varint(data, at, stop)
        else:
            at = skip(data, at, stop, wire)
        if at < 0:
            return declared, -1
    return declared, 0


@kernel
def _hash_references(
    references: NDArray[np.uint32],
    first: int,
    last: int,
    known: int,
    symbol_hashes: Words,
    key: Words,
    out: Words,
) -> int:
    """Hash a series by the hashes of its symbols; returns its kind."""
    a, b, c, d = begin(key)
    for i in range(first, last):
        symbol = np.int64(references[i])
        if symbol >= known:
            return BAD_REFERENCE
        a, b, c, d = mix(a, b, c, d, symbol_hashes[symbol, 0])
        a, b, c, d = mix(a, b, c, d, symbol_hashes[symbol, 1])
    end(a, b, c, d, uint64(last - first) << uint64(56), out)
    return ODD_REFERENCES if (last - first) % 2 else PLAIN
