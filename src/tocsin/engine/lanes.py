"""Lanes: where states are. Metrics with the same settings share one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet
from tocsin.detect.memory import Memory
from tocsin.detect.result import RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.engine.apart import Apart, packed, unpacked
from tocsin.engine.registry import Registry
from tocsin.engine.windows import Windows
from tocsin.errors import StateError

__all__ = ["FleetLane", "Lane", "Lanes", "MakeForeign"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
#: Which samples of a metric (its id, their times) are not to be learnt; None: all are.
Unlearnt = Callable[[int, Ints], Flags | None]

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

    def open(self, metric: int) -> object:
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

    def __init__(self, settings: Settings, memory: Memory, most: int, unlearnt: Unlearnt) -> None:
        """``most``: how many metrics there may be."""
        self.settings = settings
        self.fleet = Fleet(settings, most=most, memory=memory)
        #: States of metrics that do not learn now.
        self.apart = Apart(self.fleet)
        self._unlearnt = unlearnt
        self.slow = self.fleet.slow
        self.cost = _FIRST_COST
        self._needed = 0
        self._slots: dict[int, int] = {}
        self._free: list[int] = []

    def holds(self, metric: int) -> bool:
        """Whether the state is here."""
        return metric in self._slots

    def slot(self, metric: int) -> int:
        """The row of a metric that is here."""
        return self._slots[metric]

    def open(self, metric: int) -> int:
        """Give a metric a row that is as new; returns it."""
        slot = self._slots.get(metric)
        if slot is None and not self._free:
            slot = self._slots[metric] = int(self.fleet.add()[0])
            return slot
        if slot is None:
            slot = self._slots[metric] = self._free.pop()
        self.apart.drop(slot)
        self.fleet.clear(slot)
        return slot

    def forget(self, metric: int) -> None:
        """Take a row back."""
        slot = self._slots.pop(metric, None)
        if slot is not None:
            self.apart.drop(slot)
            self._free.append(slot)

    def update(self, metric: int, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score and learn one metric's samples; rows of `RESULT`."""
        slots = np.full(len(value), self._slots[metric])
        return self.update_slots(slots, timestamp, value, self._unlearnt(metric, timestamp))

    def update_slots(
        self, slots: Ints, timestamp: Ints, value: Floats, held: Flags | None = None
    ) -> NDArray[np.void]:
        """Score samples of any mix of rows, and learn those that are not ``held``."""
        if held is None and not len(self.apart):
            return self.fleet.update(slots, timestamp, value)
        none = np.zeros(len(slots), dtype=np.bool_)
        return self.apart.update(slots, timestamp, value, none if held is None else held)

    def pass_over(self, metric: int, timestamp: int, value: float) -> None:
        """Note the last of a metric's samples that are not scored, as `Fleet.pass_over`."""
        slots = np.array([self._slots[metric]])
        self.fleet.pass_over(slots, np.array([timestamp]), np.array([value]))

    def readiness(self, metric: int) -> Readiness:
        """How far warm-up is, without what is not learnt."""
        return self.readiness_at(self._slots[metric])

    def in_event(self, metric: int) -> bool:
        """Whether an event of a metric is open."""
        return self.fleet.in_event(self._slots[metric])

    def needed(self, slot: int) -> int:
        """How many samples the warm-up takes; ``slot``: of any metric that is here."""
        if not self._needed:
            self._needed = self.readiness_at(slot).needed
        return self._needed

    def readiness_at(self, slot: int) -> Readiness:
        """How far the warm-up of a row is, without what is not learnt."""
        kept = self.apart.kept(slot) if len(self.apart) else None
        return self.fleet.readiness(slot if kept is None else kept)

    def to_bytes(self, metric: int) -> bytes:
        """The state, versioned and checksummed, with the one that it will have again."""
        slot = self._slots[metric]
        state, kept = self.fleet.to_bytes(slot), self.apart.kept(slot)
        return state if kept is None else packed(self.fleet.to_bytes(kept), state)

    def load(self, metric: int, data: bytes) -> None:
        """Set the state. Errors: `StateError`."""
        slot, (kept, state) = self._slots[metric], unpacked(data)
        self.apart.drop(slot)
        if kept is not None:
            self.fleet.load(slot, kept)
            self.apart.begin(slot)
        try:
            self.fleet.load(slot, state)
        except StateError:
            self.apart.drop(slot)
            raise


class Lanes:
    """Which lane each row of the registry is in."""

    def __init__(
        self,
        registry: Registry,
        memory: Memory,
        foreign: MakeForeign,
        most: int,
        windows: Windows | None = None,
    ) -> None:
        """``windows``: which samples are not to be learnt."""
        self._registry = registry
        self._windows = windows or Windows(registry.metrics)
        self._memory = memory
        self._foreign = foreign
        self._most = most
        self._by_settings: dict[Settings, int] = {}
        self._lanes: list[Lane] = []
        self._last: tuple[Settings | None, int | None] = None, None

    def place(self, row: int, settings: Settings) -> None:
        """Put a row into the lane of these settings; a fast one's state is made at once."""
        # Most are given the very same settings, and to compare all fields costs more.
        number = self._last[1] if settings is self._last[0] else self._by_settings.get(settings)
        if number is None:
            made = self._foreign(settings) or FleetLane(
                settings, self._memory, self._most, self._unlearnt
            )
            number = self._by_settings[settings] = len(self._lanes)
            self._lanes.append(made)
        self._last = settings, number
        lane, record = self._lanes[number], self._registry.position[row]
        record["lane"], record["slow"], record["slot"] = number, lane.slow, -1
        record["ready_at"] = 0
        if isinstance(lane, FleetLane) and not lane.slow:
            slot = record["slot"] = lane.open(int(record["id"]))
            needed = record["needed"] = lane.needed(slot)
            record["ready_at"] = record["scored_seq"] + needed

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

    def timezone(self, row: int) -> str:
        """The civil time of a row (IANA name)."""
        return "UTC" if self.of(row) is None else self.settings(row).timezone

    def update(self, rows: Ints, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score samples of any mix of fast rows, each row's in order; rows of `RESULT`."""
        position = self._registry.position
        lanes, slots = position["lane"][rows], position["slot"][rows]
        held = self._windows.unlearnt(rows, timestamp)
        numbers = np.unique(lanes).tolist()
        if len(numbers) == 1:
            return self._fast(numbers[0]).update_slots(slots, timestamp, value, held)
        scored = np.zeros(len(rows), dtype=RESULT)
        for number in numbers:
            mine = lanes == number
            lane = self._fast(number)
            some = None if held is None else held[mine]
            scored[mine] = lane.update_slots(slots[mine], timestamp[mine], value[mine], some)
        return scored

    def pass_over(self, row: int, timestamp: int, value: float) -> None:
        """Note the last of a row's samples that are not scored (it is paused).

        Nothing for a row in no lane or a slow one, which tells no silence.
        """
        lane = self.of(row)
        if isinstance(lane, FleetLane) and not lane.slow:
            lane.pass_over(int(self._registry.position[row]["id"]), timestamp, value)

    def readiness(self, row: int) -> Readiness:
        """How far the warm-up of a fast row is."""
        record = self._registry.position[row]
        return self._fast(int(record["lane"])).readiness_at(int(record["slot"]))

    def _unlearnt(self, metric: int, timestamp: Ints) -> Flags | None:
        row = self._registry.row_of_id(metric)
        if row < 0:
            return None
        return self._windows.unlearnt(np.full(len(timestamp), row), timestamp)

    def _fast(self, number: int) -> FleetLane:
        lane = self._lanes[number]
        assert isinstance(lane, FleetLane)
        return lane
