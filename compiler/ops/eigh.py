"""Eigh: eigenvalues, ascending, and orthonormal eigenvectors of symmetric and Hermitian matrices.

The op reads one triangle, and the real part of the diagonal; its derivative is that of what it
reads. With ``P = V^H dA V`` it is

    dw = diag(P),    dV = V (F * P),    F_ij = 1 / (w_j - w_i)

Convention: F is zero on the diagonal (no vector turns its phase) and between equal eigenvalues (no
vector turns inside the space that they share). The first derivative is then exact for every
function of the eigenvalues that does not depend on their order, and for projectors on the space of
equal ones, also where eigenvalues coincide. Where they do, a second derivative lacks what these
entries of F would add, and so does the first one of a matrix function ``V f(w) V^H``.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.dtypes import DType, int32, real_of
from verax.compiler.ir.op import Again, Emitter, MaybeSlots, Slots
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.decomposition import Decomposition, guarded, inverse_gaps
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.matrices import Matrix


class Eigh(Decomposition, name="eigh"):
    """``w, v`` with ``a @ v == v * w``; v only if ``vectors``.

    Args:
        lower: which triangle is read.
        vectors: whether v is computed.
    """

    lower_triangle: bool = True
    vectors: bool = True

    def outs(self) -> list[str]:
        return ["n", "nn"] if self.vectors else ["n"]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        return (real_of(dtype), dtype)

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        assert ts[0] is not None
        w_slot, v_slot = b.emit_all(Eigh(self.lower_triangle, True), *xs)
        v, da = Matrix(b, v_slot), hermitian(Matrix(b, ts[0]), self.lower_triangle)
        p = v.H @ da @ v
        dw = p.real().diagonal()
        if not self.vectors:
            return [w_slot], [dw.slot]
        gaps = inverse_gaps(p, Matrix(b, w_slot))
        return [w_slot, v_slot], [dw.slot, (v @ (p * gaps.to(p.dtype))).slot]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (t,) = xts
        w = yts[0]
        routine = "heevd" if t.dtype.is_complex else "syevd"
        config = {
            "mode": f"{ord('V' if self.vectors else 'N')} : ui8",
            "uplo": f"{ord('L' if self.lower_triangle else 'U')} : ui8",
        }

        def call(x: str) -> tuple[str, Sequence[str]]:
            info = ArrayType(t.shape[:-2], int32)
            v, values, status = lapack(e, routine, [x], [t], [t, w, info], config, in_place={0: 0})
            return status, [values, v][: len(yts)]

        return guarded(e, xs[0], t, yts, call, "lower" if self.lower_triangle else "upper")


def hermitian(t: Matrix, lower: bool) -> Matrix:
    """The Hermitian matrix of which t holds one triangle; of its diagonal the real part counts."""
    half, diagonal = t.lower(-1) if lower else t.upper(1), t.only(t.on_diagonal())
    if t.dtype.is_complex:
        diagonal = (diagonal + diagonal.conj()) * 0.5
    return half + half.H + diagonal
