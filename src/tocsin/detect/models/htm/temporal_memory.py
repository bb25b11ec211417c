"""The temporal memory: which cell of a winning column is active tells in which context it won.

A segment belongs to a cell and has synapses to cells that were active together one step before;
where enough of them are active again, the segment is active and its cell was predicted. In a
winning column the predicted cells become active; a column without one was not expected and bursts:
all its cells become active. Then, in every winning column,

* each active segment learns: synapses to cells that were active before rise, others fall, and new
  ones grow to some of the winners of the step before;
* a bursting column lets its best matching segment learn, or if none matches, the cell with the
  fewest segments starts one. The cell of either is the column's winner.

What the memory says of an input is how many winning columns were not expected. Expected is eager: a
segment with enough synapses to active cells is enough, be they connected yet or not, so that what
was seen once surprises no more, though it takes several times until it is predicted and the
context goes on from it. It stands in for NuPIC's backtracking (``docs/htm.md`` has the figures).
``eager = false`` counts bursting columns, as the papers do.

Whether a column was expected matters only where it wins, so only the segments of winning columns
are looked at: work per sample does not grow with what was learnt. For the same reason synapses
that predicted in vain are punished by lot: each step a sixteenth of all segments is examined, and
punished sixteen times as much.

There is room for a fixed number of segments. When it is used up, or a column has its share, a new
segment takes the place of one that was of no use for long.

Cost per sample: O(winners x segments of a column x synapses). State: `memory_fields`, fixed.

Sources: Hawkins & Ahmad, "Why Neurons Have Thousands of Synapses" (2016); Cui, Ahmad & Hawkins,
"Continuous Online Sequence Learning with an Unsupervised Neural Network Model" (2016).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.detect.models.htm.chance import below, chance, rounded
from tocsin.detect.models.htm.parameters import Htm

__all__ = [
    "ACTIVE",
    "STEP",
    "USED",
    "WINNERS",
    "Memory",
    "Work",
    "initialise",
    "memory_fields",
    "step",
    "workspace",
]

#: The permanence 1; at 0 a synapse is gone.
_LARGEST: Final = 255
#: A column has at most this many times its even share of the segments.
_SHARE: Final = 8
#: Segments that are compared when one has to give way.
_CANDIDATES: Final = 64
#: One of so many segments is examined for punishment in a step.
_LOT: Final = 16
_NONE: Final = -1
#: Winners that a segment listens to are this share of them apart.
_SPREAD: Final = 0.382
_ONE: Final = np.uint64(1)
_TWO: Final = np.uint64(2)
_THREE: Final = np.uint64(3)
_FOUR: Final = np.uint64(4)
#: What a draw is for.
_PUNISH: Final = -3
_CELL: Final = -4

#: What is counted: steps taken; segments taken (in the end all); where the search for a segment
#: to replace goes on; active cells of the last step; winners among them.
STEP: Final = 0
USED: Final = 1
_HAND: Final = 2
ACTIVE: Final = 3
WINNERS: Final = 4
_COUNTS: Final = 5


class Memory(NamedTuple):
    """One metric's temporal memory: views of its block."""

    #: See `STEP` and what follows it.
    counts: NDArray[np.int64]
    #: [segment x synapses + synapse]: the cells that a segment listens to, and how firmly.
    source: NDArray[np.uint16]
    synapse: NDArray[np.uint8]
    #: Synapses of each segment, its cell, the next segment of the column, the step of its last use.
    size: NDArray[np.uint8]
    cell: NDArray[np.uint16]
    next: NDArray[np.int32]
    last: NDArray[np.uint32]
    #: First segment of each column, and how many it has.
    first: NDArray[np.int32]
    held: NDArray[np.int32]
    #: Cells of the last step: active ones and winners.
    active: NDArray[np.uint16]
    winners: NDArray[np.uint16]


def memory_fields(htm: Htm) -> list[tuple[str, Any, tuple[int, ...]]]:
    """The fields of a metric's block that `Memory` is made of, in its order."""
    most = htm.active_columns * htm.cells
    return [
        ("counts", "i8", (_COUNTS,)),
        ("source", "u2", (htm.segments, htm.synapses)),
        ("synapse", "u1", (htm.segments, htm.synapses)),
        ("size", "u1", (htm.segments,)),
        ("cell", "u2", (htm.segments,)),
        ("next", "i4", (htm.segments,)),
        ("last", "u4", (htm.segments,)),
        ("first", "i4", (htm.columns,)),
        ("held", "i4", (htm.columns,)),
        ("active", "u2", (most,)),
        ("winners", "u2", (most,)),
    ]


