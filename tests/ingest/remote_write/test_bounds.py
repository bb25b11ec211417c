"""The kernels without a compiler: there, a step beyond the bytes or columns is an error."""

from __future__ import annotations

import os
import random
import subprocess
import sys

from tests.fuzz.remote_write import SEEDS, one

_INPUTS = 4_000


def mutated(count: int) -> list[bytes]:
    """Seeds with some bytes changed, cut out or put in: many are almost well formed."""
    rng = random.Random(7)
    found = []
    for _ in range(count):
        data = bytearray(rng.choice(SEEDS))
        for _ in range(rng.randint(1, 4)):
            at = rng.randint(1, len(data))
            more = bytes(
                rng.choices([0, 1, 2, 9, 10, 18, 34, 42, 127, 128, 255], k=rng.randint(0, 2))
            )
            data[at : at + rng.randint(0, 2)] = more
        found.append(bytes(data))
    return found


def test_no_step_leaves_the_bytes() -> None:
    # Numbers of 64 bits overflow on purpose, of which NumPy alone would warn.
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", __name__]
    done = subprocess.run(
        command,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout.split()) == (0, [str(_INPUTS)]), done.stderr


if __name__ == "__main__":
    for data in mutated(_INPUTS):
        one(data)
    print(_INPUTS)
