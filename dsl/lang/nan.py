"""Reductions that leave NaN out. Where nothing else is left, sums are 0, products 1, means and
extrema NaN, and positions -1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verax.dsl.lang import reductions as full
from verax.dsl.lang.axes import Axes
from verax.dsl.lang.logic import isnan, where
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.signatures import DT, FT, AnyArray, ArrayLike, Like
from verax.dsl.lang.statistics import std, var

if TYPE_CHECKING:
    from verax.compiler.ir.dtypes import int32
    from verax.dsl.lang.array import Array

__all__ = [
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]


def _present(name: str, x: ArrayLike) -> tuple[AnyArray, AnyArray]:
    """x, and where it is not NaN."""
    y = asarray(x, name=name)
    return y, ~isnan(y)


def nansum(
    x: Like[DT], axis: Axes = None, *, keepdims: bool = False
) -> Array[DT, *tuple[Any, ...]]:
    """The sum of the elements that are not NaN."""
    y, there = _present("nansum", x)
    return full.sum(y, axis, keepdims=keepdims, where=there)


def nanprod(
    x: Like[DT], axis: Axes = None, *, keepdims: bool = False
) -> Array[DT, *tuple[Any, ...]]:
    """The product of the elements that are not NaN."""
    y, there = _present("nanprod", x)
    return full.prod(y, axis, keepdims=keepdims, where=there)


def nanmean(
    x: Like[FT], axis: Axes = None, *, keepdims: bool = False
) -> Array[FT, *tuple[Any, ...]]:
    """The mean of the elements that are not NaN."""
    y, there = _present("nanmean", x)
    return full.mean(y, axis, keepdims=keepdims, where=there)


def nanvar(
    x: Like[FT], axis: Axes = None, *, correction: float = 0, keepdims: bool = False
) -> Array[FT, *tuple[Any, ...]]:
    """The variance of the elements that are not NaN."""
    y, there = _present("nanvar", x)
    return var(y, axis, correction=correction, keepdims=keepdims, where=there)


def nanstd(
    x: Like[FT], axis: Axes = None, *, correction: float = 0, keepdims: bool = False
) -> Array[FT, *tuple[Any, ...]]:
    """The standard deviation of the elements that are not NaN."""
    y, there = _present("nanstd", x)
    return std(y, axis, correction=correction, keepdims=keepdims, where=there)


def nanmax(
    x: Like[DT], axis: Axes = None, *, keepdims: bool = False
) -> Array[DT, *tuple[Any, ...]]:
    """The largest of the elements that are not NaN."""
    y, there = _present("nanmax", x)
    return _or_nan(full.max(y, axis, keepdims=keepdims, where=there), there, axis, keepdims)


def nanmin(
    x: Like[DT], axis: Axes = None, *, keepdims: bool = False
) -> Array[DT, *tuple[Any, ...]]:
    """The smallest of the elements that are not NaN."""
    y, there = _present("nanmin", x)
    return _or_nan(full.min(y, axis, keepdims=keepdims, where=there), there, axis, keepdims)


def _or_nan(found: AnyArray, there: AnyArray, axis: Axes, keepdims: bool) -> AnyArray:
    if not found.dtype.is_float:
        return found
    return where(full.any(there, axis, keepdims=keepdims), found, float("nan"))


def nanargmax(
    x: ArrayLike, axis: int | None = None, *, keepdims: bool = False
) -> Array[int32, *tuple[Any, ...]]:
    """The position of the largest of the elements that are not NaN, or -1."""
    y, there = _present("nanargmax", x)
    at = full.argmax(where(there, y, full.lowest(y.dtype)), axis, keepdims=keepdims)
    return where(full.any(there, axis, keepdims=keepdims), at, -1)


def nanargmin(
    x: ArrayLike, axis: int | None = None, *, keepdims: bool = False
) -> Array[int32, *tuple[Any, ...]]:
    """The position of the smallest of the elements that are not NaN, or -1."""
    y, there = _present("nanargmin", x)
    at = full.argmin(where(there, y, full.highest(y.dtype)), axis, keepdims=keepdims)
    return where(full.any(there, axis, keepdims=keepdims), at, -1)
