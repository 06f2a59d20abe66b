"""Cases of the factorizations and solvers: matrices that are far from singular, real and complex.

References are NumPy and SciPy, one matrix at a time. What is defined up to a choice (the packed
form of a QR) is compared with LAPACK's own; all others are computed in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg

from tests.laws.harness import Array, Case, Gen, Sample, widened
from verax.compiler.ir.dtypes import DType, complex64, complex128, float32, float64
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder
from verax.compiler.ops.cholesky import Cholesky
from verax.compiler.ops.det import Adjugate, Det
from verax.compiler.ops.linear_solve import LinearSolve, LogDet
from verax.compiler.ops.lu import Lu
from verax.compiler.ops.matrices import KINDS, Matrix
from verax.compiler.ops.permutation import Permutation
from verax.compiler.ops.qr import Geqp3, Geqrf, HouseholderProduct, Qr
from verax.compiler.ops.triangular import TriangularSolve
from verax.compiler.ops.tridiagonal import TridiagonalSolve

LAPACK: tuple[DType, ...] = (float64, complex128, float32, complex64)


def each(f: Callable[..., Any], *xs: Array, core: Sequence[int] = (2,)) -> Any:
    """f of every matrix of a batch, stacked; ``core`` are the ranks of the operands of f."""
    cores = (*core, *[core[-1]] * (len(xs) - len(core)))
    batch = xs[0].shape[: xs[0].ndim - cores[0]]
    count = int(np.prod(batch))
    flat = [x.reshape((count, *x.shape[len(batch) :])) for x in xs]
    outs = [f(*[x[i] for x in flat]) for i in range(count)]
    if not outs:  # nothing to stack: the shapes of a result for zeros
        one = f(*[np.zeros(x.shape[1:], x.dtype) + _unit(x.shape[1:]) for x in flat])
        shapes = [np.asarray(y).shape for y in (one if isinstance(one, tuple) else (one,))]
        empty = tuple(np.zeros((*batch, *s)) for s in shapes)
        return empty if isinstance(one, tuple) else empty[0]
    if isinstance(outs[0], tuple):
        return tuple(np.reshape(np.stack(ys), (*batch, *np.shape(ys[0]))) for ys in zip(*outs))
    return np.reshape(np.stack(outs), (*batch, *np.shape(outs[0])))


def _unit(shape: Sequence[int]) -> Array:
    return np.eye(shape[0], shape[1]) if len(shape) == 2 else np.zeros(shape)


def dominant(g: Gen, shape: Sequence[int], dtype: DType) -> Array:
    """Matrices with a large main diagonal: far from singular, of full rank."""
    x = g.array(shape, dtype)
    m, n = shape[-2:]
    return np.asarray(x + np.asarray((2 + max(m, n)) * np.eye(m, n), x.dtype))


def batch_of(g: Gen) -> tuple[int, ...]:
    return g.shape(g.integer(0, 1))


def square_matrices(g: Gen, least: int = 0) -> Array:
    n = g.size(least)
    return dominant(g, (*batch_of(g), n, n), g.dtype(LAPACK))


def any_matrices(g: Gen) -> Array:
    return dominant(g, (*batch_of(g), g.size(), g.size()), g.dtype(LAPACK))


def adjoint(x: Array) -> Array:
    return np.swapaxes(x.conj(), -1, -2)


# cholesky and triangles --------------------------------------------------------------------------


def cholesky(g: Gen) -> Sample:
    """What stands above the diagonal is anything: it is not read."""
    x = square_matrices(g)
    n = x.shape[-1]
    positive = np.tril(x @ adjoint(x)) + np.triu(x, 1)
    return Sample(Cholesky(), [(positive / (1 + n) ** 2).astype(x.dtype)])


def cholesky_reference(op: Op, x: Array) -> Array:
    low = np.tril(widened(x))
    return np.asarray(np.linalg.cholesky(low))  # NumPy too reads the lower triangle


def triangular(g: Gen) -> Sample:
    op = TriangularSolve(g.flag(), g.flag(), g.pick(KINDS), g.flag())
    a = square_matrices(g)
    if op.unit_diagonal:
        a = a / 4
    n, k = a.shape[-1], g.size()
    shape = (n, k) if op.left else (k, n)
    dtype = a.dtype
    b = g.array((*a.shape[:-2], *shape), _dtype_of(dtype))
    return Sample(op, [a.astype(dtype), b])


def _dtype_of(dtype: Any) -> DType:
    return next(d for d in LAPACK if d.name == np.dtype(dtype).name)


def triangular_reference(op: Any, a: Array, b: Array) -> Array:
    a, b = widened(a), widened(b)
    part = np.tril(a) if op.lower_triangle else np.triu(a)
    if op.unit_diagonal:
        n = a.shape[-1]
        part = part * (1 - np.eye(n)) + np.eye(n)
    turned = turn(part, op.kind)
    if op.left:
        return np.asarray(np.linalg.solve(turned, b))
    return np.swapaxes(np.linalg.solve(np.swapaxes(turned, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)


def turn(a: Array, kind: str) -> Array:
    return {"N": a, "T": np.swapaxes(a, -1, -2), "C": adjoint(a)}[kind]


TRIANGLES = (
    Case("cholesky", cholesky, cholesky_reference, ulps=64, weight=2),
    Case("triangular_solve", triangular, triangular_reference, ulps=256, weight=2),
)


# lu ----------------------------------------------------------------------------------------------


def lu(g: Gen) -> Sample:
    """Rows in any order, far enough from each other that no step changes a pivot."""
    x = any_matrices(g)
    return Sample(Lu(), [x[..., list(g.permutation(x.shape[-2])), :]])


def lu_reference(op: Op, x: Array) -> tuple[Array, Array]:
    return factored(widened(x))


def factored(x: Array) -> tuple[Array, Array]:
    """The packed LU and the pivots of a batch."""
    m, n = x.shape[-2:]
    if not x.size:
        return x, np.zeros((*x.shape[:-2], min(m, n)), np.int32)

    def one(a: Array) -> tuple[Array, Array]:
        packed, pivots, _ = scipy.linalg.lapack.get_lapack_funcs("getrf", (a,))(a)
        return packed, pivots

    packed, pivots = each(one, x)
    return packed, pivots.astype(np.int32)


def permutation(g: Gen) -> Sample:
    size = g.size()
    k = g.integer(0, size)
    pivots = np.array([g.rng.integers(i, size) for i in range(k)], np.int32)
    stack = np.stack([pivots, np.arange(k, dtype=np.int32)]) if g.flag() else pivots
    return Sample(Permutation(size, g.flag()), [stack])


def permutation_reference(op: Any, pivots: Array) -> Array:
    def one(swaps: Array) -> Array:
        order = np.arange(op.size)
        for i, j in enumerate(swaps):
            order[[i, j]] = order[[j, i]]
        return np.argsort(order) if op.inverse else order

    return np.asarray(each(one, pivots, core=(1,)))


def with_factors(g: Gen) -> tuple[Array, Array, Array]:
    a = square_matrices(g)
    packed, pivots = factored(a)
    return a, packed.astype(a.dtype), pivots


def linear_solve(g: Gen) -> Sample:
    a, packed, pivots = with_factors(g)
    b = g.array((*a.shape[:-1], g.size()), _dtype_of(a.dtype))
    return Sample(LinearSolve(g.pick(KINDS)), [a, packed, pivots, b], fixed=(0, 1))


def linear_solve_reference(op: Any, a: Array, packed: Array, pivots: Array, b: Array) -> Array:
    return np.asarray(np.linalg.solve(turn(widened(a), op.kind), widened(b)))


def log_det(g: Gen) -> Sample:
    return Sample(LogDet(), with_factors(g), fixed=(0, 1))


def log_det_reference(op: Op, a: Array, packed: Array, pivots: Array) -> tuple[Array, Array]:
    sign, size = np.linalg.slogdet(widened(a))
    return np.asarray(sign), np.asarray(size)


def adjugate_reference(op: Op, a: Array) -> Array:
    a = widened(a)
    return np.asarray(np.linalg.det(a)[..., None, None] * np.linalg.inv(a))


def scaled(g: Gen) -> Array:
    """Square matrices whose determinant is of the order of 1."""
    a = square_matrices(g, 1)
    return np.asarray(a / (2 + a.shape[-1])).astype(a.dtype)


FACTORS = (
    Case("lu", lu, lu_reference, ulps=64, weight=2),
    Case("permutation", permutation, permutation_reference),
    Case("linear_solve", linear_solve, linear_solve_reference, ulps=256, weight=2),
    Case("log_det", log_det, log_det_reference, ulps=64, derivative=False),
    Case("det", lambda g: Sample(Det(), [scaled(g)]), lambda op, a: np.linalg.det(widened(a)),
         ulps=64, weight=8),
    Case("adjugate", lambda g: Sample(Adjugate(), [scaled(g)]), adjugate_reference, ulps=64,
         weight=8),
)  # fmt: skip


# qr ----------------------------------------------------------------------------------------------


def qr(g: Gen) -> Sample:
    x = any_matrices(g)
    op, (m, n) = Qr(g.flag()), x.shape[-2:]
    return Sample(op, [x], observe=of_tall if g.smooth and op.full and m > n else None)


def of_tall(b: Builder, ys: Sequence[int]) -> list[int]:
    """R, the columns of Q that the matrix determines, and the projector on the others."""
    q, r = (Matrix(b, y) for y in ys)
    assert isinstance(q.n, int)
    assert isinstance(r.n, int)
    rest = q.part(None, (r.n, q.n))
    return [q.part(None, (0, r.n)).slot, (rest @ rest.H).slot, r.slot]


def qr_reference(op: Any, x: Array) -> Any:
    m, n = x.shape[-2:]
    k = m if op.full else min(m, n)
    if not x.size:
        q = np.broadcast_to(np.eye(m, k), (*x.shape[:-2], m, k))
        return q, np.zeros((*x.shape[:-2], k, n))
    mode = "full" if op.full else "economic"
    return each(lambda a: scipy.linalg.qr(a, mode=mode), widened(x))


def packed(op: Op) -> Callable[[Gen], Sample]:
    return lambda g: Sample(op, [any_matrices(g)], fixed=(0,))


def geqrf_reference(op: Op, x: Array) -> Any:
    if not x.size:
        return x, np.zeros((*x.shape[:-2], min(x.shape[-2:])))
    return each(lambda a: scipy.linalg.qr(a, mode="raw")[0], widened(x))


def geqp3_reference(op: Op, x: Array) -> Any:
    m, n = x.shape[-2:]
    if not x.size:
        order = np.broadcast_to(np.arange(n), (*x.shape[:-2], n))
        return x, order, np.zeros((*x.shape[:-2], min(m, n)))

    def one(a: Array) -> tuple[Array, Array, Array]:
        (h, taus), _, order = scipy.linalg.qr(a, mode="raw", pivoting=True)
        return h, order, taus

    return each(one, widened(x))


def householder(g: Gen) -> Sample:
    """Any reflectors, not orthogonal ones only."""
    n = g.size()
    m, k = n + g.pick((0, 1, 2)), g.integer(0, n)
    dtype, batch = g.dtype(LAPACK), batch_of(g)
    return Sample(
        HouseholderProduct(), [g.array((*batch, m, n), dtype), g.array((*batch, k), dtype)]
    )


def householder_reference(op: Op, a: Array, taus: Array) -> Array:
    def one(a: Array, taus: Array) -> Array:
        m, n = a.shape
        q = np.eye(m, dtype=a.dtype)
        for i, tau in enumerate(taus):
            v = np.concatenate([np.zeros(i), [1], a[i + 1 :, i]])
            q = q @ (np.eye(m) - tau * np.outer(v, v.conj()))
        return q[:, :n]

    return np.asarray(each(one, widened(a), widened(taus), core=(2, 1)))


QR = (
    Case("qr", qr, qr_reference, ulps=64, weight=2),
    Case("geqrf", packed(Geqrf()), geqrf_reference, ulps=64),
    Case("geqp3", packed(Geqp3()), geqp3_reference, ulps=64),
    Case(
        "householder_product", householder, householder_reference, ulps=256, floor=16, weight=2
    ),
)  # fmt: skip


# tridiagonal -------------------------------------------------------------------------------------


def tridiagonal(g: Gen) -> Sample:
    batch, n, dtype = batch_of(g), g.size(), g.dtype(LAPACK)
    dl, d, du = (g.array((*batch, n), dtype) for _ in range(3))
    d = (d + 6).astype(d.dtype)
    return Sample(TridiagonalSolve(), [dl, d, du, g.array((*batch, n, g.size()), dtype)])


def tridiagonal_reference(op: Op, dl: Array, d: Array, du: Array, b: Array) -> Array:
    def one(dl: Array, d: Array, du: Array, b: Array) -> Array:
        return np.linalg.solve(np.diag(d) + np.diag(dl[1:], -1) + np.diag(du[:-1], 1), b)

    if not b.size:
        return b
    return np.asarray(each(one, *map(widened, (dl, d, du, b)), core=(1, 1, 1, 2)))


TRIDIAGONAL = (Case("tridiagonal_solve", tridiagonal, tridiagonal_reference, ulps=64, weight=2),)


CASES: tuple[Case, ...] = (*TRIANGLES, *FACTORS, *QR, *TRIDIAGONAL)
