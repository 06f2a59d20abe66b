"""Positions as arrays: flat ones as coordinates and back, triangles, open grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import IndexingError, ShapeError
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.host import numpy
from verax.dsl.lang.indexing import from_start, index_array
from verax.dsl.lang.manipulation import broadcast_arrays, reshaped
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

    Positions = tuple[Array[int32, Any], Array[int32, Any]]

__all__ = [
    "diag_indices",
    "ix_",
    "ravel_multi_index",
    "tril_indices",
    "triu_indices",
    "unravel_index",
]


def unravel_index(indices: ArrayLike, shape: Sequence[int]) -> tuple[AnyArray, ...]:
    """The coordinates, as int32, of positions in an array of this shape in row-major order.

    Negative positions count from the end; those out of range are clipped.

    >>> import numpy as np
    >>> [i.tolist() for i in unravel_index(np.array([0, 5]), (2, 3))]
    [[0, 1], [0, 2]]
    """
    i = index_array("unravel_index", indices)
    if math.prod(shape) == 0:
        raise IndexingError(
            f"unravel_index: an array of shape {tuple(shape)} has no positions",
            fix="give a shape without 0",
        )
    return tuple(fused_all(_unravel, tuple(shape), i))


def _unravel(shape: tuple[int, ...], i: AnyArray) -> list[AnyArray]:
    size = math.prod(shape)
    flat = from_start(i, size).clip(0, size - 1)
    return [flat // math.prod(shape[d + 1 :]) % n for d, n in enumerate(shape)]


def ravel_multi_index(
    coordinates: Sequence[ArrayLike],
    shape: Sequence[int],
    *,
    mode: Literal["clip", "wrap"] = "clip",
) -> AnyArray:
    """The positions, as int32, of coordinates in an array of this shape; see ``unravel_index``.

    Args:
        mode: whether a coordinate out of range is clipped or goes round.
    """
    rows = broadcast_arrays(*[index_array("ravel_multi_index", i) for i in coordinates])
    if len(rows) != len(shape):
        raise ShapeError(
            f"ravel_multi_index: {len(rows)} coordinates for {len(shape)} dimensions",
            fix="give one array of coordinates per dimension of the shape",
        )
    return fused(_ravel_index, (tuple(shape), mode), *rows)


def _ravel_index(static: tuple[tuple[int, ...], str], *rows: AnyArray) -> AnyArray:
    shape, mode = static
    out = asarray(0, int32)
    for i, n in zip(rows, shape):
        at = i % n if mode == "wrap" else from_start(i, n).clip(0, n - 1)
        out = out * n + at
    return out


MOST_ELEMENTS = 1 << 28
"""Of how many elements positions are written down."""


def tril_indices(n: int, k: int = 0, m: int | None = None) -> Positions:
    """The rows and columns of the elements on and below the k-th diagonal of an n x m matrix."""
    _few("tril_indices", n, m)
    return _constant(numpy().tril_indices(n, k, m))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> Positions:
    """The rows and columns of the elements on and above the k-th diagonal of an n x m matrix."""
    _few("triu_indices", n, m)
    return _constant(numpy().triu_indices(n, k, m))


def diag_indices(n: int) -> Positions:
    """The rows and columns of the diagonal of an n x n matrix."""
    return _constant(numpy().diag_indices(n))


def _few(name: str, n: int, m: int | None) -> None:
    m = n if m is None else m
    if n * m > MOST_ELEMENTS:
        raise ShapeError(
            f"{name}: the positions in a {n} x {m} matrix would be constants of the program",
            fix="a mask costs nothing: vx.arange(n)[:, None] >= vx.arange(m)",
        )


def _constant(rows: Any) -> Positions:
    first, second = (asarray(i.astype("int32")) for i in rows)
    return first, second


def ix_(*indices: ArrayLike) -> tuple[AnyArray, ...]:
    """Index vectors that pick the grid they span: ``x[ix_(rows, columns)]``."""
    out = []
    for d, i in enumerate(indices):
        v = asarray(i, name="ix_")
        if v.ndim != 1:
            raise ShapeError(
                f"ix_ takes vectors, got {v.type}",
                fix="vx.ravel(i), or [i] for a single position",
            )
        out.append(reshaped(v, (1,) * d + shape_of(v) + (1,) * (len(indices) - 1 - d)))
    return tuple(out)
