"""The HTM model: hierarchical temporal memory, as HTM Engine had it.

A sample becomes bits (`encoders`), the bits become winning columns (`spatial_pooler`), and the
columns are seen in the context of the samples before (`temporal_memory`). The raw anomaly score is
the share of winning columns that were not predicted, from 0 to 1.

A sample is one step of the sequence, whatever the time since the last: gaps and uneven steps are
only seen by the time of day. The first sample is a total surprise, 1. Values up to 1e300 count as
what they are, larger ones as that.

The state of a metric is a record of fixed size (`HEAD`) and arrays whose sizes follow from the
parameters (`parts_of`), all in one block of bytes; `open_block` makes views of the arrays. Kernels
take sizes from the plan at run time, so one compilation serves all parameters.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.detect.models.htm import spatial_pooler, temporal_memory
from tocsin.detect.models.htm.classifier import (
    GRID,
    Classifier,
    classifier_fields,
    classify,
    learn_value,
)
from tocsin.detect.models.htm.encoders.date import (
    encode_day_of_week,
    encode_time_of_day,
    encode_weekend,
)
from tocsin.detect.models.htm.encoders.delta import DELTA, encode_delta, follow_delta
from tocsin.detect.models.htm.encoders.range import RANGE, follow, give
from tocsin.detect.models.htm.encoders.scalar import encode_scalar
from tocsin.detect.models.htm.parameters import Htm
from tocsin.detect.models.htm.spatial_pooler import Pooler, pooler_fields
from tocsin.detect.models.htm.temporal_memory import ACTIVE, STEP, Memory, memory_fields

__all__ = ["HEAD", "Region", "Room", "look", "open_block", "parts_of", "room"]

_pool_initialise = spatial_pooler.initialise
_pool_learn = spatial_pooler.learn
_pool_win = spatial_pooler.win
_memory_initialise = temporal_memory.initialise
_memory_step = temporal_memory.step
_memory_room = temporal_memory.workspace

#: How far outside the range so far a value must lie to be a surprise by that alone.
_TOLERANCE: Final = 0.05

#: The part of a metric's state that has one size for all parameters.
HEAD: Final = np.dtype(
    [
        ("low", "f8"),  # the range of all values so far
        ("high", "f8"),
        ("value", RANGE),
        ("delta", DELTA),
        ("grid", GRID),
    ],
    align=True,
)


class Region(NamedTuple):
    """One metric's arrays: views of its block."""

    pooler: Pooler
    memory: Memory
    classifier: Classifier


class Room(NamedTuple):
    """Room to work in, for one thread."""

    bits: NDArray[np.int32]
    on: NDArray[np.bool_]
    scores: NDArray[np.int64]
    columns: NDArray[np.int64]
    memory: temporal_memory.Work


def parts_of(htm: Htm) -> list[tuple[str, np.dtype[np.void]]]:
    """The parts of a metric's block and their arrays, in `open_block`'s order."""
    return [
        ("pooler", np.dtype(pooler_fields(htm), align=True)),
        ("memory", np.dtype(memory_fields(htm), align=True)),
        ("classifier", np.dtype(classifier_fields(htm), align=True)),
    ]


@kernel
def room(plan: Any) -> Room:
    """Room for one thread to score samples in."""
    return Room(
        np.empty(plan.inputs, dtype=np.int32),
        np.zeros(plan.inputs, dtype=np.bool_),
        np.empty(plan.columns, dtype=np.int64),
        np.empty(plan.active_columns, dtype=np.int64),
        _memory_room(plan),
    )


