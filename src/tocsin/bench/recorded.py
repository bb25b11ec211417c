"""What HTM Engine's own quality test asked of a labelled series, and what it recorded.

Its test ran a series through the service and counted rows whose anomaly score was above 0.99
against labels, within a window of six rows; the counts it got were then locked in as expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.nab.corpus import NabFile
from tocsin.detect.fleet import Fleet
from tocsin.detect.settings import Settings

__all__ = ["NETWORK_IN", "RECORDED", "THRESHOLD", "Matrix", "judge", "score_matrix"]

#: The series of that test that NAB has as well.
NETWORK_IN: Final = "realAWSCloudwatch/iio_us-east-1_i-a2eb1cd9_NetworkIn.csv"
#: Its labelled rows are these; the ones before are not judged.
_LABELLED: Final = range(338, 343)
#: Likelihood from which a row counts as found.
THRESHOLD: Final = 0.99
#: Rows after a label in which it may be found, and in which nothing counts as false.
_WINDOW: Final = 6


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows found and missed, and rows falsely and rightly not found."""

    true_positive: int
    false_negative: int
    false_positive: int
    true_negative: int

    @property
    def quality(self) -> int:
        """One number for it: 100 a hit, -10 a miss, -50 a false alarm.

        >>> RECORDED.quality
        -300
        """
        return 100 * self.true_positive - 50 * self.false_positive - 10 * self.false_negative


#: What HTM Engine had on `NETWORK_IN`.
RECORDED: Final = Matrix(0, 5, 5, 890)


def score_matrix(
    found: NDArray[np.bool_], labels: NDArray[np.bool_], first: int = 0, window: int = _WINDOW
) -> Matrix:
    """Count rows from ``first`` on by that test's rules.

    A labelled row is found if it or one of the next ``window`` is; a row without a label is
    ignored when one of the ``window`` rows before has one.
    """
    counts = {"hit": 0, "missed": 0, "false": 0, "quiet": 0}
    for row in range(first, len(found)):
        if labels[row]:
            counts["hit" if found[row : row + window + 1].any() else "missed"] += 1
        elif not labels[max(row - window, 0) : row].any():
            counts["false" if found[row] else "quiet"] += 1
    return Matrix(counts["hit"], counts["missed"], counts["false"], counts["quiet"])


def judge(file: NabFile, settings: Settings) -> Matrix:
    """`NETWORK_IN` through a detector from an empty state, strictly causal."""
    rows = np.zeros(len(file.values), dtype=np.int64)
    scored = Fleet(settings, 1).update(rows, file.timestamps, file.values)
    labels = np.zeros(len(rows), dtype=bool)
    labels[_LABELLED] = True
    found = np.nan_to_num(scored["likelihood"], nan=0.0) > THRESHOLD
    return score_matrix(found, labels, _LABELLED.start - 1)
