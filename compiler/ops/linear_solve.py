"""Linear systems whose matrix is factored already, and the logarithm of its determinant.

Both take the matrix a and its LU factorization. They compute with the factors and are
differentiated as functions of a: ``x' = solve(a, b' - a' x)`` needs no derivative of an LU, and
reuses the factors in every derivative and transpose. Factors and order are constants for the
derivative: they come from ``Lu`` of a without its tangent.

Law: the factors are those of a; then the results and all derivatives are functions of a alone.
A singular matrix has a zero on the diagonal of U: its solutions are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import DType, real_of
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    MaybeSlots,
    Slots,
    not_linear,
    show_shape,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import ABS, SIGN, join, real
from verax.compiler.ops.batched import (
    Batched,
    batched,
    lapack_dtype,
    square,
    with_fewer_columns,
    with_more_columns,
)
from verax.compiler.ops.contract import repeat, total
from verax.compiler.ops.functions import LOG
from verax.compiler.ops.lu import take_rows
from verax.compiler.ops.matrices import KINDS, Matrix, nan_unless
from verax.compiler.ops.permutation import Permutation, check_pivots, places
from verax.compiler.ops.places import given
from verax.compiler.ops.pointwise import Compare, Term, add_any
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.triangular import TriangularSolve


class LinearSolve(Batched, name="linear_solve"):
    """x with ``op(a) @ x == b``; operands: a, its packed LU, the pivots, b ``[..., n, k]``.

    Args:
        kind: what is solved with: a ("N"), its transpose ("T") or adjoint ("C").
    """

    kind: str
    aligned = False

    def validate(self) -> None:
        assert self.kind in KINDS, self.kind

    def factors(self, *shapes: Shape) -> Factors:
        n = square(self.name, shapes[0])
        if shapes[3][-2:-1] != (n,):
            a, rhs = map(show_shape, (shapes[0], shapes[3]))
            raise ShapeError(f"{self.name}: {a} does not fit {rhs}")
        return batched(shapes, ["nn", "nn", "n", "nk"], ["nk"], free="k")

    def dtype(self, *ts: ArrayType) -> DType:
        check_pivots(self.name, ts[2])
        return lapack_dtype(self.name, [*ts[:2], *ts[3:]])

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        ta, moved = ts[0], ts[3]
        if ta is not None:
            moved = add_any(b, moved, (-(Matrix(b, ta).turned(self.kind) @ Matrix(b, ys[0]))).slot)
        return [None if moved is None else b.emit(self, *xs[:3], moved)]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({3}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (ct,), fixed = given(cts), given(xs[:3])
        if self.kind != "C":
            back = LinearSolve("T" if self.kind == "N" else "N")
            return [None, None, None, b.emit(back, *fixed, ct)]
        x = b.emit(LinearSolve("N"), *fixed, Matrix(b, ct).conj().slot)
        return [None, None, None, Matrix(b, x).conj().slot]

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        if any(mapped[:3]):
            xs = [x if m else b.emit(repeat(n, array(b, x)), x) for x, m in zip(xs, mapped)]
            return [b.emit(self, *xs)], [True]
        k = b.types[xs[3]].shape[-1]
        x = b.emit(self, *xs[:3], with_more_columns(b, xs[3]))
        return [with_fewer_columns(b, x, n, k)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if yts[0].size == 0:
            return [xs[3]]
        return e.inline(_by_factors(self.kind, *xts[1:]), xs[1:])


def array(b: Builder, x: int) -> ArrayType:
    return cast(ArrayType, b.types[x])


@lru_cache(1024)
def _by_factors(kind: str, *ts: ArrayType) -> Program:
    b = Builder()
    packed, pivots, rhs = (Matrix(b, b.input(t)) for t in ts)
    order = b.emit(Permutation(packed.m, kind != "N"), pivots.slot)

    def solve(x: Matrix, *, lower: bool) -> Matrix:
        op = TriangularSolve(True, lower, kind, lower)
        return Matrix(b, b.emit(op, packed.slot, x.slot))

    if kind == "N":
        x = solve(solve(take_rows(rhs, order), lower=True), lower=False)
    else:
        x = take_rows(solve(solve(rhs, lower=False), lower=True), order)
    regular = (
        packed.diagonal().apply(Compare("NE"), 0).apply(Reduce("and", (packed.type.ndim - 2,)))
    )
    return b.finish([nan_unless(regular, x).slot])


class LogDet(Batched, name="log_det"):
    """Sign and logarithm of the magnitude of det(a); operands: a, its packed LU, the pivots.

    The sign is a number of magnitude 1, or 0 where a is singular; there the logarithm is -inf.
    """

    def factors(self, *shapes: Shape) -> Factors:
        square(self.name, shapes[0])
        return batched(shapes, ["nn", "nn", "n"], ["", ""])

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        sign, size = cast("tuple[ArrayType, ArrayType]", super().types(*ts))
        return sign, ArrayType(size.shape, real_of(size.dtype))

    def dtype(self, *ts: ArrayType) -> DType:
        check_pivots(self.name, ts[2])
        return lapack_dtype(self.name, ts[:2])

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        if ts[0] is None:
            return [None, None]
        a, t = Matrix(b, xs[0]), Matrix(b, ts[0])
        inverse = Matrix(b, b.emit(LinearSolve("N"), *xs, a.eye().slot))
        dims = len(a.batch), len(a.batch) + 1
        rate = Term(b, (inverse.T * t).slot).apply(total(a.type.ndim, dims))
        if not a.dtype.is_complex:
            return [None, rate.slot]
        size = real(rate)
        angle = rate - join(size, size.like(0))
        return [(angle * Term(b, ys[0])).slot, size.slot]

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return e.inline(_of_factors(xts[1], xts[2]), xs[1:])


@lru_cache(1024)
def _of_factors(packed: ArrayType, pivots: ArrayType) -> Program:
    b = Builder()
    x, swaps = Matrix(b, b.input(packed)), Term(b, b.input(pivots))
    diagonal, last = x.diagonal(), packed.ndim - 2
    multiply = Reduce("mul", (last,))
    signs = diagonal.apply(SIGN)
    moved = swaps.apply(Compare("NE"), places(b, pivots))
    sign = moved.where(-signs, signs).apply(multiply)
    size = diagonal.apply(ABS).apply(LOG).apply(total(last + 1, (last,)))
    return b.finish([sign.slot, size.slot])
