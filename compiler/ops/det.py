"""The determinant, and the adjugate, which is its gradient: ``adj(a) @ a == det(a)``.

The adjugate of a singular matrix is finite, and it is found without a division by the determinant:
of a triangular factor only the last pivot is left out, where a zero matters. Where LU meets a zero
before, a QR with chosen columns takes its place, whose zeros come last. So the gradient of a
determinant is right for matrices of every rank.

The adjugate itself is differentiated by a formula that divides by the determinant: second
derivatives at a singular matrix are inf or NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.op import Emitter, Factors, MaybeSlots, Slots, not_linear
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import conj
from verax.compiler.ops.batched import Batched, batched, square
from verax.compiler.ops.bits import AND
from verax.compiler.ops.contract import broadcast, total
from verax.compiler.ops.control import Cond
from verax.compiler.ops.lu import Lu, take_rows
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.permutation import Permutation, places
from verax.compiler.ops.pointwise import Compare, Term
from verax.compiler.ops.qr import Geqp3, HouseholderProduct
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.triangular import TriangularSolve


class Det(Batched, name="det"):
    """The determinants of matrices ``[..., n, n]``."""

    def factors(self, *shapes: Shape) -> Factors:
        square(self.name, shapes[0])
        return batched(shapes, ["nn"], [""])

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        adjugate, t = Matrix(b, b.emit(Adjugate(), xs[0])), Matrix(b, cast(int, ts[0]))
        return [_inner(adjugate.T, t).slot]

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return e.inline(_by_lu(xts[0]), xs)


def _inner(x: Matrix, y: Matrix) -> Term:
    """The sums of products of elements."""
    k = len(x.batch)
    return Term(x.b, (x * y).slot).apply(total(k + 2, (k, k + 1)))


@lru_cache(1024)
def _by_lu(t: ArrayType) -> Program:
    b = Builder()
    packed, swaps = b.emit_all(Lu(), b.input(t))
    diagonal, pivots = Matrix(b, packed).diagonal(), Term(b, swaps)
    moved = pivots.apply(Compare("NE"), places(b, pivots.type))
    signed = moved.where(-diagonal, diagonal)
    return b.finish([signed.apply(Reduce("mul", (t.ndim - 2,))).slot])


class Adjugate(Batched, name="adjugate"):
    """The transposed cofactors of matrices ``[..., n, n]``."""

    def factors(self, *shapes: Shape) -> Factors:
        square(self.name, shapes[0])
        return batched(shapes, ["nn"], ["nn"])

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        y, t = Matrix(b, ys[0]), Matrix(b, cast(int, ts[0]))
        spread = broadcast(y.type.shape, range(len(y.batch)))
        det, rate = (v.apply(spread) for v in (Term(b, b.emit(Det(), xs[0])), _inner(y.T, t)))
        return [((y * rate - y @ t @ y) / det).slot]

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return list(xs) if yts[0].size == 0 else e.inline(_adjugate(xts[0]), xs)


@lru_cache(1024)
def _adjugate(t: ArrayType) -> Program:
    """By LU, unless a pivot before the last is zero: its columns were not chosen."""
    b = Builder()
    x = b.input(t)
    packed, swaps = b.emit_all(Lu(), x)
    head = _head(Matrix(b, packed).diagonal())
    stuck = head.eq(0).apply(Reduce("or", tuple(range(t.ndim - 1)))).to(int32)
    branches = Cond((_by_lu_factors(t, b.types[swaps]), _by_pivoted_qr(t, b.types[swaps])))
    return b.finish([b.emit(branches, stuck.slot, x, packed, swaps)])


def _head(diagonal: Term) -> Term:
    """The diagonal with a 1 in place of its last element."""
    last = places(diagonal.b, diagonal.type).eq(cast(int, diagonal.type.shape[-1]) - 1)
    return last.where(1, diagonal)


def _inputs(b: Builder, t: ArrayType, pivots: Type) -> tuple[int, Matrix, Term]:
    """What both ways take: the matrix, its packed LU and the pivots."""
    return b.input(t), Matrix(b, b.input(t)), Term(b, b.input(pivots))


@lru_cache(1024)
def _by_lu_factors(t: ArrayType, pivots: Type) -> Program:
    """``adj(U) @ inv(L) @ P * det(P)``"""
    b = Builder()
    _, packed, swaps = _inputs(b, t, pivots)
    order = swaps.apply(Permutation(packed.m))
    moved = swaps.apply(Compare("NE"), places(b, swaps.type)).to(t.dtype)
    rows = take_rows(packed.eye(), order.slot)
    right = packed.apply(TriangularSolve(True, True, "N", True), rows)
    sign = (1 - moved * 2).apply(Reduce("mul", (t.ndim - 2,)))
    return b.finish([_adjugate_times(packed.upper(), right, sign).slot])


@lru_cache(1024)
def _by_pivoted_qr(t: ArrayType, pivots: Type) -> Program:
    """``P @ adj(R) @ Q.H * det(P) * det(Q)``, where ``a @ P == Q @ R``."""
    b = Builder()
    x, *_ = _inputs(b, t, pivots)
    packed, order, taus = (Term(b, y) for y in b.emit_all(Geqp3(), x))
    r = Matrix(b, packed.slot).upper()
    q = Matrix(b, packed.apply(HouseholderProduct(), taus).slot)
    rows, columns = r.as_columns(order), r.as_rows(order)
    placed = Matrix(b, r.rows().eq(columns).to(t.dtype).slot)
    descents = rows.gt(columns).apply(AND, r.columns().gt(r.rows())).to(t.dtype)
    sign = (1 - descents * 2).apply(Reduce("mul", (t.ndim - 2, t.ndim - 1)))
    scale = Term(b, sign.slot) * _determinant_of_reflectors(taus)
    return b.finish([(placed @ _adjugate_times(r, q.H, scale)).slot])


def _determinant_of_reflectors(taus: Term) -> Term:
    """The product of ``-tau / conj(tau)``, where a tau of 0 is no reflection."""
    none = taus.eq(0)
    other = conj(none.where(1, taus))
    each = none.where(taus.like(1), -taus / other)
    return each.apply(Reduce("mul", (taus.type.ndim - 1,)))


def _adjugate_times(r: Matrix, y: Matrix, scale: Term) -> Matrix:
    """``adj(r) @ y * scale`` of an upper triangle that has at most its last pivot zero.

    The adjugate is ``det(r) inv(r)``. With r taken for 1 at the last pivot, that leaves a factor
    without it for the last row of y. With a zero among the other pivots there are two: it is zero.
    """
    b, last = r.b, r.columns().eq(cast(int, r.n) - 1)
    axis, spread = len(r.batch), broadcast(r.type.shape, range(len(r.batch)))
    diagonal = r.diagonal()
    head = _head(diagonal)
    products = [v.apply(Reduce("mul", (axis,))) * scale for v in (diagonal, head)]
    whole, minor = (v.apply(spread) for v in products)
    factor = r.rows().eq(cast(int, r.m) - 1).where(minor, whole)
    regular = r.on_diagonal().apply(AND, last).where(1, r)
    x = regular.apply(TriangularSolve(True, False, "N", False), y * factor)
    zero = head.eq(0).apply(Reduce("or", (axis,))).apply(spread)
    return Matrix(b, zero.where(0, x).slot)
