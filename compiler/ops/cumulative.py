"""Running sums, products, extrema and logsumexps along a dimension; and linear recurrences.

A recurrence is ``h[i] = a[i] * h[i - 1] + b[i]``. It is what the derivatives are: a running result
is a function of the one before it and of one element, so its tangent is a linear recurrence, whose
transpose is one again, backwards. Nothing is divided by elements, so zeros and infinities need no
care. Of equal extrema up to a place all share alike.

On CPU they run as loops whose steps are vectors (running.py), elsewhere in as few steps as there
are doublings. A long dimension is cut into blocks, which go side by side: rounding errors grow with
the length of a block and the number of blocks, not with their product.

Law: the dimension is whole, all others are free.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    same_locally,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.arithmetic import MAX, MIN
from verax.compiler.ops.barrier import Fence
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.kinds import check_kind
from verax.compiler.ops.layout import Reshape, within
from verax.compiler.ops.places import given, move
from verax.compiler.ops.pointwise import (
    ADD,
    MUL,
    NUMERIC,
    ORDERED,
    REAL,
    Pointwise,
    Term,
    add_any,
    one_dtype,
    splat,
)
from verax.compiler.ops.reduce import identity
from verax.compiler.ops.running import write_running
from verax.compiler.ops.slicing import Concatenate, Slice
from verax.compiler.ops.smooth import LOG_ADD_EXP, share

COMBINE: Mapping[str, Pointwise] = {
    "add": ADD,
    "mul": MUL,
    "max": MAX,
    "min": MIN,
    "log_add_exp": LOG_ADD_EXP,
}
TAKES: Mapping[str, tuple[str, ...]] = {
    "add": NUMERIC,
    "mul": NUMERIC,
    "max": ORDERED,
    "min": ORDERED,
    "log_add_exp": REAL,
}
LOOP = 1024
"""How many steps a loop takes at most; a longer dimension is cut."""
DOUBLE = 16
"""How many elements are combined by doubling at most."""


class Running(Op):
    """What both share: a dimension that is gone along, from the start or from the end."""

    axis: int
    reverse: bool
    aligned = True

    def factors(self, *shapes: Shape) -> Factors:
        within(self.name, (self.axis,), shapes[0])
        dims = tuple((i,) for i in range(len(shapes[0])))
        return Factors((dims,) * len(shapes), (dims,), whole=frozenset({self.axis}))

    local = same_locally

    def along(self, axis: int) -> Running:
        """The same along another dimension."""
        raise NotImplementedError(f"{self.name}: along")

    def blocked(self, ts: tuple[ArrayType, ...], size: int) -> Program:
        """The same in blocks of this size."""
        raise NotImplementedError(f"{self.name}: blocked")

    def doubled(self, ts: tuple[ArrayType, ...]) -> Program:
        """The same by combining ranges of elements, twice as long each time."""
        raise NotImplementedError(f"{self.name}: doubled")

    def combine(self, e: Emitter, before: str, rows: Sequence[str], t: ArrayType) -> str:
        """Write one step."""
        raise NotImplementedError(f"{self.name}: combine")

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(self.along(self.axis + 1), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        t, ts = xts[0], tuple(xts)
        n, size = cast(int, t.shape[self.axis]), cast(int, t.size)
        if n < 2 or size == 0:
            return [xs[-1]]
        if e.platform != "cpu":
            return e.inline(self.doubled(ts) if n <= DOUBLE else self.blocked(ts, DOUBLE), xs)
        if n > LOOP:
            return e.inline(self.blocked(ts, min(LOOP, math.isqrt(n - 1) + 1)), xs)
        if size > n and self.axis == t.ndim - 1:
            return e.inline(_in_front(self, ts), xs)

        def step(before: str, rows: Sequence[str], row: ArrayType) -> str:
            return self.combine(e, before, rows, row)

        return [write_running(e, xs, t, self.axis, self.reverse, step)]

    # words of the rules and of the lowering

    def before(self, x: Term, value: float, k: int = 1) -> Term:
        """What stands k places before each element, the way that is gone; first ``value``."""
        return shifted(x, self.axis, self.reverse, value, k)

    def cut(self, x: Term, size: int, value: float) -> Term:
        """The dimension as (blocks, size), filled up at its far end."""
        shape = x.type.shape
        n = cast(int, shape[self.axis])
        head, tail = shape[: self.axis], shape[self.axis + 1 :]
        blocks = -(-n // size)
        if blocks * size > n:
            more = ArrayType((*head, blocks * size - n, *tail), x.type.dtype)
            both = [x, Term(x.b, x.b.emit(splat(value, more)))]
            x = joined(both[::-1] if self.reverse else both, self.axis)
        return x.apply(Reshape((*head, blocks, size, *tail)))

    def glued(self, y: Term, n: int) -> Term:
        """The inverse of ``cut``."""
        shape = y.type.shape
        length = cast(int, shape[self.axis]) * cast(int, shape[self.axis + 1])
        start = length - n if self.reverse else 0
        y = y.apply(Reshape((*shape[: self.axis], length, *shape[self.axis + 2 :])))
        return part(y, self.axis, start, start + n)

    def totals(self, inner: Term) -> Term:
        """The last result of each block."""
        shape, axis = inner.type.shape, self.axis + 1
        at = 0 if self.reverse else cast(int, shape[axis]) - 1
        return part(inner, axis, at, at + 1).apply(Reshape((*shape[:axis], *shape[axis + 1 :])))

    def spread(self, x: Term, like: Term) -> Term:
        """A value per block, for all its elements."""
        dims = [d for d in range(like.type.ndim) if d != self.axis + 1]
        return x.apply(broadcast(like.type.shape, dims))


@lru_cache(1024)
def _in_front(op: Running, ts: tuple[ArrayType, ...]) -> Program:
    """The same with the dimension in front, where its rows lie together.

    Fences keep the transpositions apart: XLA is fast at one, and slow at one that it has fused.
    """
    b = Builder()
    xs = [move(b, b.emit(Fence(), b.input(t)), op.axis, 0) for t in ts]
    return b.finish([b.emit(Fence(), move(b, b.emit(op.along(0), *xs), 0, op.axis))])


# running results ---------------------------------------------------------------------------------


class Cumulative(Running, name="cumulative"):
    """The elements up to each place combined.

    Args:
        axis: along which dimension.
        reverse: from the end.
        kind: add, mul, max, min or log_add_exp.
    """

    kind: str

    def validate(self) -> None:
        assert self.kind in COMBINE, self.kind

    def dtype(self, *ts: ArrayType) -> DType:
        check_kind(f"cumulative {self.kind}", TAKES[self.kind], ts[0])
        return ts[0].dtype

    def along(self, axis: int) -> Cumulative:
        return Cumulative(axis, self.reverse, self.kind)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        (t,) = ts
        if t is None or not has_tangent(b.types[ys[0]]):
            return [None]
        if self.kind == "add":
            return [b.emit(self, t)]
        rule = {"mul": self._product, "log_add_exp": self._logsumexp}.get(self.kind, self._extreme)
        return [rule(Term(b, xs[0]), Term(b, ys[0]), Term(b, t)).slot]

    def _product(self, x: Term, y: Term, t: Term) -> Term:
        return self._recur(x, self.before(y, 1) * t)

    def _logsumexp(self, x: Term, y: Term, t: Term) -> Term:
        """By the shares of the two that are added; minus infinity before has none."""
        last = self.before(y, -math.inf)
        none = last.eq(-math.inf)
        kept, new = none.where(0, share(last, x)), none.where(1, share(x, last))
        return self._recur(kept, new * t)

    def _extreme(self, x: Term, y: Term, t: Term) -> Term:
        """The mean of the tangents of the elements that attain the extreme."""
        last = self.before(y, cast(float, identity(self.kind, x.type.dtype)))
        one = x.like(1)
        kept = (x.gt(last) if self.kind == "max" else x.lt(last)).where(0, one)
        hit = x.eq(y).where(one, 0)
        return self._recur(kept, hit * t) / self._recur(kept, hit)

    def _recur(self, a: Term, b: Term) -> Term:
        return a.apply(Recurrence(self.axis, self.reverse), b)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),) if self.kind == "add" else ()

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        return [b.emit(Cumulative(self.axis, not self.reverse, "add"), *given(cts))]

    def combine(self, e: Emitter, before: str, rows: Sequence[str], t: ArrayType) -> str:
        return COMBINE[self.kind].lower(e, [before, *rows], [t, t], [t])[0]

    def blocked(self, ts: tuple[ArrayType, ...], size: int) -> Program:
        return _blocks_of_elements(self, ts[0], size)

    def doubled(self, ts: tuple[ArrayType, ...]) -> Program:
        return _doubled_elements(self, ts[0])


@lru_cache(1024)
def _blocks_of_elements(op: Cumulative, t: ArrayType, size: int) -> Program:
    b = Builder()
    neutral = _neutral(op.kind, t.dtype)
    inner = op.cut(Term(b, b.input(t)), size, neutral).apply(op.along(op.axis + 1))
    before = op.before(op.totals(inner).apply(op), neutral)
    y = op.spread(before, inner).apply(COMBINE[op.kind], inner)
    return b.finish([op.glued(y, cast(int, t.shape[op.axis])).slot])


@lru_cache(1024)
def _doubled_elements(op: Cumulative, t: ArrayType) -> Program:
    b = Builder()
    x, k = Term(b, b.input(t)), 1
    while k < cast(int, t.shape[op.axis]):
        x = op.before(x, _neutral(op.kind, t.dtype), k).apply(COMBINE[op.kind], x)
        k *= 2
    return b.finish([x.slot])


def _neutral(kind: str, dtype: DType) -> float:
    if kind == "log_add_exp":
        return -math.inf
    return 0 if kind == "add" else cast(float, identity(kind, dtype))


# linear recurrences ------------------------------------------------------------------------------


class Recurrence(Running, name="recurrence"):
    """``h[i] = a[i] * h[i - 1] + b[i]``, of which the first is b's: there a does not count.

    Args:
        axis: along which dimension.
        reverse: from the end, with ``h[i + 1]`` in place of ``h[i - 1]``.
    """

    def dtype(self, *ts: ArrayType) -> DType:
        one_dtype(self.name, ts)
        check_kind(self.name, NUMERIC, ts[0])
        return ts[0].dtype

    def along(self, axis: int) -> Recurrence:
        return Recurrence(axis, self.reverse)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        da, db = ts
        if not has_tangent(b.types[ys[0]]) or (da is None and db is None):
            return [None]
        if da is not None:
            db = add_any(b, db, (self.before(Term(b, ys[0]), 0) * Term(b, da)).slot)
        return [b.emit(self, xs[0], cast(int, db))]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({1}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        a, _ = xs
        assert a is not None
        back = Recurrence(self.axis, not self.reverse)
        return [None, b.emit(back, back.before(Term(b, a), 0).slot, *given(cts))]

    def combine(self, e: Emitter, before: str, rows: Sequence[str], t: ArrayType) -> str:
        a, b = rows
        kept = e.op(f"stablehlo.multiply {a}, {before} : {t.mlir}")
        return e.op(f"stablehlo.add {kept}, {b} : {t.mlir}")

    def blocked(self, ts: tuple[ArrayType, ...], size: int) -> Program:
        return _blocks_of_pairs(self, ts[0], size)

    def doubled(self, ts: tuple[ArrayType, ...]) -> Program:
        return _doubled_pairs(self, ts[0])


@lru_cache(1024)
def _blocks_of_pairs(op: Recurrence, t: ArrayType, size: int) -> Program:
    b = Builder()
    a = op.cut(Term(b, b.input(t)), size, 1)
    inner = a.apply(op.along(op.axis + 1), op.cut(Term(b, b.input(t)), size, 0))
    factor = a.apply(Cumulative(op.axis + 1, op.reverse, "mul"))
    before = op.before(op.totals(factor).apply(op, op.totals(inner)), 0)
    y = inner + _scaled(factor, op.spread(before, inner))
    return b.finish([op.glued(y, cast(int, t.shape[op.axis])).slot])


@lru_cache(1024)
def _doubled_pairs(op: Recurrence, t: ArrayType) -> Program:
    b = Builder()
    a, h = Term(b, b.input(t)), Term(b, b.input(t))
    k, n = 1, cast(int, t.shape[op.axis])
    while k < n:
        h = h + _scaled(a, op.before(h, 0, k))
        a = op.before(a, 1, k) * a
        k *= 2
    return b.finish([h.slot])


def _scaled(a: Term, h: Term) -> Term:
    """``a * h``; nothing stays nothing, also where a product of factors has overflowed."""
    return h.eq(0).where(0, a * h)


# parts -------------------------------------------------------------------------------------------


def shifted(x: Term, axis: int, reverse: bool, value: float, k: int) -> Term:
    """x moved k places on along an axis, ``value`` behind; to the start where reversed."""
    shape, n = x.type.shape, x.type.shape[axis]
    if isinstance(n, int) and n < k:
        return x.like(value)
    gap = ArrayType((*shape[:axis], k, *shape[axis + 1 :]), x.type.dtype)
    filled = Term(x.b, x.b.emit(splat(value, gap)))
    if reverse:
        return joined([part(x, axis, k, n), filled], axis)
    return joined([filled, part(x, axis, 0, n - k)], axis)


def joined(xs: Sequence[Term], axis: int) -> Term:
    return xs[0].apply(Concatenate(axis), *xs[1:])


def part(x: Term, axis: int, start: Size, limit: Size) -> Term:
    """The elements start to limit along an axis."""
    ndim = x.type.ndim
    return x.apply(Slice(tuple((start, limit, 1) if d == axis else None for d in range(ndim))))
