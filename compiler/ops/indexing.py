"""Reading and writing at places given by indices: gather, and scatter into zeros or into an array.

How the dimensions lie is told in places.py. Gather and scatter-add are each other's transpose.
Scatter-add goes into zeros: where the indices are cut, the results of the shards need only be
added. Indices count from 0 (negative ones are the language's to wrap); one that is out of range is
clamped (``clip``), or reads zero and writes nothing (``fill``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import DType, float32, int32
from verax.compiler.ir.errors import DTypeError
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
from verax.compiler.ir.sizes import Shape, Size, product
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.arithmetic import CLAMP
from verax.compiler.ops.bits import AND
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.kinds import check_kind
from verax.compiler.ops.layout import Iota, Movement, Reshape
from verax.compiler.ops.places import (
    MODES,
    Front,
    Layout,
    all_mapped,
    check_index_dtype,
    check_mode,
    given,
    greatest,
    layout,
    lower_gather,
    lower_scatter,
    move,
)
from verax.compiler.ops.pointwise import (
    ANY,
    MUL,
    NUMERIC,
    ORDERED,
    SELECT,
    Convert,
    Term,
    add_any,
    fill,
    one_dtype,
    splat,
    zeros,
)

KINDS = {"set": ANY, "mul": NUMERIC, "min": ORDERED, "max": ORDERED}


def front_of(op: Gather | ScatterAdd | ScatterSet) -> Front:
    """What stands before the indexed dimensions; their number is where those begin."""
    return Front(op.lead, op.batch_dims, op.inner)


# gather ------------------------------------------------------------------------------------------


class Gather(Movement, name="gather"):
    """The windows of an array that the indices name; operands: the array, then the indices.

    Args:
        batch_dims: how many dimensions the array and the indices share.
        n_index: how many dimensions are indexed, each by an index array of its own.
        mode: ``clip`` clamps an index out of range, ``fill`` gives zero for it.
        lead: how many dimensions stand before those that the indices share.
        inner: how many stand between those and the indexed ones.
    """

    batch_dims: int
    n_index: int
    mode: str
    lead: int = 0
    inner: int = 0

    def validate(self) -> None:
        assert self.mode in MODES, self.mode

    def layout(self, *shapes: Shape) -> Layout:
        x, *indices = shapes
        return layout(self, front_of(self), self.n_index, indices, len(x), window=False)

    def factors(self, *shapes: Shape) -> Factors:
        at = self.layout(*shapes)
        check_mode(self, self.mode, at.indexed_sizes(shapes[0]), shapes[1])
        ins = (at.array_dims, *[at.index_dims] * self.n_index)
        return Factors(ins, (at.window_dims,), whole=at.factors("v"))

    def dtype(self, *ts: ArrayType) -> DType:
        check_index_dtype(self, ts[1:])
        return ts[0].dtype

    local = same_locally

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        sizes = self.layout(*[t.shape for t in xts]).indexed_sizes(xts[0].shape)
        op = ScatterAdd(self.batch_dims, sizes, self.mode, self.lead, self.inner)
        return [b.emit(op, *given(cts), *given(xs[1:])), *[None] * self.n_index]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        x, *index = xs
        if not any(mapped[1:]):
            return [b.emit(self.fronted(front_of(self).mapped()), *xs)], [True]
        index = all_mapped(b, n, index, mapped[1:])
        if mapped[0]:
            to, front = front_of(self).shared()
            y = b.emit(self.fronted(front), move(b, x, 0, to), *index)
            return [move(b, y, to, 0)], [True]
        index = [move(b, i, 0, self.batch_dims) for i in index]  # more places in the same array
        return [move(b, b.emit(self, x, *index), sum(front_of(self)), 0)], [True]

    def fronted(self, front: Front) -> Gather:
        return Gather(front.batch, self.n_index, self.mode, front.lead, front.inner)

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        at = self.layout(*[t.shape for t in xts])
        if 0 in (yts[0].size, product(at.indexed_sizes(xts[0].shape))):
            return [e.constant(0, yts[0])]
        if self.mode == "fill":
            return e.inline(_filled(self, tuple(xts)), xs)
        return [lower_gather(e, at, xs, xts, yts[0])]


@lru_cache(1024)
def _filled(op: Gather, ts: tuple[ArrayType, ...]) -> Program:
    """Gather with ``fill`` as a clipped one and a mask."""
    b = Builder()
    xs = [b.input(t) for t in ts]
    at = op.layout(*[t.shape for t in ts])
    y = b.emit(Gather(op.batch_dims, op.n_index, "clip", op.lead, op.inner), *xs)
    mask = _in_range(b, xs[1:], at.indexed_sizes(ts[0].shape))
    mask = b.emit(broadcast(b.types[y].shape, at.index_of_window), mask)
    return b.finish([b.emit(SELECT, mask, y, fill(b, 0, y))])


def _in_range(b: Builder, index: Slots, sizes: Shape) -> int:
    """Where every index lies in its dimension."""
    ok = []
    for i, n in zip(index, sizes):
        term = Term(b, i)
        ok.append(term.ge(0))
        if cast(int, n) <= greatest(term.type.dtype):
            ok.append(term.lt(cast(int, n)))
    out = ok[0]
    for condition in ok[1:]:
        out = out.apply(AND, condition)
    return out.slot


# scatter into zeros ------------------------------------------------------------------------------


class ScatterAdd(Movement, name="scatter_add"):
    """Zeros, with the updates added at the places that the indices name.

    Args:
        sizes: the sizes of the indexed dimensions, which no operand tells.
        batch_dims, mode, lead, inner: those of the gather that is its transpose.
    """

    batch_dims: int
    sizes: Shape
    mode: str
    lead: int = 0
    inner: int = 0

    def validate(self) -> None:
        assert self.mode in MODES, self.mode

    def layout(self, *shapes: Shape) -> Layout:
        updates, *indices = shapes
        return layout(self, front_of(self), len(self.sizes), indices, len(updates), window=True)

    def factors(self, *shapes: Shape) -> Factors:
        at = self.layout(*shapes)
        check_mode(self, self.mode, self.sizes, shapes[1])
        return Factors(
            (at.window_dims, *[at.index_dims] * at.indexed),
            (at.array_dims,),
            dict.fromkeys(sorted(at.factors("n"), key=str), "add"),
            at.factors("v"),
            {f"v{i}": n for i, n in enumerate(self.sizes)},
        )

    def dtype(self, *ts: ArrayType) -> DType:
        check_index_dtype(self, ts[1:])
        check_kind(self.name, NUMERIC, ts[0])
        return ts[0].dtype

    local = same_locally

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        k = len(self.sizes)
        op = Gather(self.batch_dims, k, self.mode, self.lead, self.inner)
        return [b.emit(op, *given(cts), *given(xs[1:])), *[None] * k]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        if not any(mapped[1:]):
            return [b.emit(self.fronted(front_of(self).mapped()), *xs)], [True]
        updates, *index = all_mapped(b, n, xs, mapped)
        to, front = front_of(self).shared()
        y = b.emit(self.fronted(front), move(b, updates, 0, to), *index)
        return [move(b, y, to, 0)], [True]

    def fronted(self, front: Front) -> ScatterAdd:
        return ScatterAdd(front.batch, self.sizes, self.mode, front.lead, front.inner)

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        empty = 0 in (xts[0].size, yts[0].size)
        if self.mode == "clip" and not empty:
            return e.inline(_clipped(self, tuple(xts)), xs)
        zero = e.constant(0, yts[0])
        if empty:
            return [zero]
        if xts[0].dtype.is_float and xts[0].dtype.bits < 32:
            return e.inline(_widely(self, tuple(xts)), xs)
        at = self.layout(*[t.shape for t in xts])
        return [lower_scatter(e, at, "add", (zero, *xs), (yts[0], *xts))]


@lru_cache(1024)
def _clipped(op: ScatterAdd, ts: tuple[ArrayType, ...]) -> Program:
    """Scatter-add with ``clip``: the indices are clamped first."""
    b = Builder()
    updates, *index = [b.input(t) for t in ts]
    clamped = [
        Term(b, i).like(0).apply(CLAMP, Term(b, i), min(cast(int, n) - 1, greatest(t.dtype))).slot
        for i, n, t in zip(index, op.sizes, ts[1:])
    ]
    fill_op = ScatterAdd(op.batch_dims, op.sizes, "fill", op.lead, op.inner)
    return b.finish([b.emit(fill_op, updates, *clamped)])


@lru_cache(1024)
def _widely(op: ScatterAdd, ts: tuple[ArrayType, ...]) -> Program:
    """Scatter-add of narrow floats: they are added up in float32, and rounded once."""
    b = Builder()
    updates, *index = [b.input(t) for t in ts]
    total = b.emit(op, b.emit(Convert(float32), updates), *index)
    return b.finish([b.emit(Convert(ts[0].dtype), total)])


# scatter into an array ---------------------------------------------------------------------------


class ScatterSet(Op, name="scatter_set"):
    """An array with updates set, or combined with what is there, at the places of the indices.

    Operands: the array, the updates, the indices. Of several updates at one place, ``set`` keeps
    one (XLA says not which; its pullback finds out), the others combine all. An index out of range
    writes nothing. The derivative of ``mul`` holds to first order everywhere, and to higher orders
    unless several updates at one place are exactly 0; at a tie, ``min`` and ``max`` share.

    Args:
        kind: set, mul, min or max.
        batch_dims, n_index, lead, inner: those of the gather that reads the same places.
        unique: a promise that no place is named twice, so that nothing has to find out.
    """

    kind: str
    batch_dims: int
    n_index: int
    lead: int = 0
    inner: int = 0
    unique: bool = False

    def validate(self) -> None:
        assert self.kind in KINDS, self.kind

    def layout(self, *shapes: Shape) -> Layout:
        x, _, *indices = shapes
        return layout(self, front_of(self), self.n_index, indices, len(x), window=False)

    def factors(self, *shapes: Shape) -> Factors:
        at = self.layout(*shapes)
        ins = (at.array_dims, at.window_dims, *[at.index_dims] * self.n_index)
        return Factors(ins, (at.array_dims,), whole=at.factors("v", "n"))

    def dtype(self, *ts: ArrayType) -> DType:
        check_index_dtype(self, ts[2:])
        one_dtype(self.name, ts[:2])
        if ts[0].dtype.kind not in KINDS[self.kind]:
            raise DTypeError(f"scatter_set: {self.kind} does not take {ts[0]}")
        return ts[0].dtype

    local = same_locally

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        t, du = ts[:2]
        if not has_tangent(b.types[ys[0]]) or (t is None and du is None):
            return [None]
        if self.kind == "set":
            t = fill(b, 0, xs[0]) if t is None else t
            du = fill(b, 0, xs[1]) if du is None else du
            return [b.emit(self, t, du, *xs[2:])]
        if self.kind == "mul":
            return [self._product_tangent(b, xs, t, du)]
        return [self._extreme_tangent(b, xs, ys[0], t, du)]

    def _product_tangent(self, b: Builder, xs: Slots, t: int | None, du: int | None) -> int | None:
        out = None if t is None else b.emit(self, t, *xs[1:])
        if du is None:
            return out
        slope = b.emit(MUL, self._read(b, xs[0], xs), self._product_of_others(b, xs))
        return add_any(b, out, self._add(b, b.emit(MUL, du, slope), xs))

    def _extreme_tangent(
        self, b: Builder, xs: Slots, y: int, t: int | None, du: int | None
    ) -> int | None:
        """The mean of the tangents of those that attain the extreme."""
        kept, kept_u = (
            self._beaten(Term(b, x), Term(b, by)).where(0, Term(b, x).like(1))
            for x, by in ((xs[0], y), (xs[1], self._read(b, y, xs)))
        )
        moved = None if t is None else (Term(b, t) * kept).slot
        if du is not None:
            moved = add_any(b, moved, self._add(b, (Term(b, du) * kept_u).slot, xs))
        count = kept + Term(b, self._add(b, kept_u.slot, xs))
        return None if moved is None else (Term(b, moved) / count).slot

    def _beaten(self, x: Term, by: Term) -> Term:
        return x.lt(by) if self.kind == "max" else x.gt(by)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        sets = {"set": (frozenset({0, 1}),), "mul": (frozenset({0}),)}
        return sets.get(self.kind, ())

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (ct,), index = given(cts), given(xs[2:])
        places = (ct, ct, *index)
        out: list[int | None] = [None] * len(xs)
        if xs[0] is None:
            updates = zeros(b, xts[1]) if self.kind == "set" else xs[1]
            assert updates is not None
            out[0] = b.emit(self, ct, updates, *index)
        if xs[1] is None:
            out[1] = self._where_kept(b, self._read(b, ct, places), places)
        return out

    # words of the rules; xs are the array (or one of its shape), the updates, the indices

    def _read(self, b: Builder, x: int, xs: Slots) -> int:
        """What stands at the places of the indices; zero out of range."""
        op = Gather(self.batch_dims, self.n_index, "fill", self.lead, self.inner)
        return b.emit(op, x, *xs[2:])

    def _add(self, b: Builder, updates: int, xs: Slots) -> int:
        """The updates added into zeros of the array's shape."""
        shapes = [b.types[x].shape for x in xs]
        sizes = self.layout(*shapes).indexed_sizes(shapes[0])
        op = ScatterAdd(self.batch_dims, sizes, "fill", self.lead, self.inner)
        return b.emit(op, updates, *xs[2:])

    def _where_kept(self, b: Builder, updates: int, xs: Slots) -> int:
        """The updates, zero where another one at the same place was kept.

        Every index writes its number into a table, and is kept if it then reads it there.
        """
        array, _, index, *_ = [b.types[x].shape for x in xs]
        at = self.layout(*[b.types[x].shape for x in xs])
        count = index[at.batch :]
        if self.unique or product(count) == 1:
            return updates
        numbers = b.emit(Reshape(count), b.emit(Iota(product(count), int32)))
        numbers = b.emit(broadcast(index, range(at.batch, len(index))), numbers)
        table = splat(0, ArrayType((*index[: at.batch], *at.indexed_sizes(array)), int32))
        write = ScatterSet("set", at.batch, at.indexed)
        read = Gather(at.batch, at.indexed, "fill")
        seen = b.emit(read, b.emit(write, b.emit(table), numbers, *xs[2:]), *xs[2:])
        kept = Term(b, seen).eq(Term(b, numbers))
        mask = b.emit(broadcast(b.types[updates].shape, at.index_of_window), kept.slot)
        return Term(b, mask).where(Term(b, updates), 0).slot

    def _product_of_others(self, b: Builder, xs: Slots) -> int:
        """Per update, the product of the other updates at its place."""
        u = Term(b, xs[1])
        zero = u.eq(0)
        nonzero = zero.where(1, u)
        product_there = b.emit(self, fill(b, 1, xs[0]), nonzero.slot, *xs[2:])
        zeros_here = zero.to(u.type.dtype)
        zeros_there = self._read(b, self._add(b, zeros_here.slot, xs), xs)
        others = Term(b, self._read(b, product_there, xs)) / nonzero
        return Term(b, zeros_there).eq(zeros_here).where(others, 0).slot

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        if not any(mapped[2:]):
            both = all_mapped(b, n, xs[:2], mapped[:2])
            return [b.emit(self.fronted(front_of(self).mapped()), *both, *xs[2:])], [True]
        x, updates, *index = all_mapped(b, n, xs, mapped)
        to, front = front_of(self).shared()
        y = b.emit(self.fronted(front), move(b, x, 0, to), move(b, updates, 0, to), *index)
        return [move(b, y, to, 0)], [True]

    def fronted(self, front: Front) -> ScatterSet:
        fields = (self.kind, front.batch, self.n_index, front.lead, front.inner)
        return ScatterSet(*fields, self.unique)

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if 0 in (xts[0].size, xts[1].size):
            return [xs[0]]
        at = self.layout(*[t.shape for t in xts])
        return [lower_scatter(e, at, self.kind, xs, xts, unique=self.unique)]


def take_along(b: Builder, x: int, index: int, axis: int) -> int:
    """x reordered along ``axis`` by indices of the same shape, in range."""
    last = len(b.types[x].shape) - 1
    places = move(b, index, axis, last)
    y = b.emit(Gather(last, 1, "clip"), move(b, x, axis, last), places)
    return move(b, y, last, axis)
