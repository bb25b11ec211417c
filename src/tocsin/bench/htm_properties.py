"""The published properties of hierarchical temporal memory, shown on this implementation.

Each function is one experiment as in the papers, small enough to be a test, and returns its curve;
`tocsin.bench.htm_pictures` draws them.

Sources: Purdy (2016) for encoders; Cui, Ahmad & Hawkins (2017) for the spatial pooler; Hawkins &
Ahmad (2016) and Cui, Ahmad & Hawkins (2016) for sequences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.models.htm import spatial_pooler, temporal_memory
from tocsin.detect.models.htm.encoders.scalar import encode_bucket
from tocsin.detect.models.htm.insight import active_cells, columns_of, predicted_cells
from tocsin.detect.models.htm.parameters import Htm
from tocsin.detect.models.htm.plan import plan
from tocsin.detect.models.htm.spatial_pooler import Pooler, pooler_fields
from tocsin.detect.models.htm.temporal_memory import ACTIVE, WINNERS, Memory, memory_fields

__all__ = [
    "PoolerAlone",
    "SequenceMemory",
    "capacity",
    "encoder_overlap",
    "high_order",
    "lost_cells",
    "pooler_noise",
    "switch",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: The temporal memory of the experiments: 1,024 columns of 16 cells, 2 % of them active.
SEQUENCES: Final[dict[str, Any]] = {
    "columns": 1024,
    "active_columns": 20,
    "cells": 16,
    "segments": 16_384,
    "synapses": 20,
    "new_synapses": 20,
    "activation_threshold": 10,
    "match_threshold": 8,
    "eager": False,
}


class SequenceMemory:
    """A temporal memory alone: columns go in, columns that are predicted come out."""

    def __init__(self, **options: Any) -> None:
        self.htm = Htm(**{**SEQUENCES, **options})
        self._plan = plan(self.htm)[0]
        arrays: list[Any] = [
            np.zeros(int(np.prod(shape)), dtype=kind) for _, kind, shape in memory_fields(self.htm)
        ]
        self.memory = Memory(*arrays)
        self._work = temporal_memory.workspace(self._plan)
        temporal_memory.initialise(self.memory, self._plan)
        self._alive = np.ones(self.htm.columns * self.htm.cells, dtype=bool)

    def step(self, columns: Ints) -> float:
        """Take winning columns in; returns the share of them that was not predicted."""
        bursts = temporal_memory.step(self.memory, self._plan, columns, self._work)
        self._bury()
        return bursts / self.htm.active_columns

    def predicted(self) -> Flags:
        """Which columns are predicted to win next."""
        told = np.zeros(self.htm.columns, dtype=bool)
        told[columns_of(predicted_cells(self.memory._asdict(), self.htm), self.htm)] = True
        return told

    def active(self) -> Ints:
        """The active cells."""
        return active_cells(self.memory._asdict())

    def reset(self) -> None:
        """Forget what came before: the next input begins a sequence."""
        self.memory.counts[ACTIVE] = self.memory.counts[WINNERS] = 0

    def lose(self, share: float, rng: np.random.Generator) -> None:
        """Lose a random share of all cells, with their segments, for good."""
        self._alive &= rng.random(len(self._alive)) >= share
        self._bury()

    def _bury(self) -> None:
        """Dead cells are neither active nor predicted."""
        if self._alive.all():
            return
        memory = self.memory
        dead = ~self._alive[memory.cell]
        memory.synapse.reshape(len(dead), -1)[dead] = 0
        for name, count in (("active", ACTIVE), ("winners", WINNERS)):
            cells = getattr(memory, name)
            kept = cells[: memory.counts[count]]
            kept = kept[self._alive[kept]]
            cells[: len(kept)] = kept
            memory.counts[count] = len(kept)


class Alphabet:
    """Random symbols: each a few columns out of all."""

    def __init__(self, symbols: int, htm: Htm, rng: np.random.Generator) -> None:
        self.columns = np.array([_some(htm, rng) for _ in range(symbols)])

    def predicted(self, symbol: int, told: Flags) -> float:
        """Share of a symbol's columns that is predicted."""
        return float(told[self.columns[symbol]].mean())

    def best(self, told: Flags) -> int:
        """The symbol of which most columns are predicted; -1 if nothing is."""
        shares = told[self.columns].mean(axis=1)
        return int(shares.argmax()) if shares.max() > 0 else -1


