"""Linear systems: with any square matrix, a triangular, a factored or a tridiagonal one.

Right-hand sides are one vector if they have rank 1, else matrices whose columns are solved for
(NumPy 2); batches in front broadcast. A derivative costs one more solve with the same factors, of
whatever order and in whichever mode.

Nothing raises inside of a compiled program. The solution of a singular system is NaN (of a singular
triangular one inf or NaN); of a matrix that is singular up to rounding it is large, as in NumPy.
"""

from __future__ import annotations

from typing import TypeAlias

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ops.barrier import StopGradient
from verax.compiler.ops.linear_solve import LinearSolve
from verax.compiler.ops.lu import Lu
from verax.compiler.ops.permutation import Permutation
from verax.compiler.ops.triangular import TriangularSolve
from verax.compiler.ops.tridiagonal import TridiagonalSolve
from verax.dsl.lang.creation import eye
from verax.dsl.lang.fused import fused
from verax.dsl.lang.manipulation import reshaped
from verax.dsl.lang.promotion import asarray, convert
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import apply, apply_all, shape_of
from verax.dsl.linalg.factorizations import cholesky, rows_in_order
from verax.dsl.linalg.operands import check_square, floats, square_matrices, system

Trans: TypeAlias = int | str
_KINDS: dict[Trans, str] = {0: "N", 1: "T", 2: "C", "N": "N", "T": "T", "C": "C"}


def _kind(name: str, trans: Trans) -> str:
    if trans not in _KINDS:
        raise ShapeError(
            f"{name}: trans is {trans!r}",
            fix='use 0 or "N" for a, 1 or "T" for its transpose, 2 or "C" for its adjoint',
        )
    return _KINDS[trans]


def solve(a: ArrayLike, b: ArrayLike) -> AnyArray:
    """x with ``a @ x == b``.

    Args:
        a: square matrices ``[..., n, n]``.
        b: one vector ``[n]``, or matrices ``[..., n, k]``.

    Returns:
        ``[..., n]`` for a vector, else ``[..., n, k]``; NaN where a is singular.

    >>> import numpy as np
    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0])).tolist()
    [1.0, 0.5]

    Raises:
        ShapeError: a is not square, or b does not fit. A batch of vectors is a batch of columns:
            ``solve(a, b[..., None])[..., 0]``.
    """
    x, y = floats("solve", a, b)
    check_square("solve", x)
    return fused(_solve, "N", x, y)


def _solve(kind: str, a: AnyArray, b: AnyArray) -> AnyArray:
    packed, pivots = apply_all(Lu(), apply(StopGradient(), a))
    (a, packed, pivots), rhs, shape = system("solve", [a, packed, pivots], (2, 2, 1), b)
    return reshaped(apply(LinearSolve(kind), a, packed, pivots, rhs), shape)


