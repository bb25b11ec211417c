"""Remote write 2.0: ``io.prometheus.write.v2.Request``, whose labels are numbers of symbols."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.remote_write.content import Content, Entries, Scanned, check, read
from tocsin.ingest.remote_write.counters import BY_TYPE, Type
from tocsin.ingest.remote_write.known import Known, Pair
from tocsin.ingest.scans import remote_write as scan

__all__ = ["MESSAGE", "Decoder"]

MESSAGE: Final = "io.prometheus.write.v2.Request"

#: Symbols for each sample that there may be: every label that a metric may have is a new one.
_SYMBOLS: Final = 4
#: The most references of one series, and the longest symbol (bytes).
_MOST: Final = 200
_LONGEST: Final = 16_384

_WRONG: Final = {
    scan.BAD_REFERENCE: "a label refers to a symbol that is not there",
    scan.ODD_REFERENCES: "a label has no value",
}


class Decoder:
    """Reads requests; remembers up to ``limit`` metrics."""

    def __init__(self, limit: int) -> None:
        self._known = Known(limit)

    def decode(self, body: bytes, most: int) -> Content:
        """Read a request of at most ``most`` samples.

        Errors: `BadInputError`, `TooLargeError`. Cost: see `content.read`.
        """
        data = np.frombuffer(body, dtype=np.uint8)
        scanned = Scanned.room(len(body), most)
        symbols = np.empty((min(len(body) // 2, _SYMBOLS * most + 1), 2), dtype=np.int64)
        references = np.empty(len(body), dtype=np.uint32)
        types = np.empty(len(scanned.kind), dtype=np.uint8)
        outcome = scan.scan_2(
            data,
            self._known.key,
            symbols,
            np.empty((len(symbols), 2), dtype=np.uint64),
            references,
            scanned.series,
            scanned.kind,
            types,
            scanned.hashes,
            scanned.samples,
            scanned.bits,
            scanned.counts,
        )
        check(outcome, MESSAGE, most)

        def labels(i: int) -> list[Pair] | str:
            if wrong := _WRONG.get(int(scanned.kind[i])):
                return wrong
            start, stop = scanned.series[i].tolist()
            if stop - start > _MOST:
                return f"more than {_MOST // 2} labels"
            return self._labels(body, symbols[references[start:stop]].tolist())

        def counters(entries: Entries) -> NDArray[np.bool_]:
            told = types[: len(entries)]
            kind = np.where(told < len(Type), told, Type.UNKNOWN)
            return BY_TYPE[kind, self._known.suffixes(entries)]

        return read(scanned, self._known, labels, counters)

    def _labels(self, body: bytes, spans: list[list[int]]) -> list[Pair] | str:
        if any(stop - start > _LONGEST for start, stop in spans):
            return f"a label has more than {_LONGEST} bytes"
        texts = [body[start:stop] for start, stop in spans]
        try:
            return [
                self._known.pair(pair, _decoded)
                for pair in zip(texts[::2], texts[1::2], strict=True)
            ]
        except UnicodeDecodeError:
            return "a label is not UTF-8"


def _decoded(pair: tuple[bytes, bytes]) -> Pair:
    name, value = pair
    return name.decode(), value.decode()