def _some(htm: Htm, rng: np.random.Generator) -> Ints:
    return np.sort(rng.choice(htm.columns, htm.active_columns, replace=False))


def encoder_overlap(distances: Sequence[int], bits: int = 400, width: int = 21) -> Floats:
    """Mean share of bits that two values share, by the buckets between them."""

    def of(bucket: int) -> set[int]:
        on = np.zeros(width, dtype=np.int32)
        encode_bucket(bucket, bits, width, 1, 0, on, 0)
        return set(on.tolist())

    starts = range(-2000, 2000, 37)
    return np.array([np.mean([len(of(b) & of(b + d)) / width for b in starts]) for d in distances])


class PoolerAlone:
    """A spatial pooler alone: bits go in, winning columns come out."""

    def __init__(self, inputs: int = 1000, **options: Any) -> None:
        self.htm = Htm(value_bits=inputs, time_of_day_width=0, **options)
        self._plan = plan(self.htm)[0]
        arrays: list[Any] = [
            np.zeros(int(np.prod(shape)), dtype=kind) for _, kind, shape in pooler_fields(self.htm)
        ]
        self.pooler = Pooler(*arrays)
        spatial_pooler.initialise(self.pooler, self._plan)
        self._scores = np.zeros(self.htm.columns, dtype=np.int64)
        self._step = 0

    def win(self, bits: Ints) -> Ints:
        """The columns that win for these bits, which are on; nothing is learnt."""
        columns = np.zeros(self.htm.active_columns, dtype=np.int64)
        given = bits.astype(np.int32)
        spatial_pooler.win(self.pooler, self._plan, given, len(given), self._scores, columns)
        return columns

    def learn(self, bits: Ints) -> Ints:
        """As `win`, and the winners learn."""
        columns = self.win(bits)
        on = np.zeros(self.htm.inputs, dtype=bool)
        on[bits] = True
        given = bits.astype(np.int32)
        self._step += 1
        spatial_pooler.learn(self.pooler, self._plan, given, len(given), on, columns, self._step)
        return columns


def pooler_noise(
    noises: Sequence[float], *, trained: int, seed: int = 1, patterns: int = 40
) -> Floats:
    """Mean share of winners that stay when so many of an input's bits are replaced by others.

    ``trained``: how often each of the patterns was learnt before.
    """
    rng = np.random.default_rng(seed)
    pooler = PoolerAlone(spatial_increment=0.03, spatial_decrement=0.005, seed=seed)
    whole = [rng.choice(pooler.htm.inputs, 100, replace=False) for _ in range(patterns)]
    for _ in range(trained):
        for pattern in whole:
            pooler.learn(pattern)

    def kept(pattern: Ints, noise: float) -> float:
        bits = _replaced(pattern, noise, pooler.htm.inputs, rng)
        return len(np.intersect1d(pooler.win(pattern), pooler.win(bits))) / len(pooler.win(bits))

    return np.array([np.mean([kept(pattern, noise) for pattern in whole]) for noise in noises])


def _replaced(bits: Ints, share: float, inputs: int, rng: np.random.Generator) -> Ints:
    moved = round(share * len(bits))
    others = rng.choice(np.setdiff1d(np.arange(inputs), bits), moved, replace=False)
    return np.concatenate([rng.permutation(bits)[moved:], others])


