"""The slow, obviously right decoder: over the classes of Google's protobuf library."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tocsin.bench.remote_write_messages import V1, V2
from tocsin.errors import BadInputError
from tocsin.ingest.identity import metric_of
from tocsin.ingest.remote_write.content import Content
from tocsin.samples import Metric

STALE = struct.pack("<Q", 0x7FF0000000000002)
#: Metric or "bad", nanoseconds or "bad", the value's bytes.
Told = Counter[tuple[str, int | str, bytes]]


def series_1(body: bytes) -> Iterator[tuple[list[tuple[str, str]], Any]]:
    for series in V1["WriteRequest"].FromString(body).timeseries:
        yield [(label.name, label.value) for label in series.labels], series


def series_2(body: bytes) -> Iterator[tuple[list[tuple[str, str]] | None, Any]]:
    request = V2["Request"].FromString(body)
    for series in request.timeseries:
        yield _labels(list(request.symbols), list(series.labels_refs)), series


def _labels(symbols: Sequence[str], refs: Sequence[int]) -> list[tuple[str, str]] | None:
    if len(refs) % 2 or any(ref >= len(symbols) for ref in refs):
        return None
    texts = [symbols[ref] for ref in refs]
    return list(zip(texts[::2], texts[1::2], strict=True))


def metric(labels: list[tuple[str, str]] | None) -> Metric | None:
    if labels is None or len(dict(labels)) < len(labels):
        return None
    told = {label: value for label, value in labels if value}
    try:
        return metric_of(told.pop("__name__", ""), told)
    except BadInputError:
        return None


def expected(all_series: Iterator[tuple[Any, Any]]) -> tuple[Told, int, int, int]:
    """Every sample, and how many markers, histograms and exemplars."""
    told: Told = Counter()
    markers = histograms = exemplars = 0
    for labels, series in all_series:
        name = metric(labels)
        histograms += len(series.histograms)
        exemplars += len(series.exemplars)
        for sample in series.samples:
            bits = struct.pack("<d", sample.value)
            if bits == STALE:
                markers += 1
            elif abs(sample.timestamp) >= 9_214_646_400_000:
                told["refused", "bad_timestamp", b""] += 1
            elif name is None:
                told["refused", "bad_metric", b""] += 1
            else:
                told[str(name), sample.timestamp * 1_000_000, bits] += 1
    return told, markers, histograms, exemplars


def decoded(content: Content) -> tuple[Told, int, int, int]:
    """What the decoder under test returned, in the same form."""
    samples = content.batch.samples
    told: Told = Counter()
    columns = zip(samples.metric.tolist(), samples.timestamp.tolist(), samples.value, strict=True)
    for which, moment, value in columns:
        told[str(content.batch.metrics[which]), moment, struct.pack("<d", value)] += 1
    for rejection in content.rejected:
        told["refused", str(rejection.code), b""] += 1
    return told, content.markers, content.histograms, content.exemplars
