"""What a decoder makes of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.engine.batch import Batch, Rejection
from tocsin.samples import Samples

__all__ = ["Decoded", "joined"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The good samples as a batch, and the bad ones by their place in what was sent."""

    batch: Batch
    rejected: list[Rejection]


def joined(parts: Sequence[Decoded], protocol: str) -> Decoded:
    """Several, one after the other, as one; a metric may be in it several times."""
    if len(parts) == 1:
        return parts[0]
    batches = [part.batch for part in parts]
    starts = np.cumsum([0, *(len(batch.metrics) for batch in batches)]).tolist()
    shifted = [batch.samples.metric + at for batch, at in zip(batches, starts, strict=False)]
    times, values = np.empty(0, np.int64), np.empty(0)
    samples = Samples(
        np.concatenate([times, *shifted]),
        np.concatenate([times, *(batch.samples.timestamp for batch in batches)]),
        np.concatenate([values, *(batch.samples.value for batch in batches)]),
    )
    metrics = [metric for batch in batches for metric in batch.metrics]
    return Decoded(
        Batch(metrics, samples, protocol), [one for part in parts for one in part.rejected]
    )
