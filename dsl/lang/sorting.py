"""Order: sort, argsort, lexsort, top_k.

Sorting is stable, ascending unless told otherwise, and NaN stands last. Values are differentiable:
the derivative goes along with the permutation. Descending order is the ascending one backwards,
with equal elements still in their own order, so NaN comes first in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.sort import Sort
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.joining import cut
from verax.dsl.lang.manipulation import broadcast_arrays, reshaped, reversed_along
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.reductions import ordered
from verax.dsl.lang.signatures import DT, AnyArray, ArrayLike, Like
from verax.dsl.lang.value import apply, apply_all, shape_of

if TYPE_CHECKING:
    from verax.compiler.ir.dtypes import int32 as int32_
    from verax.dsl.lang.array import Array

__all__ = ["TopK", "argsort", "lexsort", "sort", "sort_with", "top_k"]


def _line(name: str, x: ArrayLike, axis: int | None) -> tuple[AnyArray, int]:
    """x and the dimension to sort along; flattened where axis is None."""
    y = asarray(x, name=name)
    ordered(name, y)
    if axis is None:
        y = reshaped(y, (y.type.size,))
    return y, axis_of(name, 0 if axis is None else axis, y.type)


def sort(
    x: Like[DT], axis: int | None = -1, *, descending: bool = False, stable: bool = True
) -> Array[DT, *tuple[Any, ...]]:
    """x sorted along an axis, or flattened and sorted (axis None).

    >>> import numpy as np
    >>> sort(np.array([3, 1, 2]), descending=True).tolist()
    [3, 2, 1]
    """
    y, axis = _line("sort", x, axis)
    return fused(_sort, (axis, descending), y)


def _sort(static: tuple[int, bool], x: AnyArray) -> AnyArray:
    axis, descending = static
    y = apply(Sort(axis, 1), x)
    return reversed_along(y, (axis,)) if descending else y


def argsort(
    x: ArrayLike, axis: int | None = -1, *, descending: bool = False, stable: bool = True
) -> Array[int32_, *tuple[Any, ...]]:
    """The positions, as int32, that sort x: ``take_along_axis(x, argsort(x), -1) == sort(x)``."""
    y, axis = _line("argsort", x, axis)
    return fused_all(_sorted_with_places, (axis, descending), y)[1]


def places(x: AnyArray, axis: int) -> AnyArray:
    """The position of each element along an axis."""
    return apply(broadcast_op(shape_of(x), (axis,)), apply(Iota(shape_of(x)[axis], int32)))


def _sorted_with_places(static: tuple[int, bool], x: AnyArray) -> list[AnyArray]:
    """The sorted elements and where they stood."""
    axis, descending = static
    if not descending:
        return apply_all(Sort(axis, 1), x, places(x, axis))
    backwards = reversed_along(x, (axis,))
    from_end = x.shape[axis] - 1 - places(x, axis)
    return [reversed_along(y, (axis,)) for y in apply_all(Sort(axis, 1), backwards, from_end)]


def lexsort(keys: Sequence[ArrayLike], axis: int = -1) -> Array[int32_, *tuple[Any, ...]]:
    """The positions that sort by several keys; the last key counts first, as in NumPy."""
    ys = broadcast_arrays(*keys)
    if not ys:
        raise ShapeError("lexsort needs at least one key")
    axis = axis_of("lexsort", axis, ys[0].type)
    return fused(_lexsort, axis, *ys)


def _lexsort(axis: int, *keys: AnyArray) -> AnyArray:
    out: AnyArray = apply_all(Sort(axis, len(keys)), *keys[::-1], places(keys[0], axis))[-1]
    return out


def sort_with(
    keys: ArrayLike | Sequence[ArrayLike], *values: ArrayLike, axis: int = -1
) -> list[AnyArray]:
    """The keys and the values reordered together so that the keys ascend.

    Args:
        keys: one key, or several of which the first counts first.
    """
    rows = list(keys) if isinstance(keys, Sequence) else [keys]
    ys = [asarray(x, name="sort_with") for x in (*rows, *values)]
    for y in ys[1:]:
        if shape_of(y) != shape_of(ys[0]):
            raise ShapeError(f"sort_with: {ys[0].type} and {y.type} differ in shape")
    axis = axis_of("sort_with", axis, ys[0].type)
    return fused_all(_sort_with, (axis, len(rows)), *ys)


def _sort_with(static: tuple[int, int], *ys: AnyArray) -> list[AnyArray]:
    return apply_all(Sort(*static), *ys)


class TopK(NamedTuple):
    """The largest elements, in descending order, and their positions."""

    values: AnyArray
    indices: AnyArray


def top_k(x: ArrayLike, k: int, axis: int = -1) -> TopK:
    """The k largest elements along an axis; of equal ones the first, and NaN before all.

    >>> import numpy as np
    >>> top_k(np.array([1.0, 3.0, 2.0]), 2).indices.tolist()
    [1, 2]
    """
    y, axis = _line("top_k", x, axis)
    n = shape_of(y)[axis]
    if index(k) < 0 or (isinstance(n, int) and k > n):
        raise ShapeError(f"top_k: dimension {axis} of {y.type} has {n} elements, not {k}")
    return TopK(*fused_all(_top_k, (axis, index(k)), y))


def _top_k(static: tuple[int, int], x: AnyArray) -> list[AnyArray]:
    axis, k = static
    return [cut(y, axis, 0, k) for y in _sorted_with_places((axis, True), x)]
