"""What the HTM model costs: time per sample and bytes of state, by the age of the model.

The stream goes on as it began (a working week with noise, a sample in five minutes), so a model
that slows down or grows with age does so by itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.streams import STREAMS
from tocsin.detect.fleet import Fleet
from tocsin.detect.models.htm.parameters import PRESETS
from tocsin.detect.settings import Settings

__all__ = ["AGES", "NUPIC", "Age", "ages_up_to", "faults", "run_ages"]

Floats = NDArray[np.float64]
Progress = Callable[[str], None]

#: Samples after which a model is looked at.
AGES: Final = (1_000, 5_000, 20_000, 80_000, 200_000, 500_000, 1_000_000)
#: Age -> microseconds per sample of NuPIC's, as its users reported: 100 records a second at first,
#: 15 after 80,000 (nupic, issue 1359).
NUPIC: Final = {1_000: 10_000.0, 80_000: 66_000.0}
_FIVE_MINUTES: Final = 300_000_000_000
#: A Monday.
_BEGIN: Final = 1_704_067_200_000_000_000
#: Samples that are timed before an age is reached.
_TIMED: Final = 1_000
#: Samples handed over at a time.
_CHUNK: Final = 10_000
#: A model is grown up after so many samples: its segments are in use. From then on it may be slower
#: by this factor, and the process larger by so many bytes (what its surroundings cause).
_GROWN_UP: Final = 80_000
_SLOWER: Final = 1.5
_GROWTH: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class Age:
    """One preset after so many samples."""

    preset: str
    samples: int
    #: Processor time of the last 1,000 samples, one core.
    us_per_sample: float
    #: Memory that the state takes, the same at any age.
    state_bytes: int
    #: The same state saved, compressed: it grows with what was learnt, up to what memory allows.
    saved_bytes: int
    #: Segments and synapses of the temporal memory that are in use.
    segments: int
    synapses: int
    #: Largest memory of this whole process so far.
    process_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def ages_up_to(samples: int) -> tuple[int, ...]:
    """The ages to look at in a run of so many samples; its end is one of them.

    >>> ages_up_to(30_000)
    (1000, 5000, 20000, 30000)
    """
    return (*(age for age in AGES if age < samples), samples)


def run_ages(
    samples: int, presets: tuple[str, ...] = tuple(PRESETS), progress: Progress = lambda _: None
) -> Iterator[Age]:
    """Each preset at each age. Cost: the samples, times what a sample costs."""
    values = STREAMS["weekly season"](np.random.default_rng(1), samples)
    times = _BEGIN + np.arange(samples) * _FIVE_MINUTES
    for preset in presets:
        settings = Settings(model="htm", htm=preset)
        _feed(Fleet(settings, 1), times[:2], values[:2])  # compile, or load the compiled kernels
        fleet, done = Fleet(settings, 1), 0
        for age in ages_up_to(samples):
            progress(f"{preset}, {done:,} of {samples:,} samples")
            last = max(done, age - _TIMED)
            _feed(fleet, times[done:last], values[done:last])
            begin = time.thread_time()
            _feed(fleet, times[last:age], values[last:age])
            took = time.thread_time() - begin
            yield _look(fleet, preset, age, took / max(age - last, 1) * 1e6)
            done = age


def _feed(fleet: Fleet, times: NDArray[np.int64], values: Floats) -> None:
    for first in range(0, len(values), _CHUNK):  # so that results take no memory to speak of
        part = slice(first, first + _CHUNK)
        fleet.update(np.zeros(len(values[part]), dtype=np.int64), times[part], values[part])


def _look(fleet: Fleet, preset: str, age: int, us: float) -> Age:
    memory = fleet.take(np.zeros(1, dtype=np.int64))[0]["memory"]
    return Age(
        preset, age, us, fleet.row_bytes, len(fleet.to_bytes(0)),
        int(np.count_nonzero(memory["size"])), int(memory["size"].sum()), _process_bytes(),
    )  # fmt: skip


def _process_bytes() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def faults(ages: list[Age]) -> list[str]:
    """What got worse with age, from 80,000 samples on: time, state, memory of the process."""
    found = []
    for preset in dict.fromkeys(age.preset for age in ages):
        of = [age for age in ages if age.preset == preset and age.samples >= _GROWN_UP]
        for young, old in pairwise(of):
            if old.us_per_sample > _SLOWER * of[0].us_per_sample:
                found.append(f"{preset}: {old.us_per_sample:.1f} µs after {old.samples:,} samples")
            if old.state_bytes != young.state_bytes:
                found.append(f"{preset}: the state has {old.state_bytes:,} bytes now")
            if old.process_bytes > of[0].process_bytes + _GROWTH:
                found.append(f"{preset}: the process has {old.process_bytes:,} bytes now")
    return found
