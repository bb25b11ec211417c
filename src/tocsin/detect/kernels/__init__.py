"""A metric's row of state and the step over it: what is shared, and one file a likelihood.

Compiled functions are kept on disk by module, so each likelihood has a step of its own, made of
the same parts, and only the one that is chosen is loaded or compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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


def kernel_of(likelihood: str) -> Kernel:
    """The kernel of a likelihood: one of `tocsin.detect.settings.LIKELIHOODS`."""
    if likelihood == "gaussian":
        from tocsin.detect.kernels import gaussian

        return Kernel(gaussian.ROW, gaussian.NEEDED, gaussian.score_samples)
    from tocsin.detect.kernels import evidence

    return Kernel(evidence.ROW, evidence.NEEDED, evidence.score_samples)
