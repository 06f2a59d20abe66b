"""Polar: ``a == u @ p`` with orthonormal columns in u and a positive semidefinite p.

With ``M = U^H dA`` and the skew-Hermitian W that fulfils ``P W + W P = M - M^H``,

    dU = U W + (1 - U U^H) dA P^-1,    dP = M - W P

at all orders, and at equal singular values too. Where a has not full rank, u is not determined; the
derivative is then that along directions in which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import Emitter, Factors, MaybeSlots, Slots, show_shape
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.decomposition import Decomposition, epsilon
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.pinv import Pinv
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.svd import Svd
from verax.compiler.ops.sylvester import Sylvester


class Polar(Decomposition, name="polar"):
    """Of matrices with no fewer rows than columns: u ``[..., m, n]`` and p ``[..., n, n]``."""

    operand = "mn"

    def factors(self, *shapes: Shape) -> Factors:
        f = super().factors(*shapes)
        m, n = shapes[0][-2:]
        if isinstance(m, int) and isinstance(n, int) and m < n:
            raise ShapeError(
                f"polar takes no fewer rows than columns, got {show_shape(shapes[0])}",
                fix="decompose the adjoint",
            )
        return f

    def outs(self) -> list[str]:
        return ["mn", "nn"]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        return (dtype, dtype)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        assert ts[0] is not None
        u, p, da = Matrix(b, ys[0]), Matrix(b, ys[1]), Matrix(b, ts[0])
        m = u.H @ da
        w = p.apply(Sylvester(True), p, m - m.H)
        du, dp = u @ w, m - w @ p
        if u.m != u.n:
            du = du + (da - u @ m) @ p.apply(Pinv(8 * epsilon(p.dtype)))
        return [du.slot, ((dp + dp.H) * 0.5).slot]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return e.inline(_by_svd(xts[0]), xs)


@lru_cache(1024)
def _by_svd(t: ArrayType) -> Program:
    b = Builder()
    left, s, right = b.emit_all(Svd(), b.input(t))
    u, vh = Matrix(b, left), Matrix(b, right)
    scaled = vh * vh.as_columns(Term(b, s).to(t.dtype))
    return b.finish([(u @ vh).slot, (vh.H @ scaled).slot])
