"""Diagonals: read, summed, and laid out as matrices.

A diagonal of a matrix in row-major order is every (columns + 1)-th element: one strided slice,
whose derivative is one padding, and the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Poly
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.compiler.ops.contract import total
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.pointwise import SELECT, splat
from verax.compiler.ops.slicing import Slice
from verax.dsl.lang.axes import axes_of
from verax.dsl.lang.creation import diag
from verax.dsl.lang.dtypes import DTypeLike
from verax.dsl.lang.fused import fused
from verax.dsl.lang.manipulation import permuted, ravel, reshaped
from verax.dsl.lang.promotion import asarray
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
    if isinstance(n, Poly) or isinstance(m, Poly):
        return _masked_diagonal(y, offset)
    start, count = _places(n, m, offset)
    if count == 0:
        return apply(splat(0, ArrayType((*rest, 0), x.dtype)))
    flat = reshaped(y, (*rest, n * m))
    part = (start, start + (count - 1) * (m + 1) + 1, m + 1)
    return apply(Slice((*[None] * len(rest), part)), flat)


def _places(n: int, m: int, offset: int) -> tuple[int, int]:
    """The first place of a diagonal in an n x m matrix in row-major order, and its length."""
    if offset >= 0:
        return offset, max(0, min(n, m - offset))
    return -offset * m, max(0, min(n + offset, m))


def _masked_diagonal(x: AnyArray, offset: int) -> AnyArray:
    """The main diagonal of square matrices of unknown size, by a sum over what is masked."""
    shape = shape_of(x)
    if offset != 0 or shape[-1] != shape[-2]:
        raise ShapeError(f"diagonal: the sizes {shape[-2]} and {shape[-1]} must be known")
    iota, last = apply(Iota(shape[-1], int32)), x.ndim - 1
    row, column = (apply(broadcast_op(shape, (d,)), iota) for d in (last - 1, last))
    return apply(
        total(x.ndim, (last - 1,)), apply(SELECT, row == column, x, apply(splat(0, x.type.bare)))
    )


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
        raise ShapeError(f"fill_diagonal takes a matrix, got {y.type}")
    n, m = y.shape
    count = min(n, m)
    flat = reshaped(y, (n * m,))
    return reshaped(flat.at[0 : count * (m + 1) : m + 1].set(value), shape_of(y))
