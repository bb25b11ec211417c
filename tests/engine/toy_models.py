"""Models as somebody else might write them: good ones, and ones that fail in every way.

Tests name them by their path, and a worker process imports them, so they import nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

#: A sample with this value is poison.
POISON = 666.0


class Mean:
    """How far the value is from the mean of all before it."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.count = 0
        self.mean = 0.0

    def score_one(self, value: float) -> float:
        return abs(value - self.mean) * self.scale if self.count else 0.0

    def learn_one(self, value: float) -> None:
        self.count += 1
        self.mean += (value - self.mean) / self.count


class Keeper(Mean):
    """One that can be saved."""

    def to_bytes(self) -> bytes:
        return json.dumps([self.scale, self.count, self.mean]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Keeper:
        kept = cls()
        kept.scale, kept.count, kept.mean = json.loads(data)
        return kept


class RiverLike:
    """Takes features, as River's models do."""

    def __init__(self) -> None:
        self.mean = Mean()

    def score_one(self, x: dict[str, float]) -> float:
        return self.mean.score_one(x["value"])

    def learn_one(self, x: dict[str, float], weight: float = 1.0) -> None:
        assert weight == 1.0
        self.mean.learn_one(x["value"])


class Supervised(RiverLike):
    """Takes the value as the target, and no features."""

    def score_one(self, x: Any, y: float) -> float:  # type: ignore[override]
        assert x is None
        return self.mean.score_one(y)

    def learn_one(self, x: Any, y: float) -> None:  # type: ignore[override]
        assert x is None
        self.mean.learn_one(y)


class Seconds:
    """Scores the time that a sample has, to see that it gets there."""

    def score_one(self, value: float, timestamp: int = 0) -> float:
        return timestamp / 1e9 + 0.0 * value

    def learn_one(self, value: float) -> None:
        pass


class Dice:
    """Left to chance, unless somebody gives it a seed."""

    def __init__(self, seed: int | None = None) -> None:
        import random

        self.random = random.Random(seed)

    def score_one(self, value: float) -> float:
        return self.random.random() + 0.0 * value

    def learn_one(self, value: float) -> None:
        pass


class Raises(Mean):
    """Raises at a poisoned sample."""

    def learn_one(self, value: float) -> None:
        if value == POISON:
            raise ZeroDivisionError("this value\nis poison")
        super().learn_one(value)


class Leaves(Mean):
    def score_one(self, value: float) -> float:
        if value == POISON:
            sys.exit(3)
        return super().score_one(value)


class Exits(Mean):
    def score_one(self, value: float) -> float:
        if value == POISON:
            print("going down", file=sys.stderr, flush=True)
            os._exit(7)
        return super().score_one(value)


class Crashes(Mean):
    """Falls over as C code does."""

    def score_one(self, value: float) -> float:
        if value == POISON:
            signal.raise_signal(signal.SIGSEGV)
        return super().score_one(value)


class Hangs(Mean):
    def score_one(self, value: float) -> float:
        while value == POISON:
            time.sleep(0.01)
        return super().score_one(value)


class HangsWithChildren(Mean):
    """Leaves a child behind that holds on to everything, and never comes back."""

    def __init__(self, note: str = "") -> None:
        super().__init__()
        self.note = note

    def score_one(self, value: float) -> float:
        if value == POISON:
            child = subprocess.Popen(["sleep", "600"])
            Path(self.note).write_text(str(child.pid))
            time.sleep(600)
        return super().score_one(value)


class Eats(Mean):
    """Wants more memory than there is."""

    def score_one(self, value: float) -> float:
        if value == POISON:
            return float(len(bytearray(1 << 36)))
        return super().score_one(value)


class Chatters(Mean):
    """Prints, and reads its input: neither may get in the way."""

    def score_one(self, value: float) -> float:
        print("a score is wanted", "x" * 10_000)
        os.write(1, b"\xff\xff\xff\xff")
        assert sys.stdin.read() == ""
        return super().score_one(value)


class Answers:
    """Gives what it was told to give."""

    def __init__(self, what: Any = None) -> None:
        self.what = what

    def score_one(self, value: float) -> Any:
        return self.what if value == POISON else 0.5

    def learn_one(self, value: float) -> None:
        pass


class ToldError(Exception):
    def __str__(self) -> NoReturn:
        raise RuntimeError("no text")


class RaisesBadly(Mean):
    def score_one(self, value: float) -> float:
        if value == POISON:
            raise ToldError
        return super().score_one(value)


class Environment(Mean):
    """Looks for what is none of its business."""

    def score_one(self, value: float) -> float:
        return float(sum(key.startswith("TOCSIN_") for key in os.environ))


class Picky:
    def score_one(self, value: float, mood: str) -> float:
        return 0.0

    def learn_one(self, value: float) -> None:
        pass


class BadState(Keeper):
    @classmethod
    def from_bytes(cls, data: bytes) -> BadState:
        os._exit(9)


def tuned() -> Mean:
    """A function that makes a model."""
    return Mean(scale=2.0)


def broken() -> Mean:
    raise LookupError("no file")


class NoModel:
    pass
