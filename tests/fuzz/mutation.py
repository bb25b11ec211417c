"""Inputs out of seeds: blind mutation, quick enough for millions."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["Mutator"]

_LONGEST: Final = 4_096
_FEW: Final = 2_000
_NUMBERS: Final = (0, 1, 2, 127, 128, 255, 256, 32_767, 65_535, 2**31 - 1, 2**32 - 1, 2**63 - 1)
_FORMS: Final = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")
_EDGES: Final = [
    struct.pack(form, number & (256 ** struct.calcsize(form) - 1))
    for form in _FORMS
    for number in _NUMBERS
]


class Mutator:
    """Makes inputs from seeds and tokens; what `keep` is given is a seed from then on."""

    def __init__(self, seeds: Sequence[bytes], tokens: Sequence[bytes], seed: int) -> None:
        self._random = random.Random(seed)
        self.seeds = list(seeds) or [b""]
        self._tokens = [*tokens, *_EDGES]
        self._ways: list[Callable[[bytearray, int], None]] = [
            self._flip, self._flip, self._set, self._insert, self._delete, self._repeat,
            self._token, self._token, self._splice, self._cut,
        ]  # fmt: skip

    def keep(self, data: bytes) -> None:
        """One more seed; beyond some thousands it takes the place of another."""
        if len(self.seeds) < _FEW:
            self.seeds.append(data)
        else:
            self.seeds[self._random.randrange(_FEW)] = data

    def next(self) -> bytes:
        """One more input. Cost: a few microseconds."""
        pick = self._random.random
        data = bytearray(self.seeds[int(pick() * len(self.seeds))])
        for _ in range(1 + int(pick() ** 3 * 8)):
            at = int(pick() * len(data))
            self._ways[int(pick() * len(self._ways))](data, at)
        del data[_LONGEST:]
        return bytes(data)

    def _flip(self, data: bytearray, at: int) -> None:
        if data:
            data[at] ^= 1 << self._random.getrandbits(3)

    def _set(self, data: bytearray, at: int) -> None:
        if data:
            data[at] = self._random.getrandbits(8)

    def _insert(self, data: bytearray, at: int) -> None:
        data[at:at] = self._random.randbytes(1 + self._random.getrandbits(3))

    def _delete(self, data: bytearray, at: int) -> None:
        del data[at : at + 1 + self._random.getrandbits(4)]

    def _repeat(self, data: bytearray, at: int) -> None:
        data[at:at] = data[at : at + 1 + self._random.getrandbits(5)]

    def _token(self, data: bytearray, at: int) -> None:
        token = self._tokens[int(self._random.random() * len(self._tokens))]
        # Half of them in the place of what was there.
        end = at + len(token) if self._random.getrandbits(1) else at
        data[at:end] = token

    def _splice(self, data: bytearray, at: int) -> None:
        other = self.seeds[int(self._random.random() * len(self.seeds))]
        data[at:] = other[int(self._random.random() * len(other)) :]

    def _cut(self, data: bytearray, at: int) -> None:
        del data[at:]
