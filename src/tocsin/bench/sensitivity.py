"""Sensitivity: every number of the default model halved and doubled, one at a time.

A model that was not fitted to its benchmarks hardly notices.
"""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.bench.variants.constants import Constant
from tocsin.bench.variants.run import Variant

__all__ = ["halves_and_doubles"]


def halves_and_doubles(found: Sequence[Constant]) -> list[Variant]:
    """The model as it is, then two variants for each constant; one that stays is left out."""
    told = [Variant("as it is", {})]
    for one in found:
        for value in (one.halved, one.doubled):
            if value != one.value:
                told.append(Variant(f"{one} {one.value:g} → {value:g}", one.at(value)))
    return told
