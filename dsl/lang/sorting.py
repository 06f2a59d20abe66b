"""Order: sort, argsort, lexsort, top_k, partition.

Sorting is stable, ascending unless told otherwise, and NaN stands last; complex numbers are ordered
by the real part, then the imaginary one, as in NumPy. Values are differentiable: the derivative
goes along with the permutation. Descending is the reverse order, with equal elements still in their
own, so NaN comes first in it. By any other order one sorts by keys that have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from verax.compiler.ir.aligned import differing, from_left
from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Poly
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.sort import Sort
from verax.compiler.ops.top_k import TopK as TopKOp
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.manipulation import broadcast_arrays, reshaped
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.reductions import ordered
from verax.dsl.lang.signatures import DT, AnyArray, ArrayLike, Ds, Like, Same
from verax.dsl.lang.value import apply, apply_all, shape_of

if TYPE_CHECKING:
    from verax.compiler.ir.dtypes import int32 as int32_
    from verax.dsl.lang.array import Array

__all__ = ["TopK", "argpartition", "argsort", "lexsort", "partition", "sort", "top_k"]


def _line(name: str, x: ArrayLike, axis: int | None) -> tuple[AnyArray, int]:
    """x and the dimension to sort along; flattened where axis is None."""
    y = asarray(x, name=name)
    if axis is None:
        y = reshaped(y, (y.type.size,))
    return y, axis_of(name, 0 if axis is None else axis, y.type)


@overload
def sort(
    x: Same[DT, *Ds], axis: int = -1, *, descending: bool = False, stable: bool = True
) -> Array[DT, *Ds]: ...
@overload
def sort(
    x: Same[DT, *Ds], axis: None, *, descending: bool = False, stable: bool = True
) -> Array[DT, Any]: ...
@overload
def sort(
    x: Sequence[ArrayLike],
    axis: int | None = -1,
    *,
    descending: bool | Sequence[bool] = False,
    stable: bool = True,
    num_keys: int = 1,
) -> list[AnyArray]: ...
def sort(
    x: Any,
    axis: int | None = -1,
    *,
    descending: bool | Sequence[bool] = False,
    stable: bool = True,
    num_keys: int = 1,
) -> Any:
    """x sorted along an axis, or flattened and sorted (axis None).

    Args:
        x: an array; or a list of several of one shape, which are reordered together so that the
            first ones ascend.
        descending: in reverse order; of several keys all, or each as it says.
        stable: equal elements stay in their order, which they always do here.
        num_keys: how many of several operands are compared, the first one first.

    >>> import numpy as np
    >>> sort(np.array([3, 1, 2]), descending=True).tolist()
    [3, 2, 1]
    >>> a, b, c = np.array([1, 0, 1]), np.array([3, 4, 2]), np.array([5, 6, 7])
    >>> [y.tolist() for y in sort([a, b, c], num_keys=2)]
    [[0, 1, 1], [4, 2, 3], [6, 7, 5]]
    """
    if isinstance(x, (list, tuple)):
        return _sort_together([asarray(y, name="sort") for y in x], axis, descending, num_keys)
    y, axis = _line("sort", x, axis)
    return fused(_sort, Sort(axis, 1, _turned(descending, 1)), y)


def _sort(op: Sort, x: AnyArray) -> AnyArray:
    return apply(op, x)


def _sort_together(
    xs: list[AnyArray], axis: int | None, descending: bool | Sequence[bool], n: int
) -> list[AnyArray]:
    for k, y in enumerate(xs[1:], 1):
        if shape_of(y) != shape_of(xs[0]):
            raise ShapeError(
                f"sort: operand 0 and operand {k} differ in shape\n"
                + from_left(
                    [("operand 0", xs[0].type), (f"operand {k}", y.type)],
                    differing([shape_of(xs[0]), shape_of(y)]),
                ),
                fix="what is sorted together has one shape: vx.broadcast_arrays",
            )
    if not 1 <= n <= len(xs):
        raise ShapeError(
            f"sort: {n} of {len(xs)} operands cannot be the keys", fix=f"num_keys={len(xs)}"
        )
    lines = [_line("sort", x, axis) for x in xs]
    op = Sort(lines[0][1], n, _turned(descending, n))
    return fused_all(_sort_all, op, *[y for y, _ in lines])


def _turned(descending: bool | Sequence[bool], n: int) -> tuple[int, ...]:
    """Which of n keys descend."""
    each = [descending] * n if isinstance(descending, bool) else list(descending)
    if len(each) != n:
        raise ShapeError(
            f"sort: descending has {len(each)} entries for {n} keys",
            fix="give one bool for all keys, or one per key",
        )
    return tuple([k for k, d in enumerate(each) if d])


def _sort_all(op: Sort, *xs: AnyArray) -> list[AnyArray]:
    return apply_all(op, *xs)


@overload
def argsort(
    x: Same[DT, *Ds], axis: int = -1, *, descending: bool = False, stable: bool = True
) -> Array[int32_, *Ds]: ...
@overload
def argsort(
    x: Same[DT, *Ds], axis: None, *, descending: bool = False, stable: bool = True
) -> Array[int32_, Any]: ...
def argsort(
    x: ArrayLike, axis: int | None = -1, *, descending: bool = False, stable: bool = True
) -> Any:
    """The positions, as int32, that sort x: ``take_along_axis(x, argsort(x), -1) == sort(x)``."""
    y, axis = _line("argsort", x, axis)
    return fused(_argsort, Sort(axis, 1, _turned(descending, 1)), y)


def _argsort(op: Sort, *keys: AnyArray) -> AnyArray:
    out: AnyArray = apply_all(op, *keys, places(keys[0], op.axis))[-1]
    return out


def places(x: AnyArray, axis: int) -> AnyArray:
    """The position of each element along an axis."""
    return apply(broadcast_op(shape_of(x), (axis,)), apply(Iota(shape_of(x)[axis], int32)))


def lexsort(keys: Sequence[ArrayLike], axis: int = -1) -> Array[int32_, *tuple[Any, ...]]:
    """The positions that sort by several keys; the last key counts first, as in NumPy."""
    ys = broadcast_arrays(*keys)
    if not ys:
        raise ShapeError(
            "lexsort needs at least one key, got none", fix="vx.lexsort([second, first])"
        )
    axis = axis_of("lexsort", axis, ys[0].type)
    return fused(_argsort, Sort(axis, len(ys)), *ys[::-1])


# a few


class TopK(NamedTuple):
    """The first elements in order, and their positions."""

    values: AnyArray
    indices: AnyArray


def top_k(x: ArrayLike, k: int, axis: int = -1, *, largest: bool = True) -> TopK:
    """The k largest elements along an axis, in order; of equal ones the first, and NaN before all.

    Args:
        largest: with False the k smallest, in ascending order; NaN after all.

    >>> import numpy as np
    >>> top_k(np.array([1.0, 3.0, 2.0]), 2).indices.tolist()
    [1, 2]
    """
    y, axis = _line("top_k", x, axis)
    ordered("top_k", y)
    n = shape_of(y)[axis]
    if index(k) < 0 or (isinstance(n, int) and k > n):
        raise ShapeError(
            f"top_k: dimension {axis} of {y.type} has {n} elements, not {k}",
            fix=f"k is 0 to {n}: min(k, {n}); axis= says which dimension",
        )
    return TopK(*fused_all(_top_k, TopKOp(axis, index(k), largest), y))


def _top_k(op: TopKOp, x: AnyArray) -> list[AnyArray]:
    return apply_all(op, x)


def partition(x: Like[DT], kth: int, axis: int | None = -1) -> Array[DT, *tuple[Any, ...]]:
    """x reordered so that its element ``kth`` is where sorting puts it, and none before is greater.

    The others are in order too: it is a sort.
    """
    _check_kth("partition", x, kth, axis)
    return sort(x, axis)


def argpartition(x: ArrayLike, kth: int, axis: int | None = -1) -> Array[int32_, *tuple[Any, ...]]:
    """The positions, as int32, of the elements as ``partition`` orders them."""
    _check_kth("argpartition", x, kth, axis)
    return argsort(x, axis)


def _check_kth(name: str, x: ArrayLike, kth: int, axis: int | None) -> None:
    y, axis = _line(name, x, axis)
    n = shape_of(y)[axis]
    if not isinstance(n, Poly) and not -n <= index(kth) < n:
        raise ShapeError(
            f"{name}: dimension {axis} of {y.type} has no element {kth}",
            fix=f"kth is 0 to {n - 1}, or {-n} to -1 from the end"
            if n
            else "there is nothing to order",
        )
