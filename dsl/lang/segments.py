"""Reductions over segments: rows that carry the same number are combined.

``segment_sum(data, ids, n)`` is a scatter into n rows, so the ids need no order. Rows whose id is
negative or not below n are left out; a segment without rows has the neutral element of its kind
(for extrema the least or the greatest value of the dtype, infinite for floats).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verax.compiler.ir.aligned import from_left
from verax.compiler.ir.dtypes import int32, int64
from verax.compiler.ir.errors import ShapeError
from verax.dsl.lang.fused import fused
from verax.dsl.lang.indexing import index_array, narrow
from verax.dsl.lang.promotion import asarray, scalar
from verax.dsl.lang.reductions import highest, lowest, ordered
from verax.dsl.lang.signatures import DT, AnyArray, ArrayLike, Like
from verax.dsl.lang.updates import Kind, scatter
from verax.dsl.lang.value import shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]


def segment_sum(
    data: Like[DT], segment_ids: ArrayLike, num_segments: int
) -> Array[DT, *tuple[Any, ...]]:
    """The sums of the rows of ``data`` with equal ids.

    Args:
        data: rows along the first dimension.
        segment_ids: one integer per row.
        num_segments: how many rows the result has.

    >>> import numpy as np
    >>> segment_sum(np.array([1, 2, 3]), np.array([0, 2, 0]), 3).tolist()
    [4, 0, 2]
    """
    return _segments("segment_sum", "add", data, segment_ids, num_segments)


def segment_prod(
    data: Like[DT], segment_ids: ArrayLike, num_segments: int
) -> Array[DT, *tuple[Any, ...]]:
    """The products of the rows with equal ids; see ``segment_sum``."""
    return _segments("segment_prod", "mul", data, segment_ids, num_segments)


def segment_max(
    data: Like[DT], segment_ids: ArrayLike, num_segments: int
) -> Array[DT, *tuple[Any, ...]]:
    """The largest of the rows with equal ids, element by element; see ``segment_sum``."""
    ordered("segment_max", asarray(data, name="segment_max"))
    return _segments("segment_max", "max", data, segment_ids, num_segments)


def segment_min(
    data: Like[DT], segment_ids: ArrayLike, num_segments: int
) -> Array[DT, *tuple[Any, ...]]:
    """The smallest of the rows with equal ids, element by element; see ``segment_sum``."""
    ordered("segment_min", asarray(data, name="segment_min"))
    return _segments("segment_min", "min", data, segment_ids, num_segments)


def _segments(name: str, kind: Kind, data: ArrayLike, ids: ArrayLike, n: int) -> AnyArray:
    x, i = asarray(data, name=name), index_array(name, ids)
    if i.ndim != 1 or not x.ndim or shape_of(x)[0] != shape_of(i)[0]:
        raise ShapeError(
            f"{name} takes one id per row, got the data {x.type} and the segment_ids {i.type}\n"
            + from_left([("data", x.type), ("segment_ids", i.type)], [0]),
            fix="segment_ids is a vector as long as the first axis of data",
        )
    return fused(_reduce_segments, (kind, n), x, i)


def _reduce_segments(static: tuple[Kind, int], x: AnyArray, ids: AnyArray) -> AnyArray:
    kind, n = static
    neutral: dict[str, Any] = {"add": 0, "mul": 1}
    if kind not in neutral:
        neutral[kind] = (lowest if kind == "max" else highest)(x.dtype)
    start = scalar(neutral[kind], x.dtype, (n, *shape_of(x)[1:]))
    at = ids if ids.dtype in (int32, int64) else narrow(ids, n)
    return scatter(kind, start, x, [at])
