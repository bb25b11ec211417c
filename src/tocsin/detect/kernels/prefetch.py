"""Prefetch: have a metric's state brought to the processor while another's sample is scored."""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tocsin.detect.compile import kernel

__all__ = ["fetch"]

_LINE: Final = 64


@intrinsic
def _bring(context: Any, array: Any, index: Any, offset: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = builder.extract_value(made.strides, 0)
        start = builder.add(builder.mul(arguments[1], stride), arguments[2])
        address = builder.add(builder.ptrtoint(made.data, ir.IntType(64)), start)
        pointer = builder.inttoptr(address, cgutils.voidptr_t)
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        call = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], kind)
        builder.call(call, [pointer, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), code


@kernel
def fetch(rows: Any, metric: int) -> None:
    """Ask for the whole state of a metric; it does not wait."""
    for offset in range(0, rows.itemsize, _LINE):
        _bring(rows, metric, offset)
