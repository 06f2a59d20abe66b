"""LU: ``a[perm] == L @ U`` with partial pivoting, of matrices of any shape.

Both factors are packed in one matrix, as LAPACK gives them: U on and above the diagonal, below it
L, whose own diagonal is ones. The pivots say which row was exchanged with row i, one after the
other; ``Permutation`` turns them into the order of rows. Singular matrices have a factorization
too, with a zero on the diagonal of U.

The derivative (de Hoog, Anderssen and Lukas) takes ``F = inv(L) a'[perm] inv(U)`` apart:
``L' = L tril(F, -1)`` and ``U' = triu(F) U``; pivots do not move.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.op import (
    Emitter,
    Factors,
    MaybeSlots,
    Slots,
    not_linear,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.batched import Batched, batched, shorter, tall
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.indexing import Gather
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.permutation import Permutation
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.slicing import size_value
from verax.compiler.ops.triangular import TriangularSolve


class Lu(Batched, name="lu"):
    """Of matrices ``[..., m, n]`` the packed factors, and pivots int32 ``[..., min(m, n)]``."""

    def factors(self, *shapes: Shape) -> Factors:
        return batched(shapes, ["mn"], ["mn", "k"], sizes={"k": shorter(self.name, shapes[0])})

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        packed, pivots = super().types(*ts)
        return packed, ArrayType(pivots.shape, int32)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        packed, t = Matrix(b, ys[0]), Matrix(b, cast(int, ts[0]))
        order = b.emit(Permutation(packed.m), ys[1])
        left, right = _square_factors(packed)
        f = take_rows(t, order)
        f = left.apply(TriangularSolve(True, True, "N", True), f)
        f = right.apply(TriangularSolve(False, False, "N", False), f)
        low = _unit_lower(left) @ f.lower(-1)
        return [(low + f.upper() @ right.upper()).slot, None]

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        t, pivots = yts
        if t.size == 0:
            return [xs[0], e.constant(0, pivots)]
        info = ArrayType(t.shape[:-2], int32)
        outs = lapack(e, "getrf", xs, xts, [t, pivots, info], in_place={0: 0})
        return [outs[0], *e.inline(from_zero(pivots), outs[1:2])]


@lru_cache(1024)
def from_zero(t: ArrayType) -> Program:
    """LAPACK's pivots, which count from 1."""
    b = Builder()
    return b.finish([(Term(b, b.input(t)) - 1).slot])


def _square_factors(packed: Matrix) -> tuple[Matrix, Matrix]:
    """The packed factors, each made square by rows or columns of the identity."""
    m, n = packed.m, packed.n
    if m == n:
        return packed, packed
    if tall("lu", (m, n)):
        left = packed.padded((0, 0), (0, m - n))
        return left, packed.part((0, n), None)
    right = packed.padded((0, n - m), (0, 0))
    rows = right.rows()
    below = rows.ge(m if isinstance(m, int) else _everywhere(rows, m))
    return packed.part(None, (0, m)), Matrix(packed.b, below.where(right.eye(), right).slot)


def _everywhere(like: Matrix, n: Size) -> Matrix:
    """A size that is not known, as int32 in the shape of a matrix."""
    b = like.b
    return Matrix(b, b.emit(broadcast(like.type.shape, ()), size_value(b, n, int32)))


def _unit_lower(packed: Matrix) -> Matrix:
    return packed.lower(-1) + packed.eye()


def take_rows(x: Matrix, order: int) -> Matrix:
    """The rows of matrices ``[..., m, n]`` in the order ``int32[..., m]``."""
    return Matrix(x.b, x.b.emit(Gather(len(x.batch), 1, "clip"), x.slot, order))
