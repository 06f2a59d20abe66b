"""Reductions that leave NaN out. Where nothing else is left, sums are 0, products 1, means and
extrema NaN, and positions -1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from verax.dsl.lang import reductions as full
from verax.dsl.lang.axes import Axes
from verax.dsl.lang.logic import isnan, where
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.signatures import (
    DT,
    FT,
    NT,
    RF,
    ST,
    AnyArray,
    ArrayLike,
    Like,
    Line,
    No,
    Open,
    Unclear,
    Zero,
)
from verax.dsl.lang.statistics import std, var

if TYPE_CHECKING:
    from verax.compiler.ir.dtypes import bool_, int32

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


@overload
def nansum(x: Like[ST], axis: None = None, *, keepdims: No = False) -> Zero[ST]: ...
@overload
def nansum(x: Like[ST], axis: Unclear, *, keepdims: bool = False) -> Line[ST]: ...
@overload
def nansum(x: Like[ST], axis: Axes = None, *, keepdims: bool = False) -> Open[ST]: ...
@overload
def nansum(x: Open[bool_] | Open[NT], axis: Axes = None, *, keepdims: bool = False) -> AnyArray: ...
def nansum(x: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Any:
    """The sum of the elements that are not NaN."""
    y, there = _present("nansum", x)
    return full.sum(y, axis, keepdims=keepdims, where=there)


@overload
def nanprod(x: Like[ST], axis: None = None, *, keepdims: No = False) -> Zero[ST]: ...
@overload
def nanprod(x: Like[ST], axis: Unclear, *, keepdims: bool = False) -> Line[ST]: ...
@overload
def nanprod(x: Like[ST], axis: Axes = None, *, keepdims: bool = False) -> Open[ST]: ...
@overload
def nanprod(
    x: Open[bool_] | Open[NT], axis: Axes = None, *, keepdims: bool = False
) -> AnyArray: ...
def nanprod(x: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Any:
    """The product of the elements that are not NaN."""
    y, there = _present("nanprod", x)
    return full.prod(y, axis, keepdims=keepdims, where=there)


@overload
def nanmean(x: Like[FT], axis: None = None, *, keepdims: No = False) -> Zero[FT]: ...
@overload
def nanmean(x: Like[FT], axis: Unclear, *, keepdims: bool = False) -> Line[FT]: ...
@overload
def nanmean(x: Like[FT], axis: Axes = None, *, keepdims: bool = False) -> Open[FT]: ...
def nanmean(x: Like[FT], axis: Axes = None, *, keepdims: bool = False) -> Any:
    """The mean of the elements that are not NaN."""
    y, there = _present("nanmean", x)
    return full.mean(y, axis, keepdims=keepdims, where=there)


@overload
def nanvar(
    x: Like[RF], axis: None = None, *, correction: float = 0, keepdims: No = False
) -> Zero[RF]: ...
@overload
def nanvar(
    x: Like[RF], axis: Unclear, *, correction: float = 0, keepdims: bool = False
) -> Line[RF]: ...
@overload
def nanvar(
    x: Like[RF], axis: Axes = None, *, correction: float = 0, keepdims: bool = False
) -> Open[RF]: ...
def nanvar(x: Like[FT], axis: Axes = None, *, correction: float = 0, keepdims: bool = False) -> Any:
    """The variance of the elements that are not NaN."""
    y, there = _present("nanvar", x)
    return var(y, axis, correction=correction, keepdims=keepdims, where=there)


@overload
def nanstd(
    x: Like[RF], axis: None = None, *, correction: float = 0, keepdims: No = False
) -> Zero[RF]: ...
@overload
def nanstd(
    x: Like[RF], axis: Unclear, *, correction: float = 0, keepdims: bool = False
) -> Line[RF]: ...
@overload
def nanstd(
    x: Like[RF], axis: Axes = None, *, correction: float = 0, keepdims: bool = False
) -> Open[RF]: ...
def nanstd(x: Like[FT], axis: Axes = None, *, correction: float = 0, keepdims: bool = False) -> Any:
    """The standard deviation of the elements that are not NaN."""
    y, there = _present("nanstd", x)
    return std(y, axis, correction=correction, keepdims=keepdims, where=there)


@overload
def nanmax(x: Like[DT], axis: None = None, *, keepdims: No = False) -> Zero[DT]: ...
@overload
def nanmax(x: Like[DT], axis: Unclear, *, keepdims: bool = False) -> Line[DT]: ...
@overload
def nanmax(x: Like[DT], axis: Axes = None, *, keepdims: bool = False) -> Open[DT]: ...
def nanmax(x: Like[DT], axis: Axes = None, *, keepdims: bool = False) -> Any:
    """The largest of the elements that are not NaN."""
    y, there = _present("nanmax", x)
    return _or_nan(full.max(y, axis, keepdims=keepdims, where=there), there, axis, keepdims)


@overload
def nanmin(x: Like[DT], axis: None = None, *, keepdims: No = False) -> Zero[DT]: ...
@overload
def nanmin(x: Like[DT], axis: Unclear, *, keepdims: bool = False) -> Line[DT]: ...
@overload
def nanmin(x: Like[DT], axis: Axes = None, *, keepdims: bool = False) -> Open[DT]: ...
def nanmin(x: Like[DT], axis: Axes = None, *, keepdims: bool = False) -> Any:
    """The smallest of the elements that are not NaN."""
    y, there = _present("nanmin", x)
    return _or_nan(full.min(y, axis, keepdims=keepdims, where=there), there, axis, keepdims)


def _or_nan(found: AnyArray, there: AnyArray, axis: Axes, keepdims: bool) -> AnyArray:
    if not found.dtype.is_float:
        return found
    return where(full.any(there, axis, keepdims=keepdims), found, float("nan"))


@overload
def nanargmax(x: ArrayLike, axis: None = None, *, keepdims: No = False) -> Zero[int32]: ...
@overload
def nanargmax(x: ArrayLike, axis: Unclear, *, keepdims: bool = False) -> Line[int32]: ...
@overload
def nanargmax(x: ArrayLike, axis: int | None = None, *, keepdims: bool = False) -> Open[int32]: ...
def nanargmax(x: ArrayLike, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The position of the largest of the elements that are not NaN, or -1."""
    y, there = _present("nanargmax", x)
    at = full.argmax(where(there, y, full.lowest(y.dtype)), axis, keepdims=keepdims)
    return where(full.any(there, axis, keepdims=keepdims), at, -1)


@overload
def nanargmin(x: ArrayLike, axis: None = None, *, keepdims: No = False) -> Zero[int32]: ...
@overload
def nanargmin(x: ArrayLike, axis: Unclear, *, keepdims: bool = False) -> Line[int32]: ...
@overload
def nanargmin(x: ArrayLike, axis: int | None = None, *, keepdims: bool = False) -> Open[int32]: ...
def nanargmin(x: ArrayLike, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The position of the smallest of the elements that are not NaN, or -1."""
    y, there = _present("nanargmin", x)
    at = full.argmin(where(there, y, full.highest(y.dtype)), axis, keepdims=keepdims)
    return where(full.any(there, axis, keepdims=keepdims), at, -1)
