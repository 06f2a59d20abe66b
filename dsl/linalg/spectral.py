"""Spectral decompositions: eigenvalues, singular values, and the forms that lead to them.

All act on the last two dimensions; what stands in front of them is a batch. A matrix that holds a
NaN or an infinity gives NaN. Results are differentiable at all orders; where eigenvalues or
singular values coincide, derivatives are finite, and each docstring says what they are then.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, overload

from verax.compiler.ir.dtypes import complex_of
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ops.eig import Eig
from verax.compiler.ops.eigh import Eigh
from verax.compiler.ops.hessenberg import Hessenberg, Tridiagonal
from verax.compiler.ops.qr import HouseholderProduct
from verax.compiler.ops.schur import Schur
from verax.compiler.ops.svd import Svd
from verax.dsl.lang.creation import eye, triu
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.joining import concat
from verax.dsl.lang.promotion import broadcast_to, convert
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import apply, apply_all, shape_of
from verax.dsl.linalg.operands import adjoint, matrices, square_matrices

# Hermitian matrices ------------------------------------------------------------------------------


class EighResult(NamedTuple):
    """Real eigenvalues in ascending order, and orthonormal eigenvectors in columns."""

    eigenvalues: AnyArray
    eigenvectors: AnyArray


Triangle = Literal["L", "U"]


def eigh(x: ArrayLike, UPLO: Triangle = "L", *, symmetrize_input: bool = True) -> EighResult:
    """Eigenvalues and eigenvectors of symmetric or Hermitian matrices: ``x @ v == v * w``.

    Args:
        x: matrices ``[..., n, n]``.
        UPLO: which triangle is read.
        symmetrize_input: use ``(x + x.mT.conj()) / 2``, so that the gradient is symmetric too;
            otherwise only the triangle UPLO of x counts, as in NumPy.

    The derivative holds eigenvectors still inside a space of equal eigenvalues, where they are
    arbitrary: gradients of functions that depend on the eigenvalues as a set, or on the projector
    on such a space, are exact there. Second derivatives, and matrix functions ``v * f(w) @ v.mT``,
    need distinct eigenvalues (``sqrtm``, ``pinv`` and ``polar`` do not).

    >>> import numpy as np
    >>> w, v = eigh(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> w.tolist()
    [1.0, 3.0]
    """
    static = (_lower("eigh", UPLO), symmetrize_input, True)
    return EighResult(*fused_all(_eigh, static, square_matrices("eigh", x)))


def eigvalsh(x: ArrayLike, UPLO: Triangle = "L", *, symmetrize_input: bool = True) -> AnyArray:
    """The eigenvalues that ``eigh`` gives, ascending, without the work for eigenvectors.

    >>> import numpy as np
    >>> eigvalsh(np.array([[2.0, 1.0], [1.0, 2.0]])).tolist()
    [1.0, 3.0]
    """
    static = (_lower("eigvalsh", UPLO), symmetrize_input, False)
    w: AnyArray = fused_all(_eigh, static, square_matrices("eigvalsh", x))[0]
    return w


def _lower(name: str, uplo: str) -> bool:
    if uplo not in ("L", "U"):
        raise ShapeError(
            f"{name}: UPLO names a triangle, got {uplo!r}", fix='use UPLO="L" or UPLO="U"'
        )
    return uplo == "L"


def _eigh(static: tuple[bool, bool, bool], x: AnyArray) -> list[AnyArray]:
    lower, symmetrize, vectors = static
    return apply_all(Eigh(lower, vectors), (x + adjoint(x)) * 0.5 if symmetrize else x)


# general matrices --------------------------------------------------------------------------------


class EigResult(NamedTuple):
    """Complex eigenvalues, and eigenvectors in columns."""

    eigenvalues: AnyArray
    eigenvectors: AnyArray


class LeftEigResult(NamedTuple):
    """Complex eigenvalues, and eigenvectors of both sides in columns."""

    eigenvalues: AnyArray
    left: AnyArray
    right: AnyArray


@overload
def eig(x: ArrayLike, *, left: Literal[False] = False) -> EigResult: ...


@overload
def eig(x: ArrayLike, *, left: Literal[True]) -> LeftEigResult: ...


def eig(x: ArrayLike, *, left: bool = False) -> EigResult | LeftEigResult:
    """Eigenvalues and eigenvectors of square matrices, always complex: ``x @ v == v * w``.

    Args:
        x: matrices ``[..., n, n]``.
        left: give (w, vl, vr), with ``vl.mT.conj() @ x == w[:, None] * vl.mT.conj()``.

    Each vector has length 1 and a real element of greatest magnitude, and is differentiated so.
    The derivative is exact for distinct eigenvalues; for equal ones it is finite, and exact for
    functions of the eigenvalues as a set, unless the matrix cannot be diagonalized.

    >>> import numpy as np
    >>> eig(np.array([[0.0, -1.0], [1.0, 0.0]])).eigenvalues.tolist()
    [1j, -1j]
    """
    results = fused_all(_eig, (left, True), square_matrices("eig", x))
    return LeftEigResult(*results) if left else EigResult(*results)


def eigvals(x: ArrayLike) -> AnyArray:
    """The eigenvalues that ``eig`` gives, complex, without the work for eigenvectors.

    >>> import numpy as np
    >>> eigvals(np.array([[0.0, -1.0], [1.0, 0.0]])).tolist()
    [1j, -1j]
    """
    w: AnyArray = fused_all(_eig, (False, False), square_matrices("eigvals", x))[0]
    return w


def _eig(static: tuple[bool, bool], x: AnyArray) -> list[AnyArray]:
    return apply_all(Eig(*static), x)


# singular values ---------------------------------------------------------------------------------


class SVDResult(NamedTuple):
    """``(U * S) @ Vh``: orthonormal columns, singular values descending, orthonormal rows."""

    U: AnyArray
    S: AnyArray
    Vh: AnyArray


@overload
def svd(x: ArrayLike, full_matrices: bool = True) -> SVDResult: ...


@overload
def svd(x: ArrayLike, full_matrices: bool, compute_uv: Literal[True]) -> SVDResult: ...


@overload
def svd(x: ArrayLike, full_matrices: bool = True, *, compute_uv: Literal[False]) -> AnyArray: ...


def svd(x: ArrayLike, full_matrices: bool = True, compute_uv: bool = True) -> SVDResult | AnyArray:
    """The singular value decomposition of matrices ``[..., m, n]``.

    Args:
        full_matrices: give U as ``[..., m, m]`` and Vh as ``[..., n, n]``, instead of
            ``[..., m, k]`` and ``[..., k, n]`` with ``k = min(m, n)``.
        compute_uv: whether U and Vh are given; S alone is cheaper.

    The derivative holds vectors still inside a space of equal singular values, where they are
    arbitrary, and so the columns that ``full_matrices`` adds; gradients of functions of the
    singular values as a set, and of ``U @ Vh``, are exact there too.

    >>> import numpy as np
    >>> svd(np.diag([1.0, 2.0])).S.tolist()
    [2.0, 1.0]
    """
    y = matrices("svd", x)
    if not compute_uv:
        return fused(_svdvals, None, y)
    return SVDResult(*fused_all(_svd, full_matrices, y))


def _svd(full: bool, x: AnyArray) -> list[AnyArray]:
    return apply_all(Svd(full, True), x)


def svdvals(x: ArrayLike) -> AnyArray:
    """The singular values of matrices, descending, without the work for vectors.

    >>> import numpy as np
    >>> svdvals(np.diag([1.0, -2.0])).tolist()
    [2.0, 1.0]
    """
    return fused(_svdvals, None, matrices("svdvals", x))


def _svdvals(static: None, x: AnyArray) -> AnyArray:
    return apply(Svd(False, False), x)


# forms -------------------------------------------------------------------------------------------


class SchurResult(NamedTuple):
    """``Z @ T @ Z.mT.conj()``: a (quasi) upper triangular T, and a unitary Z."""

    T: AnyArray
    Z: AnyArray


def schur(x: ArrayLike, output: Literal["real", "complex"] = "real") -> SchurResult:
    """The Schur decomposition ``Z @ T @ Z.mT.conj() == x`` of square matrices.

    Args:
        x: matrices ``[..., n, n]``.
        output: "complex" gives the complex form of real matrices too. Their real form has blocks
            of two on the diagonal of T, one for each pair of conjugate eigenvalues.

    The complex form has a derivative (no column of Z turns its phase); the real one has none.
    """
    if output not in ("real", "complex"):
        raise ShapeError(
            f"schur: the output {output!r} is no form", fix='use output="real" or output="complex"'
        )
    y = square_matrices("schur", x)
    return SchurResult(*fused_all(_schur, output == "complex", y))


def _schur(to_complex: bool, x: AnyArray) -> list[AnyArray]:
    return apply_all(Schur(), convert(x, complex_of(x.dtype)) if to_complex else x)


@overload
def hessenberg(x: ArrayLike, calc_q: Literal[False] = False) -> AnyArray: ...


@overload
def hessenberg(x: ArrayLike, calc_q: Literal[True]) -> tuple[AnyArray, AnyArray]: ...


def hessenberg(x: ArrayLike, calc_q: bool = False) -> AnyArray | tuple[AnyArray, AnyArray]:
    """The Hessenberg form H of square matrices: zero below the first subdiagonal.

    Args:
        x: matrices ``[..., n, n]``.
        calc_q: give the unitary Q too, with ``Q @ H @ Q.mT.conj() == x``.

    >>> import numpy as np
    >>> hessenberg(np.arange(9.0).reshape(3, 3))[2, 0].tolist()
    0.0
    """
    h, *q = fused_all(_hessenberg, calc_q, square_matrices("hessenberg", x))
    return (h, q[0]) if calc_q else h


def _hessenberg(calc_q: bool, x: AnyArray) -> list[AnyArray]:
    packed, taus = apply_all(Hessenberg(), x)
    form = triu(packed, k=-1)
    return [form, _factor(packed, taus)] if calc_q else [form]


def _factor(packed: AnyArray, taus: AnyArray) -> AnyArray:
    """The product of the reflectors, which leave the first row and column alone."""
    n = shape_of(packed)[-1]
    whole = broadcast_to(eye(n, dtype=packed.dtype), shape_of(packed))
    if n in (0, 1):
        return whole
    inner = apply(HouseholderProduct(), packed[..., 1:, :-1], taus)
    return concat([whole[..., :1, :], concat([whole[..., 1:, :1], inner], axis=-1)], axis=-2)


class TridiagonalResult(NamedTuple):
    """LAPACK's packed form, the diagonal, the off-diagonal, and the factors of the reflectors."""

    packed: AnyArray
    diagonal: AnyArray
    off_diagonal: AnyArray
    taus: AnyArray


def tridiagonal(x: ArrayLike, *, lower: bool = True) -> TridiagonalResult:
    """The tridiagonal form of symmetric or Hermitian matrices; its elements are real.

    Args:
        x: matrices ``[..., n, n]``.
        lower: which triangle is read, and packed: below its off-diagonal stand the reflectors.

    >>> import numpy as np
    >>> tridiagonal(np.diag([1.0, 2.0])).diagonal.tolist()
    [1.0, 2.0]
    """
    y = square_matrices("tridiagonal", x)
    return TridiagonalResult(*fused_all(_tridiagonal, lower, y))


def _tridiagonal(lower: bool, x: AnyArray) -> list[AnyArray]:
    return apply_all(Tridiagonal(lower), x)
