"""What a decoder makes of bytes."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.engine.batch import Batch, Rejection

__all__ = ["Decoded"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The good samples as a batch, and the bad ones by their place in what was sent."""

    batch: Batch
    rejected: list[Rejection]
