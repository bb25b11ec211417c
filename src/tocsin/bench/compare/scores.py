"""Scores of slow peers: computed once, kept in a folder, within a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.compare.peers import Peer
from tocsin.errors import OutputError

__all__ = ["Known", "Scored", "key_of", "score_all"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[str], None]

#: Rows that a peer scores first, unmeasured: it imports and compiles what it needs.
WARM_UP: Final = 200


@dataclass(frozen=True, slots=True)
class Scored:
    """What a peer said of one series."""

    score: Floats
    #: Bytes of its state at the end; None: not known.
    state_bytes: int | None
    #: Processor time it took.
    seconds: float
    #: Why it has no scores, only zeros; empty: it has.
    failure: str = ""


def key_of(times: Ints, values: Floats) -> bytes:
    """A name for a series by its contents."""
    return blake2b(times.tobytes() + values.tobytes(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Known:
    """A peer's scores of the series that it has scored."""

    peer: Peer
    scored: dict[bytes, Scored]

    def has(self, times: Ints, values: Floats) -> bool:
        """Whether it has scored this series."""
        return key_of(times, values) in self.scored

    def score(self, times: Ints, values: Floats) -> tuple[Floats, int | None]:
        """As the peer's, from what is known."""
        found = self.scored.get(key_of(times, values))
        if found is not None:
            return found.score, found.state_bytes
        if len(values) > WARM_UP:
            raise KeyError(f"{self.peer.name} has not scored this series of {len(values)} rows")
        return np.zeros(len(values)), None  # whose judge is only being warmed up

    @property
    def failures(self) -> list[str]:
        """Why it has no scores of some series."""
        return [one.failure for one in self.scored.values() if one.failure]

    @property
    def seconds(self) -> float:
        """Processor time it took for all of them."""
        return sum(one.seconds for one in self.scored.values())

    @property
    def us_per_sample(self) -> float:
        """Microseconds of one core per sample."""
        rows = sum(len(one.score) for one in self.scored.values())
        return self.seconds / max(rows, 1) * 1e6


def score_all(
    peer: Peer,
    series: Sequence[tuple[Ints, Floats]],
    folder: Path | None = None,
    limit_s: float | None = None,
    progress: Progress = lambda _: None,
) -> Known:
    """A peer's scores of series, in the order given, those that are kept in ``folder`` for nothing.

    ``limit_s``: no further series is begun after so many seconds; the others stay unknown.
    Errors: `OutputError`. Cost: the peer's.
    """
    kept = _Kept(peer, folder)
    known: dict[bytes, Scored] = {}
    clock = _Clock(peer.name, sum(len(values) for _, values in series), progress)
    for times, values in series:
        key = key_of(times, values)
        found = known.get(key) or kept.recall(key, len(values))
        if found is not None:
            clock.skip(len(values))
        elif limit_s is not None and clock.spent >= limit_s:
            continue
        else:
            found = clock.time(peer, times, values)
            kept.keep(key, found)
        known[key] = found
    return Known(peer, known)


class _Clock:
    """Times a peer's series and says how long the rest will take."""

    def __init__(self, name: str, rows: int, progress: Progress) -> None:
        self._name = name
        self._left = rows
        self._done = 0
        self._progress = progress
        #: Seconds since the first series was begun.
        self.spent = 0.0

    def skip(self, rows: int) -> None:
        self._left -= rows

    def time(self, peer: Peer, times: Ints, values: Floats) -> Scored:
        self._say()
        begin = time.monotonic()
        if not self._done:
            _scored(peer, times[:WARM_UP], values[:WARM_UP])
            begin = time.monotonic()
        found = _scored(peer, times, values)
        self.spent += time.monotonic() - begin
        self._done += len(values)
        self._left -= len(values)
        return found

    def _say(self) -> None:
        rest = ""
        if self._done:
            minutes = self.spent / self._done * self._left / 60.0
            rest = f", about {minutes:.0f} min to go"
        self._progress(f"{self._name}: {self._left:,} samples left{rest}")


def _scored(peer: Peer, times: Ints, values: Floats) -> Scored:
    begin = time.process_time()
    try:
        score, size = peer.score(times, values)
        failure = ""
    except ImportError:
        raise
    except Exception as error:  # somebody else's code: whatever it raises is its result
        score, size, failure = np.zeros(len(values)), None, f"{type(error).__name__}: {error}"
    return Scored(score, size, time.process_time() - begin, failure)


class _Kept:
    """One peer's scores in a folder, a file a series; another version of it has other files."""

    def __init__(self, peer: Peer, folder: Path | None) -> None:
        self._folder = None
        if folder is not None:
            name = "".join(c if c.isalnum() else "-" for c in peer.name.lower())
            self._folder = folder / f"{name}-{_version(peer)}-{peer.revision}"

    def recall(self, key: bytes, rows: int) -> Scored | None:
        if self._folder is None:
            return None
        path = self._folder / f"{key.hex()}.npz"
        try:
            with path.open("rb") as whole, np.load(whole) as file:
                size = int(file["state_bytes"])
                score, failure = file["score"], str(file["failure"])
                found = Scored(score, None if size < 0 else size, float(file["seconds"]), failure)
        except (OSError, ValueError, KeyError, BadZipFile):
            return None
        return found if len(found.score) == rows else None

    def keep(self, key: bytes, found: Scored) -> None:
        if self._folder is None:
            return
        size = -1 if found.state_bytes is None else found.state_bytes
        part = self._folder / f"{key.hex()}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                np.savez_compressed(
                    file,
                    score=found.score,
                    state_bytes=size,
                    seconds=found.seconds,
                    failure=found.failure,
                )
            part.replace(part.with_suffix(".npz"))
        except OSError as error:
            raise OutputError(f"cannot write to {self._folder}: {error.strerror}") from error


def _version(peer: Peer) -> str:
    if not peer.module:
        return "own"
    try:
        return version(peer.module)
    except PackageNotFoundError:
        return "unknown"
