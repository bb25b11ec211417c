"""The scalar encoder: a value as ``width`` of ``bits`` bits, random but alike for near values.

Bucket b has the bits that a hash gives to the numbers b, b + 1, … b + width - 1, so neighbours
share all but one, and what two buckets share falls by one with every bucket between them until only
chance is left (about width^2 / bits). There are as many buckets as there are numbers: a value far
outside the usual range has a bucket of its own. Each of the ``width`` numbers chooses within its
own stretch of the bits, so exactly ``width`` are on.

Source: the random distributed scalar encoder (S. Purdy, "Encoding Data for HTM Systems", 2016).
Cost: O(width).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.models.htm.encoders.hashing import mix
from tocsin.detect.models.htm.encoders.range import bucket_of

__all__ = ["encode_bucket", "encode_scalar"]


@kernel
def encode_bucket(
    bucket: int, bits: int, width: int, seed: int, offset: int, on: Any, count: int
) -> int:
    """Write the bits of a bucket into ``on`` from ``count``; returns the new count.

    ``on``: int32, with room for ``width`` more; ``offset``: the number of the encoder's first bit.
    """
    stretch = bits // width
    for k in range(width):
        number = bucket + k
        place = np.int64((mix(seed, number) >> np.uint64(16)) % np.uint64(stretch))
        on[count + k] = offset + (number % width) * stretch + place
    return count + width


@kernel
def encode_scalar(
    state: Any, value: float, bits: int, width: int, seed: int, offset: int, on: Any, count: int
) -> int:
    """Write the bits of a finite value; ``state`` is the `RANGE` that has followed the metric.

    ``width`` 0 writes nothing. Otherwise as `encode_bucket`.
    """
    if width == 0:
        return count
    return encode_bucket(bucket_of(state, value), bits, width, seed, offset, on, count)