def inv(a: ArrayLike) -> AnyArray:
    """The inverse of square matrices; NaN where one is singular.

    >>> import numpy as np
    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return fused(_inv, None, square_matrices("inv", a))


def _inv(static: None, a: AnyArray) -> AnyArray:
    n = shape_of(a)[-1]
    return _solve("N", a, eye(n, dtype=a.dtype))


def solve_triangular(
    a: ArrayLike,
    b: ArrayLike,
    trans: Trans = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
) -> AnyArray:
    """x with ``op(a) @ x == b``, where only one triangle of a is read.

    Args:
        a: square matrices ``[..., n, n]``.
        b: one vector ``[n]``, or matrices ``[..., n, k]``.
        trans: 0 or "N" solves with a, 1 or "T" with its transpose, 2 or "C" with its adjoint.
        lower: whether a is its lower triangle.
        unit_diagonal: take the diagonal for ones.
    """
    kind = _kind("solve_triangular", trans)
    x, y = floats("solve_triangular", a, b)
    check_square("solve_triangular", x)
    return fused(_solve_triangular, TriangularSolve(True, lower, kind, unit_diagonal), x, y)


def _solve_triangular(op: TriangularSolve, a: AnyArray, b: AnyArray) -> AnyArray:
    (a,), rhs, shape = system("solve_triangular", [a], (2,), b)
    return reshaped(apply(op, a, rhs), shape)


def lu_solve(lu_and_piv: tuple[ArrayLike, ArrayLike], b: ArrayLike, trans: Trans = 0) -> AnyArray:
    """x with ``op(a) @ x == b``, given ``lu_factor(a)``.

    Args:
        lu_and_piv: the packed factors ``[..., n, n]`` and the pivots ``[..., n]``.
        b: one vector ``[n]``, or matrices ``[..., n, k]``.
        trans: 0 or "N" solves with a, 1 or "T" with its transpose, 2 or "C" with its adjoint.
    """
    kind = _kind("lu_solve", trans)
    packed, pivots = lu_and_piv
    x, y = floats("lu_solve", packed, b)
    check_square("lu_solve", x)
    return fused(_lu_solve, kind, x, pivots_of(x, pivots), y)


def pivots_of(packed: AnyArray, pivots: ArrayLike) -> AnyArray:
    """The pivots as int32, one per row."""
    piv = asarray(pivots, name="lu_solve")
    if not piv.dtype.is_integer or shape_of(piv)[-1:] != shape_of(packed)[-1:]:
        raise DTypeError(
            f"lu_solve: {piv.type} are no pivots of {packed.type}",
            fix="give what lu_factor gives: lu_solve(vx.linalg.lu_factor(a), b)",
        )
    return convert(piv, int32)


def _lu_solve(kind: str, packed: AnyArray, pivots: AnyArray, b: AnyArray) -> AnyArray:
    order = apply(Permutation(shape_of(packed)[-1], kind != "N"), pivots)
    (packed, order), rhs, shape = system("lu_solve", [packed, order], (2, 1), b)
    lower = TriangularSolve(True, True, kind, True)
    upper = TriangularSolve(True, False, kind, False)
    if kind == "N":
        x = apply(upper, packed, apply(lower, packed, rows_in_order(rhs, order)))
    else:
        x = rows_in_order(apply(lower, packed, apply(upper, packed, rhs)), order)
    return reshaped(x, shape)


def cho_factor(a: ArrayLike, lower: bool = False) -> tuple[AnyArray, bool]:
    """The Cholesky factor of positive definite matrices, for ``cho_solve``, and which it is.

    Args:
        lower: whether to give L with ``L @ L.mT.conj() == a``, or else its adjoint.
    """
    return cholesky(a, upper=not lower), lower


def cho_solve(c_and_lower: tuple[ArrayLike, bool], b: ArrayLike) -> AnyArray:
    """x with ``a @ x == b``, given ``cho_factor(a)``; b is one vector, or matrices of columns."""
    factor, lower = c_and_lower
    x, y = floats("cho_solve", factor, b)
    check_square("cho_solve", x)
    return fused(_cho_solve, lower, x, y)


def _cho_solve(lower: bool, c: AnyArray, b: AnyArray) -> AnyArray:
    (c,), rhs, shape = system("cho_solve", [c], (2,), b)
    first, second = ("N", "C") if lower else ("C", "N")
    y = apply(TriangularSolve(True, lower, first, False), c, rhs)
    return reshaped(apply(TriangularSolve(True, lower, second, False), c, y), shape)


def tridiagonal_solve(dl: ArrayLike, d: ArrayLike, du: ArrayLike, b: ArrayLike) -> AnyArray:
    """x with ``a @ x == b``, where row i of a is ``dl[i], d[i], du[i]`` around the diagonal.

    Args:
        dl, d, du: the diagonals below, on and above the main one, all ``[..., n]``; ``dl[0]`` and
            ``du[-1]`` lie outside of a and are not read.
        b: one vector ``[n]``, or matrices ``[..., n, k]``.

    >>> import numpy as np
    >>> ones = np.ones(3)
    >>> tridiagonal_solve(ones, 2 * ones, ones, np.array([3.0, 4.0, 3.0])).tolist()
    [1.0, 1.0, 1.0]
    """
    xs = floats("tridiagonal_solve", dl, d, du, b)
    shapes = [shape_of(x) for x in xs[:3]]
    if not shapes[1] or any(s != shapes[1] for s in shapes):
        given = ", ".join(str(x.type) for x in xs[:3])
        raise ShapeError(
            f"tridiagonal_solve takes three diagonals of one shape, got {given}",
            fix="pad those beside the main one: dl[0] and du[-1] are not read",
        )
    return fused(_tridiagonal_solve, None, *xs)


def _tridiagonal_solve(
    static: None, dl: AnyArray, d: AnyArray, du: AnyArray, b: AnyArray
) -> AnyArray:
    parts, rhs, shape = system("tridiagonal_solve", [dl, d, du], (1, 1, 1), b)
    return reshaped(apply(TridiagonalSolve(), *parts, rhs), shape)
