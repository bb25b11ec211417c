"""Which Prometheus series are counters: by the type of their family, else by their name."""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BY_TYPE", "Families", "Suffix", "Type", "suffix_of"]


class Type(IntEnum):
    """Types of metric families, numbered as both versions of remote write number them."""

    UNKNOWN = 0
    COUNTER = 1
    GAUGE = 2
    HISTOGRAM = 3
    GAUGE_HISTOGRAM = 4
    SUMMARY = 5
    INFO = 6
    STATE_SET = 7


class Suffix(IntEnum):
    """What the end of a series' name says."""

    NONE = 0
    TOTAL = 1
    #: ``_count`` and ``_sum``.
    COUNT = 2
    BUCKET = 3


_SUFFIXES: Final = {
    "_total": Suffix.TOTAL,
    "_count": Suffix.COUNT,
    "_sum": Suffix.COUNT,
    "_bucket": Suffix.BUCKET,
}

_PARTS: Final = (False, False, True, True)
_COUNTS: Final[dict[Type, tuple[bool, ...]]] = {
    Type.UNKNOWN: (False, True, True, True),
    Type.COUNTER: (True, True, True, True),
    Type.HISTOGRAM: _PARTS,
    Type.SUMMARY: _PARTS,
}
_NEVER: Final = (False, False, False, False)

#: ``BY_TYPE[type, suffix]``: whether a series of a family of this type is a counter.
BY_TYPE: Final[NDArray[np.bool_]] = np.array([_COUNTS.get(kind, _NEVER) for kind in Type])


def suffix_of(name: str) -> Suffix:
    """What the end of a series' name says.

    >>> suffix_of("http_requests_total").name
    'TOTAL'
    """
    _, line, end = name.rpartition("_")
    return _SUFFIXES.get(line + end, Suffix.NONE)


class Families:
    """The types of metric families, as far as senders have told them lately.

    Memory: at most ``limit`` names; those that were told longest ago are forgotten.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._types: OrderedDict[str, Type] = OrderedDict()

    def __len__(self) -> int:
        return len(self._types)

    def tell(self, family: str, kind: int) -> list[str]:
        """Remember a family's type; returns the names of series that it may change."""
        told = Type(kind) if kind in Type._value2member_map_ else Type.UNKNOWN
        before = self._types.get(family)
        self._types[family] = told
        self._types.move_to_end(family)
        if len(self._types) > self._limit:
            self._types.popitem(last=False)
        return [] if before == told else [family, *(family + end for end in _SUFFIXES)]

    def counts(self, name: str) -> bool:
        """Whether the series of this name are counters."""
        suffix = suffix_of(name)
        own = self._types.get(name, Type.UNKNOWN)
        if own is not Type.UNKNOWN:
            # Under its own name: a counter, or what is not one; the parts of others have ends.
            return own is Type.COUNTER
        family = self._types.get(name.rpartition("_")[0], Type.UNKNOWN) if suffix else own
        if family in (Type.GAUGE, Type.INFO, Type.STATE_SET):
            # Another family, whose name is the beginning of this one by chance.
            family = Type.UNKNOWN
        return bool(BY_TYPE[family, suffix])
