"""Factorizations of matrices: Cholesky, LU and QR.

All act on the last two dimensions; what stands in front of them is a batch. Nothing raises inside
of a compiled program: a matrix that has no factor gives NaN, a singular one a factor with a zero.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, overload

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ops.barrier import StopGradient
from verax.compiler.ops.cholesky import Cholesky
from verax.compiler.ops.indexing import Gather
from verax.compiler.ops.lu import Lu
from verax.compiler.ops.permutation import Permutation
from verax.compiler.ops.qr import Geqp3, Geqrf, HouseholderProduct, Qr
from verax.dsl.lang.creation import eye, tril, triu
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.promotion import broadcast_to
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import apply, apply_all, shape_of
from verax.dsl.linalg.operands import (
    adjoint,
    floats,
    matrices,
    square_matrices,
    transposed,
)


def cholesky(x: ArrayLike, /, *, upper: bool = False, symmetrize_input: bool = True) -> AnyArray:
    """The triangular L with ``L @ L.mT.conj() == x``, of Hermitian positive definite matrices.

    Args:
        x: matrices ``[..., n, n]``.
        upper: give ``L.mT.conj()`` instead.
        symmetrize_input: use ``(x + x.mT.conj()) / 2``, so that the gradient is symmetric too;
            otherwise only the lower triangle of x is read, as in NumPy.

    A matrix that is not positive definite gives NaN everywhere.

    >>> import numpy as np
    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]])).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    return fused(_cholesky, (upper, symmetrize_input), square_matrices("cholesky", x))


def _cholesky(static: tuple[bool, bool], x: AnyArray) -> AnyArray:
    upper, symmetrize = static
    factor = apply(Cholesky(), (x + adjoint(x)) * 0.5 if symmetrize else x)
    return adjoint(factor) if upper else factor


@overload
def lu(
    x: ArrayLike, permute_l: Literal[False] = False, *, p_indices: bool = False
) -> tuple[AnyArray, AnyArray, AnyArray]: ...


@overload
def lu(x: ArrayLike, permute_l: Literal[True]) -> tuple[AnyArray, AnyArray]: ...


def lu(x: ArrayLike, permute_l: bool = False, *, p_indices: bool = False) -> Any:
    """P, L and U with ``P @ L @ U == x``: a permutation, a unit lower and an upper triangle.

    Args:
        x: matrices ``[..., m, n]``. L is ``[..., m, k]`` and U ``[..., k, n]``, k = min(m, n).
        permute_l: give ``P @ L`` and U.
        p_indices: give P as the order of rows, int32 ``[..., m]``, with ``(L @ U)[P] == x``.
    """
    static = ("permuted" if permute_l else "indices" if p_indices else "matrix",)
    return tuple(fused_all(_lu, static, matrices("lu", x)))


def _lu(static: tuple[str], x: AnyArray) -> list[AnyArray]:
    (form,) = static
    m = shape_of(x)[-2]
    packed, pivots = apply_all(Lu(), x)
    k = shape_of(pivots)[-1]
    low = tril(packed[..., :, :k], k=-1) + eye(m, k, dtype=x.dtype)
    up = triu(packed[..., :k, :])
    back = apply(Permutation(m, inverse=True), pivots)  # P @ L are the rows of L in this order
    if form == "permuted":
        return [rows_in_order(low, back), up]
    if form == "indices":
        return [back, low, up]
    one = broadcast_to(eye(m, dtype=x.dtype), (*shape_of(x)[:-2], m, m))
    return [rows_in_order(one, back), low, up]


def rows_in_order(x: AnyArray, order: AnyArray) -> AnyArray:
    """The rows of matrices in the order ``int32[..., m]``."""
    return apply(Gather(x.ndim - 2, 1, "clip"), x, order)


class Factor(NamedTuple):
    """An LU factorization: both factors packed in one matrix, and the pivots.

    Row i was exchanged with row ``pivots[i]``, one i after the other, counted from 0.
    """

    lu: AnyArray
    pivots: AnyArray


def lu_factor(x: ArrayLike) -> Factor:
    """The LU factorization of square matrices, for ``lu_solve``."""
    return Factor(*fused_all(_lu_factor, None, square_matrices("lu_factor", x)))


def _lu_factor(static: None, x: AnyArray) -> list[AnyArray]:
    return apply_all(Lu(), x)


