"""Eig: eigenvalues and eigenvectors of general matrices; all results are complex.

With ``P = V^-1 dA V`` and F as for Eigh,

    dw = diag(P),    dV = V (F * P + diag(c))

where c keeps LAPACK's normalization: each vector has length 1, and its element of greatest
magnitude is real. Left vectors are the right ones of ``A^H``.

Convention: F is zero on the diagonal and between equal eigenvalues. The derivative of the
eigenvalues (as a set) is exact wherever A can be diagonalized; where it can't, V has no inverse and
A no derivative: what is given is finite, with 1 in place of ``V^-1``. That of a vector of which two
elements have the greatest magnitude is that of the first of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.dtypes import DType, complex_of, int32
from verax.compiler.ir.op import Again, Emitter, MaybeSlots, Slots
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import ABS, COMPLEX, CONJ, IMAG, join
from verax.compiler.ops.barrier import StopGradient
from verax.compiler.ops.contract import broadcast, total
from verax.compiler.ops.decomposition import (
    Decomposition,
    as_matrix,
    guarded,
    inverse_gaps,
    rounding,
)
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.linear_solve import LinearSolve
from verax.compiler.ops.lu import Lu
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.reduce import ArgReduce, Reduce


class Eig(Decomposition, name="eig"):
    """``w``, then ``vl`` if ``left`` and ``vr`` if ``right``.

    ``a @ vr == vr * w`` and ``vl.H @ a == w[:, None] * vl.H``.
    """

    left: bool = False
    right: bool = True

    def outs(self) -> list[str]:
        return ["n", *["nn"] * (self.left + self.right)]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        return (complex_of(dtype),) * (1 + self.left + self.right)

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        assert ts[0] is not None
        ys = b.emit_all(Eig(self.left, True), *xs)
        w, da = Term(b, ys[0]), Matrix(b, ts[0]).to(complex_of(Matrix(b, ts[0]).dtype))
        right = Matrix(b, ys[-1])
        p = solved(right, da @ right)
        tangents = [p.diagonal().slot]
        if self.left:
            left = Matrix(b, ys[1])
            tangents.append(turned(solved(left, da.H @ left), w.apply(CONJ), left).slot)
        if self.right:
            tangents.append(turned(p, w, right).slot)
        return ys[: len(tangents)], tangents

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (t,) = xts
        w, v = yts[0], ArrayType(t.shape, yts[0].dtype)
        part = ArrayType(w.shape, t.dtype)
        wanted = {"compute_left": self.left, "compute_right": self.right}
        config = {k: f"{ord('V' if wanted[k] else 'N')} : ui8" for k in wanted}

        def call(x: str) -> tuple[str, Sequence[str]]:
            info = ArrayType(t.shape[:-2], int32)
            parts = [w] if t.dtype.is_complex else [part, part]
            *values, vl, vr, status = lapack(e, "geev", [x], [t], [*parts, v, v, info], config)
            if len(values) == 2:
                values = COMPLEX.lower(e, values, [part, part], [w])
            return status, [*values, *[vl] * self.left, *[vr] * self.right]

        return guarded(e, xs[0], t, yts, call)


def solved(v: Matrix, x: Matrix) -> Matrix:
    """``v^-1 x``, and x itself where v has no inverse."""
    b, n = v.b, v.n
    packed, pivots = b.emit_all(Lu(), v.apply(StopGradient()).slot)
    lu = Matrix(b, packed)
    u = Term(b, lu.diagonal().slot)
    least = u.apply(ABS).le(_spread(rounding(u), u))
    singular = least.apply(Reduce("or", (u.type.ndim - 1,)))
    everywhere = as_matrix(singular, v.type.shape)
    steady = Term(b, b.emit(broadcast(u.type.shape, (u.type.ndim - 1,)), b.emit(Iota(n, int32))))
    factors = [everywhere.where(v.eye(), m) for m in (v, lu)]
    order = _spread(singular, u).where(steady, Term(b, pivots))
    return Matrix(b, b.emit(LinearSolve("N"), *[f.slot for f in factors], order.slot, x.slot))


def _spread(x: Term, like: Term) -> Term:
    """One number per matrix as all elements of vectors."""
    return x.apply(broadcast(like.type.shape, range(x.type.ndim)))


def turned(p: Matrix, w: Term, v: Matrix) -> Matrix:
    """The tangent of the eigenvectors v, of length 1 and with their greatest element real."""
    if v.n == 0:
        return v
    u = v @ (p * inverse_gaps(p, w))
    rows = v.type.ndim - 2
    along, add = (u * v.conj()).real(), total(v.type.ndim, (rows,))
    greatest = Term(v.b, v.apply(ABS).apply(ArgReduce("argmax", rows, int32)).slot)
    there = v.rows().eq(v.as_rows(greatest))
    turn = u.only(there).apply(IMAG).apply(add) / v.only(there).real().apply(add)
    c = join(-along.apply(add), -turn)
    return u + v * v.as_rows(c)
