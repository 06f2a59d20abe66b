"""Cumulative sums, products, extrema and logsumexp; differences and the trapezoidal rule.

Each is one op, of any length, from either end, with derivatives of all orders: a product through
zeros and a logsumexp of minus infinities have finite ones. Floats of 16 bits and less are
accumulated in float32 and rounded at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, overload

from verax.compiler.ir.dtypes import DType, bool_
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Size
from verax.compiler.ops.cumulative import Cumulative
from verax.compiler.ops.slicing import Concatenate
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.dtypes import DTypeLike, default_float, dtype_of
from verax.dsl.lang.fused import fused
from verax.dsl.lang.joining import concat, cut
from verax.dsl.lang.manipulation import reshaped
from verax.dsl.lang.promotion import asarray, broadcast_to, convert, scalar
from verax.dsl.lang.reductions import accumulator, ordered, sum_dtype
from verax.dsl.lang.reductions import sum as sum_over
from verax.dsl.lang.signatures import (
    DT,
    FT,
    ST,
    AnyArray,
    ArrayLike,
    Ds,
    Like,
    No,
    Open,
    Real,
    Same,
)
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


class Prefix(NamedTuple):
    """What to combine, along which axis, in which dtype, from which end."""

    kind: str
    axis: int
    dtype: DType
    reverse: bool
    initial: bool = False


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
    y = apply(Cumulative(p.axis, p.reverse, p.kind), y)
    if p.initial:
        shape = shape_of(x)
        one = scalar(int(p.kind == "mul"), y.dtype, (*shape[: p.axis], 1, *shape[p.axis + 1 :]))
        y = apply(Concatenate(p.axis), *((y, one) if p.reverse else (one, y)))
    return convert(y, p.dtype)


# functions


@overload
def cumulative_sum(
    x: Same[ST, *Ds],
    axis: None = None,
    *,
    dtype: None = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> Open[ST]: ...
@overload
def cumulative_sum(
    x: Same[ST, *Ds],
    axis: int,
    *,
    dtype: None = None,
    include_initial: No = False,
    reverse: bool = False,
) -> Array[ST, *Ds]: ...
@overload
def cumulative_sum(
    x: Same[ST, *Ds],
    axis: int,
    *,
    dtype: None = None,
    include_initial: bool,
    reverse: bool = False,
) -> Open[ST]: ...
@overload
def cumulative_sum(
    x: ArrayLike,
    axis: int | None = None,
    *,
    dtype: DTypeLike = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> AnyArray: ...
def cumulative_sum(
    x: Like[DT],
    axis: int | None = None,
    *,
    dtype: DTypeLike = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> Any:
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
    return _cumulative("cumulative_sum", "add", x, axis, to, reverse, include_initial)


@overload
def cumulative_prod(
    x: Same[ST, *Ds],
    axis: None = None,
    *,
    dtype: None = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> Open[ST]: ...
@overload
def cumulative_prod(
    x: Same[ST, *Ds],
    axis: int,
    *,
    dtype: None = None,
    include_initial: No = False,
    reverse: bool = False,
) -> Array[ST, *Ds]: ...
@overload
def cumulative_prod(
    x: Same[ST, *Ds],
    axis: int,
    *,
    dtype: None = None,
    include_initial: bool,
    reverse: bool = False,
) -> Open[ST]: ...
@overload
def cumulative_prod(
    x: ArrayLike,
    axis: int | None = None,
    *,
    dtype: DTypeLike = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> AnyArray: ...
def cumulative_prod(
    x: Like[DT],
    axis: int | None = None,
    *,
    dtype: DTypeLike = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> Any:
    """The products of the elements up to each place; see ``cumulative_sum``."""
    to = sum_dtype(asarray(x, name="cumulative_prod").dtype) if dtype is None else dtype_of(dtype)
    return _cumulative("cumulative_prod", "mul", x, axis, to, reverse, include_initial)


cumsum, cumprod = cumulative_sum, cumulative_prod


@overload
def cummax(x: Same[DT, *Ds], axis: None = None, *, reverse: bool = False) -> Open[DT]: ...
@overload
def cummax(x: Same[DT, *Ds], axis: int, *, reverse: bool = False) -> Array[DT, *Ds]: ...
def cummax(x: Like[DT], axis: int | None = None, *, reverse: bool = False) -> Any:
    """The largest element up to each place; NaN from the first one on."""
    ordered("cummax", asarray(x, name="cummax"))
    return _cumulative("cummax", "max", x, axis, None, reverse)


@overload
def cummin(x: Same[DT, *Ds], axis: None = None, *, reverse: bool = False) -> Open[DT]: ...
@overload
def cummin(x: Same[DT, *Ds], axis: int, *, reverse: bool = False) -> Array[DT, *Ds]: ...
def cummin(x: Like[DT], axis: int | None = None, *, reverse: bool = False) -> Any:
    """The smallest element up to each place; NaN from the first one on."""
    ordered("cummin", asarray(x, name="cummin"))
    return _cumulative("cummin", "min", x, axis, None, reverse)


@overload
def cumlogsumexp(x: Real[FT, *Ds], axis: None = None, *, reverse: bool = False) -> Open[FT]: ...
@overload
def cumlogsumexp(x: Real[FT, *Ds], axis: int, *, reverse: bool = False) -> Array[FT, *Ds]: ...
def cumlogsumexp(x: Like[FT], axis: int | None = None, *, reverse: bool = False) -> Any:
    """``log(cumsum(exp(x)))`` without overflow."""
    y = asarray(x, name="cumlogsumexp")
    ordered("cumlogsumexp", y)
    to = default_float(y.dtype)
    return _cumulative("cumlogsumexp", "log_add_exp", y, axis, to, reverse)


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
        raise ShapeError(
            f"diff: the order {n} is negative", fix="n=1; vx.cumulative_sum goes the other way"
        )
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
    width = dx if x is None else _widths(samples, x, axis)
    n = shape_of(samples)[axis]
    heights = (cut(samples, axis, 1, n) + cut(samples, axis, 0, n - 1)) / 2
    return sum_over(heights * width, axis)


def _widths(samples: AnyArray, x: ArrayLike, axis: int) -> AnyArray:
    """How far the places of neighbouring samples are apart, ready to multiply."""
    places = asarray(x, name="trapezoid")
    if places.ndim != 1:
        return diff(places, axis=axis)
    steps = diff(places)
    return reshaped(steps, (*shape_of(steps), *[1] * (samples.ndim - 1 - axis)))
