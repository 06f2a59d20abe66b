"""Cumulative sums, products, extrema and logsumexp; differences and the trapezoidal rule.

A prefix is computed in blocks: inside a block each step combines twice as many elements, and the
totals of the blocks are a shorter problem of the same kind. Every element is combined with disjoint
ranges only, so sums, products and ties differentiate as the definition does. Blocks bound what XLA
may compute again when it fuses the steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from verax.compiler.ir.dtypes import DType, bool_, int32
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import Op
from verax.compiler.ir.sizes import Poly, Size
from verax.compiler.ops.arithmetic import MAX, MIN
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.pointwise import ADD, MUL, SELECT, splat
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.slicing import Concatenate
from verax.compiler.ops.smooth import LOG_ADD_EXP
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.dtypes import DTypeLike, default_float, dtype_of
from verax.dsl.lang.fused import fused
from verax.dsl.lang.joining import concat, cut
from verax.dsl.lang.manipulation import reshaped, reversed_along
from verax.dsl.lang.promotion import asarray, broadcast_to, convert, scalar
from verax.dsl.lang.reductions import (
    accumulator,
    highest,
    lowest,
    ordered,
    sum_dtype,
    total,
)
from verax.dsl.lang.reductions import sum as sum_over
from verax.dsl.lang.signatures import DT, FT, AnyArray, ArrayLike, Like
from verax.dsl.lang.softmax import logsumexp
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

__all__ = [
    "cumlogsumexp",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "trapezoid",
]

BLOCK = 16


class Prefix(NamedTuple):
    """What to combine, along which axis, in which dtype, from which end."""

    kind: str
    axis: int
    dtype: DType
    reverse: bool
    initial: bool = False


_COMBINE: dict[str, Op] = {
    "sum": ADD,
    "prod": MUL,
    "max": MAX,
    "min": MIN,
    "logsumexp": LOG_ADD_EXP,
}


def _neutral(kind: str, dtype: DType) -> bool | int | float:
    if kind in ("max", "logsumexp"):
        return lowest(dtype)
    return {"sum": 0, "prod": 1}[kind] if kind != "min" else highest(dtype)


def _cumulative(
    name: str,
    kind: str,
    x: ArrayLike,
    axis: int | None,
    dtype: DType | None,
    reverse: bool,
    initial: bool = False,
) -> AnyArray:
    y = asarray(x, name=name)
    if axis is None:
        y = reshaped(y, (y.type.size,))
    axis = axis_of(name, 0 if axis is None else axis, y.type)
    return fused(_prefix, Prefix(kind, axis, dtype or y.dtype, reverse, initial), y)


def _prefix(p: Prefix, x: AnyArray) -> AnyArray:
    y = convert(convert(x, p.dtype), accumulator(p.dtype))
    if p.reverse:
        y = reversed_along(y, (p.axis,))
    y = _scan(p.kind, y, p.axis)
    if p.initial:
        y = _shifted(p.kind, y, p.axis, 1, keep=True)
    if p.reverse:
        y = reversed_along(y, (p.axis,))
    return convert(y, p.dtype)


def _scan(kind: str, x: AnyArray, axis: int) -> AnyArray:
    n = shape_of(x)[axis]
    if isinstance(n, Poly):
        return _by_definition(kind, x, axis)
    if n <= BLOCK:
        return _doubled(kind, x, axis)
    blocks = -(-n // BLOCK)
    shape = shape_of(x)
    short = blocks * BLOCK - n
    if short:
        x = apply(Concatenate(axis), x, _filled(kind, x, axis, short))
    x = reshaped(x, (*shape[:axis], blocks, BLOCK, *shape[axis + 1 :]))
    inner = _doubled(kind, x, axis + 1)
    totals = reshaped(
        cut(inner, axis + 1, BLOCK - 1, BLOCK), (*shape[:axis], blocks, *shape[axis + 1 :])
    )
    before = _shifted(kind, _scan(kind, totals, axis), axis, 1)
    dims = [d for d in range(inner.ndim) if d != axis + 1]
    out = apply(_COMBINE[kind], apply(broadcast_op(shape_of(inner), dims), before), inner)
    return cut(reshaped(out, (*shape[:axis], blocks * BLOCK, *shape[axis + 1 :])), axis, 0, n)


def _doubled(kind: str, x: AnyArray, axis: int) -> AnyArray:
    """The prefix in log2(n) steps, each combining ranges twice as long."""
    k = 1
    while k < x.shape[axis]:
        x = apply(_COMBINE[kind], _shifted(kind, x, axis, k), x)
        k *= 2
    return x


def _shifted(kind: str, x: AnyArray, axis: int, k: int, *, keep: bool = False) -> AnyArray:
    """x moved up by k places, the neutral element below; with ``keep`` it becomes longer."""
    rest = x if keep else cut(x, axis, 0, shape_of(x)[axis] - k)
    return apply(Concatenate(axis), _filled(kind, x, axis, k), rest)


def _filled(kind: str, x: AnyArray, axis: int, n: int) -> AnyArray:
    shape = (*shape_of(x)[:axis], n, *shape_of(x)[axis + 1 :])
    return scalar(_neutral(kind, x.dtype), x.dtype, shape)


def _by_definition(kind: str, x: AnyArray, axis: int) -> AnyArray:
    """Where the size is not known: for every place the reduction of what stands before it."""
    shape, n = shape_of(x), shape_of(x)[axis]
    wide = (*shape[: axis + 1], n, *shape[axis + 1 :])
    dims = [d for d in range(len(wide)) if d != axis]
    row, column = (apply(broadcast_op(wide, (d,)), apply(Iota(n, int32))) for d in (axis, axis + 1))
    y = apply(broadcast_op(wide, dims), x)
    y = apply(SELECT, column <= row, y, apply(splat(_neutral(kind, x.dtype), y.type.bare)))
    if kind == "sum":
        return total(y, (axis + 1,), y.dtype)
    if kind == "logsumexp":
        return logsumexp(y, axis + 1)
    return apply(Reduce({"prod": "mul"}.get(kind, kind), (axis + 1,)), y)


# functions


def cumulative_sum(
    x: Like[DT],
    axis: int | None = None,
    *,
    dtype: DTypeLike = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> Array[DT, *tuple[Any, ...]]:
    """The sums of the elements up to each place along an axis (of the flattened x).

    Args:
        dtype: by default that of x, and 32-bit integers for bools and small integers.
        include_initial: start with a zero, so that the result is one longer.
        reverse: sum from the end.

    >>> import numpy as np
    >>> cumulative_sum(np.array([1, 2, 3])).tolist()
    [1, 3, 6]
    """
    to = sum_dtype(asarray(x, name="cumulative_sum").dtype) if dtype is None else dtype_of(dtype)
    return _cumulative("cumulative_sum", "sum", x, axis, to, reverse, include_initial)


def cumulative_prod(
    x: Like[DT],
    axis: int | None = None,
    *,
    dtype: DTypeLike = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> Array[DT, *tuple[Any, ...]]:
    """The products of the elements up to each place; see ``cumulative_sum``."""
    to = sum_dtype(asarray(x, name="cumulative_prod").dtype) if dtype is None else dtype_of(dtype)
    return _cumulative("cumulative_prod", "prod", x, axis, to, reverse, include_initial)


cumsum, cumprod = cumulative_sum, cumulative_prod


def cummax(
    x: Like[DT], axis: int | None = None, *, reverse: bool = False
) -> Array[DT, *tuple[Any, ...]]:
    """The largest element up to each place; NaN from the first one on."""
    ordered("cummax", asarray(x, name="cummax"))
    return _cumulative("cummax", "max", x, axis, None, reverse)


def cummin(
    x: Like[DT], axis: int | None = None, *, reverse: bool = False
) -> Array[DT, *tuple[Any, ...]]:
    """The smallest element up to each place; NaN from the first one on."""
    ordered("cummin", asarray(x, name="cummin"))
    return _cumulative("cummin", "min", x, axis, None, reverse)


def cumlogsumexp(
    x: Like[FT], axis: int | None = None, *, reverse: bool = False
) -> Array[FT, *tuple[Any, ...]]:
    """``log(cumsum(exp(x)))`` without overflow."""
    y = asarray(x, name="cumlogsumexp")
    ordered("cumlogsumexp", y)
    to = default_float(y.dtype)
    return _cumulative("cumlogsumexp", "logsumexp", y, axis, to, reverse)


def diff(
    x: Like[DT],
    n: int = 1,
    axis: int = -1,
    *,
    prepend: ArrayLike | None = None,
    append: ArrayLike | None = None,
) -> Array[DT, *tuple[Any, ...]]:
    """The differences of neighbours along an axis, n times; of bools whether they differ.

    Args:
        prepend, append: what stands before and after x, an array or a scalar.
    """
    y = asarray(x, name="diff")
    axis = axis_of("diff", axis, y.type)
    if n < 0:
        raise ShapeError(f"diff: the order {n} is negative")
    parts = [prepend, y, append]
    if n and any(p is not None for p in (prepend, append)):
        y = concat([_edge(p, y, axis) for p in parts if p is not None], axis)
    return fused(_diff, (min(n, _order(y, axis)), axis), y)


def _order(x: AnyArray, axis: int) -> int:
    """How often differences can be taken before nothing is left."""
    size = shape_of(x)[axis]
    return size if isinstance(size, int) else 2**31


def _edge(value: ArrayLike, x: AnyArray, axis: int) -> AnyArray:
    """What stands beside x: an array, or a scalar as one line across an axis."""
    v = asarray(value, None if hasattr(value, "dtype") else x.dtype, name="diff")
    line = (*shape_of(x)[:axis], 1, *shape_of(x)[axis + 1 :])
    return v if v.ndim else broadcast_to(v, line)


def _diff(static: tuple[int, int], x: AnyArray) -> AnyArray:
    n, axis = static
    for _ in range(n):
        size: Size = shape_of(x)[axis]
        later, earlier = cut(x, axis, 1, size), cut(x, axis, 0, size - 1)
        x = later != earlier if x.dtype is bool_ else later - earlier
    return x


def trapezoid(
    y: Like[FT], x: ArrayLike | None = None, dx: ArrayLike = 1.0, axis: int = -1
) -> Array[FT, *tuple[Any, ...]]:
    """The integral of y along an axis by the trapezoidal rule.

    Args:
        x: the places of the samples, of the shape of y or one-dimensional; else ``dx`` apart.
    """
    samples = asarray(y, name="trapezoid")
    samples = convert(samples, default_float(samples.dtype))
    axis = axis_of("trapezoid", axis, samples.type)
    width = asarray(dx, name="trapezoid") if x is None else _widths(samples, x, axis)
    n = shape_of(samples)[axis]
    heights = (cut(samples, axis, 1, n) + cut(samples, axis, 0, n - 1)) / 2
    return sum_over(width * heights, axis)


def _widths(samples: AnyArray, x: ArrayLike, axis: int) -> AnyArray:
    """How far the places of neighbouring samples are apart, ready to multiply."""
    places = asarray(x, name="trapezoid")
    if places.ndim != 1:
        return diff(places, axis=axis)
    steps = diff(places)
    return reshaped(steps, (*shape_of(steps), *[1] * (samples.ndim - 1 - axis)))
