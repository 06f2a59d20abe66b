"""Pinv: the pseudo-inverse of Moore and Penrose.

Its derivative (Golub and Pereyra, 1973) is written with the pseudo-inverse itself,

    dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P

so it holds at all orders, at equal singular values too, wherever the rank does not change; where it
does there is no derivative, and this is the one along matrices of the same rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.op import Emitter, MaybeSlots, Slots
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.decomposition import Decomposition
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.svd import Svd


class Pinv(Decomposition, name="pinv"):
    """The matrix p of least norm with ``a @ p @ a == a``.

    Args:
        rtol: singular values up to this part of the largest one count as zero.
    """

    rtol: float
    operand = "mn"

    def outs(self) -> list[str]:
        return ["nm"]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        return (dtype,)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        assert ts[0] is not None
        a, p, da = Matrix(b, xs[0]), Matrix(b, ys[0]), Matrix(b, ts[0])
        rows, columns = p @ (p.H @ da.H), (da.H @ p.H) @ p
        out = rows - rows @ a @ p + columns - p @ (a @ columns) - p @ da @ p
        return [out.slot]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if xts[0].size == 0:
            return [e.constant(0, yts[0])]
        return e.inline(_by_svd(self.rtol, xts[0]), xs)


@lru_cache(1024)
def _by_svd(rtol: float, t: ArrayType) -> Program:
    b = Builder()
    u, values, vh = b.emit_all(Svd(), b.input(t))
    s, v = Term(b, values), Matrix(b, vh).H
    ndim = s.type.ndim
    largest = s.apply(Reduce("max", (ndim - 1,)))
    cutoff = largest.apply(broadcast(s.type.shape, range(ndim - 1))) * rtol
    inverse = s.le(cutoff).where(0, 1 / s).to(t.dtype)
    return b.finish([(v * v.as_rows(inverse) @ Matrix(b, u).H).slot])
