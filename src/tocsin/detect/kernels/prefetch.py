"""Prefetch: a metric's state is on its way to the processor while another's sample is scored.

States of very many metrics lie in memory that is a hundred times slower than arithmetic. What a
step reads from end to end, the processor fetches by itself; what it reads here and there, it has
to be told. To ask for memory changes nothing, and does not wait.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from tocsin.detect.compile import kernel

__all__ = ["fetch", "lines_of"]

#: Bytes that memory gives at once.
_LINE: Final = 64


def lines_of(row: np.dtype[np.void], *fields: tuple[str, int, int]) -> NDArray[np.int64]:
    """Where the memory lines of parts of a state begin, in rising order.

    ``fields``: names with dots, and which bytes from the field's beginning on, from and to.
    """
    found: set[int] = set()
    for name, first, last in fields:
        start = 0
        layout: np.dtype[Any] = row
        for part in name.split("."):
            inside: Any = layout.fields
            layout, place = inside[part][:2]
            start += place
        found |= set(range((start + first) // _LINE * _LINE, start + last, _LINE))
    return np.array(sorted(found), dtype=np.int64)


def _asked(_typing: Any, rows: Any, _metric: Any, _offset: Any) -> Any:
    """How Numba is to compile the asking for the line at an offset of a row."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, given[0])
        row = builder.mul(given[1], builder.extract_value(array.strides, 0))
        start = builder.ptrtoint(array.data, ir.IntType(64))
        address = builder.add(builder.add(start, row), given[2])
        pointer = builder.inttoptr(address, cgutils.voidptr_t)
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], kind)
        # To be read, as near as can be, data.
        builder.call(ask, [pointer, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(rows, types.int64, types.int64), code


_ask: Any = intrinsic(_asked)


@kernel
def fetch(rows: Any, metric: int, lines: NDArray[np.int64]) -> None:
    """Ask for some lines of a metric's state, which must be there: see `lines_of`."""
    for k in range(len(lines)):
        _ask(rows, metric, lines[k])
