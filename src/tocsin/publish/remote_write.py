"""A destination over Prometheus' remote write (1.0): results of chosen metrics into a database.

What the receiver cannot take now comes again; what it refuses for good (400: it has newer samples
already, say) is counted, told and left out, as Prometheus itself does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import cramjam
import httpx
import numpy as np
import structlog

from tocsin import __version__
from tocsin.channels import scrubbed
from tocsin.errors import OutputError
from tocsin.publish.delivery import Delivery, Item
from tocsin.publish.series import FAMILIES, Chosen, Labels, columns
from tocsin.samples import Metric

__all__ = ["RemoteWriter", "request_of"]

_log: Final = structlog.get_logger("tocsin.publish")

#: Samples in one request.
_MOST: Final = 5_000
#: Answers that ask to come again.
_COME_AGAIN: Final = (408, 409, 423, 425, 429)
_READ: Final = 2_048
_TOLD: Final = 200
_MS_NS: Final = 1_000_000
_MASK: Final = 2**64 - 1

#: A series' labels, with its name, and its samples: value and time (ms), in order.
Series = tuple[Labels, Sequence[tuple[float, int]]]


class RemoteWriter:
    """Posts to one address. One thread calls it; after an error the same item comes again."""

    def __init__(
        self,
        url: str,
        chosen: Chosen,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """``token``: shown as ``Authorization: Bearer …``."""
        #: Samples that the receiver refused for good.
        self.refused = 0
        headers = {
            "User-Agent": f"tocsin/{__version__}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._url, self._token = url, token
        self._chosen = chosen
        self._client = httpx.Client(timeout=timeout_s, headers=headers)

    def write(self, item: Item) -> None:
        """Post a delivery's chosen samples. Errors: `OutputError`; a part may have been taken."""
        if not isinstance(item, Delivery):
            return
        for some in _pieces(_series(item, self._chosen)):
            self._post(some)

    def sync(self) -> None:
        """What was answered is the receiver's to keep."""

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _post(self, series: Sequence[Series]) -> None:
        body = bytes(cramjam.snappy.compress_raw(request_of(series)))
        try:
            with self._client.stream("POST", self._url, content=body) as answer:
                if answer.is_success:
                    return
                said = next(answer.iter_bytes(_READ), b"").decode("utf-8", "replace")
                status = answer.status_code
        except httpx.HTTPError as error:
            told = str(error) or type(error).__name__
            raise OutputError(f"remote write: {self._scrubbed(told)}") from None
        told = self._scrubbed(" ".join(f"answered {status} {said}".split()))
        if not 400 <= status < 500 or status in _COME_AGAIN:
            raise OutputError(f"remote write: {told}")
        count = sum(len(samples) for _, samples in series)
        self.refused += count
        _log.warning("remote_write_refused", samples=count, reason=told)

    def _scrubbed(self, told: str) -> str:
        return scrubbed(told, (self._url, self._token))[:_TOLD]


def request_of(series: Sequence[Series]) -> bytes:
    """A ``WriteRequest``, not compressed.

    >>> request_of([((("__name__", "a"),), [(1.0, 2)])]).hex()
    '0a1c0a0d0a085f5f6e616d655f5f120161120b09000000000000f03f1002'
    """
    return b"".join(_field(0x0A, _time_series(*one)) for one in series)


def _series(delivery: Delivery, chosen: Chosen) -> Iterator[Series]:
    """Series of a delivery, metric by metric."""
    order = np.argsort(delivery.metric, kind="stable")
    numbers, first = np.unique(delivery.metric[order], return_index=True)
    for number, which in zip(numbers.tolist(), np.split(order, first[1:]), strict=True):
        who = delivery.metrics[number]
        labels = chosen.labels(who.uid, Metric(who.name, who.labels))
        if labels is None:
            continue
        times = (delivery.timestamp[which] // _MS_NS).tolist()
        for name, column in zip(FAMILIES, columns(delivery, which), strict=True):
            # One sample a millisecond: the last.
            known = dict(zip(times, column.tolist(), strict=True))
            samples = [(value, at) for at, value in known.items() if np.isfinite(value)]
            if samples:
                yield tuple(sorted((("__name__", name), *labels))), samples


def _pieces(series: Iterator[Series]) -> Iterator[list[Series]]:
    """In requests of bounded size, each series' samples in order."""
    some: list[Series] = []
    count = 0
    for labels, samples in series:
        for start in range(0, len(samples), _MOST):
            part = samples[start : start + _MOST]
            if count + len(part) > _MOST:
                yield some
                some, count = [], 0
            some.append((labels, part))
            count += len(part)
    if some:
        yield some


def _time_series(labels: Labels, samples: Sequence[tuple[float, int]]) -> bytes:
    pairs = (_field(0x0A, _text(0x0A, key) + _text(0x12, value)) for key, value in labels)
    told = (
        _field(0x12, b"\x09" + struct.pack("<d", value) + b"\x10" + _number(at & _MASK))
        for value, at in samples
    )
    return b"".join((*pairs, *told))


def _text(tag: int, text: str) -> bytes:
    return _field(tag, text.encode("utf-8", "replace"))


def _field(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _number(len(content)) + content


def _number(number: int) -> bytes:
    """As a varint."""
    told = bytearray()
    while number > 0x7F:
        told.append(number & 0x7F | 0x80)
        number >>= 7
    told.append(number)
    return bytes(told)
