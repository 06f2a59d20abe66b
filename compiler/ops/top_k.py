"""top_k: the k greatest or least elements along a dimension, in order, and where they stand.

On CPU the selection is XLA's, which compares 32 bits of a float as an integer: so every key of up
to 32 bits is given to it as the float of that order. Wider keys, and large k, are sorted.

Law: it is the first k of a stable sort, descending or ascending, with the places; so a NaN counts
as the greatest of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import DType, float32, int32, uint32
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    not_linear,
    same_locally,
    show_shape,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.bits import XOR, Bitcast
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.indexing import take_along
from verax.compiler.ops.kinds import check_kind
from verax.compiler.ops.layout import Iota, within
from verax.compiler.ops.places import greatest, move
from verax.compiler.ops.pointwise import ORDERED, Term
from verax.compiler.ops.slicing import Slice
from verax.compiler.ops.sort import Sort, flipped, order_key

FEW = 8
"""The selection is faster than sorting where k is this part of the elements or less."""


class TopK(Op, name="top_k"):
    """Results: the k first elements in order along ``axis``, and their places as int32.

    Args:
        axis: along which dimension.
        k: how many.
        largest: the greatest first, or the least.
    """

    axis: int
    k: Size
    largest: bool = True

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        within(self.name, (self.axis,), shape)
        n = shape[self.axis]
        if isinstance(n, int) and isinstance(self.k, int) and not 0 <= self.k <= n:
            raise ShapeError(
                f"top_k: dimension {self.axis} of {show_shape(shape)} has no {self.k} elements"
            )
        dims = tuple((i,) for i in range(len(shape)))
        few = tuple(("k",) if i == self.axis else (i,) for i in range(len(shape)))
        return Factors((dims,), (few, few), whole=frozenset({self.axis, "k"}), sizes={"k": self.k})

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        values, places = cast("tuple[ArrayType, ArrayType]", super().types(*ts))
        return values, ArrayType(places.shape, int32)

    def dtype(self, *ts: ArrayType) -> DType:
        check_kind(self.name, ORDERED, ts[0])
        return ts[0].dtype

    local = same_locally

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        (t,) = ts
        if t is None or not has_tangent(b.types[ys[0]]):
            return [None, None]
        return [take_along(b, t, ys[1], self.axis), None]

    transpose = not_linear

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return b.emit_all(TopK(self.axis + 1, self.k, self.largest), *xs), [True, True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        t, n, k = xts[0], cast(int, xts[0].shape[self.axis]), cast(int, self.k)
        if yts[0].size == 0:
            return [e.constant(0, yts[0]), e.constant(0, yts[1])]
        if e.platform != "cpu" or t.dtype.bits > 32 or n > greatest(int32) or k * FEW > n:
            return e.inline(_by_sorting(self, t), xs)
        (key,) = e.inline(_selection_key(self, t), xs)
        return e.inline(_selected(self, t), [*xs, _select(e, key, self, t)])


def _select(e: Emitter, key: str, op: TopK, t: ArrayType) -> str:
    """Write XLA's selection along the last dimension; the places of the greatest."""
    rest = [n for i, n in enumerate(t.shape) if i != op.axis]
    keys = ArrayType((*rest, t.shape[op.axis]), float32)
    values, places = (ArrayType((*rest, op.k), d) for d in (float32, int32))
    text = f'"chlo.top_k"({key}) <{{k = {op.k} : i64}}>'
    return e.ops(f"{text} : ({keys.mlir}) -> ({values.mlir}, {places.mlir})", 2)[1]


@lru_cache(1024)
def _selection_key(op: TopK, t: ArrayType) -> Program:
    """Floats whose bits are ordered as the elements are; XLA's selection compares those."""
    b = Builder()
    key = ordered_int32(Term(b, move(b, b.input(t), op.axis, t.ndim - 1)))
    if not op.largest:
        key = key.apply(XOR, -1)
    return b.finish([flipped(key).apply(Bitcast(float32)).slot])


def ordered_int32(x: Term) -> Term:
    """int32 that are ordered as x, of up to 32 bits, is."""
    dtype = x.type.dtype
    if dtype.is_float:
        return order_key(x).to(int32)
    if dtype is uint32:
        return x.apply(XOR, 1 << 31).apply(Bitcast(int32))
    return x.to(int32)


@lru_cache(1024)
def _selected(op: TopK, t: ArrayType) -> Program:
    """The elements at their places."""
    b = Builder()
    last = t.ndim - 1
    x = b.input(t)
    rest = tuple(n for i, n in enumerate(t.shape) if i != op.axis)
    places = move(b, b.input(ArrayType((*rest, op.k), int32)), last, op.axis)
    return b.finish([take_along(b, x, places, op.axis), places])


@lru_cache(1024)
def _by_sorting(op: TopK, t: ArrayType) -> Program:
    """The first of all in order."""
    b = Builder()
    x = b.input(t)
    places = b.emit(broadcast(t.shape, (op.axis,)), b.emit(Iota(t.shape[op.axis], int32)))
    ys = b.emit_all(Sort(op.axis, 1, (0,) if op.largest else ()), x, places)
    first = Slice(tuple((0, op.k, 1) if i == op.axis else None for i in range(t.ndim)))
    return b.finish([b.emit(first, y) for y in ys])
