"""Positions of values: searchsorted, nonzero, unique, isin.

How many elements are not zero, or distinct, is a shape: while staging it must be given as ``size``,
and results are filled up, or cut off, to that size. On concrete arrays ``size`` may be left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from verax.compiler.ir.dtypes import bool_, int32
from verax.compiler.ir.errors import ConcretizationError, ShapeError
from verax.compiler.ir.op import show_shape
from verax.compiler.ir.sizes import Poly
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.dsl.lang.contraction import factors_of
from verax.dsl.lang.creation import iota
from verax.dsl.lang.cumulative import cumulative_sum
from verax.dsl.lang.fused import fused, fused_all
from verax.dsl.lang.host import numpy
from verax.dsl.lang.indexing import gather, index_array, take
from verax.dsl.lang.joining import concat, cut
from verax.dsl.lang.logic import isnan, where
from verax.dsl.lang.manipulation import ravel, reshaped
from verax.dsl.lang.promotion import asarray, broadcast_to, convert, scalar
from verax.dsl.lang.reductions import any as any_over
from verax.dsl.lang.reductions import sum as sum_over
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.sorting import argsort, sort
from verax.dsl.lang.updates import scatter
from verax.dsl.lang.value import apply, concrete, shape_of, wrap

if TYPE_CHECKING:
    import numpy as np

    from verax.compiler.ir.dtypes import bool_ as bool__
    from verax.compiler.ir.dtypes import int32 as int32_
    from verax.dsl.lang.array import Array

__all__ = [
    "Unique",
    "argwhere",
    "flatnonzero",
    "isin",
    "nonzero",
    "searchsorted",
    "unique",
]

_FEW = 32  # up to so many elements comparing with each is faster than a search


# in sorted arrays


Method: TypeAlias = Literal["scan", "compare_all", "sort"]


def searchsorted(
    a: ArrayLike,
    v: ArrayLike,
    side: Literal["left", "right"] = "left",
    sorter: ArrayLike | None = None,
    *,
    method: Method | None = None,
) -> Array[int32_, *tuple[Any, ...]]:
    """Where each element of v would go into the sorted vector a, as int32.

    Args:
        side: before the elements that equal it, or after them.
        sorter: the positions that sort a, where it is not sorted: ``argsort(a)``.
        method: ``"compare_all"`` compares every element with all of a, ``"scan"`` halves the part
            of a in each step, ``"sort"`` sorts both together; by default one of the first two.

    >>> import numpy as np
    >>> searchsorted(np.array([10, 20, 30]), np.array([20, 25])).tolist()
    [1, 2]
    """
    x, y = factors_of("searchsorted", a, v)
    if x.ndim != 1:
        raise ShapeError(
            f"searchsorted takes a sorted vector, got {x.type}", fix="vx.vmap(vx.searchsorted)"
        )
    if side not in ("left", "right"):
        raise ShapeError(
            f"searchsorted: side is {side!r}, which is unknown", fix="side='left' or 'right'"
        )
    if method is not None and method not in _SEARCHES:
        raise ShapeError(
            f"searchsorted: {method!r} is no method", fix='method="scan", "compare_all" or "sort"'
        )
    if sorter is not None:
        x = take(x, index_array("searchsorted", sorter))
    n = shape_of(x)[0]
    if isinstance(n, Poly) or (method is None and n <= _FEW):
        method = "compare_all"
    return fused(_SEARCHES[method or "scan"], side, x, y)


def _compare_all(side: str, a: AnyArray, v: AnyArray) -> AnyArray:
    shape = (*shape_of(v), *shape_of(a))
    row = apply(broadcast_op(shape, (v.ndim,)), a)
    value = apply(broadcast_op(shape, range(v.ndim)), v)
    return sum_over(_before(side, row, value), -1)


def _halve(side: str, a: AnyArray, v: AnyArray) -> AnyArray:
    at = scalar(0, int32, shape_of(v))
    n = a.shape[0]
    step = 1 << (n.bit_length() - 1) if n else 0
    while step:
        there = at + step
        inside = gather(a, [there - 1], "clip")
        at = where((there <= n) & _before(side, inside, v), there, at)
        step //= 2
    return at


def _sort_both(side: str, a: AnyArray, v: AnyArray) -> AnyArray:
    """The rank among both, less the rank among the elements of v."""
    m, n = v.type.size, shape_of(a)[0]
    flat = reshaped(v, (m,))
    first, start = ([flat, a], 0) if side == "left" else ([a, flat], n)
    found = cut(_ranks(concat(first)), 0, start, start + m) - _ranks(flat)
    return reshaped(found, shape_of(v))


def _ranks(x: AnyArray) -> AnyArray:
    """Where each element of a vector stands when it is sorted."""
    n = shape_of(x)[0]
    return scatter("set", scalar(0, int32, (n,)), iota(n), [argsort(x)])


_SEARCHES = {"compare_all": _compare_all, "scan": _halve, "sort": _sort_both}


def _before(side: str, element: AnyArray, v: AnyArray) -> AnyArray:
    """Whether an element stands before the place of v; NaN is the largest of all."""
    return _less(element, v) if side == "left" else ~_less(v, element)


def _less(x: AnyArray, y: AnyArray) -> AnyArray:
    if not x.dtype.is_float:
        return x < y
    return (x < y) | (isnan(y) & ~isnan(x))


def isin(
    x: ArrayLike, values: ArrayLike, *, invert: bool = False
) -> Array[bool__, *tuple[Any, ...]]:
    """Whether each element of x is among ``values``; NaN never is."""
    a, b = factors_of("isin", x, ravel(values))
    found = fused(_isin, None, a, b)
    return ~found if invert else found


def _isin(_: None, x: AnyArray, values: AnyArray) -> AnyArray:
    n = shape_of(values)[0]
    if isinstance(n, Poly) or n <= _FEW:
        return any_over(reshaped(x, (*shape_of(x), 1)) == values, -1)
    values = sort(values)
    at = _halve("left", values, x)
    return gather(values, [at], "clip") == x


# what is not zero


def nonzero(
    x: ArrayLike, *, size: int | None = None, fill_value: int = 0
) -> tuple[Array[int32_, Any], ...]:
    """The positions of the elements that are not zero, one array per dimension, in order.

    Args:
        size: how many positions the result has; where there are fewer, ``fill_value`` follows.

    Raises:
        ConcretizationError: ``size`` is not given and x is only staged.
    """
    y = asarray(x, name="nonzero")
    if not y.ndim:
        raise ShapeError(f"nonzero: {y.type} has no positions", fix="x != 0")
    if size is None:
        rows = _worth("nonzero", y).nonzero()
        return tuple([asarray(i.astype("int32")) for i in rows])
    return tuple(fused_all(_nonzero, (size, fill_value), y))


def _nonzero(static: tuple[int, int], x: AnyArray) -> list[AnyArray]:
    size, fill = static
    shape = x.shape
    if x.type.size == 0:
        return [scalar(fill, int32, (size,)) for _ in shape]
    flat = reshaped(x != 0 if x.dtype is not bool_ else x, (x.type.size,))
    rank = cumulative_sum(flat) - 1
    n = shape_of(flat)[0]
    places = scalar(0, int32, (size,))
    target = where(flat, rank, size)
    places = scatter("set", places, iota(n), [target])
    given = iota(size) < sum_over(flat)
    out = []
    for d, m in enumerate(shape):
        out.append(where(given, places // math.prod(shape[d + 1 :]) % m, fill))
    return out


def _worth(name: str, x: AnyArray) -> np.ndarray[Any, Any]:
    """The value of an array whose number of results is a shape."""
    scope = STACK.scope
    if scope is not None:  # what is captured is an input: only a scope that looks may read it
        if not scope.looks:
            raise ConcretizationError(
                f"{name}: the size of the result depends on the values of {x.type}, which has none"
                f" while {scope.where} is being staged",
                fix=f"say how many there are: vx.{name}(x, size=n)",
            )
        x = wrap(x.type.bare, scope.lift(x), scope)
    return concrete(x).numpy()


def flatnonzero(
    x: ArrayLike, *, size: int | None = None, fill_value: int = 0
) -> Array[int32_, Any]:
    """The positions of the elements of the flattened x that are not zero."""
    return nonzero(ravel(x), size=size, fill_value=fill_value)[0]


def argwhere(
    x: ArrayLike, *, size: int | None = None, fill_value: int = 0
) -> Array[int32_, Any, Any]:
    """The positions of the elements that are not zero, one row each."""
    rows = nonzero(x, size=size, fill_value=fill_value)
    return concat([reshaped(i, (*shape_of(i), 1)) for i in rows], 1)


# what is distinct


class Unique(NamedTuple):
    """The distinct values of an array, sorted.

    Attributes:
        values: the values.
        indices: where each stands first in the flattened array.
        inverse: per element of the array the position of its value.
        counts: how often each occurs.
    """

    values: AnyArray
    indices: AnyArray
    inverse: AnyArray
    counts: AnyArray


def unique(x: ArrayLike, *, size: int | None = None, fill_value: ArrayLike | None = None) -> Unique:
    """The distinct values of x with their first positions, the inverse and their counts.

    Args:
        size: how many values the result has; ``fill_value`` (by default the least value) follows
            where there are fewer, with count 0, and the largest are left out where there are more.

    >>> import numpy as np
    >>> unique(np.array([2, 1, 2])).values.tolist()
    [1, 2]
    """
    y = asarray(x, name="unique")
    if size is None:
        found = numpy().unique(_worth("unique", y), True, True, True)
        values, *others = [asarray(a if k == 0 else a.astype("int32")) for k, a in enumerate(found)]
        indices, inverse, counts = others
        return Unique(values, indices, reshaped(inverse, shape_of(y)), counts)
    if y.type.size == 0:
        raise ShapeError(
            f"unique: {y.type} has no elements to fill {show_shape((size,))} with",
            fix="check the size before: x.size > 0",
        )
    fill = () if fill_value is None else (convert(asarray(fill_value), y.dtype),)
    return Unique(*fused_all(_unique, size, y, *fill))


def _unique(size: int, x: AnyArray, *fill: AnyArray) -> list[AnyArray]:
    flat = reshaped(x, (x.type.size,))
    n = shape_of(flat)[0]
    values, places = sort([flat, iota(n)])
    later, earlier = cut(values, 0, 1, n), cut(values, 0, 0, n - 1)
    differ = later != earlier
    if values.dtype.is_float:
        differ = differ & ~(isnan(later) & isnan(earlier))
    first = concat([scalar(True, bool_, (1,)), differ])
    rank = cumulative_sum(first) - 1
    target = [where(first, rank, size)]
    start = fill[0] if fill else values[0]
    zeros = scalar(0, int32, (size,))
    return [
        scatter("set", broadcast_to(start, (size,)), values, target),
        scatter("set", zeros, places, target),
        reshaped(scatter("set", scalar(0, int32, (n,)), rank, [places]), shape_of(x)),
        scatter("add", zeros, scalar(1, int32, (n,)), [rank]),
    ]
