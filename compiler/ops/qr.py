"""QR: ``a == Q @ R`` with orthonormal columns in Q and an upper triangular R, by Householder.

LAPACK gives R and, packed below it, reflectors ``H_i = 1 - tau_i v_i v_i.H``; their product is Q.
``Geqrf`` is that packed form, ``HouseholderProduct`` the product, and ``Qr`` both at once.

The derivative of Qr (Walter and Lehmann) follows from ``Q.H a' inv(R) = W + R' inv(R)``, where W is
skew-Hermitian and the other upper triangular with a real diagonal. It needs a square leading part
of R that has an inverse. Of a tall matrix with ``full``, a does not determine the last columns of
Q, only the space that they span: they turn with it, and not among themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import DerivativeError, ShapeError
from verax.compiler.ir.op import Again, Emitter, Factors, MaybeSlots, Slots, not_linear, show_shape
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import IMAG, join
from verax.compiler.ops.batched import Batched, batched, matrix_shape, shorter, tall
from verax.compiler.ops.ffi import lapack
from verax.compiler.ops.lu import from_zero
from verax.compiler.ops.matrices import Matrix, diagonal_matrix
from verax.compiler.ops.permutation import in_order
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.triangular import TriangularSolve


class Qr(Batched, name="qr"):
    """Q ``[..., m, k]`` and R ``[..., k, n]`` of matrices ``[..., m, n]``.

    Args:
        full: whether k is m, or else the smaller one of m and n.
    """

    full: bool

    def factors(self, *shapes: Shape) -> Factors:
        m, _ = matrix_shape(self.name, shapes[0])
        k = m if self.full else shorter(self.name, shapes[0])
        return batched(shapes, ["mn"], ["mk", "kn"], sizes={"k": k})

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        x, q, r, t = (Matrix(b, cast(int, s)) for s in (*xs, *ys, *ts))
        m, n = x.m, x.n
        if m == n or q.n == n:
            tq, tr = _square_tangent(q, r, t)
            return [tq.slot, tr.slot]
        if tall(self.name, (m, n)):
            tq, tr = _tall_tangent(q, r, t)
            return [tq.slot, tr.slot]
        tq, tr = _square_tangent(q, r.part(None, (0, m)), t.part(None, (0, m)))
        rest = tq.H @ x.part(None, (m, n)) + q.H @ t.part(None, (m, n))
        return [tq.slot, tr.beside(rest).slot]

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return e.inline(_by_reflectors(xts[0], self.full), xs)


def _square_tangent(q: Matrix, r: Matrix, t: Matrix) -> tuple[Matrix, Matrix]:
    """The tangents of Q and R, where R is square."""
    over_r = r.apply(TriangularSolve(False, False, "N", False), t)
    inside = q.H @ over_r
    skew = _skew(inside)
    return q @ (skew - inside) + over_r, (inside - skew) @ r


def _tall_tangent(q: Matrix, r: Matrix, t: Matrix) -> tuple[Matrix, Matrix]:
    """The tangents of a square Q and of R, where the matrix has fewer columns."""
    m, n = q.n, r.n
    square = r.part((0, n), None)
    inside = q.H @ square.apply(TriangularSolve(False, False, "N", False), t)
    top, bottom = inside.part((0, n), None), inside.part((n, m), None)
    below = (0, m - n)
    skew = _skew(top)
    first = q @ (inside + (skew - top).padded(below, (0, 0)))
    rest = -(q.part(None, (0, n)) @ bottom.H)
    return first.beside(rest), ((top - skew) @ square).padded(below, (0, 0))


def _skew(inside: Matrix) -> Matrix:
    """The skew-Hermitian matrix that makes the rest of this one upper, with a real diagonal."""
    low = inside.lower(-1)
    skew = low - low.H
    if inside.dtype.is_complex:
        turn = Matrix(inside.b, inside.apply(IMAG).slot)
        skew = skew + _imaginary(turn.only(turn.on_diagonal()))
    return skew


def _imaginary(x: Matrix) -> Matrix:
    return Matrix(x.b, join(x.like(0), x).slot)


@lru_cache(1024)
def _by_reflectors(t: ArrayType, full: bool) -> Program:
    b = Builder()
    x = Matrix(b, b.input(t))
    m, n = cast("tuple[int, int]", (x.m, x.n))
    k = min(m, n)
    packed, taus = b.emit_all(Geqrf(), x.slot)
    v = r = Matrix(b, packed)
    if m < n:
        v = v.part(None, (0, m))
    elif full:
        v = v.padded((0, 0), (0, m - n))
    else:
        r = r.part((0, k), None)
    return b.finish([b.emit(HouseholderProduct(), v.slot, taus), r.upper().slot])


class Geqrf(Batched, name="geqrf"):
    """R on and above the diagonal, below it the reflectors; and taus ``[..., min(m, n)]``."""

    def factors(self, *shapes: Shape) -> Factors:
        return batched(shapes, ["mn"], ["mn", "k"], sizes={"k": shorter(self.name, shapes[0])})

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        raise no_packed_derivative(self.name)

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if xts[0].size == 0:
            return [xs[0], e.constant(0, yts[1])]
        return lapack(e, "geqrf", xs, xts, yts, in_place={0: 0})


def no_packed_derivative(name: str) -> DerivativeError:
    return DerivativeError(
        f"{name}, the packed form of a QR decomposition, has no derivative",
        fix="differentiate Q and R: vx.linalg.qr(x)",
    )


class Geqp3(Batched, name="geqp3"):
    """Geqrf of ``a[:, order]``, where the order makes the diagonal of R descend in magnitude.

    The results are the packed form, the order int32 ``[..., n]``, and taus.
    """

    def factors(self, *shapes: Shape) -> Factors:
        k = shorter(self.name, shapes[0])
        return batched(shapes, ["mn"], ["mn", "n", "k"], sizes={"k": k})

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        packed, order, taus = super().types(*ts)
        return packed, ArrayType(order.shape, int32), taus

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        raise no_packed_derivative(self.name)

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        packed, order, taus = yts
        if packed.size == 0:
            return [xs[0], *e.inline(in_order(order), []), e.constant(0, taus)]
        free = e.constant(0, order)
        outs = lapack(e, "geqp3", [*xs, free], [*xts, order], yts, in_place={0: 0, 1: 1})
        return [outs[0], *e.inline(from_zero(order), outs[1:2]), outs[2]]


class HouseholderProduct(Batched, name="householder_product"):
    """The first n columns of ``H_1 H_2 ... H_k``.

    Operands: the reflectors, below the diagonal of the first k columns of ``[..., m, n]`` with
    m >= n >= k, and taus ``[..., k]``. It equals ``1 - V D inv(1 + striu(V.H V) D) V.H`` with
    ``D = diag(taus)``, which is what it is differentiated as.
    """

    def factors(self, *shapes: Shape) -> Factors:
        a, taus = shapes
        m, n = matrix_shape(self.name, a)
        k = taus[-1] if taus else 0
        if len(taus) != len(a) - 1 or any(isinstance(d, int) and d < 0 for d in (m - n, n - k)):
            raise ShapeError(
                f"{self.name} takes matrices of no fewer rows than columns and no more taus, "
                f"got {show_shape(a)} and {show_shape(taus)}"
            )
        return batched(shapes, ["mn", "k"], ["mn"])

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        formula = _product_formula(*[cast(ArrayType, b.types[x]) for x in xs])
        p, _ = again(formula, tuple([t is not None for t in ts]), (True,))
        _, tangent = b.inline(p, [*xs, *[t for t in ts if t is not None]])
        return [b.emit(self, *xs)], [tangent]

    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if yts[0].size == 0:
            return [xs[0]]
        routine = "ungqr" if yts[0].dtype.is_complex else "orgqr"
        return lapack(e, routine, xs, xts, yts, in_place={0: 0})


@lru_cache(1024)
def _product_formula(a: ArrayType, taus: ArrayType) -> Program:
    b = Builder()
    x, d = Matrix(b, b.input(a)), Term(b, b.input(taus))
    k = taus.shape[-1]
    v = x if k == x.n else x.part(None, (0, k))
    v = v.lower(-1) + v.eye()
    scale = diagonal_matrix(d)
    inner = scale.eye() + (v.H @ v).upper(1) @ scale
    first = v.H @ x.eye()
    solved = inner.apply(TriangularSolve(True, False, "N", True), first)
    return b.finish([(x.eye() - v @ (scale @ solved)).slot])
