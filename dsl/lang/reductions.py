"""Reductions: sums, products, extrema, means, and, or, counts, the position of an extremum.

All take ``axis`` (an int, several, or None for all) and ``keepdims``. Small integers and bools are
summed and multiplied as 32-bit ones; 16-bit floats are accumulated in float32 and come back in
their own dtype, so that a long sum does not stall. Where ``where`` is false an element is left out.
The extremum of nothing has no value: it is an error, unless ``initial`` gives one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from verax.compiler.ir.dtypes import DType, bool_, float32, int32, uint32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import Shape, Size, product
from verax.compiler.ops.arithmetic import MAX, MIN
from verax.compiler.ops.contract import canonical
from verax.compiler.ops.pointwise import DIV, SELECT
from verax.compiler.ops.reduce import ArgReduce, Reduce, identity
from verax.dsl.lang.axes import Axes, axes_of, axis_of
from verax.dsl.lang.dtypes import DTypeLike, default_float, dtype_of
from verax.dsl.lang.fused import fused
from verax.dsl.lang.manipulation import reshaped
from verax.dsl.lang.promotion import asarray, broadcast_to, convert, scalar
from verax.dsl.lang.signatures import (
    DT,
    FT,
    NT,
    ST,
    WT,
    AnyArray,
    ArrayLike,
    Like,
    Line,
    No,
    Open,
    Unclear,
    Zero,
)
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.compiler.ir.dtypes import int32 as int32_

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "prod",
    "ptp",
    "sum",
]


class Over(NamedTuple):
    """What is reduced: the dimensions, and whether they stay, with size 1."""

    axes: tuple[int, ...]
    keepdims: bool

    def shape(self, shape: Shape) -> Shape:
        """The shape of the result."""
        return tuple(
            [
                1 if d in self.axes else n
                for d, n in enumerate(shape)
                if self.keepdims or d not in self.axes
            ]
        )

    def elements(self, shape: Shape) -> Size:
        """How many elements become one."""
        return product([shape[d] for d in self.axes])


def total(x: AnyArray, axes: tuple[int, ...], dtype: DType) -> AnyArray:
    """The sum over some dimensions, accumulated in ``dtype``."""
    if not axes:
        return convert(x, dtype)
    kept = tuple([d for d in range(x.ndim) if d not in axes])
    out_dtype = None if dtype is x.dtype else dtype
    return apply(canonical([tuple(range(x.ndim))], kept, (), out_dtype), x)


def reduced(kind: str, x: AnyArray, over: Over, *, nan: bool = True) -> AnyArray:
    """A monoid over some dimensions; extrema without ``nan`` may lose a NaN, and are faster."""
    out = apply(Reduce(kind, tuple(sorted(over.axes)), nan), x) if over.axes else x
    return reshaped(out, over.shape(shape_of(x)))


def accumulator(dtype: DType) -> DType:
    """The dtype in which elements are added up: 16-bit floats in float32."""
    return float32 if dtype.is_float and dtype.bits < 32 else dtype


def sum_dtype(dtype: DType) -> DType:
    """The dtype of a sum: bools and small integers give 32-bit integers."""
    if dtype.is_bool or (dtype.kind == "int" and dtype.bits < 32):
        return int32
    return uint32 if dtype.kind == "uint" and dtype.bits < 32 else dtype


def masked(x: AnyArray, where: AnyArray | None, fill: bool | int | float | complex) -> AnyArray:
    """x, with ``fill`` where an element is left out."""
    if where is None:
        return x
    mask = broadcast_to(where, shape_of(x), name="where")
    return apply(SELECT, mask, x, scalar(fill, x.dtype, shape_of(x)))


def mask_of(name: str, where: ArrayLike | None) -> tuple[AnyArray, ...]:
    """The mask as an operand, or none."""
    if where is None:
        return ()
    mask = asarray(where, name=name)
    if mask.dtype is not bool_:
        raise DTypeError(
            f"{name}: where is a mask of bools, got {mask.type}", fix="compare: w != 0"
        )
    return (mask,)


# sums and means


@overload
def sum(
    x: Like[ST], axis: None = None, *, keepdims: No = False, where: ArrayLike | None = None
) -> Zero[ST]: ...
@overload
def sum(
    x: Like[ST], axis: Unclear, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Line[ST]: ...
@overload
def sum(
    x: Like[ST], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Open[ST]: ...
@overload
def sum(
    x: Open[bool_], axis: None = None, *, keepdims: No = False, where: ArrayLike | None = None
) -> Zero[int32_]: ...
@overload
def sum(
    x: Open[bool_], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Open[int32_]: ...
@overload
def sum(
    x: Open[NT], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> AnyArray: ...
@overload
def sum(
    x: ArrayLike,
    axis: Axes = None,
    *,
    dtype: DTypeLike,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> AnyArray: ...
def sum(
    x: ArrayLike,
    axis: Axes = None,
    *,
    dtype: DTypeLike = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Any:
    """The sum over axes.

    Args:
        dtype: the dtype of the result; by default that of x, and int32 or uint32 for bools and
            small integers.

    >>> import numpy as np
    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0).tolist()
    [4.0, 6.0]
    """
    y = asarray(x, name="sum")
    over = Over(axes_of("sum", axis, y.type), keepdims)
    to = sum_dtype(y.dtype) if dtype is None else dtype_of(dtype)
    return fused(_sum, (over, to), y, *mask_of("sum", where))


def _sum(static: tuple[Over, DType], x: AnyArray, where: AnyArray | None = None) -> AnyArray:
    over, to = static
    x = masked(x, where, 0)
    if x.dtype.is_inexact and not to.is_inexact:
        x = convert(x, to)
    out = convert(total(x, over.axes, accumulator(to)), to)
    return reshaped(out, over.shape(shape_of(x)))


@overload
def mean(
    x: Like[FT], axis: None = None, *, keepdims: No = False, where: ArrayLike | None = None
) -> Zero[FT]: ...
@overload
def mean(
    x: Like[FT], axis: Unclear, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Line[FT]: ...
@overload
def mean(
    x: Like[FT], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Open[FT]: ...
@overload
def mean(
    x: Open[bool_] | Open[WT],
    axis: Axes = None,
    *,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> AnyArray: ...
@overload
def mean(
    x: ArrayLike,
    axis: Axes = None,
    *,
    dtype: DTypeLike,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> AnyArray: ...
def mean(
    x: ArrayLike,
    axis: Axes = None,
    *,
    dtype: DTypeLike = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Any:
    """The mean over axes; of integers and bools as float32.

    >>> import numpy as np
    >>> mean(np.array([1, 2, 4, 5])).item()
    3.0
    """
    y = asarray(x, name="mean")
    over = Over(axes_of("mean", axis, y.type), keepdims)
    to = default_float(y.dtype) if dtype is None else dtype_of(dtype)
    if not to.is_inexact:
        raise DTypeError(f"mean: the mean of {y.type} has no value in {to}", fix="a floating dtype")
    return fused(_mean, (over, to), y, *mask_of("mean", where))


def _mean(static: tuple[Over, DType], x: AnyArray, where: AnyArray | None = None) -> AnyArray:
    over, to = static
    acc = accumulator(to)
    y = total(masked(x, where, 0), over.axes, acc)
    out = apply(DIV, y, counted(over, shape_of(x), acc, where))
    return reshaped(convert(out, to), over.shape(shape_of(x)))


def counted(over: Over, shape: Shape, dtype: DType, where: AnyArray | None) -> AnyArray:
    """How many elements each result stands for, in the shape without the reduced dimensions."""
    kept = Over(over.axes, False).shape(shape)
    if where is None:
        return scalar(over.elements(shape), dtype, kept)
    n = total(broadcast_to(where, shape, name="where"), over.axes, int32)
    return convert(n, dtype)


@overload
def prod(
    x: Like[ST], axis: None = None, *, keepdims: No = False, where: ArrayLike | None = None
) -> Zero[ST]: ...
@overload
def prod(
    x: Like[ST], axis: Unclear, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Line[ST]: ...
@overload
def prod(
    x: Like[ST], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Open[ST]: ...
@overload
def prod(
    x: Open[bool_], axis: None = None, *, keepdims: No = False, where: ArrayLike | None = None
) -> Zero[int32_]: ...
@overload
def prod(
    x: Open[bool_], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Open[int32_]: ...
@overload
def prod(
    x: Open[NT], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> AnyArray: ...
@overload
def prod(
    x: ArrayLike,
    axis: Axes = None,
    *,
    dtype: DTypeLike,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> AnyArray: ...
def prod(
    x: ArrayLike,
    axis: Axes = None,
    *,
    dtype: DTypeLike = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Any:
    """The product over axes, with the dtypes of ``sum``."""
    y = asarray(x, name="prod")
    over = Over(axes_of("prod", axis, y.type), keepdims)
    to = sum_dtype(y.dtype) if dtype is None else dtype_of(dtype)
    return fused(_prod, (over, to), y, *mask_of("prod", where))


def _prod(static: tuple[Over, DType], x: AnyArray, where: AnyArray | None = None) -> AnyArray:
    over, to = static
    x = convert(convert(masked(x, where, 1), to), accumulator(to))
    return convert(reduced("mul", x, over), to)


@overload
def count_nonzero(x: ArrayLike, axis: None = None, *, keepdims: No = False) -> Zero[int32_]: ...
@overload
def count_nonzero(x: ArrayLike, axis: Unclear, *, keepdims: bool = False) -> Line[int32_]: ...
@overload
def count_nonzero(x: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Open[int32_]: ...
def count_nonzero(x: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Any:
    """How many elements are not zero, as int32."""
    y = asarray(x, name="count_nonzero")
    over = Over(axes_of("count_nonzero", axis, y.type), keepdims)
    return fused(_count, over, y)


def _count(over: Over, x: AnyArray) -> AnyArray:
    return _sum((over, int32), convert(x, bool_))


# extrema


def lowest(dtype: DType) -> bool | int | float:
    """The neutral element of ``max``."""
    return False if dtype.is_bool else identity("max", dtype)


def highest(dtype: DType) -> bool | int | float:
    """The neutral element of ``min``."""
    return True if dtype.is_bool else identity("min", dtype)


@overload
def max(
    x: Like[DT],
    axis: None = None,
    *,
    keepdims: No = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Zero[DT]: ...
@overload
def max(
    x: Like[DT],
    axis: Unclear,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Line[DT]: ...
@overload
def max(
    x: Like[DT],
    axis: Axes = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Open[DT]: ...
def max(
    x: Like[DT],
    axis: Axes = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Any:
    """The largest element over axes; NaN where there is one.

    Args:
        initial: a value that takes part in every result.

    Raises:
        ShapeError: there are no elements, and no ``initial``.
    """
    return _extremum("max", x, axis, keepdims, initial, where)


@overload
def min(
    x: Like[DT],
    axis: None = None,
    *,
    keepdims: No = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Zero[DT]: ...
@overload
def min(
    x: Like[DT],
    axis: Unclear,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Line[DT]: ...
@overload
def min(
    x: Like[DT],
    axis: Axes = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Open[DT]: ...
def min(
    x: Like[DT],
    axis: Axes = None,
    *,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Any:
    """The smallest element over axes; NaN where there is one."""
    return _extremum("min", x, axis, keepdims, initial, where)


amax, amin = max, min
_PAIRWISE = {"max": MAX, "min": MIN}


def _extremum(
    name: Literal["max", "min"],
    x: ArrayLike,
    axis: Axes,
    keepdims: bool,
    initial: ArrayLike | None,
    where: ArrayLike | None,
) -> AnyArray:
    y = asarray(x, name=name)
    over = Over(axes_of(name, axis, y.type), keepdims)
    ordered(name, y)
    if initial is None:
        not_empty(name, y, over.axes)
    start = () if initial is None else (convert(asarray(initial), y.dtype),)
    static = (name, over, initial is not None)
    return fused(_reduce_ordered, static, y, *start, *mask_of(name, where))


def _reduce_ordered(
    static: tuple[Literal["max", "min"], Over, bool], x: AnyArray, *others: AnyArray
) -> AnyArray:
    name, over, started = static
    neutral = (lowest if name == "max" else highest)(x.dtype)
    where = others[-1] if len(others) > started else None
    kind = {"max": "or", "min": "and"}[name] if x.dtype is bool_ else name
    if over.elements(shape_of(x)) == 0:
        return broadcast_to(others[0], over.shape(shape_of(x)))
    out = reduced(kind, masked(x, where, neutral), over)
    return apply(_PAIRWISE[name], out, broadcast_to(others[0], shape_of(out))) if started else out


def ordered(name: str, x: AnyArray) -> None:
    """Raise for complex numbers."""
    if x.dtype.is_complex:
        raise DTypeError(
            f"{name}: complex numbers have no order, got {x.type}",
            fix=f"{name} of absolute values: vx.{name}(abs(x))",
            about=name,
        )


def not_empty(name: str, x: AnyArray, axes: tuple[int, ...]) -> None:
    """Raise where there is nothing to take an extremum of."""
    for d in axes:
        if shape_of(x)[d] == 0:
            raise ShapeError(
                f"{name}: dimension {d} of {x.type} has no elements, and so no {name}",
                fix="give a value to start from: initial=..."
                if name in ("max", "min")
                else "check the size before: x.size > 0",
            )


@overload
def ptp(x: Like[DT], axis: None = None, *, keepdims: No = False) -> Zero[DT]: ...
@overload
def ptp(x: Like[DT], axis: Unclear, *, keepdims: bool = False) -> Line[DT]: ...
@overload
def ptp(x: Like[DT], axis: Axes = None, *, keepdims: bool = False) -> Open[DT]: ...
def ptp(x: Like[DT], axis: Axes = None, *, keepdims: bool = False) -> Any:
    """The largest less the smallest element over axes."""
    y = asarray(x, name="ptp")
    return max(y, axis, keepdims=keepdims) - min(y, axis, keepdims=keepdims)


@overload
def argmax(x: ArrayLike, axis: None = None, *, keepdims: No = False) -> Zero[int32_]: ...
@overload
def argmax(x: ArrayLike, axis: Unclear, *, keepdims: bool = False) -> Line[int32_]: ...
@overload
def argmax(x: ArrayLike, axis: int | None = None, *, keepdims: bool = False) -> Open[int32_]: ...
def argmax(x: ArrayLike, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The position of the largest element along an axis (of the flattened x), as int32.

    The first of equal elements wins, and NaN over any other.
    """
    return _position("argmax", x, axis, keepdims)


