"""Softmax and its relations: logsumexp, logmeanexp, log_softmax, standardize, glu.

The largest element is subtracted first, so nothing overflows; the derivative does not see it, since
the result does not depend on what is subtracted. Minus infinity is the mask of a place: it takes no
weight and gets no gradient. A line of nothing but masks has logsumexp -inf and softmax NaN, but
with ``where`` its softmax is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from verax.compiler.ir.errors import ShapeError, UnknownSizeError
from verax.compiler.ir.sizes import divide
from verax.compiler.ops.arithmetic import IS_FINITE
from verax.compiler.ops.barrier import StopGradient
from verax.compiler.ops.functions import EXP, LOG, LOGISTIC, RSQRT
from verax.compiler.ops.pointwise import SELECT
from verax.dsl.lang.axes import Axes, axes_of, axis_of
from verax.dsl.lang.dtypes import default_float
from verax.dsl.lang.fused import fused
from verax.dsl.lang.joining import cut
from verax.dsl.lang.manipulation import reshaped
from verax.dsl.lang.promotion import asarray, broadcast_to, convert, operands
from verax.dsl.lang.reductions import (
    Over,
    accumulator,
    counted,
    mask_of,
    masked,
    ordered,
    reduced,
    total,
)
from verax.dsl.lang.signatures import (
    FT,
    AnyArray,
    ArrayLike,
    Ds,
    Like,
    Line,
    No,
    Open,
    Real,
    Unclear,
    Zero,
)
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

__all__ = [
    "glu",
    "log_softmax",
    "logmeanexp",
    "logsumexp",
    "softmax",
    "standardize",
]


def _floating(name: str, x: ArrayLike) -> AnyArray:
    y = asarray(x, name=name)
    ordered(name, y)
    return convert(y, default_float(y.dtype))


def _largest(x: AnyArray, over: Over) -> AnyArray:
    """The largest element, constant for derivatives, with the reduced dimensions of size 1."""
    return reduced("max", apply(StopGradient(), x), Over(over.axes, True), nan=False)


def _kept_sum(x: AnyArray, over: Over) -> AnyArray:
    """The sum with the reduced dimensions of size 1; 16-bit floats are accumulated in float32."""
    out = convert(total(x, over.axes, accumulator(x.dtype)), x.dtype)
    return reshaped(out, Over(over.axes, True).shape(shape_of(x)))


@overload
def logsumexp(
    x: Like[FT],
    axis: None = None,
    *,
    weights: ArrayLike | None = None,
    keepdims: No = False,
    where: ArrayLike | None = None,
) -> Zero[FT]: ...
@overload
def logsumexp(
    x: Like[FT],
    axis: Unclear,
    *,
    weights: ArrayLike | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Line[FT]: ...
@overload
def logsumexp(
    x: Like[FT],
    axis: Axes = None,
    *,
    weights: ArrayLike | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Open[FT]: ...
def logsumexp(
    x: Like[FT],
    axis: Axes = None,
    *,
    weights: ArrayLike | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Any:
    """``log(sum(weights * exp(x)))`` over axes.

    Args:
        weights: factors of the exponentials, broadcast to x; the sum must not be negative.
    """
    y = _floating("logsumexp", x)
    over = Over(axes_of("logsumexp", axis, y.type), keepdims)
    factors: tuple[AnyArray, ...] = ()
    if weights is not None:
        y, w = operands("logsumexp", y, weights)
        factors = (w,)
    masks = mask_of("logsumexp", where)
    return fused(_logsumexp, (over, weights is not None), y, *factors, *masks)


def _logsumexp(static: tuple[Over, bool], x: AnyArray, *others: AnyArray) -> AnyArray:
    over, weighted = static
    where = others[-1] if len(others) > weighted else None
    x = masked(x, where, float("-inf"))
    m = _largest(x, over)
    m = apply(SELECT, apply(IS_FINITE, m), m, _zeros_like(m))
    e = apply(EXP, x - m)
    if weighted:
        e = e * others[0]
    out = apply(LOG, _kept_sum(e, over)) + m
    return reshaped(out, over.shape(shape_of(x)))


def _zeros_like(x: AnyArray) -> AnyArray:
    return broadcast_to(asarray(0, x.dtype), shape_of(x))


@overload
def logmeanexp(
    x: Like[FT], axis: None = None, *, keepdims: No = False, where: ArrayLike | None = None
) -> Zero[FT]: ...
@overload
def logmeanexp(
    x: Like[FT], axis: Unclear, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Line[FT]: ...
@overload
def logmeanexp(
    x: Like[FT], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Open[FT]: ...
def logmeanexp(
    x: Like[FT], axis: Axes = None, *, keepdims: bool = False, where: ArrayLike | None = None
) -> Any:
    """``log(mean(exp(x)))`` over axes."""
    y = _floating("logmeanexp", x)
    over = Over(axes_of("logmeanexp", axis, y.type), keepdims)
    return fused(_logmeanexp, over, y, *mask_of("logmeanexp", where))


def _logmeanexp(over: Over, x: AnyArray, where: AnyArray | None = None) -> AnyArray:
    masks = () if where is None else (where,)
    n = counted(over, shape_of(x), x.dtype, where)
    n = reshaped(n, over.shape(shape_of(x)))
    return _logsumexp((over, False), x, *masks) - apply(LOG, n)


def softmax(x: Real[FT, *Ds], axis: Axes = -1, *, where: ArrayLike | None = None) -> Array[FT, *Ds]:
    """``exp(x) / sum(exp(x))`` along axes.

    Args:
        where: false where an element takes no part; its result is 0.

    >>> import numpy as np
    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    y = _floating("softmax", x)
    over = Over(axes_of("softmax", axis, y.type), True)
    return fused(_softmax, over, y, *mask_of("softmax", where))


