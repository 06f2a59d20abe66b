"""The order of rows that the pivots of an LU put them in: one exchange after the other.

Exchange i swaps places i and ``pivots[i]``. From the last to the first, the same exchanges undo
all, which gives the inverse order. Short rows are exchanged by comparing places, all rows of a
batch at once; longer ones element by element, in one loop over the rows of all batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import DType, int32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    Op,
    Slots,
    no_tangent,
    not_linear,
    same_locally,
    show_shape,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.batched import batched
from verax.compiler.ops.contract import broadcast, total
from verax.compiler.ops.layout import Iota, Reshape, Reverse
from verax.compiler.ops.loop_text import INDEX, write_less, write_loop, write_next
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.slicing import DynamicSlice, DynamicUpdateSlice

SHORT = 32
"""Up to this length comparing all places is faster than a loop over the rows of all batches."""


class Permutation(Op, name="permutation"):
    """The order ``int32[..., size]`` that pivots ``int32[..., k]`` put rows in.

    Args:
        size: the number of rows.
        inverse: give the order that undoes it.
    """

    size: Size
    inverse: bool = False
    aligned = True

    def factors(self, *shapes: Shape) -> Factors:
        if not shapes[0]:
            raise ShapeError(f"permutation takes vectors of pivots, got {show_shape(shapes[0])}")
        return batched(shapes, ["k"], ["m"], sizes={"m": self.size})

    def dtype(self, *ts: ArrayType) -> DType:
        check_pivots(self.name, ts[0])
        return int32

    tangent = no_tangent
    transpose = not_linear
    local = same_locally

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(self, *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (pivots,), (t,) = xts, yts
        if 0 in (t.size, pivots.size):
            return e.inline(in_order(t), [])
        together = cast(int, self.size) <= SHORT
        start, step, steps = (_together if together else _one_by_one)(pivots, t, self.inverse)
        first, last = e.constant(0, INDEX), e.constant(steps, INDEX)
        order, *rest = e.inline(start, xs)

        def write(args: list[str]) -> list[str]:
            return [write_next(e, args[0]), *e.inline(step, [*args, *rest])]

        types = [INDEX, start.out_types[0]]
        loop = write_loop(e, [first, order], types, lambda a: write_less(e, a[0], last), write)
        return e.inline(_reshaped(cast(ArrayType, start.out_types[0]), t), loop[1:])


def check_pivots(name: str, t: ArrayType) -> None:
    if t.dtype is not int32:
        raise DTypeError(f"{name} takes pivots of int32, got {t}", fix="pivots.astype(vx.int32)")


def places(b: Builder, t: ArrayType) -> Term:
    """int32 of this shape: at which place of the last dimension an element stands."""
    return Term(b, b.emit(broadcast(t.shape, (t.ndim - 1,)), b.emit(Iota(t.shape[-1], int32))))


@lru_cache(1024)
def in_order(t: ArrayType) -> Program:
    """0, 1, 2... along the last dimension."""
    b = Builder()
    return b.finish([places(b, t).slot])


@lru_cache(1024)
def _reshaped(source: ArrayType, to: ArrayType) -> Program:
    b = Builder()
    return b.finish([b.emit(Reshape(to.shape), b.input(source))])


@lru_cache(1024)
def _together(pivots: ArrayType, t: ArrayType, inverse: bool) -> tuple[Program, Program, int]:
    """pivots -> order, pivots; and a step (i, order, pivots) -> order for all rows of a batch."""
    b = Builder()
    swaps = b.input(pivots)
    start = b.finish([places(b, t).slot, swaps])
    b, k = Builder(), cast(int, pivots.shape[-1])
    i, order, swaps_ = (Term(b, b.input(x)) for x in (INDEX, t, pivots))
    row = k - 1 - i if inverse else i
    spread = broadcast(t.shape, range(t.ndim - 1))

    def at(x: Term, mask: Term) -> Term:
        return mask.where(x, 0).apply(total(t.ndim, (t.ndim - 1,))).apply(spread)

    here = places(b, t).eq(row.apply(broadcast(t.shape, ())))
    there = at(swaps_, places(b, pivots).eq(row.apply(broadcast(pivots.shape, ()))))
    other = places(b, t).eq(there)
    out = here.where(at(order, other), other.where(at(order, here), order))
    return start, b.finish([out.slot]), k


@lru_cache(1024)
def _one_by_one(pivots: ArrayType, t: ArrayType, inverse: bool) -> tuple[Program, Program, int]:
    """pivots -> order, from, to, all flat; and a step (i, order, from, to) -> order."""
    b = Builder()
    swaps = Term(b, b.input(pivots))
    steps, count = cast(int, pivots.size), cast(int, t.size)
    flat, rows = (
        ArrayType((steps,), int32),
        ArrayType((steps // cast(int, pivots.shape[-1]),), int32),
    )
    offset = Term(b, b.emit(Iota(rows.shape[0], int32))) * cast(int, t.shape[-1])
    offset = offset.apply(Reshape(pivots.shape[:-1])).apply(
        broadcast(pivots.shape, range(pivots.ndim - 1))
    )
    ends = [(x + offset).apply(Reshape(flat.shape)) for x in (places(b, pivots), swaps)]
    if inverse:
        ends = [x.apply(Reverse((0,))) for x in ends]
    order = places(b, t).apply(Reshape((count,)))
    start = b.finish([order.slot, *[x.slot for x in ends]])

    b = Builder()
    i, order, source, target = (
        Term(b, b.input(x)) for x in (INDEX, ArrayType((count,), int32), flat, flat)
    )
    take, put = DynamicSlice((1,)), DynamicUpdateSlice((0,))
    p, q = (x.apply(take, i).apply(Reshape(())) for x in (source, target))
    x, y = order.apply(take, p), order.apply(take, q)
    return start, b.finish([order.apply(put, y, p).apply(put, x, q).slot]), steps
