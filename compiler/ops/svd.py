"""Svd: singular values, descending, and the orthonormal vectors on both sides.

With ``M = U^H dA V``, its Hermitian half H and the other half K (M = H + K),

    ds = diag(re M),    dU = U (H * E + K * G),    dV = V (H * E - K * G)
    E_ij = 1 / (s_j - s_i),    G_ij = 1 / (s_j + s_i)

and what is not square adds what leaves the space of the vectors: ``(1 - U U^H) dA V / s`` to dU of
a tall matrix, its like to dV of a wide one. The columns that ``full`` adds turn against these.

Convention: E is zero on the diagonal and between equal singular values, G and 1/s are zero where
they would divide by zero; a pair u_k, v_k turns its common phase, and the added columns among
themselves, not at all. Products ``U V^H`` have exact first derivatives at equal singular values
too: E drops out of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import DType, int32, real_of
from verax.compiler.ir.op import Again, Emitter, MaybeSlots, Slots
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.batched import shorter
from verax.compiler.ops.decomposition import (
    Decomposition,
    as_matrix,
    guarded,
    inverse_gaps,
    reciprocal,
    rounding,
)
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.matrices import Matrix, eye
from verax.compiler.ops.pointwise import Term, zeros


class Svd(Decomposition, name="svd"):
    """``u, s, vh`` with ``a == (u * s) @ vh``; only s unless ``vectors``.

    Args:
        full: whether u and vh are square, with columns that no singular value belongs to.
        vectors: whether u and vh are computed.
    """

    full: bool = False
    vectors: bool = True
    operand = "mn"

    def outs(self) -> list[str]:
        if not self.vectors:
            return ["k"]
        return ["mm", "k", "nn"] if self.full else ["mk", "k", "kn"]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        s = real_of(dtype)
        return (dtype, s, dtype) if self.vectors else (s,)

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        assert ts[0] is not None
        da = Matrix(b, ts[0])
        if not self.vectors:
            left, values, right = b.emit_all(Svd(False, True), *xs)
            p = Matrix(b, left).H @ da @ Matrix(b, right).H
            return [values], [p.real().diagonal().slot]
        ys = b.emit_all(self, *xs)
        u, s, vh = (Matrix(b, y) for y in ys)
        du, ds, dv = turned(da, u, s, vh.H, full=self.full)
        return ys, [du.slot, ds.slot, dv.H.slot]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (t,) = xts
        if t.size == 0 and self.full and self.vectors:
            return e.inline(_of_nothing(t.shape, t.dtype), [])
        u, s, vh = cast(tuple[ArrayType, ...], Svd(self.full, True).infer((t,)))
        mode = {"mode": f"{ord('N' if not self.vectors else 'A' if self.full else 'S')} : ui8"}

        def call(x: str) -> tuple[str, Sequence[str]]:
            info = ArrayType(t.shape[:-2], int32)
            types = [t, s, u, vh, info]
            _, values, left, right, status = lapack(
                e, "gesdd", [x], [t], types, mode, in_place={0: 0}
            )
            return status, [left, values, right] if self.vectors else [values]

        return guarded(e, xs[0], t, yts, call)


def turned(da: Matrix, u: Matrix, s: Term, v: Matrix, *, full: bool) -> tuple[Matrix, Term, Matrix]:
    """The tangents of u, s and v (not of its adjoint)."""
    m, n, k = da.m, da.n, s.type.shape[-1]
    u1, v1 = (x.part(None, (0, k)) if full and m != n else x for x in (u, v))
    p = u1.H @ da @ v1
    tiny = rounding(s)
    sums = p.as_rows(s) + p.as_columns(s)
    even = (p + p.H) * 0.5 * inverse_gaps(p, s).to(p.dtype)
    odd = (p - p.H) * 0.5 * reciprocal(sums, as_matrix(tiny, sums.type.shape)).to(p.dtype)
    du, dv = u1 @ (even + odd), v1 @ (even - odd)
    inverse = reciprocal(s, Term(s.b, as_matrix(tiny, s.type.shape).slot)).to(da.dtype)
    if k != m:
        du = _leaving(du, da @ v1, u, u1, inverse)
    if k != n:
        dv = _leaving(dv, da.H @ u1, v, v1, inverse)
    return du, p.real().diagonal(), dv


def _leaving(du: Matrix, moved: Matrix, u: Matrix, u1: Matrix, inverse: Term) -> Matrix:
    """du with what leaves the space of u1, and where u has more columns, their tangents."""
    if u is u1:
        out = moved - u @ (u.H @ moved)
        return du + out * out.as_rows(inverse)
    u2 = u.part(None, (u1.n, u.n))
    x = u2.H @ moved
    x = x * x.as_rows(inverse)
    return (du + u2 @ x).beside(-(u1 @ x.H))


@lru_cache(1024)
def _of_nothing(shape: Shape, dtype: DType) -> Program:
    """The full decomposition of matrices without elements."""
    b = Builder()
    batch, (m, n) = shape[:-2], shape[-2:]
    s = zeros(b, ArrayType((*batch, shorter("svd", shape)), real_of(dtype)))
    return b.finish([eye(b, batch, m, dtype).slot, s, eye(b, batch, n, dtype).slot])
