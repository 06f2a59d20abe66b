"""Cholesky: the lower triangular L with ``L @ L.H == a``, of a Hermitian positive definite matrix.

It reads the lower triangle of a and the real part of its diagonal, as LAPACK does; the rest of a
does not exist for it, nor for its derivative. A matrix that is not positive definite has no factor:
all of it is NaN.

The derivative is Murray's (arXiv:1602.07527): ``L' = L phi(inv(L) a' inv(L).H)``, where phi takes
the lower triangle with half of the diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.op import Emitter, Factors, MaybeSlots, Slots, not_linear
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.batched import Batched, batched, square
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.matrices import Matrix, nan_unless
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.triangular import TriangularSolve


class Cholesky(Batched, name="cholesky"):
    """The lower factor of matrices ``[..., n, n]``."""

    def factors(self, *shapes: Shape) -> Factors:
        square(self.name, shapes[0])
        return batched(shapes, ["nn"], ["nn"])

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        factor, t = Matrix(b, ys[0]), halved(Matrix(b, cast(int, ts[0])))
        hermitian = t + t.H
        right = factor.apply(TriangularSolve(False, True, "C", False), hermitian)
        both = factor.apply(TriangularSolve(True, True, "N", False), right)
        return [(factor @ halved(both)).slot]

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (t,) = yts
        if t.size == 0:
            return [xs[0]]
        info = ArrayType(t.shape[:-2], int32)
        outs = lapack(e, "potrf", xs, xts, [t, info], {"uplo": "76 : ui8"}, in_place={0: 0})
        return e.inline(_finished(t), outs)


def halved(x: Matrix) -> Matrix:
    """The lower triangle, with half of the diagonal."""
    return (x.lower() + x.lower(-1)) * 0.5


@lru_cache(1024)
def _finished(t: ArrayType) -> Program:
    """What potrf leaves, as the factor: nothing above the diagonal, NaN where it failed."""
    b = Builder()
    x = Matrix(b, b.input(t))
    info = Term(b, b.input(ArrayType(t.shape[:-2], int32)))
    return b.finish([nan_unless(info.eq(0), x.lower()).slot])
