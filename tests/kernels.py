"""Have everything compiled before the tests, once: else each process of theirs would do it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

import numpy as np

from tocsin.detect.fleet import Fleet
from tocsin.detect.settings import LIKELIHOODS, MODELS, Settings
from tocsin.ingest.warming import Warming

_FOREIGN: Final = "tests.engine.toy_models.Mean"
_CORES: Final = 2


def _score(model: str, likelihood: str) -> None:
    settings = Settings(model=model, likelihood=likelihood)
    one = np.zeros(1, dtype=np.int64)
    if settings.foreign:
        Fleet(settings, 1).judge(one, one + 1, np.zeros(1), np.zeros(1))
    else:
        Fleet(settings, 1).update(one, one + 1, np.zeros(1))


def _decode() -> None:
    warming = Warming()
    warming.start()
    warming.wait()


def work() -> list[Callable[[], None]]:
    """What compiles everything, the longest first."""
    models = sorted({*MODELS, _FOREIGN}, key=lambda model: model != "htm")
    scoring = [partial(_score, model, one) for model in models for one in LIKELIHOODS]
    return [*scoring[:2], _decode, *scoring[2:]]


def main() -> None:
    began = time.monotonic()
    with ProcessPoolExecutor(_CORES) as pool:
        for done in [pool.submit(one) for one in work()]:
            done.result()
    sys.stdout.write(f"kernels are compiled, in {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