class QRResult(NamedTuple):
    """Orthonormal columns and an upper triangle."""

    Q: AnyArray
    R: AnyArray


class PivotedQR(NamedTuple):
    """A QR decomposition of ``x[..., P]``: the diagonal of R descends in magnitude."""

    Q: AnyArray
    R: AnyArray
    P: AnyArray


Factors: TypeAlias = Literal["reduced", "complete"]
Mode: TypeAlias = Literal["reduced", "complete", "r", "raw"]
_MODES = ("reduced", "complete", "r", "raw")


@overload
def qr(
    x: ArrayLike, mode: Factors = "reduced", *, pivoting: Literal[False] = False
) -> QRResult: ...


@overload
def qr(x: ArrayLike, mode: Factors = "reduced", *, pivoting: Literal[True]) -> PivotedQR: ...


@overload
def qr(x: ArrayLike, mode: Literal["r"], *, pivoting: Literal[False] = False) -> AnyArray: ...


@overload
def qr(
    x: ArrayLike, mode: Literal["r"], *, pivoting: Literal[True]
) -> tuple[AnyArray, AnyArray]: ...


@overload
def qr(
    x: ArrayLike, mode: Literal["raw"], *, pivoting: Literal[False] = False
) -> tuple[AnyArray, AnyArray]: ...


def qr(x: ArrayLike, mode: Mode = "reduced", *, pivoting: bool = False) -> Any:
    """Q and R with ``Q @ R == x``: orthonormal columns and an upper triangle.

    Args:
        x: matrices ``[..., m, n]``, with ``k = min(m, n)``.
        mode: "reduced" gives Q ``[..., m, k]`` and R ``[..., k, n]``; "complete" all m columns of
            Q; "r" R alone; "raw" LAPACK's packed form, transposed as in NumPy, and tau.
        pivoting: decompose ``x[..., P]`` where the order P, the third result, makes the diagonal
            of R descend in magnitude.

    The derivative needs linearly independent columns (of a wide matrix, the first m); otherwise it
    is inf or NaN. Of the columns of a complete Q that x does not determine, only the space that
    they span has a derivative: they turn with it, and not among themselves.

    >>> import numpy as np
    >>> q, r = qr(np.array([[3.0, 1.0], [4.0, 2.0]]))
    >>> abs(r).round(3).tolist()
    [[5.0, 2.2], [0.0, 0.4]]
    """
    if mode not in _MODES:
        raise ShapeError(
            f"qr: the mode {mode!r} is not one of {', '.join(_MODES)}", fix='use mode="reduced"'
        )
    if pivoting and mode == "raw":
        raise ShapeError("qr: no packed form with pivoting", fix='use mode="reduced"')
    y = matrices("qr", x)
    if pivoting:
        q, r, order = fused_all(_pivoted, mode, y)
        return (r, order) if mode == "r" else PivotedQR(q, r, order)
    if mode == "raw":
        return tuple(fused_all(_raw, None, y))
    q, r = fused_all(_qr, mode == "complete", y)
    return r if mode == "r" else QRResult(q, r)


def _qr(full: bool, x: AnyArray) -> list[AnyArray]:
    return apply_all(Qr(full), x)


def _raw(static: None, x: AnyArray) -> list[AnyArray]:
    packed, taus = apply_all(Geqrf(), x)
    return [transposed(packed), taus]


def _pivoted(mode: str, x: AnyArray) -> list[AnyArray]:
    """The order alone comes from the pivoted routine: it is a constant for the derivative."""
    _, order, _ = apply_all(Geqp3(), apply(StopGradient(), x))
    q, r = apply_all(Qr(mode == "complete"), transposed(rows_in_order(transposed(x), order)))
    return [q, r, order]


def householder_product(a: ArrayLike, taus: ArrayLike) -> AnyArray:
    """The first n columns of the product of reflectors ``1 - tau v v.H``.

    Args:
        a: ``[..., m, n]`` with m >= n, whose columns hold the v below the diagonal; on it they are
            ones.
        taus: ``[..., k]`` with k <= n.

    LAPACK's orgqr and ungqr; SciPy's ``lapack.dorgqr``.
    """
    x, t = floats("householder_product", a, taus)
    return fused(_householder_product, None, x, t)


def _householder_product(static: None, a: AnyArray, taus: AnyArray) -> AnyArray:
    return apply(HouseholderProduct(), a, taus)