@kernel
def open_block(block: Any, at: Any) -> Region:
    """The arrays in a metric's bytes; ``at[k]``: where the k-th begins and ends."""
    pooler = Pooler(
        block[at[0, 0] : at[0, 1]],
        block[at[1, 0] : at[1, 1]].view(np.uint64),
        block[at[2, 0] : at[2, 1]].view(np.float32),
    )
    memory = Memory(
        block[at[3, 0] : at[3, 1]].view(np.int64),
        block[at[4, 0] : at[4, 1]].view(np.uint16),
        block[at[5, 0] : at[5, 1]],
        block[at[6, 0] : at[6, 1]],
        block[at[7, 0] : at[7, 1]].view(np.uint16),
        block[at[8, 0] : at[8, 1]].view(np.int32),
        block[at[9, 0] : at[9, 1]].view(np.uint32),
        block[at[10, 0] : at[10, 1]].view(np.int32),
        block[at[11, 0] : at[11, 1]].view(np.int32),
        block[at[12, 0] : at[12, 1]].view(np.uint16),
        block[at[13, 0] : at[13, 1]].view(np.uint16),
    )
    classifier = Classifier(
        block[at[14, 0] : at[14, 1]].view(np.float64),
        block[at[15, 0] : at[15, 1]].view(np.float64),
        block[at[16, 0] : at[16, 1]].view(np.float64),
        block[at[17, 0] : at[17, 1]].view(np.float64),
        block[at[18, 0] : at[18, 1]].view(np.uint16),
        block[at[19, 0] : at[19, 1]].view(np.int32),
        block[at[20, 0] : at[20, 1]].view(np.float32),
        block[at[21, 0] : at[21, 1]].view(np.float32),
        block[at[22, 0] : at[22, 1]].view(np.float64),
    )
    return Region(pooler, memory, classifier)


@kernel
def look(
    head: Any, region: Region, plan: Any, civil: int, value: float, room: Room
) -> tuple[float, bool]:
    """A sample's raw anomaly score, and whether it breaks the range rule. It is learnt at once."""
    if region.memory.counts[STEP] == 0:
        _begin(head, region, plan, value)
    outside = plan.range_rule != 0 and _outside(head, value)
    count = _encode(head, plan, civil, value, room.bits)
    for k in range(count):
        room.on[room.bits[k]] = True
    _pool_win(region.pooler, plan, room.bits, count, room.scores, room.columns)
    surprises = _memory_step(region.memory, plan, room.columns, room.memory)
    _pool_learn(
        region.pooler, plan, room.bits, count, room.on, room.columns, region.memory.counts[STEP]
    )
    for k in range(count):
        room.on[room.bits[k]] = False
    head.low = min(head.low, value)
    head.high = max(head.high, value)
    if plan.prediction_steps > 0:
        _predict(head, region, plan, value)
    return surprises / plan.active_columns, outside


@kernel
def _predict(head: Any, region: Region, plan: Any, value: float) -> None:
    """Learn the value that came, and predict the next ones from the cells that are active."""
    known, memory = region.classifier, region.memory
    low, high = head.value.low, head.value.high
    learn_value(head.grid, known, value, low, high, plan.prediction_rate)
    active = memory.counts[ACTIVE]
    classify(head.grid, known, memory.active, active, plan.cells, plan.prediction_share, plan.seed)


@kernel
def _begin(head: Any, region: Region, plan: Any, value: float) -> None:
    head.low = head.high = value
    if plan.range_given:
        give(head.value, plan.range_low, plan.range_high, plan.buckets)
    _pool_initialise(region.pooler, plan)
    _memory_initialise(region.memory, plan)
    region.classifier.forecast[:] = np.nan


@kernel
def _outside(head: Any, value: float) -> bool:
    """Whether a value lies outside all values before by more than a share of their range."""
    margin = _TOLERANCE * (head.high - head.low)
    return margin > 0.0 and (value > head.high + margin or value < head.low - margin)


@kernel
def _encode(head: Any, plan: Any, civil: int, value: float, bits: Any) -> int:
    """Write the numbers of the bits that are on for a sample; returns how many."""
    count, offset = 0, 0
    follow(head.value, value, plan.buckets, plan.smallest_bucket, plan.range_trim,
           plan.range_samples, plan.seed)  # fmt: skip
    if plan.value_width:
        count = encode_scalar(
            head.value, value, plan.value_bits, plan.value_width, plan.seed, offset, bits, count
        )
        offset += plan.value_bits
    if plan.delta_width:
        follow_delta(head.delta, value, plan.buckets, plan.smallest_bucket, plan.range_trim,
                     plan.range_samples, plan.seed)  # fmt: skip
        count = encode_delta(
            head.delta, plan.delta_bits, plan.delta_width, plan.seed + 1, offset, bits, count
        )
        offset += plan.delta_bits
    width = plan.time_of_day_width
    count = encode_time_of_day(civil, plan.time_of_day_bits, width, offset, bits, count)
    offset += plan.time_of_day_bits
    width = plan.day_of_week_width
    count = encode_day_of_week(civil, width, offset, bits, count)
    return encode_weekend(civil, plan.weekend_width, offset + 7 * width, bits, count)
