"""Saving states of fast metrics: when learning anew what they know would cost more than saving.

What a restart must replay is kept below a bound; beyond that, states are saved only where it
pays, in small pieces, without taking over. (States behind the commit are saved by their thread.)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.lanes import Lanes
from tocsin.engine.registry import Registry
from tocsin.rules import settings_hash

__all__ = ["Snapshots"]

Ints = NDArray[np.int64]

#: States written in one transaction.
_PIECE: Final = 256
#: At least this many times as long as a piece took is left to samples before the next one.
_REST: Final = 9
#: A state is saved when its samples would take so many times as long to learn anew.
_WORTH: Final = 10.0
#: Microseconds to read and learn a stored sample, and to save a state, until measured.
_REPLAY_US: Final = 8.0
_SAVE_US: Final = 150.0
#: The share of the bound from which all states are saved that have anything to save.
_SHARE: Final = 0.5
#: More unsaved states than this are not all saved when stopping.
_AT_ONCE: Final = 20_000


class Snapshots:
    """Looks every ``every_s`` seconds which states are worth saving, and gives them in pieces."""

    def __init__(
        self, registry: Registry, lanes: Lanes, *, every_s: float, restart_s: float
    ) -> None:
        """``restart_s``: how long a restart may replay."""
        self._registry = registry
        self._lanes = lanes
        self._every = every_s
        self._bound_us = restart_s * 1e6
        self._save_us = _SAVE_US
        self._round: Ints = np.empty(0, dtype=np.int64)
        self._next_round = time.monotonic() + every_s
        self._next_piece = 0.0

    def seconds_left(self) -> float:
        """How long until `due` has something to do."""
        at = self._next_piece if len(self._round) else self._next_round
        return max(0.0, at - time.monotonic())

    @property
    def replay_s(self) -> float:
        """About how long a restart would replay now."""
        return float(self._debt_us(self._dirty()).sum()) / 1e6

    def due(self) -> list[dict[str, Any]]:
        """Rows of `snapshot` for the next piece; empty when it is not time."""
        began = time.monotonic()
        if not len(self._round) and began >= self._next_round:
            self._round = self._worthwhile()
            self._next_round = began + self._every
        if not len(self._round) or began < self._next_piece:
            return []
        piece, self._round = self._round[:_PIECE], self._round[_PIECE:]
        rows = self.rows(piece)
        took = time.monotonic() - began
        self._save_us += 0.2 * (2e6 * took / len(piece) - self._save_us)
        self._next_piece = time.monotonic() + took * _REST
        return rows

    def at_the_end(self) -> Sequence[Ints]:
        """Pieces of what is to be saved when stopping."""
        dirty = self._dirty()
        if len(dirty) > _AT_ONCE:
            dirty = dirty[self._debt_us(dirty) > self._save_us]
        return [dirty[start : start + _PIECE] for start in range(0, len(dirty), _PIECE)]

    def rows(self, which: Ints) -> list[dict[str, Any]]:
        """Rows of `snapshot` of these metrics as they are now."""
        position, now = self._registry.position, time.time_ns()
        told = []
        for row in which.tolist():
            lane = self._lanes.of(row)
            if lane is None or position["relearns"][row]:
                continue
            metric, seq = int(position["id"][row]), int(position["scored_seq"][row])
            state = lane.to_bytes(metric)
            if state is not None:
                told.append(
                    {
                        "metric": metric,
                        "seq": seq,
                        "settings_hash": settings_hash(lane.settings),
                        "made": now,
                        "state": state,
                    }
                )
                position["snapshot_seq"][row] = seq
        return told

    def _dirty(self) -> Ints:
        """Fast metrics that learnt since their last snapshot."""
        p = self._registry.position
        saved = np.maximum(p["snapshot_seq"], p["learns_after"])
        whole = (p["lane"] >= 0) & ~p["slow"] & ~p["relearns"]
        return np.flatnonzero(whole & (p["scored_seq"] > saved))

    def _debt_us(self, rows: Ints) -> NDArray[np.float64]:
        p = self._registry.position[rows]
        saved = np.maximum(p["snapshot_seq"], p["learns_after"])
        debt: NDArray[np.float64] = _REPLAY_US * (p["scored_seq"] - saved)
        return debt

    def _worthwhile(self) -> Ints:
        dirty = self._dirty()
        debt = self._debt_us(dirty)
        if debt.sum() > _SHARE * self._bound_us:
            return dirty[np.argsort(-debt, kind="stable")]
        return dirty[debt > _WORTH * self._save_us]
