"""Reductions that are no sums: max, min, mul, and, or; and the index of an extreme.

Each is a monoid, so a reduced dimension may be cut: the results of the shards are combined by the
same monoid. Sums are contract's. Max and min have no identity that users would want to see, so
reducing an empty dimension by them raises.

Law: a NaN in the operand comes out of max and min, as in NumPy. XLA's CPU library of reductions
loses it, so they are lowered with a comparison of our own, unless ``nans`` is False.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import DType, float8_e4m3fn, int32, int64
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    no_tangent,
    not_linear,
    same_locally,
    show_shape,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Poly, Shape, Size
from verax.compiler.ir.types import ArrayType, has_tangent
from verax.compiler.ops.bits import OR
from verax.compiler.ops.contract import broadcast, canonical, total
from verax.compiler.ops.kinds import check_kind
from verax.compiler.ops.layout import Iota, Reshape, check_axes, within
from verax.compiler.ops.places import greatest
from verax.compiler.ops.pointwise import (
    ADD,
    BITS,
    MUL,
    NUMERIC,
    ORDERED,
    Compare,
    Term,
)
from verax.compiler.ops.slicing import Concatenate, Slice

TAKES: Mapping[str, tuple[str, ...]] = {
    "max": ORDERED,
    "min": ORDERED,
    "mul": NUMERIC,
    "and": BITS,
    "or": BITS,
}
COMBINE = {
    "max": "stablehlo.maximum",
    "min": "stablehlo.minimum",
    "mul": "stablehlo.multiply",
    "and": "stablehlo.and",
    "or": "stablehlo.or",
}


class Reduce(Op, name="reduce"):
    """The elements along ``axes`` combined by a monoid.

    Args:
        kind: max, min, mul, and, or. axes: the dimensions that go, in order. nans: of max and min,
        whether a NaN must come out. Where it reaches the result on another way
            (the maximum that softmax subtracts), False is several times faster on long rows.
    """

    kind: str
    axes: tuple[int, ...]
    nans: bool = True

    def validate(self) -> None:
        assert self.kind in TAKES, self.kind
        check_axes(f"reduce {self.kind}", self.axes)

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        within(f"reduce {self.kind}", self.axes, shape)
        if self.kind in ("max", "min"):
            check_some(f"reduce {self.kind}", self.axes, shape)
        kept = tuple((i,) for i in range(len(shape)) if i not in self.axes)
        ins = tuple((i,) for i in range(len(shape)))
        return Factors((ins,), (kept,), dict.fromkeys(self.axes, self.kind))

    def dtype(self, *ts: ArrayType) -> DType:
        check_kind(f"reduce {self.kind}", TAKES[self.kind], ts[0])
        return ts[0].dtype

    local = same_locally

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        (t,) = ts
        if t is None or not has_tangent(b.types[xs[0]]):
            return [None]
        if self.kind == "mul":
            return [self._product_tangent(b, xs[0], t)]
        return [self._extreme_tangent(b, xs[0], ys[0], t)]

    def _extreme_tangent(self, b: Builder, x: int, y: int, t: int) -> int:
        """The mean of the tangents of the elements that attain the extreme."""
        shape = b.types[x].shape
        kept = [i for i in range(len(shape)) if i not in self.axes]
        spread, add = broadcast(shape, kept), total(len(shape), self.axes)
        hit = Term(b, x).eq(Term(b, b.emit(spread, y))).to(Term(b, x).type.dtype)
        count = b.emit(spread, b.emit(add, hit.slot))
        return b.emit(add, (Term(b, t) * (hit / Term(b, count))).slot)

    def _product_tangent(self, b: Builder, x: int, t: int) -> int | None:
        """By the product rule along a tree of products, so that zeros need no care."""
        pair: tuple[int, int | None] = (x, t)
        for axis in reversed(self.axes):
            pair = product_along(b, *pair, axis)
        return pair[1]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return ()

    transpose = not_linear

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(Reduce(self.kind, tuple(a + 1 for a in self.axes), self.nans), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if not self.axes:
            return [xs[0]]
        scalar = ArrayType((), xts[0].dtype)
        initial = e.constant(identity(self.kind, scalar.dtype), scalar)
        region = e.block([scalar, scalar], lambda args: [self._combine(e, args, scalar)])
        return [
            e.op(
                f'"stablehlo.reduce"({xs[0]}, {initial}) <{{dimensions = array<i64: '
                f"{', '.join(map(str, self.axes))}>}}> ({region}) : "
                f"({xts[0].mlir}, {scalar.mlir}) -> {yts[0].mlir}"
            )
        ]

    def _combine(self, e: Emitter, args: Sequence[str], t: ArrayType) -> str:
        x, y = args
        if self.kind not in ("max", "min") or not t.dtype.is_float or not self.nans:
            return e.op(f"{COMBINE[self.kind]} {x}, {y} : {t.mlir}")
        types = f"({t.mlir}, {t.mlir}) -> tensor<i1>"
        direction = "GT" if self.kind == "max" else "LT"
        wins = e.op(f"stablehlo.compare {direction}, {x}, {y}, FLOAT : {types}")
        nan = e.op(f"stablehlo.compare NE, {x}, {x}, FLOAT : {types}")
        first = e.op(f"stablehlo.or {wins}, {nan} : tensor<i1>")
        return e.op(f"stablehlo.select {first}, {x}, {y} : tensor<i1>, {t.mlir}")


def check_some(name: str, axes: Sequence[int], shape: Shape) -> None:
    """Raise where a dimension is empty along which an extreme is looked for."""
    for axis in axes:
        if shape[axis] == 0:
            raise ShapeError(
                f"{name}: dimension {axis} of {show_shape(shape)} is empty, and there is no "
                "extreme of nothing",
                fix="give the reduction an initial value",
            )


def identity(kind: str, dtype: DType) -> bool | int | float:
    """What the monoid combines with anything to give that again."""
    if kind == "mul":
        return 1
    if kind == "or" or (kind == "max" and dtype.is_bool):
        return 0
    if kind == "and":
        return True if dtype.is_bool else -1 if dtype.kind == "int" else greatest(dtype)
    if dtype.is_float:
        most = 448.0 if dtype is float8_e4m3fn else math.inf  # that one has no infinity
        return -most if kind == "max" else most
    if kind == "min":
        return True if dtype.is_bool else greatest(dtype)
    return -greatest(dtype) - 1 if dtype.kind == "int" else 0


# products ----------------------------------------------------------------------------------------


def product_along(b: Builder, x: int, t: int | None, axis: int) -> tuple[int, int | None]:
    """The product along an axis and its tangent; an empty product is 1 and does not move."""
    n = b.types[x].shape[axis]
    if isinstance(n, Poly):
        return product_by_mask(b, x, t, axis)
    if n == 0:
        return b.emit(Reduce("mul", (axis,)), x), None
    while n > 1:
        x, t = _halved(b, x, t, axis, n)
        n -= n // 2
    shape = b.types[x].shape
    drop = Reshape(shape[:axis] + shape[axis + 1 :])
    return b.emit(drop, x), None if t is None else b.emit(drop, t)


def _halved(b: Builder, x: int, t: int | None, axis: int, n: int) -> tuple[int, int | None]:
    """The products of the first half with the second; an odd last element is kept."""
    ndim, half = len(b.types[x].shape), n // 2

    def part(x: int, start: int, limit: int) -> int:
        parts = tuple((start, limit, 1) if i == axis else None for i in range(ndim))
        return b.emit(Slice(parts), x)

    def with_rest(y: int, x: int) -> int:
        return y if n == 2 * half else b.emit(Concatenate(axis), y, part(x, 2 * half, n))

    u, v = part(x, 0, half), part(x, half, 2 * half)
    y = with_rest(b.emit(MUL, u, v), x)
    if t is None:
        return y, None
    du, dv = part(t, 0, half), part(t, half, 2 * half)
    return y, with_rest(b.emit(ADD, b.emit(MUL, du, v), b.emit(MUL, u, dv)), t)


def product_by_mask(b: Builder, x: int, t: int | None, axis: int) -> tuple[int, int | None]:
    """The same for a size that is not known yet: per element, the product of all others."""
    y = b.emit(Reduce("mul", (axis,)), x)
    if t is None:
        return y, None
    shape = b.types[x].shape
    square, places = (shape[axis], *shape), b.emit(Iota(shape[axis], int32))
    skipped, place = (Term(b, b.emit(broadcast(square, (d,)), places)) for d in (0, axis + 1))
    repeated = Term(b, b.emit(broadcast(square, range(1, len(square))), x))
    others = b.emit(Reduce("mul", (axis + 1,)), skipped.eq(place).where(1, repeated).slot)
    kept = tuple(i for i in range(len(shape)) if i != axis)
    return y, b.emit(canonical([(axis, *kept), tuple(range(len(shape)))], kept), others, t)


# the index of an extreme -------------------------------------------------------------------------


class ArgReduce(Op, name="arg_reduce"):
    """The index of the first greatest or least element along ``axis``; a NaN is both.

    It is no monoid on indices alone, so the axis is whole.

    Args:
        kind: argmax or argmin.
        axis: the dimension that goes.
        out_dtype: the integer dtype of the result.
    """

    kind: str
    axis: int
    out_dtype: DType

    def validate(self) -> None:
        assert self.kind in ("argmax", "argmin"), self.kind
        if not self.out_dtype.is_integer:
            raise DTypeError(
                f"{self.kind} gives indices, and {self.out_dtype} is no integer dtype",
                fix="dtype=vx.int32",
            )

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        within(self.kind, (self.axis,), shape)
        check_some(self.kind, (self.axis,), shape)
        n = shape[self.axis]
        if isinstance(n, int) and n - 1 > greatest(self.out_dtype):
            raise DTypeError(
                f"{self.kind}: {self.out_dtype} cannot count the {n} elements of "
                f"dimension {self.axis} of {show_shape(shape)}",
                fix="dtype=vx.int32",
            )
        kept = tuple((i,) for i in range(len(shape)) if i != self.axis)
        ins = tuple((i,) for i in range(len(shape)))
        return Factors((ins,), (kept,), whole=frozenset({self.axis}))

    def dtype(self, *ts: ArrayType) -> DType:
        check_kind(self.kind, ORDERED, ts[0])
        return self.out_dtype

    tangent = no_tangent
    transpose = not_linear
    local = same_locally

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(ArgReduce(self.kind, self.axis + 1, self.out_dtype), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return e.inline(_first_extreme(self, xts[0]), xs)


@lru_cache(1024)
def _first_extreme(op: ArgReduce, t: ArrayType) -> Program:
    """The least index among the elements that equal the extreme, or are NaN.

    Two plain reductions are several times faster than one of pairs, which XLA does not vectorize.
    """
    b = Builder()
    x = Term(b, b.input(t))
    kept = [i for i in range(t.ndim) if i != op.axis]
    extreme = x.apply(Reduce(op.kind.removeprefix("arg"), (op.axis,)))
    hit = x.eq(extreme.apply(broadcast(t.shape, kept)))
    if t.dtype.is_float:
        hit = hit.apply(OR, x.apply(Compare("NE"), x))
    n = cast(int, t.shape[op.axis])
    dtype = int32 if n <= greatest(int32) else int64
    index = b.emit(broadcast(t.shape, (op.axis,)), b.emit(Iota(n, dtype)))
    first = hit.where(Term(b, index), n - 1).apply(Reduce("min", (op.axis,)))
    return b.finish([first.to(op.out_dtype).slot])
