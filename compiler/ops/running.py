"""The StableHLO of running results: a loop over one dimension that carries the row before.

A row is everything at one place of the dimension, so that a step is a vector operation. Rows are
read and written where they lie; along the last dimension they would be strided, and the caller
brings that one to the front first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from verax.compiler.ir.op import Emitter
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.loop_text import INDEX, write_less, write_loop, write_next


def write_running(
    e: Emitter,
    xs: Sequence[str],
    t: ArrayType,
    axis: int,
    reverse: bool,
    combine: Callable[[str, Sequence[str], ArrayType], str],
) -> str:
    """Write ``y[i] = combine(y[i - 1], x[i]...)`` for operands of one type; y[0] is the last x's.

    Args:
        reverse: begin at the end, with y[i + 1] in place of y[i - 1].
        combine: writes a row, given the one before, the rows of the operands, and their type.
    """
    n = cast(int, t.shape[axis])
    row = ArrayType((*t.shape[:axis], 1, *t.shape[axis + 1 :]), t.dtype)
    zero, one = e.constant(0, INDEX), e.constant(1, INDEX)
    end, last = e.constant(n, INDEX), e.constant(n - 1, INDEX)
    indices = ", ".join([INDEX.mlir] * t.ndim)

    def starts(i: str) -> str:
        return ", ".join([i if d == axis else zero for d in range(t.ndim)])

    def read(x: str, i: str) -> str:
        sizes = list(row.shape)
        types = f"({t.mlir}, {indices}) -> {row.mlir}"
        return e.op(f"stablehlo.dynamic_slice {x}, {starts(i)}, sizes = {sizes} : {types}")

    def write(y: str, value: str, i: str) -> str:
        types = f"({t.mlir}, {row.mlir}, {indices}) -> {t.mlir}"
        return e.op(f"stablehlo.dynamic_update_slice {y}, {value}, {starts(i)} : {types}")

    def step(args: list[str]) -> list[str]:
        k, before, y = args
        i = e.op(f"stablehlo.subtract {last}, {k} : {INDEX.mlir}") if reverse else k
        value = combine(before, [read(x, i) for x in xs], row)
        return [write_next(e, k), value, write(y, value, i)]

    first = read(xs[-1], last if reverse else zero)
    inits, types = [one, first, xs[-1]], [INDEX, row, t]
    return write_loop(e, inits, types, lambda args: write_less(e, args[0], end), step)[2]
