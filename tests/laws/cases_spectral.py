"""Cases of the spectral decompositions.

Operands are made of the decomposition that the op has to find, with spectra whose elements are well
apart: there derivatives exist, and are moderate. Vectors may each be turned by a phase, so what is
compared (``observe``) are the projectors on them; of the results that keep to no order or phase at
all, what can be rebuilt from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg import get_lapack_funcs

from tests.laws.harness import Array, Case, Gen, Sample, numpy_dtype
from verax.compiler.ir.dtypes import DType, complex64, complex128, float32, float64
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder
from verax.compiler.ops.contract import canonical
from verax.compiler.ops.eig import Eig
from verax.compiler.ops.eigh import Eigh
from verax.compiler.ops.hessenberg import Hessenberg, Tridiagonal
from verax.compiler.ops.matrices import Matrix
from verax.compiler.ops.pinv import Pinv
from verax.compiler.ops.pointwise import MUL
from verax.compiler.ops.polar import Polar
from verax.compiler.ops.schur import Schur
from verax.compiler.ops.svd import Svd
from verax.compiler.ops.sylvester import Sqrtm, Sylvester

LAPACK: tuple[DType, ...] = (float64, float32, complex128, complex64)


def batch(g: Gen) -> tuple[int, ...]:
    """The dimensions in front of a matrix: none, or one."""
    return (g.size(),) if g.flag() else ()


def orthonormal(g: Gen, lead: Sequence[int], m: int, dtype: DType) -> Array:
    """Orthogonal or unitary matrices."""
    x = g.array((*lead, m, m), complex128 if dtype.is_complex else float64)
    return np.asarray(np.linalg.qr(x)[0])


def spectrum(g: Gen, lead: Sequence[int], n: int) -> Array:
    """Positive numbers, descending, no two of them nearer than 0.6."""
    return np.arange(n, 0, -1) + g.array((*lead, n), float64, 0.0, 0.4)


def matrices_of(x: Array) -> list[Array]:
    """The matrices of a batch, one by one; those without elements are none."""
    return list(x.reshape((-1, *x.shape[-2:]))) if x.size else []


def adjoint(x: Array) -> Array:
    return np.asarray(np.conj(np.swapaxes(x, -1, -2)))


def rank_ones(b: Builder, x: int, y: int) -> int:
    """The outer products of the columns of x with those of y, conjugated; one for each column."""
    k = len(b.types[x].shape) - 2
    lead = tuple(range(k))
    op = canonical([(*lead, k, k + 2), (*lead, k + 1, k + 2)], (*lead, k, k + 1, k + 2))
    return b.emit(op, x, Matrix(b, y).conj().slot)


def rank_ones_of(x: Array, y: Array) -> Array:
    return np.asarray(np.einsum("...ik,...jk->...ijk", x, np.conj(y)))


# Hermitian ---------------------------------------------------------------------------------------


def hermitian(g: Gen, dtype: DType) -> Array:
    lead, n = batch(g), g.size()
    q = orthonormal(g, lead, n, dtype)
    return np.asarray((q * (spectrum(g, lead, n) - 1.5)[..., None, :]) @ adjoint(q))


def eigh(g: Gen) -> Sample:
    dtype, lower, vectors = g.dtype(LAPACK), g.flag(), not g.flag()
    a = hermitian(g, dtype)
    other = g.array(a.shape, dtype)  # the triangle that is not read
    read, unread = (np.tril(a), np.triu(other, 1)) if lower else (np.triu(a), np.tril(other, -1))
    op = Eigh(lower, vectors)
    return Sample(
        op, [(read + unread).astype(numpy_dtype(dtype))], observe=of_eigh if vectors else None
    )


def of_eigh(b: Builder, ys: Sequence[int]) -> Sequence[int]:
    return [ys[0], rank_ones(b, ys[1], ys[1])]


def eigh_reference(op: Op, a: Array) -> Any:
    assert isinstance(op, Eigh)
    w, v = np.linalg.eigh(a, "L" if op.lower_triangle else "U")
    return (w, rank_ones_of(v, v)) if op.vectors else w


# rectangular -------------------------------------------------------------------------------------


def rectangular(g: Gen, dtype: DType) -> Array:
    lead, m, n = batch(g), g.size(), g.size()
    k = min(m, n)
    u, v = (orthonormal(g, lead, size, dtype)[..., :k] for size in (m, n))
    return np.asarray((u * spectrum(g, lead, k)[..., None, :]) @ adjoint(v)).astype(
        numpy_dtype(dtype)
    )


def svd(g: Gen) -> Sample:
    op, a = Svd(g.flag(), not g.flag()), rectangular(g, g.dtype(LAPACK))
    return Sample(op, [a], observe=of_svd if op.vectors else None)


def of_svd(b: Builder, ys: Sequence[int]) -> Sequence[int]:
    """The singular values, the products of paired vectors, and the projectors on all others."""
    u, s, v = Matrix(b, ys[0]), ys[1], Matrix(b, ys[2]).H
    k = b.types[s].shape[-1]
    pairs = rank_ones(b, u.part(None, (0, k)).slot, v.part(None, (0, k)).slot)
    rest = [x.part(None, (k, x.n)) for x in (u, v)]
    return [s, pairs, *[(x @ x.H).slot for x in rest]]


def svd_reference(op: Op, a: Array) -> Any:
    assert isinstance(op, Svd)
    if not op.vectors:
        return np.linalg.svd(a, compute_uv=False)
    u, s, vh = np.linalg.svd(a, full_matrices=op.full)
    k, v = s.shape[-1], adjoint(vh)
    rest = [x[..., k:] for x in (u, v)]
    return (s, rank_ones_of(u[..., :k], v[..., :k]), *[x @ adjoint(x) for x in rest])


def pinv(g: Gen) -> Sample:
    return Sample(Pinv(1e-3), [rectangular(g, g.dtype(LAPACK))])


# general -----------------------------------------------------------------------------------------


def general(g: Gen, dtype: DType) -> Array:
    """Square matrices with eigenvalues well apart; of real ones the first two may be conjugate."""
    lead, n = batch(g), g.size()
    w = spectrum(g, lead, n)
    middle: Array = w[..., None, :] * np.eye(n)
    if n > 1 and g.flag():
        middle[..., 1, 1] = middle[..., 0, 0]
        middle[..., 0, 1], middle[..., 1, 0] = 1, -1
    if dtype.is_complex:
        middle = middle * (1 + 0.5j)
    s = orthonormal(g, lead, n, dtype) @ (np.eye(n) + 0.3 * np.triu(np.ones((n, n)), 1))
    return np.asarray(s @ middle @ np.linalg.inv(s)).astype(numpy_dtype(dtype))


def eig(g: Gen) -> Sample:
    op = Eig(g.flag(), not g.flag())
    return Sample(op, [general(g, g.dtype(LAPACK))], observe=of_eig)


def of_eig(b: Builder, ys: Sequence[int]) -> Sequence[int]:
    """Sums over all eigenvalues: of their squares, and of projectors times eigenvalues."""
    w = ys[0]
    square = b.emit(MUL, w, w)
    k = len(b.types[w].shape) - 1
    lead = tuple(range(k))
    out = [b.emit(canonical([(*lead, k)], lead), square)]
    for v in ys[1:]:
        ins = [(*lead, k, k + 1, k + 2), (*lead, k + 2)]
        out.append(b.emit(canonical(ins, (*lead, k, k + 1)), rank_ones(b, v, v), w))
    return out


def eig_reference(op: Op, a: Array) -> Any:
    assert isinstance(op, Eig)
    w, right = np.linalg.eig(a)
    left = np.asarray(np.linalg.inv(adjoint(right)))
    left = left / np.linalg.norm(left, axis=-2, keepdims=True)
    vs = [left] * op.left + [right] * op.right
    sums = [np.einsum("...ik,...jk,...k->...ij", v, v.conj(), w) for v in vs]
    return (np.sum(w * w, -1), *sums)


def hessenberg(g: Gen) -> Sample:
    return Sample(Hessenberg(), [general(g, g.dtype(LAPACK))])


def hessenberg_reference(op: Op, a: Array) -> Any:
    routine = get_lapack_funcs("gehrd", [a])
    out = [routine(x)[:2] for x in matrices_of(a)]
    form, taus = (np.array([y[i] for y in out]) for i in (0, 1))
    n = a.shape[-1]
    return form.reshape(a.shape), taus.reshape((*a.shape[:-2], max(0, n - 1)))


def tridiagonal(g: Gen) -> Sample:
    dtype = g.dtype(LAPACK)
    return Sample(Tridiagonal(g.flag()), [hermitian(g, dtype).astype(numpy_dtype(dtype))])


def tridiagonal_reference(op: Op, a: Array) -> Any:
    assert isinstance(op, Tridiagonal)
    name = "hetrd" if np.iscomplexobj(a) else "sytrd"
    routine, n = get_lapack_funcs(name, [a]), a.shape[-1]
    out = [routine(x, lower=op.lower_triangle)[:4] for x in matrices_of(a)]
    parts = [np.array([y[i] for y in out]) for i in range(4)]
    sizes = [(n, n), (n,), (max(0, n - 1),), (max(0, n - 1),)]
    return tuple(p.reshape((*a.shape[:-2], *size)) for p, size in zip(parts, sizes))


def schur(g: Gen) -> Sample:
    vectors = not g.flag()
    dtype = g.dtype((complex128,) if g.smooth else LAPACK)
    observe = of_schur if vectors else form_of_schur
    return Sample(Schur(vectors), [general(g, dtype)], observe=observe)


def of_schur(b: Builder, ys: Sequence[int]) -> Sequence[int]:
    """What keeps to no phase: the sizes of t, what the two rebuild, and projectors."""
    t, z = (Matrix(b, y) for y in ys)
    return [*form_of_schur(b, ys), (z @ t @ z.H).slot, rank_ones(b, z.slot, z.slot)]


def form_of_schur(b: Builder, ys: Sequence[int]) -> Sequence[int]:
    t = Matrix(b, ys[0])
    size = t * t.conj()
    return [t.diagonal().slot, (t.only(t.on_diagonal()) + size.upper(1)).slot]


def schur_reference(op: Op, a: Array) -> Any:
    form = "complex" if np.iscomplexobj(a) else "real"
    out = [scipy.linalg.schur(x, form) for x in matrices_of(a)]
    t, z = (np.array([y[i] for y in out], a.dtype).reshape(a.shape) for i in (0, 1))
    diagonal = np.diagonal(t, axis1=-2, axis2=-1)
    both = diagonal[..., None, :] * np.eye(a.shape[-1]) + np.triu(t * np.conj(t), 1)
    seen = (diagonal, both)
    assert isinstance(op, Schur)
    return (*seen, a, rank_ones_of(z, z)) if op.vectors else seen


# equations ---------------------------------------------------------------------------------------


def sylvester(g: Gen) -> Sample:
    """Where a and b are taken for Hermitian, only c is differentiated: the others would leave."""
    dtype, lead, m, n = g.dtype(LAPACK), batch(g), g.size(), g.size()
    to, hermitian = numpy_dtype(dtype), g.flag()
    a, b = (positive(g, lead, size, dtype, hermitian).astype(to) for size in (m, n))
    c = g.array((*lead, m, n), dtype)
    return Sample(Sylvester(hermitian), [a, b, c], fixed=(0, 1) if hermitian else ())


def positive(g: Gen, lead: Sequence[int], n: int, dtype: DType, hermitian: bool = False) -> Array:
    """Matrices whose eigenvalues have positive real parts; two of them may be equal."""
    w = spectrum(g, lead, n)
    if n > 1 and g.flag():
        w[..., 0] = w[..., 1]
    q = orthonormal(g, lead, n, dtype)
    upper = w[..., None, :] * np.eye(n) + (0 if hermitian else np.triu(np.ones((n, n)), 1))
    return np.asarray(q @ upper @ adjoint(q))


def sylvester_reference(op: Op, a: Array, b: Array, c: Array) -> Any:
    m, n = c.shape[-2:]
    one_m, one_n = np.eye(m), np.eye(n)
    system = np.einsum("...ij,kl->...ikjl", a, one_n) + np.einsum("ij,...lk->...ikjl", one_m, b)
    size = m * n
    lead = c.shape[:-2]
    x = np.linalg.solve(system.reshape((*lead, size, size)), c.reshape((*lead, size, 1)))
    return x.reshape(c.shape)


def sqrtm(g: Gen) -> Sample:
    dtype = g.dtype(LAPACK)
    return Sample(Sqrtm(), [positive(g, batch(g), g.size(), dtype).astype(numpy_dtype(dtype))])


def sqrtm_reference(op: Op, a: Array) -> Any:
    return np.array([scipy.linalg.sqrtm(x) for x in matrices_of(a)]).reshape(a.shape)


def polar(g: Gen) -> Sample:
    dtype, lead, n, more = g.dtype(LAPACK), batch(g), g.size(), g.integer(0, 1)
    q = orthonormal(g, lead, n + more, dtype)[..., :n]
    return Sample(Polar(), [(q @ positive(g, lead, n, dtype)).astype(numpy_dtype(dtype))])


def polar_reference(op: Op, a: Array) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u @ vh, (adjoint(vh) * s[..., None, :]) @ vh


CASES = (
    Case("eigh", eigh, eigh_reference, ulps=100, weight=3),
    Case("svd", svd, svd_reference, ulps=100, weight=3),
    Case("pinv", pinv, lambda op, a: np.linalg.pinv(a, rcond=1e-3), ulps=100, weight=3),
    Case("eig", eig, eig_reference, ulps=500, floor=4.0, weight=6),
    Case("hessenberg", hessenberg, hessenberg_reference, ulps=200, floor=4.0, weight=6),
    Case("tridiagonal", tridiagonal, tridiagonal_reference, ulps=200, floor=4.0, weight=6),
    Case("schur", schur, schur_reference, ulps=500, floor=8.0, weight=6),
    Case("sylvester", sylvester, sylvester_reference, ulps=500, weight=6),
    Case("sqrtm", sqrtm, sqrtm_reference, ulps=1000, weight=6),
    Case("polar", polar, polar_reference, ulps=200, floor=4.0, weight=6),
)