class Work(NamedTuple):
    """Room to work in, for one thread; nothing in it outlives a step."""

    #: Per cell, 0 or 1: was active in the last step; is a source of the segment at hand.
    heard: NDArray[np.uint8]
    known: NDArray[np.uint8]
    #: Per column: wins in this step.
    won: NDArray[np.bool_]
    #: What learns in this step: a segment and its active synapses, or -1 - the cell for a new one.
    lesson: NDArray[np.int64]
    match: NDArray[np.int64]
    #: The active and the winning cells of this step.
    active: NDArray[np.uint16]
    winners: NDArray[np.uint16]
    #: Per cell of a column: its segments; those of them that are active.
    held: NDArray[np.int64]
    predicted: NDArray[np.int64]


class Seen(NamedTuple):
    """What `recognise` found: how many columns surprise, and how much of `Work` it filled."""

    surprises: int
    lessons: int
    active: int
    winners: int


@kernel
def workspace(plan: Any) -> Work:
    """Room for one thread to take steps in."""
    cells = plan.columns * plan.cells
    most = plan.active_columns * plan.cells
    lessons = plan.active_columns * (most_held(plan) + 1)
    return Work(
        np.zeros(cells, dtype=np.uint8),
        np.zeros(cells, dtype=np.uint8),
        np.zeros(plan.columns, dtype=np.bool_),
        np.empty(lessons, dtype=np.int64),
        np.empty(lessons, dtype=np.int64),
        np.empty(most, dtype=np.uint16),
        np.empty(most, dtype=np.uint16),
        np.empty(plan.cells, dtype=np.int64),
        np.empty(plan.cells, dtype=np.int64),
    )