def _softmax(over: Over, x: AnyArray, where: AnyArray | None = None) -> AnyArray:
    if where is None:
        e = apply(EXP, x - _largest(x, over))
        return e / _kept_sum(e, over)
    m = _largest(masked(x, where, float("-inf")), over)
    m = apply(SELECT, apply(IS_FINITE, m), m, _zeros_like(m))
    e = masked(apply(EXP, masked(x - m, where, 0)), where, 0)
    s = _kept_sum(e, over)
    return e / masked(s, s > 0, 1)


def log_softmax(
    x: Real[FT, *Ds], axis: Axes = -1, *, where: ArrayLike | None = None
) -> Array[FT, *Ds]:
    """``x - logsumexp(x)`` along axes; -inf where ``where`` is false."""
    y = _floating("log_softmax", x)
    over = Over(axes_of("log_softmax", axis, y.type), True)
    return fused(_log_softmax, over, y, *mask_of("log_softmax", where))


def _log_softmax(over: Over, x: AnyArray, where: AnyArray | None = None) -> AnyArray:
    x = masked(x, where, float("-inf"))
    z = x - _largest(x, over)
    return z - apply(LOG, _kept_sum(apply(EXP, z), over))


def standardize(
    x: Real[FT, *Ds],
    axis: Axes = -1,
    *,
    epsilon: float = 1e-5,
    mean: ArrayLike | None = None,
    variance: ArrayLike | None = None,
) -> Array[FT, *Ds]:
    """``(x - mean) / sqrt(variance + epsilon)``, by default those of x along axes."""
    y = _floating("standardize", x)
    over = Over(axes_of("standardize", axis, y.type), True)
    given = [asarray(v, y.dtype) for v in (mean, variance) if v is not None]
    static = (over, epsilon, mean is not None, variance is not None)
    return fused(_standardize, static, y, *given)


def _standardize(static: tuple[Over, float, bool, bool], x: AnyArray, *given: AnyArray) -> AnyArray:
    over, epsilon, has_mean, has_variance = static
    acc = accumulator(x.dtype)
    y = convert(x, acc)
    n = reshaped(counted(over, shape_of(x), acc, None), over.shape(shape_of(x)))
    m = convert(given[0], acc) if has_mean else _kept_sum(y, over) / n
    c = y - m
    v = convert(given[-1], acc) if has_variance else _kept_sum(c * c, over) / n
    return convert(c * apply(RSQRT, v + epsilon), x.dtype)


def glu(x: Like[FT], axis: int = -1) -> Array[FT, *tuple[Any, ...]]:
    """The gated linear unit: the first half of an axis times the sigmoid of the second."""
    y = _floating("glu", x)
    axis = axis_of("glu", axis, y.type)
    n = shape_of(y)[axis]
    if divide(n, 2) is None:
        error = ShapeError if isinstance(n, int) else UnknownSizeError
        raise error(f"glu: dimension {axis} of {y.type} has no two halves")
    return fused(_glu, axis, y)


def _glu(axis: int, x: AnyArray) -> AnyArray:
    n = shape_of(x)[axis]
    return cut(x, axis, 0, n // 2) * apply(LOGISTIC, cut(x, axis, n // 2, n))