@overload
def argmin(x: ArrayLike, axis: None = None, *, keepdims: No = False) -> Zero[int32_]: ...
@overload
def argmin(x: ArrayLike, axis: Unclear, *, keepdims: bool = False) -> Line[int32_]: ...
@overload
def argmin(x: ArrayLike, axis: int | None = None, *, keepdims: bool = False) -> Open[int32_]: ...
def argmin(x: ArrayLike, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The position of the smallest element; see ``argmax``."""
    return _position("argmin", x, axis, keepdims)


def _position(name: str, x: ArrayLike, axis: int | None, keepdims: bool) -> AnyArray:
    y = asarray(x, name=name)
    ordered(name, y)
    found = None if axis is None else axis_of(name, axis, y.type)
    not_empty(name, y, tuple(range(y.ndim)) if found is None else (found,))
    return fused(_arg, (name, found, keepdims), y)


def _arg(static: tuple[str, int | None, bool], x: AnyArray) -> AnyArray:
    name, axis, keepdims = static
    over = Over(tuple(range(x.ndim)) if axis is None else (axis,), keepdims)
    y = reshaped(x, (x.type.size,)) if axis is None else x
    out = apply(ArgReduce(name, axis or 0, int32), y)
    return reshaped(out, over.shape(shape_of(x)))


# and, or


@overload
def any(
    x: ArrayLike, axis: None = None, *, keepdims: No = False, where: ArrayLike | None = None
) -> Zero[bool_]: ...
@overload
def any(
    x: ArrayLike, axis: Unclear, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Line[bool_]: ...
@overload
def any(
    x: ArrayLike, axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Open[bool_]: ...
def any(
    x: ArrayLike, axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Any:
    """Whether some element over axes is true (not zero)."""
    return _logical("any", x, axis, keepdims, where)


@overload
def all(
    x: ArrayLike, axis: None = None, *, keepdims: No = False, where: ArrayLike | None = None
) -> Zero[bool_]: ...
@overload
def all(
    x: ArrayLike, axis: Unclear, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Line[bool_]: ...
@overload
def all(
    x: ArrayLike, axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Open[bool_]: ...
def all(
    x: ArrayLike, axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Any:
    """Whether every element over axes is true (not zero)."""
    return _logical("all", x, axis, keepdims, where)


def _logical(
    name: str, x: ArrayLike, axis: Axes, keepdims: bool, where: ArrayLike | None
) -> AnyArray:
    y = asarray(x, name=name)
    over = Over(axes_of(name, axis, y.type), keepdims)
    return fused(_reduce_logical, (name, over), y, *mask_of(name, where))


def _reduce_logical(
    static: tuple[str, Over], x: AnyArray, where: AnyArray | None = None
) -> AnyArray:
    name, over = static
    x = masked(convert(x, bool_), where, name == "all")
    return reduced({"any": "or", "all": "and"}[name], x, over)
