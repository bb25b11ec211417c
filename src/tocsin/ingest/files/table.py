"""A file as columns: what CSV and Parquet have in common."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Table", "column_names"]


@dataclass(slots=True)
class Table:
    """Columns of one length: pyarrow arrays by name, without nulls when they hold text.

    ``lines`` is the line of each row in the file; ``rows`` counts refused rows too; ``form`` says
    how the file is written, for people.
    """

    columns: dict[str, Any]
    lines: NDArray[np.int64]
    rows: int
    form: str
    notices: list[str] = field(default_factory=list)
    #: Columns that are labels, where the file itself says so.
    labels: list[str] = field(default_factory=list)


def column_names(cells: list[str]) -> tuple[list[str], list[str]]:
    """Names for columns out of a header's cells, and notices about names that were made up.

    >>> column_names(["t", "v", "", "v"])
    (['t', 'v', 'column_3', 'v_2'], ["more than one column is called 'v': the others are 'v_2'"])
    """
    names: list[str] = []
    renamed: dict[str, list[str]] = {}
    seen: Counter[str] = Counter()
    taken = {cell.strip() for cell in cells}
    for position, cell in enumerate(cells, start=1):
        plain = cell.strip() or f"column_{position}"
        seen[plain] += 1
        name = plain
        while name in names or (name != plain and name in taken):
            name = f"{plain}_{max(seen[plain], 2)}"
            seen[plain] += name in names or name in taken
        if name != plain:
            renamed.setdefault(plain, []).append(name)
        names.append(name)
    notices = [
        f"more than one column is called {plain!r}: the others are {', '.join(map(repr, others))}"
        for plain, others in renamed.items()
    ]
    return names, notices
