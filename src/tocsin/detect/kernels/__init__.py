"""A metric's row of state and the step over it: what is shared, and one file a likelihood.

Compiled functions are kept on disk by module, so each likelihood has a step of its own, made of
the same parts, and only the one that is chosen is loaded or compiled. Each model likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tocsin.detect.settings import Settings

__all__ = ["Kernel", "kernel_of"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """How the metrics of one fleet are kept and scored."""

    #: One metric's whole state.
    row: np.dtype[np.void]
    #: Samples before there is a likelihood.
    needed: int
    #: Scores and learns samples over rows: see ``score_samples`` in the kernel's module.
    score: Callable[..., None]
    #: Whether a sample takes long enough that the engine scores behind the commit.
    slow: bool = False
    #: Raised with every change that gives other scores from the same state: saved states of
    #: another revision are not loaded, but learnt anew.
    revision: int = 4


@lru_cache(maxsize=256)
def kernel_of(settings: Settings) -> Kernel:
    """How metrics with these settings are kept and scored."""
    if settings.foreign:
        return _raw(settings.likelihood)
    if settings.model == "htm":
        from tocsin.detect.kernels.htm import kernel_for

        return kernel_for(settings)
    if settings.likelihood == "gaussian":
        from tocsin.detect.kernels import gaussian

        return Kernel(gaussian.ROW, gaussian.NEEDED, gaussian.score_samples)
    from tocsin.detect.kernels import evidence

    return Kernel(evidence.ROW, evidence.NEEDED, evidence.score_samples)


def _raw(likelihood: str) -> Kernel:
    """For raw scores that come from somewhere else."""
    if likelihood == "gaussian":
        from tocsin.detect.kernels import raw_gaussian

        return Kernel(raw_gaussian.ROW, raw_gaussian.NEEDED, raw_gaussian.score_samples, slow=True)
    from tocsin.detect.kernels import raw

    return Kernel(raw.ROW, raw.NEEDED, raw.score_samples, slow=True)
