"""The StableHLO of loops: a while over values, and rows of stacked arrays.

Rows are taken and set at a scalar index of int32; a stack of keys is one of their words. Regions
see the values around them, so consts are not part of what a loop carries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verax.compiler.ir.dtypes import bool_, int32
from verax.compiler.ir.op import Emitter
from verax.compiler.ir.types import ArrayType, KeyType, Type

INDEX = ArrayType((), int32)
CONDITION = ArrayType((), bool_)


def write_loop(
    e: Emitter,
    inits: Sequence[str],
    ts: Sequence[Type],
    go: Callable[[list[str]], str],
    step: Callable[[list[str]], Sequence[str]],
) -> list[str]:
    """Write a loop that runs ``step`` on its values while ``go`` holds."""
    types = [physical(t) for t in ts]
    regions = f"{e.block(types, lambda args: [go(args)])}, {e.block(types, step)}"
    signature = ", ".join(t.mlir for t in types)
    text = f'"stablehlo.while"({", ".join(inits)}) ({regions}) : ({signature}) -> ({signature})'
    return e.ops(text, len(ts))


def write_less(e: Emitter, i: str, end: str) -> str:
    """i < end."""
    return e.op(
        f"stablehlo.compare LT, {i}, {end}, SIGNED : "
        f"({INDEX.mlir}, {INDEX.mlir}) -> {CONDITION.mlir}"
    )


def write_next(e: Emitter, i: str) -> str:
    """i + 1."""
    return e.op(f"stablehlo.add {i}, {e.constant(1, INDEX)} : {INDEX.mlir}")


def write_row(e: Emitter, x: str, t: ArrayType, i: str, zero: str) -> str:
    """Row i of x."""
    one, row = ArrayType((1, *t.shape[1:]), t.dtype), t.row()
    starts = ", ".join([i, *[zero] * row.ndim])
    given = ", ".join([t.mlir, *[INDEX.mlir] * t.ndim])
    sizes = ", ".join(map(str, one.shape))
    y = e.op(f"stablehlo.dynamic_slice {x}, {starts}, sizes = [{sizes}] : ({given}) -> {one.mlir}")
    return e.op(f"stablehlo.reshape {y} : ({one.mlir}) -> {row.mlir}")


def set_row(e: Emitter, stack: str, y: str, t: ArrayType, i: str, zero: str) -> str:
    """The stack with y as its row i."""
    one, row = ArrayType((1, *t.shape[1:]), t.dtype), t.row()
    y = e.op(f"stablehlo.reshape {y} : ({row.mlir}) -> {one.mlir}")
    starts = ", ".join([i, *[zero] * row.ndim])
    given = ", ".join([t.mlir, one.mlir, *[INDEX.mlir] * t.ndim])
    return e.op(f"stablehlo.dynamic_update_slice {stack}, {y}, {starts} : ({given}) -> {t.mlir}")


def physical(t: Type) -> ArrayType:
    """The type of the buffer: a key is two words."""
    return t.physical if isinstance(t, KeyType) else t