def high_order(presentations: int, seed: int = 1, **options: Any) -> Floats:
    """ABCD and XBCY in turn, with something random between: what is predicted after ABC and XBC.

    [presentation, (D after ABC, Y after ABC, Y after XBC, D after XBC)]: shares of columns.
    """
    rng = np.random.default_rng(seed)
    memory = SequenceMemory(seed=seed, **options)
    letters = Alphabet(6, memory.htm, rng)  # A B C D X Y
    told = np.zeros((presentations, 4))
    for row in told:
        for k, (first, right, wrong) in enumerate(((0, 3, 5), (4, 5, 3))):
            for symbol in (first, 1, 2):
                memory.step(letters.columns[symbol])
            after = memory.predicted()
            row[2 * k] = letters.predicted(right, after)
            row[2 * k + 1] = letters.predicted(wrong, after)
            memory.step(letters.columns[right])
            memory.step(_some(memory.htm, rng))
    return told


def _learnt(
    sequences: Ints, rounds: int, symbols: int, seed: int, **options: Any
) -> tuple[SequenceMemory, Alphabet]:
    rng = np.random.default_rng(seed)
    memory = SequenceMemory(seed=seed, **options)
    letters = Alphabet(symbols, memory.htm, rng)
    for _ in range(rounds):
        for sequence in sequences:
            memory.reset()
            for symbol in sequence:
                memory.step(letters.columns[symbol])
    return memory, letters


def _accuracy(memory: SequenceMemory, letters: Alphabet, sequences: Iterable[Ints]) -> float:
    """Share of symbols, from the third of a sequence on, that were the best predicted."""
    right = []
    for sequence in sequences:
        memory.reset()
        for k, symbol in enumerate(sequence):
            if k >= 2:
                right.append(letters.best(memory.predicted()) == symbol)
            memory.step(letters.columns[symbol])
    return float(np.mean(right))


def capacity(counts: Sequence[int], segments: int, *, length: int = 6, seed: int = 1) -> Floats:
    """Accuracy after so many random sequences were learnt, with so many segments to learn with.

    Each transition needs about as many segments as there are active columns.
    """
    accuracies = []
    for count in counts:
        rng = np.random.default_rng(seed)
        sequences = rng.integers(0, 200, (count, length))
        memory, letters = _learnt(sequences, 4, 200, seed, segments=segments)
        accuracies.append(_accuracy(memory, letters, sequences[-20:]))
    return np.array(accuracies)


def lost_cells(shares: Sequence[float], *, seed: int = 1) -> Floats:
    """Accuracy on what was learnt when so many of all cells are lost.

    Segments listen to all winners of the step before, here 40 with a threshold of 13.
    """
    rng = np.random.default_rng(seed)
    sequences = np.array([rng.permutation(60)[:6] for _ in range(10)])
    options: dict[str, Any] = {
        "active_columns": 40,
        "synapses": 40,
        "new_synapses": 40,
        "activation_threshold": 13,
        "match_threshold": 10,
    }
    accuracies = []
    for share in shares:
        memory, letters = _learnt(sequences, 6, 60, seed, **options)
        memory.lose(share, rng)
        accuracies.append(_accuracy(memory, letters, sequences))
    return np.array(accuracies)


def switch(samples: int, *, seed: int = 1, **options: Any) -> Floats:
    """Share of columns not predicted, in a stream whose sequences are all replaced half-way.

    Four sequences of six symbols in random order; within a sequence, from the third symbol on.
    Returns the mean over each 25 sequences.
    """
    rng = np.random.default_rng(seed)
    memory = SequenceMemory(seed=seed, **options)
    letters = Alphabet(100, memory.htm, rng)
    surprises = []
    for part in range(2):
        sequences = rng.permutation(50)[:24].reshape(4, 6) + 50 * part
        for _ in range(samples // 2):
            steps = [memory.step(letters.columns[s]) for s in sequences[rng.integers(4)]]
            surprises.append(np.mean(steps[2:]))
    means: Floats = np.array(surprises).reshape(-1, 25).mean(axis=1)
    return means
