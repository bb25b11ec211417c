"""The usual range of a metric's values, followed as they arrive: slow, and not led by outliers.

A fair sample of the last values is kept (of the first `KEPT` all, then each new one takes the
place of a random old one, ever more rarely, until a value is remembered for about ``horizon``
samples). The range is what lies between the ends of that sample after a share was cut off at each:
one outlier does not widen it, and a value that became usual does. A bucket is a fixed part of the
range, and is only changed when it is far from what the range now asks for, since every change
makes the model learn its input anew.

Any unit will do: the range follows scale and shift, up to `LARGEST`. A metric that has only ever
been one value has no range: then any other value is far away.

Cost: O(1), and a sort of `KEPT` values every 16 samples. State: one `RANGE` record,
2,112 bytes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.models.htm.encoders.hashing import mix

__all__ = ["KEPT", "LARGEST", "RANGE", "bucket_of", "follow", "give", "tame"]

#: Values of the sample.
KEPT: Final = 256
#: Values beyond this are as large as this, so that differences stay finite.
LARGEST: Final = 1e300
#: The range is looked at at each of the first so many samples, then once in as many.
_LOOK_EVERY: Final = 16
#: A bucket is changed when it should be larger or smaller by more than these factors.
_TOO_SMALL: Final = 1.6
_TOO_LARGE: Final = 3.0
#: Bucket numbers stay within this.
_FARTHEST: Final = 2.0**40

RANGE: Final = np.dtype(
    [
        ("seen", "i8"),
        ("changes", "i8"),  # how often the bucket was changed
        ("origin", "f8"),  # the value in the middle of bucket 0
        ("bucket", "f8"),  # 0: no two values were different yet
        ("low", "f8"),
        ("high", "f8"),
        ("given", "i8"),  # 1: the range was given in advance and is kept
        ("kept", "f8", (KEPT,)),
    ],
    align=True,
)


@kernel
def tame(value: float) -> float:
    """The value, or the largest there may be."""
    return min(max(value, -LARGEST), LARGEST)


@kernel
def give(state: Any, low: float, high: float, buckets: int) -> None:
    """Set the range in advance; `follow` then leaves it alone."""
    state.given = 1
    state.low = low
    state.high = high
    state.origin = low
    state.bucket = (high / buckets) - (low / buckets)


@kernel
def _keep(state: Any, value: float, horizon: int, seed: int, surely: bool) -> None:
    """Put the value into the sample, if it is its turn or has to be there."""
    if state.seen < KEPT:
        state.kept[state.seen] = value
        return
    # A place among min(seen, horizon): values are kept with equal chance up to the horizon, and
    # beyond it fade with that many samples.
    drawn = mix(seed, state.seen) >> np.uint64(11)
    place = np.int64(drawn % np.uint64(min(state.seen + 1, horizon)))
    if place < KEPT or surely:
        state.kept[place % KEPT] = value


@kernel
def _look(state: Any, trim: float) -> None:
    """Set low and high from the sample: its ends without the share that is cut off."""
    count = min(state.seen, KEPT)
    ordered = np.sort(state.kept[:count])
    cut = 0
    if count >= 4:
        cut = max(int(trim * count + 0.5), 1 if trim > 0.0 else 0)
    state.low = ordered[cut]
    state.high = ordered[count - 1 - cut]
    if state.low == state.high:
        state.low = ordered[0]
        state.high = ordered[count - 1]
    if state.origin < state.low or state.origin > state.high or state.bucket == 0.0:
        state.origin = ordered[count // 2] if state.seen > 2 else ordered[0]


@kernel
def follow(
    state: Any, value: float, buckets: int, smallest: float, trim: float, horizon: int, seed: int
) -> bool:
    """Learn a finite value; returns whether the buckets were changed.

    ``buckets``: how many the range has; ``smallest``: the smallest bucket; ``trim``: share cut off
    at each end; ``horizon``: samples after which a value is forgotten, at least `KEPT`.
    """
    if state.given == 1:
        return False
    value = tame(value)
    if state.seen == 0:
        state.origin = value
    # The first other value of a constant metric must be kept, or it would look the same.
    first_other = state.bucket == 0.0 and value != state.origin
    _keep(state, value, max(horizon, KEPT), seed, first_other)
    state.seen += 1
    if not first_other and state.seen > _LOOK_EVERY and state.seen % _LOOK_EVERY:
        return False
    return _refit(state, buckets, smallest, trim)


@kernel
def _refit(state: Any, buckets: int, smallest: float, trim: float) -> bool:
    """Look at the range, and change the bucket if it no longer fits."""
    origin = state.origin
    _look(state, trim)
    wanted = max(state.high / buckets - state.low / buckets, smallest)
    good = wanted <= _TOO_SMALL * state.bucket and state.bucket <= _TOO_LARGE * wanted
    if wanted == 0.0 or (state.bucket > 0.0 and good):
        state.origin = origin  # bucket numbers go on
        return False
    state.bucket = wanted
    state.changes += 1
    return True


@kernel
def bucket_of(state: Any, value: float) -> int:
    """The number of a value's bucket: 0 around the origin, unbounded to both sides."""
    if state.bucket == 0.0:
        return 0
    away = (tame(value) - state.origin) / state.bucket
    return int(np.floor(min(max(away, -_FARTHEST), _FARTHEST) + 0.5))
