"""Saving the states of metrics that went on learning, in small pieces, without taking over."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet
from tocsin.engine.registry import Registry
from tocsin.engine.telemetry import Telemetry
from tocsin.store.commits import Writer

__all__ = ["Snapshots"]

#: States written in one transaction.
_PIECE: Final = 256
#: At least this many times as long as a piece took is left to samples before the next one.
_REST: Final = 9


class Snapshots:
    """Every ``every_s`` seconds a round over all metrics that learnt since their last snapshot.

    A restart replays what came after the snapshots, so the time between rounds bounds it.
    """

    def __init__(
        self,
        fleet: Fleet,
        registry: Registry,
        writer: Writer,
        telemetry: Telemetry,
        *,
        every_s: float,
    ) -> None:
        self._fleet = fleet
        self._registry = registry
        self._writer = writer
        self._telemetry = telemetry
        self._every = every_s
        self._round: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._next_round = time.monotonic() + every_s
        self._next_piece = 0.0

    def seconds_left(self) -> float:
        """How long until `work` has something to do."""
        due = self._next_piece if len(self._round) else self._next_round
        return max(0.0, due - time.monotonic())

    def work(self) -> None:
        """Write one piece when it is time. Errors: `StoreError`; it is tried again later."""
        began = time.monotonic()
        if not len(self._round) and began >= self._next_round:
            self._round = self._dirty()
            self._next_round = began + self._every
        if len(self._round) and began >= self._next_piece:
            piece, self._round = self._round[:_PIECE], self._round[_PIECE:]
            self._save(piece)
            took = time.monotonic() - began
            self._next_piece = began + took * (1 + _REST)

    def save_all(self) -> int:
        """Write every state newer than its snapshot; says how many. Errors: `StoreError`."""
        dirty = self._dirty()
        for start in range(0, len(dirty), _PIECE):
            self._save(dirty[start : start + _PIECE])
        return len(dirty)

    def _dirty(self) -> NDArray[np.int64]:
        position = self._registry.position
        return np.flatnonzero(position["learns"] & (position["seq"] > position["snapshot_seq"]))

    def _save(self, rows: NDArray[np.int64]) -> None:
        position = self._registry.position
        seqs = position["seq"][rows]
        self._writer.save_snapshots(
            [
                {"metric": metric, "seq": seq, "state": self._fleet.to_bytes(row)}
                for metric, seq, row in zip(
                    position["id"][rows].tolist(), seqs.tolist(), rows.tolist(), strict=True
                )
            ]
        )
        position["snapshot_seq"][rows] = seqs
        self._telemetry.snapshots.inc(len(rows))
