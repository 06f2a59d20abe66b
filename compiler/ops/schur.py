"""Schur: ``a == z @ t @ z.H`` with a unitary z and an upper triangular t.

Of a real matrix both are real, and t has blocks of two on its diagonal for the pairs of conjugate
eigenvalues. The derivative of the complex form: with ``M = Z^H dA Z`` and a strictly lower X that
fulfils ``X T - T X = M`` below the diagonal, and ``W = X - X^H``,

    dZ = Z W,    dT = triu(M - W T + T W)

Convention: the diagonal of W is zero (no column of z turns its phase), and so are its elements
between equal eigenvalues. The real form has no derivative here: what its blocks hold fixed depends
on the values, and the complex form has one everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.dtypes import DType, int32
from verax.compiler.ir.errors import DerivativeError
from verax.compiler.ir.op import Again, Emitter, MaybeSlots, Slots
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.columns import solve_below
from verax.compiler.ops.decomposition import Decomposition, guarded
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.matrices import Matrix


class Schur(Decomposition, name="schur"):
    """``t``, then z if ``vectors``."""

    vectors: bool = True

    def outs(self) -> list[str]:
        return ["nn", "nn"] if self.vectors else ["nn"]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        return (dtype,) * (1 + self.vectors)

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        assert ts[0] is not None
        da = Matrix(b, ts[0])
        if not da.dtype.is_complex:
            raise DerivativeError(
                f"schur of a real matrix ({da.type}) has no derivative: the blocks on the diagonal "
                "come and go with the values",
                fix='take the complex form, which has one: schur(a, output="complex")',
            )
        ys = b.emit_all(Schur(True), *xs)
        t, z = (Matrix(b, y) for y in ys)
        m = z.H @ da @ z
        x = solve_below(t, m)
        w = x - x.H
        tangents = [(m - w @ t + t @ w).upper().slot, (z @ w).slot]
        return (ys, tangents) if self.vectors else (ys[:1], tangents[:1])

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        (a,) = xts
        config = {
            "mode": f"{ord('V' if self.vectors else 'N')} : ui8",
            "sort": f"{ord('N')} : ui8",
        }

        def call(x: str) -> tuple[str, Sequence[str]]:
            info, w = ArrayType(a.shape[:-2], int32), ArrayType(a.shape[:-1], a.dtype)
            parts = [w] if a.dtype.is_complex else [w, w]
            types = [a, a, *parts, info, info]
            t, z, *_, status = lapack(e, "gees", [x], [a], types, config, in_place={0: 0})
            return status, [t, z][: len(yts)]

        return guarded(e, xs[0], a, yts, call)
