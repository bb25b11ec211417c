"""The kernels of spatial pooler and temporal memory agree with their twins to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.detect.htm.twin import MemoryTwin, PoolerTwin, chance
from tocsin.detect.models.htm import chance as chances
from tocsin.detect.models.htm import spatial_pooler, temporal_memory
from tocsin.detect.models.htm.parameters import Htm
from tocsin.detect.models.htm.plan import plan
from tocsin.detect.models.htm.spatial_pooler import Pooler, pooler_fields
from tocsin.detect.models.htm.temporal_memory import STEP, USED, WINNERS, Memory, memory_fields

TINY = {
    "value_bits": 66,
    "value_width": 11,
    "time_of_day_width": 0,
    "columns": 70,
    "active_columns": 10,
    "cells": 4,
    "segments": 200,
    "synapses": 12,
    "new_synapses": 8,
    "activation_threshold": 5,
    "match_threshold": 4,
    "punishment": 0.01,
}


def arrays(fields: list[Any]) -> list[Any]:
    return [np.zeros(int(np.prod(shape)), dtype=kind) for _, kind, shape in fields]


def test_chances_are_the_same() -> None:
    for seed, first, second in [(0, 0, 0), (1960, 5, -3), (2**63 - 1, -(2**40), 7)]:
        assert int(chances.chance(seed, first, second)) == chance(seed, first, second)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"boost_strength": 3.0},
        {"spatial_increment": 0.1, "spatial_decrement": 0.05, "potential_share": 0.4},
    ],
)
def test_spatial_pooler(options: dict[str, Any]) -> None:
    htm = Htm.of({**TINY, **options})
    numbers = plan(htm)[0]
    pooler = Pooler(*arrays(pooler_fields(htm)))
    spatial_pooler.initialise(pooler, numbers)
    twin = PoolerTwin(htm)
    rng = np.random.default_rng(3)
    kinds = [np.sort(rng.choice(htm.inputs, 11, replace=False)) for _ in range(12)]
    scores, winners = np.empty(htm.columns, dtype=np.int64), np.empty(10, dtype=np.int64)
    for step in range(1, 200):
        bits = kinds[rng.integers(len(kinds))].astype(np.int32)
        on = np.isin(np.arange(htm.inputs), bits)
        twin.duty = pooler.duty.astype(float).tolist()
        assert spatial_pooler.win(pooler, numbers, bits, len(bits), scores, winners) == 10
        assert winners.tolist() == twin.win(bits.tolist())
        spatial_pooler.learn(pooler, numbers, bits, len(bits), on, winners, step)
        twin.learn(bits.tolist(), winners.tolist(), step)
    permanence = pooler.permanence.reshape(htm.columns, htm.inputs)
    for column, pool in enumerate(twin.columns):
        expected = np.zeros(htm.inputs, dtype=int)
        expected[list(pool)] = list(pool.values())
        np.testing.assert_array_equal(permanence[column], expected)


def stream(htm: Htm, rows: int, seed: int) -> list[list[int]]:
    """Sequences that repeat, with inputs that do not belong to them now and then."""
    rng = np.random.default_rng(seed)

    def some() -> list[int]:
        return sorted(rng.choice(htm.columns, htm.active_columns, replace=False).tolist())

    letters = [some() for _ in range(9)]
    words = [[0, 1, 2, 3], [4, 1, 2, 5], [6, 7, 8], [3, 3, 3]]
    told: list[list[int]] = []
    while len(told) < rows:
        told += [letters[k] for k in words[rng.integers(len(words))]]
        if rng.random() < 0.2:
            told.append(some())
    return told[:rows]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"punishment": 0.0, "permanence_decrement": 0.03},
        {"segments": 64, "cells": 2},  # must replace segments
        {"synapses": 8, "initial_permanence": 0.6},  # must replace synapses
        {"cells": 1, "columns": 64, "eager": False},
    ],
)
def test_temporal_memory(options: dict[str, Any]) -> None:
    htm = Htm.of({**TINY, **options})
    numbers = plan(htm)[0]
    memory = Memory(*arrays(memory_fields(htm)))
    temporal_memory.initialise(memory, numbers)
    work = temporal_memory.workspace(numbers)
    twin = MemoryTwin(htm)
    for columns in stream(htm, 600, seed=5):
        surprises = temporal_memory.step(memory, numbers, np.array(columns), work)
        assert surprises == twin.step(columns)
        assert memory.winners[: memory.counts[WINNERS]].tolist() == twin.winners
    assert memory.counts[STEP] == 600
    compare(memory, twin, htm)
    assert not work.heard.any()
    assert not work.known.any()


def compare(memory: Memory, twin: MemoryTwin, htm: Htm) -> None:
    assert memory.counts[USED] == len(twin.segments)
    for segment in twin.segments:
        first, size = segment.number * htm.synapses, int(memory.size[segment.number])
        source = memory.source[first : first + size].tolist()
        synapse = memory.synapse[first : first + size].tolist()
        assert list(zip(source, synapse, strict=True)) == [tuple(s) for s in segment.synapses]
        assert memory.cell[segment.number] == segment.cell
        assert memory.last[segment.number] == segment.last