@kernel
def most_held(plan: Any) -> int:
    """Segments that one column has at most: `_SHARE` times its even share."""
    return max(_SHARE * plan.segments // plan.columns, 2 * plan.cells)


@kernel
def initialise(memory: Memory, plan: Any) -> None:
    """Make a memory of nothing from a block of zeros."""
    for column in range(plan.columns):
        memory.first[column] = _NONE


@kernel
def step(memory: Memory, plan: Any, columns: Any, work: Work) -> int:
    """Take the winning columns in and learn them; returns how many of them were not expected.

    ``columns``: numbers of the winning columns, rising.
    """
    memory.counts[STEP] += 1
    _mark(memory, plan, columns, work)
    if plan.punishment > 0:
        _punish(memory, plan, work)
    seen = recognise(memory, plan, columns, work)
    _learn(memory, plan, work, seen.lessons)
    _unmark(memory, plan, columns, work)
    _pass_on(memory, work, seen)
    return seen.surprises


@kernel
def _mark(memory: Memory, plan: Any, columns: Any, work: Work) -> None:
    for k in range(memory.counts[ACTIVE]):
        work.heard[memory.active[k]] = 1
    for k in range(plan.active_columns):
        work.won[columns[k]] = True


@kernel
def _unmark(memory: Memory, plan: Any, columns: Any, work: Work) -> None:
    for k in range(memory.counts[ACTIVE]):
        work.heard[memory.active[k]] = 0
    for k in range(plan.active_columns):
        work.won[columns[k]] = False


@kernel
def _pass_on(memory: Memory, work: Work, seen: Seen) -> None:
    """Keep the cells of this step: they are the next one's context."""
    memory.counts[ACTIVE] = seen.active
    memory.counts[WINNERS] = seen.winners
    memory.active[: seen.active] = work.active[: seen.active]
    memory.winners[: seen.winners] = work.winners[: seen.winners]


@kernel
def recognise(memory: Memory, plan: Any, columns: Any, work: Work) -> Seen:
    """Find which cells of the winning columns are active, and what is to be learnt."""
    surprises, lessons, active, winners = 0, 0, 0, 0
    for k in range(plan.active_columns):
        before = lessons
        lessons, best = _examine(memory, plan, columns[k], work, lessons)
        first = columns[k] * plan.cells
        if lessons > before:
            for cell in range(plan.cells):
                if work.predicted[cell]:
                    work.active[active] = work.winners[winners] = first + cell
                    active += 1
                    winners += 1
            continue
        if not plan.eager or work.match[lessons] < plan.activation:
            surprises += 1
        for cell in range(plan.cells):
            work.active[active] = first + cell
            active += 1
        work.winners[winners] = _start(memory, plan, columns[k], best, work, lessons)
        winners += 1
        lessons += 1
    return Seen(surprises, lessons, active, winners)


@kernel
def _examine(memory: Memory, plan: Any, column: int, work: Work, lessons: int) -> tuple[int, int]:
    """Note a column's active segments as lessons; returns their new number and the best match."""
    work.held[:] = 0
    work.predicted[:] = 0
    best, best_match = _NONE, plan.match - 1
    source, heard = memory.source, work.heard
    segment = memory.first[column]
    while segment != _NONE:
        first, size = segment * plan.synapses, memory.size[segment]
        match = _matches(source, first, size, heard)
        active = 0
        if match >= plan.activation:
            active = _firm(source, memory.synapse, first, size, heard, plan.connected)
        cell = memory.cell[segment] - column * plan.cells
        work.held[cell] += 1
        if active >= plan.activation:
            work.predicted[cell] += 1
            work.lesson[lessons] = segment
            work.match[lessons] = match
            lessons += 1
        elif match > best_match:
            best, best_match = segment, match
        segment = memory.next[segment]
    work.match[lessons] = best_match  # kept if this turns out to be the lesson
    return lessons, best


@kernel
def _matches(source: Any, first: int, size: int, on: Any) -> int:
    """How many of ``size`` synapses from ``first`` on are to cells that are ``on`` (0 or 1).

    It is given no more than it reads: it is what a step spends its time with.
    """
    at = np.uint64(first)
    end = at + np.uint64(size)
    total, second, third, fourth = 0, 0, 0, 0
    while at + _FOUR <= end:  # four sums that do not wait for each other
        total += on[source[at]]
        second += on[source[at + _ONE]]
        third += on[source[at + _TWO]]
        fourth += on[source[at + _THREE]]
        at += _FOUR
    while at < end:
        total += on[source[at]]
        at += _ONE
    return total + second + third + fourth


@kernel
def _firm(source: Any, synapse: Any, first: int, size: int, on: Any, connected: int) -> int:
    """How many of those synapses are connected, too."""
    at = np.uint64(first)
    total = 0
    for k in range(at, at + np.uint64(size)):
        total += on[source[k]] & np.uint8(synapse[k] >= connected)
    return total


@kernel
def _start(memory: Memory, plan: Any, column: int, best: int, work: Work, lesson: int) -> int:
    """Note the lesson of a bursting column; returns the cell that wins it."""
    if best != _NONE:
        work.lesson[lesson] = best
        return memory.cell[best]
    cell = column * plan.cells + _freest(memory, plan, column, work)
    work.lesson[lesson] = -1 - cell
    return cell


@kernel
def _freest(memory: Memory, plan: Any, column: int, work: Work) -> int:
    """The cell of a column with the fewest segments, of equals one by chance."""
    found = first = below(chance(plan.seed, memory.counts[STEP], _CELL - column), plan.cells)
    for k in range(first + 1, first + plan.cells):
        cell = k % plan.cells
        if work.held[cell] < work.held[found]:
            found = cell
    return found


@kernel
def _learn(memory: Memory, plan: Any, work: Work, lessons: int) -> None:
    """Let the segments that were noted learn, and make the new ones."""
    counts = memory.counts
    for k in range(lessons):
        if work.lesson[k] >= 0:
            memory.last[work.lesson[k]] = counts[STEP]
    stride = _stride(counts[WINNERS])
    source, synapse, heard, known = memory.source, memory.synapse, work.heard, work.known
    winners = memory.winners[: counts[WINNERS]]
    for k in range(lessons):
        segment, wanted = work.lesson[k], plan.new_synapses
        if segment >= 0:
            wanted -= work.match[k]
        elif counts[WINNERS] > 0:
            segment = _place(memory, plan, -1 - segment)
        if segment < 0:
            continue
        first = segment * plan.synapses
        size: Any = np.int64(memory.size[segment])
        draw = chance(plan.seed, counts[STEP], segment)
        up = rounded(plan.increment, draw)
        down = rounded(plan.decrement, np.uint64(draw) << np.uint64(8))
        size = _adapt(source, synapse, first, size, heard, up, down)
        if wanted > 0 and len(winners) > 0:
            at = below(np.uint64(draw) << np.uint64(16), len(winners))
            size = _grow(
                source, synapse, first, size, plan.synapses, heard, known, winners, at, stride,
                wanted, plan.initial,
            )  # fmt: skip
        memory.size[segment] = size


@kernel
def _adapt(source: Any, synapse: Any, first: int, size: int, heard: Any, up: int, down: int) -> int:
    """Synapses to cells that were active rise, others fall; returns how many are left."""
    for k in range(first + size - 1, first - 1, -1):
        if heard[source[k]]:
            synapse[k] = min(synapse[k] + up, _LARGEST)
        else:
            size = _weaken(source, synapse, first, size, k, down)
    return size


@kernel
def _weaken(source: Any, synapse: Any, first: int, size: int, k: int, by: int) -> int:
    """Lower a permanence; at 0 the synapse is gone and the segment's last one takes its place."""
    if synapse[k] > by:
        synapse[k] -= by
        return size
    last = first + size - 1
    source[k] = source[last]
    synapse[k] = synapse[last]
    return size - 1


@kernel
def _stride(count: int) -> int:
    """A step that visits every place of a ring of ``count``, neighbours far apart."""
    stride = max(int(_SPREAD * count), 1)
    while _divisor(stride, count) > 1:
        stride += 1
    return stride


@kernel
def _divisor(one: int, other: int) -> int:
    """The greatest common divisor."""
    while other:
        one, other = other, one % other
    return one


@kernel
def _grow(
    source: Any, synapse: Any, first: int, size: int, most: int, heard: Any, known: Any,
    winners: Any, at: int, stride: int, wanted: int, initial: int,
) -> int:  # fmt: skip
    """Add ``wanted`` synapses to winners of the last step that a segment does not listen to yet.

    Which ones: from place ``at`` of ``winners`` on, in strides. A full segment gives up its weakest
    synapses to cells that were not active. Returns how many synapses it has then.
    """
    for k in range(first, first + size):
        known[source[k]] = 1
    for _ in range(len(winners)):
        cell = winners[at]
        at = (at + stride) % len(winners)
        if known[cell]:
            continue
        place = first + size if size < most else _weakest(source, synapse, first, size, heard)
        if place == _NONE:
            break
        if size < most:
            size += 1
        else:
            known[source[place]] = 0
        source[place] = cell
        synapse[place] = initial
        known[cell] = 1
        wanted -= 1
        if wanted == 0:
            break
    for k in range(first, first + size):
        known[source[k]] = 0
    return size


@kernel
def _weakest(source: Any, synapse: Any, first: int, size: int, heard: Any) -> int:
    """The synapse with the lowest permanence of those to cells that were not active."""
    found = _NONE
    for k in range(first, first + size):
        if not heard[source[k]] and (found == _NONE or synapse[k] < synapse[found]):
            found = k
    return found


@kernel
def _place(memory: Memory, plan: Any, cell: int) -> int:
    """An empty segment for a cell, or none if all that could give way are in use right now."""
    column = cell // plan.cells
    counts = memory.counts
    if memory.held[column] >= most_held(plan):
        segment = _stalest_of(memory, column)
    elif counts[USED] < plan.segments:
        segment = counts[USED]
        counts[USED] += 1
        return _link(memory, plan, segment, cell)
    else:
        segment = _stalest(memory, plan)
    if memory.last[segment] == counts[STEP]:
        return _NONE
    _unlink(memory, plan, segment)
    return _link(memory, plan, segment, cell)


@kernel
def _stalest_of(memory: Memory, column: int) -> int:
    """The segment of a column that was of no use for longest."""
    found = segment = memory.first[column]
    while segment != _NONE:
        if memory.last[segment] < memory.last[found]:
            found = segment
        segment = memory.next[segment]
    return found


@kernel
def _stalest(memory: Memory, plan: Any) -> int:
    """The segment that was of no use for longest, of the next few in turn."""
    counts = memory.counts
    found = counts[_HAND]
    for k in range(counts[_HAND], counts[_HAND] + min(_CANDIDATES, plan.segments)):
        segment = k % plan.segments
        if memory.last[segment] < memory.last[found]:
            found = segment
    counts[_HAND] = (counts[_HAND] + _CANDIDATES) % plan.segments
    return found


@kernel
def _link(memory: Memory, plan: Any, segment: int, cell: int) -> int:
    column = cell // plan.cells
    memory.next[segment] = memory.first[column]
    memory.first[column] = segment
    memory.held[column] += 1
    memory.cell[segment] = cell
    memory.size[segment] = 0
    memory.last[segment] = memory.counts[STEP]
    return segment


@kernel
def _unlink(memory: Memory, plan: Any, segment: int) -> None:
    column = memory.cell[segment] // plan.cells
    memory.held[column] -= 1
    if memory.first[column] == segment:
        memory.first[column] = memory.next[segment]
        return
    before = memory.first[column]
    while memory.next[before] != segment:
        before = memory.next[before]
    memory.next[before] = memory.next[segment]


@kernel
def _punish(memory: Memory, plan: Any, work: Work) -> None:
    """Weaken what predicted columns that did not win, in a sixteenth of the segments."""
    step = memory.counts[STEP]
    source, synapse = memory.source, memory.synapse
    first = below(chance(plan.seed, step, _PUNISH), _LOT)
    for segment in range(first, memory.counts[USED], _LOT):
        if work.won[memory.cell[segment] // plan.cells]:
            continue
        start = segment * plan.synapses
        size: Any = np.int64(memory.size[segment])
        if _matches(source, start, size, work.heard) >= plan.match:
            by = rounded(_LOT * plan.punishment, chance(plan.seed, step, segment))
            for k in range(start + size - 1, start - 1, -1):
                if work.heard[source[k]]:
                    size = _weaken(source, synapse, start, size, k, by)
            memory.size[segment] = size
