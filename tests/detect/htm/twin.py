"""Slow, obviously right twins of the spatial pooler and the temporal memory.

They keep plain lists of objects, look at every segment, and draw the same chances; bit by bit they
must do what the kernels do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tocsin.detect.models.htm.parameters import Htm

_64 = 2**64


def mix(seed: int, counter: int) -> int:
    x = (seed * 0xC4CEB9FE1A85EC53 + (counter + 1) * 0x9E3779B97F4A7C15) % _64
    x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCD % _64
    x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53 % _64
    return x ^ (x >> 33)


def chance(seed: int, first: int, second: int) -> int:
    return mix(mix(seed, first), second)


def below(bits: int, count: int) -> int:
    return (bits % _64 >> 32) * count >> 32


def rounded(change: float, bits: int, times: int = 1) -> int:
    """A change of permanence in steps of 1/255, up or down by chance."""
    return (times * round(change * 255 * 256) + (bits % _64 >> 56)) // 256


class PoolerTwin:
    """Every column's permanences in a dictionary: input bit -> 1 to 255."""

    def __init__(self, htm: Htm) -> None:
        self.htm = htm
        self.limit = 1 + round(htm.spatial_connected * 254)
        self.duty = [htm.active_columns / htm.columns] * htm.columns
        self.columns: list[dict[int, int]] = []
        for column in range(htm.columns):
            places = {bit: column * htm.inputs + bit for bit in range(htm.inputs)}
            pool = [b for b, p in places.items() if self.draw(-1, p) < htm.potential_share]
            self.columns.append({bit: self.first(self.draw(-2, places[bit])) for bit in pool})

    def draw(self, what: int, place: int) -> float:
        return chance(self.htm.seed, what, place) / _64

    def first(self, draw: float) -> int:
        if draw < 0.5:
            return 1 + int(2 * draw * (self.limit - 1))
        return self.limit + int((2 * draw - 1) * (256 - self.limit))

    def win(self, bits: list[int]) -> list[int]:
        def score(column: int) -> int:
            pool = self.columns[column]
            overlap = sum(pool.get(bit, 0) >= self.limit for bit in bits)
            if not self.htm.boost_strength:
                return overlap
            above = self.htm.active_columns / self.htm.columns - self.duty[column]
            return int(overlap * min(math.exp(self.htm.boost_strength * above), 16.0) * 256)

        ranked = sorted(range(self.htm.columns), key=lambda column: (-score(column), column))
        return sorted(ranked[: self.htm.active_columns])

    def learn(self, bits: list[int], winners: list[int], step: int) -> None:
        for column in winners:
            draw = chance(self.htm.seed, step, column)
            up = rounded(self.htm.spatial_increment, draw)
            down = rounded(self.htm.spatial_decrement, draw << 8)
            pool = self.columns[column]
            for bit in pool:
                pool[bit] += up if bit in bits else -down
                pool[bit] = min(max(pool[bit], 1), 255)


@dataclass(eq=False)
class Segment:
    number: int
    cell: int
    last: int
    synapses: list[list[int]] = field(default_factory=list)  # [cell, permanence]

    def matches(self, on: set[int]) -> int:
        return sum(cell in on for cell, _ in self.synapses)

    def firm(self, on: set[int], connected: int) -> int:
        return sum(cell in on and p >= connected for cell, p in self.synapses)

    def weaken(self, k: int, by: int) -> None:
        if self.synapses[k][1] > by:
            self.synapses[k][1] -= by
            return
        last = self.synapses.pop()
        if k < len(self.synapses):
            self.synapses[k] = last


