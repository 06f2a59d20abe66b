"""Sylvester: the X of ``a @ X + X @ b == c``; and the square root, whose derivative it is.

Both are differentiated by their equations, at all orders and at equal eigenvalues too:
``a dX + dX b = dc - da X - X db`` and ``X dX + dX X = da``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from verax.compiler.ir.dtypes import DType, complex_of
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import Again, Emitter, Factors, MaybeSlots, Slots, show_shape
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.batched import Batched, batched, square
from verax.compiler.ops.columns import solve_pair, square_root
from verax.compiler.ops.decomposition import Decomposition, as_matrix, reciprocal, rounding
from verax.compiler.ops.eigh import Eigh
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.pointwise import Convert, Term
from verax.compiler.ops.schur import Schur


class Sylvester(Batched, name="sylvester"):
    """Operands: a ``[..., m, m]``, b ``[..., n, n]``, c ``[..., m, n]``.

    Where an eigenvalue of a and one of b add up to zero there is no solution, and the result is inf
    or NaN; with ``hermitian`` it is then the one of least norm.

    Args:
        hermitian: whether a and b are, of which then only the lower triangles are read.
    """

    hermitian: bool = False

    def factors(self, *shapes: Shape) -> Factors:
        if len(shapes) != 3:
            raise ShapeError(f"sylvester takes three operands, got {len(shapes)}")
        a, b, c = shapes
        m, n = square(self.name, a), square(self.name, b)
        if c != (*a[:-2], m, n) or len(b) != len(a):
            shown = ", ".join(map(show_shape, shapes))
            raise ShapeError(f"sylvester: a, b and c do not fit together: {shown}")
        return batched(shapes, ["mm", "nn", "mn"], ["mn"])

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        x = Matrix(b, ys[0])
        da, db, dc = (None if t is None else Matrix(b, t) for t in ts)
        out = dc
        for moved in (None if da is None else da @ x, None if db is None else x @ db):
            if moved is not None:
                out = -moved if out is None else out - moved
        assert out is not None
        return [b.emit(self, *xs[:2], out.slot)]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({2}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        left, right, ct = xs[0], xs[1], cts[0]
        assert left is not None
        assert right is not None
        assert ct is not None
        turned = [Matrix(b, x).T.slot for x in (left, right)]
        return [None, None, b.emit(self, *turned, ct)]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if yts[0].size == 0:
            return [xs[2]]
        return e.inline((_by_eigh if self.hermitian else _by_schur)(*xts), xs)


@lru_cache(1024)
def _by_schur(*ts: ArrayType) -> Program:
    p = Builder()
    a, b, c = (Matrix(p, p.input(t)).to(complex_of(t.dtype)) for t in ts)
    r, u = (Matrix(p, y) for y in p.emit_all(Schur(), a.slot))
    s, v = (Matrix(p, y) for y in p.emit_all(Schur(), b.slot))
    x = u @ solve_pair(r, s, u.H @ c @ v) @ v.H
    return p.finish([x.to(ts[0].dtype).slot])


@lru_cache(1024)
def _by_eigh(*ts: ArrayType) -> Program:
    p = Builder()
    a, b, c = (Matrix(p, p.input(t)) for t in ts)
    u_values, left = p.emit_all(Eigh(), a.slot)
    v_values, right = p.emit_all(Eigh(), b.slot)
    u, v, wu, wv = Matrix(p, left), Matrix(p, right), Term(p, u_values), Term(p, v_values)
    f = u.H @ c @ v
    sums = f.as_columns(wu) + f.as_rows(wv)
    least = as_matrix(rounding(wu) + rounding(wv), sums.type.shape)
    return p.finish([(u @ (f * reciprocal(sums, least).to(f.dtype)) @ v.H).slot])


class Sqrtm(Decomposition, name="sqrtm"):
    """The principal square root, complex; its eigenvalues have no negative real part.

    A singular matrix may have no root; its result, or its derivative, is then inf or NaN.
    """

    def outs(self) -> list[str]:
        return ["nn"]

    def dtypes(self, dtype: DType) -> tuple[DType, ...]:
        return (complex_of(dtype),)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        assert ts[0] is not None
        y = ys[0]
        da = b.emit(Convert(Matrix(b, y).dtype), ts[0])
        return [b.emit(Sylvester(), y, y, da)]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if yts[0].size == 0:
            return [e.constant(0, yts[0])]
        return e.inline(_root(xts[0]), xs)


@lru_cache(1024)
def _root(t: ArrayType) -> Program:
    b = Builder()
    a = Matrix(b, b.input(t)).to(complex_of(t.dtype))
    upper, z = (Matrix(b, y) for y in b.emit_all(Schur(), a.slot))
    return b.finish([(z @ square_root(upper) @ z.H).slot])
