"""Reductions by reflectors: Hessenberg form of general, tridiagonal form of Hermitian matrices.

Column by column a reflector ``H_j = 1 - tau_j v_j v_j^H`` takes away what stands below the first
subdiagonal, ``A := H_j^H A H_j``. LAPACK packs the result: v_j stands below the subdiagonal of
column j, except for its first element, which is 1. HouseholderProduct of the columns 1.. and rows
1.. of the packed matrix gives the orthogonal factor.

Both are differentiated as the loop over columns that is written here, at all orders. Where a column
has nothing to take away, its reflector is held still.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from verax.compiler.ir.dtypes import DType, int32, real_of
from verax.compiler.ir.op import Again, Emitter, Factors, MaybeSlots, Slots
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import COMPLEX, IMAG, conj, real
from verax.compiler.ops.batched import batched, square
from verax.compiler.ops.bits import AND
from verax.compiler.ops.contract import broadcast, permute, total
from verax.compiler.ops.decomposition import Decomposition, guarded
from verax.compiler.ops.eigh import hermitian
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.functions import SQRT
from verax.compiler.ops.layout import Iota, Reverse
from verax.compiler.ops.loops import Scan
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.slicing import Slice


class Reduction(Decomposition):
    """The base: what follows from the program that the op is differentiated as."""

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        n = square(self.name, shape)
        return batched(shapes, ["nn"], self.outs(), sizes={"l": n if n == 0 else n - 1})

    def formula(self, t: ArrayType) -> Program:
        """The results, for an operand of type t, in ops that have derivatives."""
        raise NotImplementedError(f"{self.name}: formula")

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        assert ts[0] is not None
        ys = b.emit_all(self, *xs)
        p, _ = again(_formula(self, b.types[xs[0]]), (True,), (True,) * len(ys))
        return ys, b.inline(p, [xs[0], ts[0]])[len(ys) :]


class Hessenberg(Reduction, name="hessenberg"):
    """The packed form ``[..., n, n]`` and taus ``[..., n - 1]``."""

    def outs(self) -> list[str]:
        return ["nn", "l"]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        return (dtype, dtype)

    def formula(self, t: ArrayType) -> Program:
        b = Builder()
        x = Matrix(b, b.input(t))
        form, v, taus = reflected(x)
        return b.finish([(form.upper(-1) + v.lower(-2)).slot, taus.slot])

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (t,) = xts
        config = {"low": "1 : i32", "high": f"{t.shape[-1]} : i32"}
        info = ArrayType(t.shape[:-2], int32)

        def call(x: str) -> tuple[str, Sequence[str]]:
            *ys, status = lapack(e, "gehrd", [x], [t], [*yts, info], config, in_place={0: 0})
            return status, ys

        return guarded(e, xs[0], t, yts, call)


class Tridiagonal(Reduction, name="tridiagonal"):
    """The packed form, the diagonal and the off-diagonal (real), and taus.

    Args:
        lower_triangle: which triangle is read, and holds the packed form; the other one is passed
            through. With the upper one, the loop goes from the last column to the first.
    """

    lower_triangle: bool

    def outs(self) -> list[str]:
        return ["nn", "n", "l", "l"]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        return (dtype, real_of(dtype), real_of(dtype), dtype)

    def formula(self, t: ArrayType) -> Program:
        b = Builder()
        x = Matrix(b, b.input(t))
        whole, k = hermitian(x, self.lower_triangle), len(t.shape) - 2
        turned = () if self.lower_triangle else (k, k + 1)
        form, v, taus = reflected(whole.apply(Reverse(turned)) if turned else whole)
        parts = form.real()
        beside = parts.only(parts.rows().eq(parts.columns() + 1))
        off = Term(b, beside.slot).apply(total(k + 2, (k + 1,)))
        n = t.shape[-1]
        off = off.apply(Slice((*[None] * k, (0 if n == 0 else 1, n, 1))))
        packed = form.lower().upper(-1) + v.lower(-2)
        vectors = [parts.diagonal(), off, taus]
        if turned:
            packed = packed.apply(Reverse(turned))
            vectors = [y.apply(Reverse((k,))) for y in vectors]
        unread = x.upper(1) if self.lower_triangle else x.lower(-1)
        return b.finish([(packed + unread).slot, *[y.slot for y in vectors]])

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (t,) = xts
        routine = "hetrd" if t.dtype.is_complex else "sytrd"
        config = {"uplo": f"{ord('L' if self.lower_triangle else 'U')} : ui8"}
        info = ArrayType(t.shape[:-2], int32)

        def call(x: str) -> tuple[str, Sequence[str]]:
            *ys, status = lapack(e, routine, [x], [t], [*yts, info], config, in_place={0: 0})
            return status, ys

        return guarded(e, xs[0], t, yts, call, "lower" if self.lower_triangle else "upper")


@lru_cache(1024)
def _formula(op: Reduction, t: ArrayType) -> Program:
    return op.formula(t)


# the loop ----------------------------------------------------------------------------------------


def reflected(x: Matrix) -> tuple[Matrix, Matrix, Term]:
    """The reduced matrix, the vectors v_j as columns, and taus."""
    b, n, k = x.b, x.n, len(x.batch)
    if n in (0, 1):
        none = Term(b, x.slot).apply(Slice((*[None] * k, None, (0, 0, 1))))
        return x, x.like(0), none.apply(total(k + 2, (k,)))
    steps: Size = n - 1
    columns = b.emit(Iota(steps, int32))
    form, vs, taus = b.emit_all(Scan(_step(x.type), 0, 1, steps), x.slot, columns)
    v = Matrix(b, b.emit(permute((*range(1, k + 2), 0)), vs)).padded((0, 0), (0, 1))
    return Matrix(b, form), v, Term(b, taus).apply(permute((*range(1, k + 1), 0)))


@lru_cache(1024)
def _step(t: ArrayType) -> Program:
    """The matrix and a column j -> the matrix with column j reduced, v_j and tau_j."""
    b = Builder()
    a, j = Matrix(b, b.input(t)), Term(b, b.input(ArrayType((), int32)))
    k = len(a.batch)
    column = Term(b, a.only(a.columns().eq(_everywhere(j, a.type.shape))).slot)
    column = column.apply(total(k + 2, (k + 1,)))
    v, tau = _reflector(column, j)
    to, dual = Matrix(b, _as_columns(v, 1)), Matrix(b, _as_columns(v, 1)).H
    weight = Matrix(b, tau.apply(broadcast(a.type.shape, range(k))).slot)
    a = a - (a @ to @ dual) * weight
    a = a - (to @ (dual @ a)) * weight.conj()
    return b.finish([a.slot, v.slot, tau.slot])


def _reflector(column: Term, j: Term) -> tuple[Term, Term]:
    """The v and tau with which ``H_j^H`` takes a column to ``beta e_(j + 1)``, beta real."""
    b, shape = column.b, column.type.shape
    k = len(shape) - 1
    place = Term(b, b.emit(broadcast(shape, (k,)), b.emit(Iota(shape[-1], int32))))
    first, add = _everywhere(j + 1, shape), total(k + 1, (k,))
    here = place.eq(first)
    alpha = here.where(column, 0).apply(add)
    rest = place.gt(first).where(column, 0)
    below = real(rest * conj(rest)).apply(add)
    still = below.eq(0)
    if alpha.type.dtype.is_complex:
        still = still.apply(AND, alpha.apply(IMAG).eq(0))
    size = real(alpha * conj(alpha)) + below
    norm = still.where(1, size).apply(SQRT)
    beta = _complex(real(alpha).ge(0).where(-norm, norm), alpha)
    tau = still.where(0, (beta - alpha) / beta)
    scale = still.where(1, alpha - beta).apply(broadcast(shape, range(k)))
    return here.where(1, rest / scale), tau


def _complex(x: Term, like: Term) -> Term:
    return x.apply(COMPLEX, x.like(0)) if like.type.dtype.is_complex else x


def _everywhere(x: Term, shape: Shape) -> Term:
    """A scalar as all elements of an array."""
    return x.apply(broadcast(shape, ()))


def _as_columns(v: Term, n: Size) -> int:
    """Vectors ``[..., m]`` as matrices ``[..., m, n]``."""
    shape = (*v.type.shape, n)
    return v.apply(broadcast(shape, range(len(shape) - 1))).slot
