"""One target under many inputs: what it raises, how long it takes, what it holds."""

from __future__ import annotations

import faulthandler
import hashlib
import resource
import signal
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import Final

from tests.fuzz.mutation import Mutator

__all__ = ["Campaign", "Outcome", "Target"]

#: How long one input may take, of this process's time.
LIMIT_S: Final = 1.0
#: A part in C that never comes back is told of, too, by ending the process.
_DEAD_S: Final = 120.0
#: The first time a seed may take longer: kernels are compiled, modules loaded.
_FIRST_S: Final = 60.0
#: By how much the process may grow beyond what it was after the seeds.
GROWTH_MB: Final = 512
_LOOK: Final = 1_000

One = Callable[[bytes], Hashable]


class _HangError(BaseException):
    """An input takes too long; no target may catch it."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is fuzzed: ``one`` takes an input, and raises when something is wrong with it.

    What ``one`` returns tells inputs apart: those with a result that is new become seeds.
    """

    name: str
    one: One
    seeds: Sequence[bytes]
    tokens: Sequence[bytes] = ()

    @classmethod
    def of(cls, module: ModuleType, corpus: Path) -> Target:
        """From a module with ``one``, ``SEEDS``, and perhaps ``TOKENS``, and its corpus."""
        name = module.__name__.rpartition(".")[2]
        kept = [path.read_bytes() for path in sorted((corpus / name).glob("*"))]
        return cls(name, module.one, [*module.SEEDS, *kept], getattr(module, "TOKENS", ()))


@dataclass(slots=True)
class Outcome:
    """What came of a campaign."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    slowest_ms: float = 0.0
    growth_mb: float = 0.0
    kinds: int = 0
    #: What went wrong, and the input that it went wrong with.
    failure: str | None = None
    culprit: bytes = b""

    def __str__(self) -> str:
        rate = self.inputs / max(self.seconds, 1e-9)
        told = (
            f"{self.target:<24} {self.inputs:>12,} inputs {rate:>9,.0f}/s  slowest "
            f"{self.slowest_ms:7.1f} ms  growth {self.growth_mb:6.1f} MB  {self.kinds:>6,} kinds"
        )
        return told if self.failure is None else f"{told}  FAILED: {self.failure}"


@dataclass(slots=True)
class Campaign:
    """Runs a target until a number of inputs, a time, or a failure."""

    target: Target
    inputs: int
    seconds: float = float("inf")
    seed: int = 0
    _number: int = 0
    _data: bytes = b""
    _limit: float = LIMIT_S
    _watched: tuple[int, float] = (-1, 0.0)
    _seen: set[Hashable] = field(default_factory=set)

    def run(self) -> Outcome:
        """The seeds as they are, then mutations."""
        outcome = Outcome(self.target.name)
        mutator = Mutator(self.target.seeds, self.target.tokens, self.seed)
        began = time.perf_counter()
        with self._watch():
            try:
                for data in self._inputs(mutator, outcome, began):
                    self._try(data, mutator, outcome)
            except _HangError:
                outcome.failure = f"an input took more than {LIMIT_S:g} s"
            except MemoryError:
                outcome.failure = f"an input took more than {GROWTH_MB} MB"
            except Exception as error:
                outcome.failure = f"{type(error).__name__}: {error}"
        outcome.culprit = self._data if outcome.failure else b""
        outcome.seconds = time.perf_counter() - began
        outcome.kinds = len(self._seen)
        return outcome

    def _inputs(self, mutator: Mutator, outcome: Outcome, began: float) -> Iterator[bytes]:
        self._limit = _FIRST_S
        for seed in self.target.seeds:
            self._number, self._data = self._number + 1, seed
            self.target.one(seed)
        self._limit = LIMIT_S
        yield from self.target.seeds[: self.inputs]
        before = _rss_mb()
        while outcome.inputs < self.inputs:
            if outcome.inputs % _LOOK == 0:
                outcome.growth_mb = _rss_mb() - before
                if outcome.growth_mb > GROWTH_MB:
                    raise MemoryError
                if time.perf_counter() - began > self.seconds:
                    return
            yield mutator.next()

    def _try(self, data: bytes, mutator: Mutator, outcome: Outcome) -> None:
        self._number, self._data = self._number + 1, data
        began = time.perf_counter()
        kind = self.target.one(data)
        took = 1e3 * (time.perf_counter() - began)
        outcome.slowest_ms = max(outcome.slowest_ms, took)
        outcome.inputs += 1
        if kind is not None and kind not in self._seen and len(self._seen) < 100_000:
            self._seen.add(kind)
            mutator.keep(data)

    @contextmanager
    def _watch(self) -> Iterator[None]:
        """Look now and then, by this process's own time, whether the same input still runs."""
        before = signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S / 2, LIMIT_S / 2)
        limits = resource.getrlimit(resource.RLIMIT_AS)
        most = _virtual_bytes() + 2 * GROWTH_MB * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limits)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
            faulthandler.cancel_dump_traceback_later()

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        now = time.process_time()
        number, since = self._watched
        if number != self._number:
            self._watched = (self._number, now)
        elif now - since > self._limit:
            raise _HangError
        if sys.__stderr__ is not None:
            faulthandler.dump_traceback_later(_DEAD_S, exit=True, file=sys.__stderr__)


def save(outcome: Outcome, folder: Path) -> Path:
    """Keep the input of a failure as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = (
        folder / f"{outcome.target}-{hashlib.blake2b(outcome.culprit, digest_size=6).hexdigest()}"
    )
    path.write_bytes(outcome.culprit)
    return path


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _virtual_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