class MemoryTwin:
    """The plain temporal memory."""

    def __init__(self, htm: Htm) -> None:
        self.htm = htm
        self.step_number = self.hand = 0
        self.connected = max(round(htm.connected_permanence * 255), 1)
        self.segments: list[Segment] = []
        self.by_column: list[list[Segment]] = [[] for _ in range(htm.columns)]
        self.active: list[int] = []
        self.winners: list[int] = []

    def step(self, columns: list[int]) -> int:
        self.step_number += 1
        heard = set(self.active)
        self.punish(columns, heard)
        lessons: list[tuple[Segment | int, int]] = []
        active: list[int] = []
        winners: list[int] = []
        surprises = 0
        for column in columns:
            cells = range(column * self.htm.cells, (column + 1) * self.htm.cells)
            found = [s for s in self.by_column[column] if self.is_active(s, heard)]
            if found:
                lessons += [(segment, segment.matches(heard)) for segment in found]
                predicted = sorted({segment.cell for segment in found})
                active += predicted
                winners += predicted
                continue
            active += cells
            best = max(self.by_column[column], key=lambda s: s.matches(heard), default=None)
            match = best.matches(heard) if best is not None else 0
            surprises += not self.htm.eager or match < self.htm.activation_threshold
            if best is not None and match >= self.htm.match_threshold:
                lessons.append((best, match))
                winners.append(best.cell)
            else:
                cell = self.freest(column)
                lessons.append((cell, 0))
                winners.append(cell)
        self.learn(lessons, heard)
        self.active, self.winners = active, winners
        return surprises

    def is_active(self, segment: Segment, on: set[int]) -> bool:
        return segment.firm(on, self.connected) >= self.htm.activation_threshold

    def freest(self, column: int) -> int:
        cells = self.htm.cells
        choice = list(range(cells))
        start = below(chance(self.htm.seed, self.step_number, -4 - column), len(choice))
        held = [0] * cells
        for segment in self.by_column[column]:
            held[segment.cell - column * cells] += 1
        return column * cells + min(choice[start:] + choice[:start], key=lambda cell: held[cell])

    def learn(self, lessons: list[tuple[Segment | int, int]], heard: set[int]) -> None:
        for what, _ in lessons:
            if isinstance(what, Segment):
                what.last = self.step_number
        for what, match in lessons:
            segment: Segment | None
            if isinstance(what, Segment):
                segment = what
            else:
                segment = self.place(what) if self.winners else None
            if segment is not None:
                draw = chance(self.htm.seed, self.step_number, segment.number)
                self.adapt(segment, heard, draw)
                self.grow(segment, heard, self.htm.new_synapses - match, draw)

    def adapt(self, segment: Segment, heard: set[int], draw: int) -> None:
        up = rounded(self.htm.permanence_increment, draw)
        down = rounded(self.htm.permanence_decrement, draw << 8)
        for k in reversed(range(len(segment.synapses))):
            synapse = segment.synapses[k]
            if synapse[0] in heard:
                synapse[1] = min(synapse[1] + up, 255)
            else:
                segment.weaken(k, down)

    def grow(self, segment: Segment, heard: set[int], wanted: int, draw: int) -> None:
        count = len(self.winners)
        if count == 0:
            return
        stride = max(int(0.382 * count), 1)
        while math.gcd(stride, count) > 1:
            stride += 1
        start = below(draw << 16, count)
        for k in range(count):
            cell = self.winners[(start + k * stride) % count]
            if wanted <= 0:
                return
            if any(cell == source for source, _ in segment.synapses):
                continue
            fresh = [cell, max(round(self.htm.initial_permanence * 255), 1)]
            if len(segment.synapses) < self.htm.synapses:
                segment.synapses.append(fresh)
            else:
                idle = [s for s in segment.synapses if s[0] not in heard]
                if not idle:
                    return
                weakest = min(idle, key=lambda synapse: synapse[1])
                place = next(i for i, s in enumerate(segment.synapses) if s is weakest)
                segment.synapses[place] = fresh
            wanted -= 1

    def place(self, cell: int) -> Segment | None:
        """A new segment, which may have to take the number of an old one."""
        column = cell // self.htm.cells
        own = self.by_column[column]
        share = max(8 * self.htm.segments // self.htm.columns, 2 * self.htm.cells)
        if len(own) >= share:
            old = min(own, key=lambda segment: segment.last)
        elif len(self.segments) < self.htm.segments:
            old = Segment(len(self.segments), cell, 0)
            self.segments.append(old)
            own.insert(0, old)
            old.last = self.step_number
            return old
        else:
            turn = [(self.hand + k) % len(self.segments) for k in range(min(64, self.htm.segments))]
            old = min((self.segments[k] for k in turn), key=lambda segment: segment.last)
            self.hand = (self.hand + 64) % self.htm.segments
        if old.last == self.step_number:
            return None
        self.by_column[old.cell // self.htm.cells].remove(old)
        new = Segment(old.number, cell, self.step_number)
        self.segments[old.number] = new
        own.insert(0, new)
        return new

    def punish(self, columns: list[int], heard: set[int]) -> None:
        if round(self.htm.punishment * 255 * 256) == 0:
            return
        first = below(chance(self.htm.seed, self.step_number, -3), 16)
        for segment in self.segments[first::16]:
            if segment.cell // self.htm.cells in columns:
                continue
            if segment.matches(heard) >= self.htm.match_threshold:
                draw = chance(self.htm.seed, self.step_number, segment.number)
                by = rounded(self.htm.punishment, draw, times=16)
                for k in reversed(range(len(segment.synapses))):
                    if segment.synapses[k][0] in heard:
                        segment.weaken(k, by)
