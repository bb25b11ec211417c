"""Lanes: where states are. Metrics with the same settings share one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet
from tocsin.detect.result import RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.engine.memory import Memory
from tocsin.engine.registry import Registry

__all__ = ["FleetLane", "Lane", "Lanes", "MakeForeign"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Microseconds per sample before anything was measured.
_FIRST_COST: Final = 5.0


class Lane(Protocol):
    """All metrics of one `Settings`, by id. One thread uses it: the engine's, or one behind it."""

    settings: Settings
    #: Scored behind the commit, because it cannot keep up with what arrives.
    slow: bool
    #: Runs somebody else's code, in another process.
    foreign: bool
    #: Measured microseconds per sample.
    cost: float

    def holds(self, metric: int) -> bool:
        """Whether the state is here."""
        ...

    def open(self, metric: int) -> None:
        """Make a state that has learnt nothing, in place of any that is here."""
        ...

    def forget(self, metric: int) -> None:
        """Drop the state, if it is here."""
        ...

    def update(self, metric: int, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score and learn one metric's samples, in order; rows of `RESULT`.

        Errors: whatever the model raises; the state is of no use then.
        """
        ...

    def readiness(self, metric: int) -> Readiness:
        """How far warm-up is."""
        ...

    def to_bytes(self, metric: int) -> bytes | None:
        """The state; None when this kind of model cannot give it."""
        ...

    def load(self, metric: int, data: bytes) -> None:
        """Set the state. Errors: `StateError`."""
        ...


#: Makes a lane for settings whose model is somebody else's; None: it is not.
MakeForeign = Callable[[Settings], Lane | None]


class FleetLane:
    """States as rows of a fleet, under the memory budget."""

    foreign = False

    def __init__(self, settings: Settings, memory: Memory, most: int) -> None:
        """``most``: how many metrics there may be."""
        self.settings = settings
        self.fleet = Fleet(settings)
        self.slow = self.fleet.slow
        # Memory that nobody has touched costs nothing, and growing by copying does.
        self.fleet.reserve(min(most, memory.budget // self.fleet.row_bytes))
        self.cost = _FIRST_COST
        self._memory = memory
        self._resident = memory.watch(self.fleet, most)
        self._slots: dict[int, int] = {}
        self._free: list[int] = []

    def holds(self, metric: int) -> bool:
        """Whether the state is here."""
        return metric in self._slots

    def slot(self, metric: int) -> int:
        """The row of a metric that is here."""
        return self._slots[metric]

    def open(self, metric: int) -> None:
        """Give a metric a row that is as new."""
        if metric in self._slots:
            self._clear(self._slots[metric])
        elif self._free:
            self._slots[metric] = self._free.pop()
            self._clear(self._slots[metric])
        else:
            self._slots[metric] = int(self.fleet.add()[0])

    def forget(self, metric: int) -> None:
        """Take a row back."""
        slot = self._slots.pop(metric, None)
        if slot is not None:
            self._free.append(slot)

    def update(self, metric: int, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score and learn one metric's samples; rows of `RESULT`."""
        return self.update_slots(np.full(len(value), self._slots[metric]), timestamp, value)

    def update_slots(self, slots: Ints, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score and learn samples of any mix of rows; rows of `RESULT`."""
        self._memory.use(self._resident, np.unique(slots))
        return self.fleet.update(slots, timestamp, value)

    def readiness(self, metric: int) -> Readiness:
        """How far warm-up is."""
        return self.fleet.readiness(self._slots[metric])

    def in_event(self, metric: int) -> bool:
        """Whether an event of a metric is open."""
        return self.fleet.in_event(self._slots[metric])

    def readiness_at(self, slot: int) -> Readiness:
        """How far the warm-up of a row is."""
        return self.fleet.readiness(slot)

    def to_bytes(self, metric: int) -> bytes:
        """The state, versioned and checksummed."""
        slot = self._slots[metric]
        self._use(slot)
        return self.fleet.to_bytes(slot)

    def load(self, metric: int, data: bytes) -> None:
        """Set the state. Errors: `StateError`."""
        slot = self._slots[metric]
        self._use(slot)
        self.fleet.load(slot, data)

    def _clear(self, slot: int) -> None:
        self._use(slot)
        self.fleet.clear(slot)

    def _use(self, slot: int) -> None:
        self._memory.use(self._resident, np.array([slot]))


class Lanes:
    """Which lane each row of the registry is in."""

    def __init__(self, registry: Registry, memory: Memory, foreign: MakeForeign, most: int) -> None:
        self._registry = registry
        self._memory = memory
        self._foreign = foreign
        self._most = most
        self._by_settings: dict[Settings, int] = {}
        self._lanes: list[Lane] = []

    def place(self, row: int, settings: Settings) -> None:
        """Put a row into the lane of these settings; a fast one's state is made at once."""
        number = self._by_settings.get(settings)
        if number is None:
            made = self._foreign(settings) or FleetLane(settings, self._memory, self._most)
            number = self._by_settings[settings] = len(self._lanes)
            self._lanes.append(made)
        lane, record = self._lanes[number], self._registry.position[row]
        record["lane"], record["slow"], record["slot"] = number, lane.slow, -1
        if isinstance(lane, FleetLane) and not lane.slow:
            lane.open(int(record["id"]))
            record["slot"] = lane.slot(int(record["id"]))

    def leave(self, row: int) -> None:
        """Take a row out of its lane. A slow lane's own thread must forget the state."""
        record = self._registry.position[row]
        if record["lane"] >= 0 and not record["slow"]:
            self._lanes[record["lane"]].forget(int(record["id"]))
        record["lane"], record["slot"] = -1, -1

    def of(self, row: int) -> Lane | None:
        """A row's lane; None when it is not monitored."""
        number = int(self._registry.position[row]["lane"])
        return self._lanes[number] if number >= 0 else None

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def foreign(self, rows: Ints) -> NDArray[np.bool_]:
        """Which of these rows have a model of somebody else's."""
        told = np.array([lane.foreign for lane in self._lanes] or [False])
        which: NDArray[np.bool_] = told[self._registry.position["lane"][rows]]
        return which

    def settings(self, row: int) -> Settings:
        """What a monitored row is watched with."""
        return self._lanes[int(self._registry.position[row]["lane"])].settings

    def update(self, rows: Ints, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score samples of any mix of fast rows, each row's in order; rows of `RESULT`."""
        position = self._registry.position
        lanes, slots = position["lane"][rows], position["slot"][rows]
        numbers = np.unique(lanes).tolist()
        if len(numbers) == 1:
            return self._fast(numbers[0]).update_slots(slots, timestamp, value)
        scored = np.empty(len(rows), dtype=RESULT)
        for number in numbers:
            mine = lanes == number
            lane = self._fast(number)
            scored[mine] = lane.update_slots(slots[mine], timestamp[mine], value[mine])
        return scored

    def readiness(self, row: int) -> Readiness:
        """How far the warm-up of a fast row is."""
        record = self._registry.position[row]
        return self._fast(int(record["lane"])).readiness_at(int(record["slot"]))

    def _fast(self, number: int) -> FleetLane:
        lane = self._lanes[number]
        assert isinstance(lane, FleetLane)
        return lane
