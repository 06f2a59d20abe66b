"""Diagonals: read, summed, and laid out as matrices.

A diagonal of a matrix in row-major order is every (columns + 1)-th element: one strided slice,
whose derivative is one padding, and the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verax.compiler.ir.dtypes import bool_
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Poly, Size
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.pointwise import splat
from verax.compiler.ops.slicing import Slice
from verax.dsl.lang.axes import axes_of
from verax.dsl.lang.creation import diag, eye, shortest, square_diagonal
from verax.dsl.lang.dtypes import DTypeLike
from verax.dsl.lang.fused import fused
from verax.dsl.lang.logic import where
from verax.dsl.lang.manipulation import permuted, ravel, reshaped
from verax.dsl.lang.promotion import asarray, broadcast_to
from verax.dsl.lang.reductions import sum as sum_over
from verax.dsl.lang.signatures import DT, AnyArray, Like
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array


def diagonal(
    x: Like[DT], offset: int = 0, axis1: int = 0, axis2: int = 1
) -> Array[DT, *tuple[Any, ...]]:
    """The diagonal of the planes of two axes, as the last dimension of the result.

    Args:
        offset: how far above the main diagonal; below it where negative.

    >>> import numpy as np
    >>> diagonal(np.array([[1, 2], [3, 4]])).tolist()
    [1, 4]
    """
    y = asarray(x, name="diagonal")
    if y.ndim < 2:
        raise ShapeError(
            f"diagonal: {y.type} has no two axes", fix="vx.diag makes a matrix of a vector"
        )
    i, j = axes_of("diagonal", (axis1, axis2), y.type)
    return fused(_diagonal, (offset, i, j), y)


def _diagonal(static: tuple[int, int, int], x: AnyArray) -> AnyArray:
    offset, i, j = static
    y = permuted(x, [*[d for d in range(x.ndim) if d not in (i, j)], i, j])
    *rest, n, m = shape_of(y)
    top, left = max(-offset, 0), max(offset, 0)
    count = shortest("diagonal", n - top, m - left)
    if isinstance(n, Poly) or isinstance(m, Poly):
        square = ((top, top + count, 1), (left, left + count, 1))
        return square_diagonal(apply(Slice((*[None] * len(rest), *square)), y))
    if count == 0:
        return apply(splat(0, ArrayType((*rest, 0), x.dtype)))
    flat = reshaped(y, (*rest, n * m))
    start = top * m + left
    part = (start, start + (count - 1) * (m + 1) + 1, m + 1)
    return apply(Slice((*[None] * len(rest), part)), flat)


def trace(
    x: Like[DT], offset: int = 0, axis1: int = 0, axis2: int = 1, *, dtype: DTypeLike = None
) -> Array[DT, *tuple[Any, ...]]:
    """The sum of the diagonal of the planes of two axes."""
    return sum_over(diagonal(x, offset, axis1, axis2), -1, dtype=dtype)


def diagflat(x: Like[DT], k: int = 0) -> Array[DT, *tuple[Any, ...]]:
    """A matrix with the elements of x, in row-major order, on its k-th diagonal."""
    return diag(ravel(x), k)


def fill_diagonal(x: Like[DT], value: Like[DT]) -> Array[DT, *tuple[Any, ...]]:
    """A new matrix: x with ``value`` (a scalar, or one per place) on its main diagonal."""
    y = asarray(x, name="fill_diagonal")
    if y.ndim != 2:
        raise ShapeError(
            f"fill_diagonal takes a matrix, got {y.type}",
            fix="vx.vmap(vx.fill_diagonal) takes a batch of matrices",
        )
    n, m = shape_of(y)
    count = shortest("fill_diagonal", n, m)
    if isinstance(n, Poly) or isinstance(m, Poly):
        return _masked_fill(y, asarray(value, y.dtype), count)
    flat = reshaped(y, (n * m,))
    return reshaped(flat.at[0 : count * (m + 1) : m + 1].set(value), shape_of(y))


def _masked_fill(x: AnyArray, value: AnyArray, count: Size) -> AnyArray:
    """x with a value, or a vector of values, where row and column are the same."""
    rows = shape_of(x)[0] == count
    if value.ndim:
        value = broadcast_to(value, (count,))
        value = reshaped(value, (count, 1) if rows else (1, count))
    return where(eye(*shape_of(x), dtype=bool_), value, x)
