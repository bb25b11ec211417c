"""Remote write 1.0: ``prometheus.WriteRequest``, in which each series has its labels as text."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.remote_write.content import Content, Entries, Scanned, check, read
from tocsin.ingest.remote_write.counters import Families
from tocsin.ingest.remote_write.known import Known, Pair
from tocsin.ingest.remote_write.wire import fields
from tocsin.ingest.scans import remote_write as scan

__all__ = ["MESSAGE", "Decoder"]

MESSAGE: Final = "prometheus.WriteRequest"

#: The longest labels of one series (bytes); as text they may have fewer characters still.
_LONGEST: Final = 16_384
_FAMILIES: Final = 50_000
#: The longest name of a family (bytes).
_LONGEST_FAMILY: Final = 1_024


class Decoder:
    """Reads requests; remembers up to ``limit`` metrics, and the types that senders tell.

    What it returns depends on the bytes, and for counters on the types told before.
    """

    def __init__(self, limit: int) -> None:
        self._known = Known(limit)
        self._families = Families(_FAMILIES)
        #: By number of a name: whether its series are counters.
        self._counters = np.zeros(0, dtype=np.bool_)
        #: When what is known was begun anew, so must these be.
        self._epoch = self._known.epoch

    def decode(self, body: bytes, most: int) -> Content:
        """Read a request of at most ``most`` samples, and as many types.

        Errors: `BadInputError`, `TooLargeError`. Cost: see `content.read`.
        """
        data = np.frombuffer(body, dtype=np.uint8)
        scanned = Scanned.room(len(body), most)
        metadata = np.empty((min(len(body) // 2, most), 2), dtype=np.int64)
        outcome = scan.scan_1(
            data,
            self._known.key,
            scanned.series,
            scanned.kind,
            scanned.hashes,
            scanned.samples,
            scanned.bits,
            metadata,
            scanned.counts,
        )
        check(outcome, MESSAGE, most)
        for start, stop in metadata[: scanned.counts[scan.METADATA]].tolist():
            self._tell(body[start:stop])

        def labels(i: int) -> list[Pair] | str:
            start, stop = scanned.series[i].tolist()
            return self._labels(body[start:stop]) if stop - start <= _LONGEST else _TOO_LONG

        return read(scanned, self._known, labels, self._counts)

    def _labels(self, block: bytes) -> list[Pair] | str:
        """The labels among the fields of a series."""
        try:
            return [
                self._known.pair(label, _label)
                for number, label in fields(block)
                if number == 1 and isinstance(label, bytes)
            ]
        except UnicodeDecodeError:
            return "a label is not UTF-8"
        except ValueError:
            return "a label is damaged"

    def _tell(self, message: bytes) -> None:
        """Remember a family's type."""
        try:
            told = dict(fields(message))
            family, kind = told.get(2, b""), told.get(1, 0)
            if not isinstance(family, bytes) or not isinstance(kind, int):
                return
            if not 0 < len(family) <= _LONGEST_FAMILY:
                return
            names = self._families.tell(family.decode(), kind)
        except ValueError:  # also what is not UTF-8: a type that is not known changes nothing
            return
        for name in names:
            number = self._known.number_of_name(name)
            if 0 <= number < len(self._counters):
                self._counters[number] = self._families.counts(name)

    def _counts(self, entries: Entries) -> NDArray[np.bool_]:
        names = self._known.names
        if self._epoch != self._known.epoch:
            self._epoch = self._known.epoch
            self._counters = np.zeros(0, dtype=np.bool_)
        if len(self._counters) < len(names):
            new = [self._families.counts(name) for name in names[len(self._counters) :]]
            self._counters = np.concatenate([self._counters, np.array(new, dtype=np.bool_)])
        return self._counters[self._known.names_of(entries)]


_TOO_LONG: Final = f"the labels have more than {_LONGEST} bytes"


def _label(label: bytes) -> Pair:
    """Name and value in a Label message. Errors: `ValueError`."""
    told = dict(fields(label))
    name, value = told.get(1, b""), told.get(2, b"")
    if not isinstance(name, bytes) or not isinstance(value, bytes):
        raise ValueError("a label's name or value is no text")
    return name.decode(), value.decode()
