"""What the spectral decompositions share: one operand, (batches of) matrices, solved by LAPACK.

A result is NaN where the operand is not finite or LAPACK has not converged; LAPACK itself never
sees a NaN, with which some of its routines do not return. Matrices without elements never reach it.

Derivatives divide by differences of eigenvalues or singular values. Where these are equal, up to
what LAPACK's rounding makes of equal ones, the quotient is taken as zero (``reciprocal``): so it is
finite, and vectors are held still inside the space that equal values share, in which they are
arbitrary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ClassVar, TypeAlias, TypeVar

from verax.compiler.ir.dtypes import DType, bool_, int32, real_of
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import Emitter, Factor, Factors, not_linear
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import ABS, IMAG, IS_FINITE, REAL
from verax.compiler.ops.batched import Batched, batched, matrix_shape, shorter, square
from verax.compiler.ops.bits import AND, OR
from verax.compiler.ops.contract import broadcast, total
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.reduce import Reduce

T = TypeVar("T", bound=Term)
Call: TypeAlias = Callable[[str], tuple[str, Sequence[str]]]
"""Writes LAPACK's call on an operand; gives ``info`` and the results."""


class Decomposition(Batched):
    """The base: one operand, and several results, each with a dtype of its own."""

    operand: ClassVar[str] = "nn"

    def outs(self) -> list[str]:
        """Per result a letter for each dimension behind the batch; k is the smaller of m and n."""
        raise NotImplementedError(f"{self.name}: outs")

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        """Per result its dtype."""
        raise NotImplementedError(f"{self.name}: dtypes")

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        if self.operand == "nn":
            square(self.name, shape)
        matrix_shape(self.name, shape)
        outs = self.outs()
        sizes: dict[Factor, Size] = {}
        if "k" in "".join(outs):
            sizes["k"] = shorter(self.name, shape)
        return batched(shapes, [self.operand], outs, sizes=sizes)

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        if len(ts) != 1:
            raise ShapeError(f"{self.name} takes one operand, got {len(ts)}")
        first = super().types(*ts)
        return tuple([ArrayType(t.shape, d) for t, d in zip(first, self.dtypes(self.dtype(*ts)))])

    transpose = not_linear


def guarded(
    e: Emitter, x: str, t: ArrayType, yts: Sequence[ArrayType], call: Call, reads: str = "all"
) -> list[str]:
    """LAPACK's results, or NaN per matrix where x is not finite or ``info`` is not zero.

    Args:
        reads: the part of x that counts: "all", or the triangle "lower" or "upper".
    """
    if t.size == 0:
        return [e.constant(0, yt) for yt in yts]
    clean, ok = e.inline(_clean(t, reads), [x])
    info, ys = call(clean)
    return e.inline(_checked(t.shape[:-2], tuple(yts)), [info, ok, *ys])


@lru_cache(1024)
def _clean(t: ArrayType, reads: str) -> Program:
    """The operand, zero where it is not finite, and per matrix whether it was finite."""
    b = Builder()
    x = Matrix(b, b.input(t))
    parts = [x.apply(REAL), x.apply(IMAG)] if t.dtype.is_complex else [x]
    finite = parts[0].apply(IS_FINITE)
    for part in parts[1:]:
        finite = finite.apply(AND, part.apply(IS_FINITE))
    clean = x.only(finite)
    if reads != "all":
        unread = x.columns().gt(x.rows()) if reads == "lower" else x.columns().lt(x.rows())
        finite = finite.apply(OR, unread)
    ok = finite.apply(Reduce("and", (t.ndim - 2, t.ndim - 1)))
    return b.finish([clean.slot, ok.slot])


@lru_cache(1024)
def _checked(batch: Shape, ts: tuple[ArrayType, ...]) -> Program:
    """The results of the matrices of which both flags say that they are good, else NaN."""
    b = Builder()
    info, ok = (Term(b, b.input(ArrayType(batch, d))) for d in (int32, bool_))
    good = info.eq(0).apply(AND, ok)
    ys = []
    for t in ts:
        y = Term(b, b.input(t))
        ys.append(good.apply(broadcast(t.shape, range(len(batch)))).where(y, math.nan).slot)
    return b.finish(ys)


# words of the derivatives ------------------------------------------------------------------------


def reciprocal(d: T, least: Term) -> T:
    """1 / d, and 0 where the magnitude of d is ``least`` or smaller."""
    near = d.apply(ABS).le(least)
    return near.where(0, 1 / near.where(1, d))


def epsilon(dtype: DType) -> float:
    """The distance from 1 to the next number."""
    return 2.0**-23 if real_of(dtype).bits == 32 else 2.0**-52


def rounding(values: Term) -> Term:
    """Per vector ``[..., n]`` of eigenvalues, how far equal ones may lie apart by rounding."""
    ndim, unit = values.type.ndim, 8 * epsilon(values.type.dtype)
    return values.apply(ABS).apply(total(ndim, (ndim - 1,))) * unit


def as_matrix(v: Term, shape: Shape) -> Matrix:
    """One number per matrix as all elements of matrices of this shape."""
    return Matrix(v.b, v.apply(broadcast(shape, range(v.type.ndim))).slot)


def inverse_gaps(like: Matrix, w: Term) -> Matrix:
    """``1 / (w_j - w_i)`` in row i and column j; zero where the two are equal."""
    gaps = like.as_rows(w) - like.as_columns(w)
    return reciprocal(gaps, as_matrix(rounding(w), gaps.type.shape))
