"""Statistics: variance, weighted means, quantiles, covariance.

Variances of 16-bit floats are computed in float32. Quantiles sort; a NaN among the elements makes
the result NaN, as in NumPy, while ``nanquantile`` and ``nanmedian`` leave it out. Positions of
quantiles that are known while staging are worked out in double precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args, overload

from verax.compiler.ir.dtypes import bool_, int32, real_of
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Poly
from verax.compiler.ops.arithmetic import CEIL, FLOOR, REAL, ROUND_EVEN
from verax.compiler.ops.functions import SQRT
from verax.dsl.lang.axes import Axes, axes_of
from verax.dsl.lang.contraction import factors_of
from verax.dsl.lang.diagonals import diagonal
from verax.dsl.lang.dtypes import default_float
from verax.dsl.lang.fused import fused
from verax.dsl.lang.host import to_numpy
from verax.dsl.lang.indexing import gather
from verax.dsl.lang.joining import concat, cut
from verax.dsl.lang.linear import apply_conj, matmul
from verax.dsl.lang.logic import isnan, where
from verax.dsl.lang.manipulation import atleast_2d, matrix_transpose, permuted, reshaped
from verax.dsl.lang.promotion import asarray, broadcast_to, convert, is_array, scalar
from verax.dsl.lang.reductions import Over, accumulator, counted, mask_of, masked, ordered, total
from verax.dsl.lang.signatures import (
    CT,
    FT,
    RF,
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
from verax.dsl.lang.sorting import sort
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

__all__ = [
    "average",
    "corrcoef",
    "cov",
    "median",
    "nanmedian",
    "nanquantile",
    "percentile",
    "quantile",
    "std",
    "var",
]


def floating(name: str, x: ArrayLike) -> AnyArray:
    """x as an array of a floating dtype: integers and bools become float32."""
    y = asarray(x, name=name)
    return convert(y, default_float(y.dtype))


# variance


@overload
def var(
    x: Like[RF],
    axis: None = None,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: No = False,
    where: ArrayLike | None = None,
) -> Zero[RF]: ...
@overload
def var(
    x: Like[RF],
    axis: Unclear,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Line[RF]: ...
@overload
def var(
    x: Like[RF],
    axis: Axes = None,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Open[RF]: ...
@overload
def var(
    x: Open[bool_] | Open[WT] | Open[CT],
    axis: Axes = None,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> AnyArray: ...
def var(
    x: ArrayLike,
    axis: Axes = None,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Any:
    """The mean squared distance from the mean, over axes; real for complex numbers.

    Args:
        correction: what is subtracted from the number of elements; 1 for the unbiased estimate.
            ``ddof`` is NumPy's name of it.
    """
    y = floating("var", x)
    over = Over(axes_of("var", axis, y.type), keepdims)
    less = correction if ddof is None else ddof
    return fused(_var, (over, less), y, *mask_of("var", where))


def _var(static: tuple[Over, float], x: AnyArray, where: AnyArray | None = None) -> AnyArray:
    over, correction = static
    real = real_of(x.dtype)
    acc = accumulator(x.dtype)
    kept = Over(over.axes, True).shape(shape_of(x))
    y, n = convert(x, acc), counted(over, shape_of(x), real_of(acc), where)
    mean = reshaped(total(masked(y, where, 0), over.axes, acc) / n, kept)
    c = masked(y - mean, where, 0)
    squares = apply(REAL, c * apply_conj(c)) if c.dtype.is_complex else c * c
    out = total(squares, over.axes, real_of(acc)) / (n - correction).clip(0)
    return reshaped(convert(out, real), over.shape(shape_of(x)))


@overload
def std(
    x: Like[RF],
    axis: None = None,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: No = False,
    where: ArrayLike | None = None,
) -> Zero[RF]: ...
@overload
def std(
    x: Like[RF],
    axis: Unclear,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Line[RF]: ...
@overload
def std(
    x: Like[RF],
    axis: Axes = None,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Open[RF]: ...
@overload
def std(
    x: Open[bool_] | Open[WT] | Open[CT],
    axis: Axes = None,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> AnyArray: ...
def std(
    x: ArrayLike,
    axis: Axes = None,
    *,
    correction: float = 0,
    ddof: float | None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Any:
    """The square root of the variance; see ``var``."""
    y = floating("std", x)
    over = Over(axes_of("std", axis, y.type), keepdims)
    less = correction if ddof is None else ddof
    return fused(_std, (over, less), y, *mask_of("std", where))


def _std(static: tuple[Over, float], x: AnyArray, *masks: AnyArray) -> AnyArray:
    return apply(SQRT, _var(static, x, *masks))


def average(
    x: Like[FT], axis: Axes = None, weights: ArrayLike | None = None, *, keepdims: bool = False
) -> Array[FT, *tuple[Any, ...]]:
    """The weighted mean over axes.

    Args:
        weights: of the shape of x, or a vector along the one axis that is named.
    """
    rows = factors_of("average", x, 1.0 if weights is None else weights)
    over = Over(axes_of("average", axis, rows[0].type), keepdims)
    return fused(_average, over, *[convert(v, default_float(v.dtype)) for v in rows])


def _average(over: Over, x: AnyArray, w: AnyArray) -> AnyArray:
    acc, shape = accumulator(x.dtype), shape_of(x)
    if w.ndim == 1 and x.ndim > 1 and len(over.axes) == 1:
        w = reshaped(w, (*shape_of(w), *[1] * (x.ndim - 1 - over.axes[0])))
    w = broadcast_to(w, shape, name="average")
    out = total(x * w, over.axes, acc) / total(w, over.axes, acc)
    return reshaped(convert(out, x.dtype), over.shape(shape))


def cov(
    x: Like[FT],
    y: ArrayLike | None = None,
    *,
    rowvar: bool = True,
    correction: float = 1,
) -> Array[FT, *tuple[Any, ...]]:
    """The covariances of variables, one per row of x (and of y).

    Args:
        rowvar: whether a row is a variable and a column an observation, or the other way round.
        correction: what is subtracted from the number of observations.
    """
    rows = [_variables(v, rowvar) for v in (x, y) if v is not None]
    m = concat(rows, 0)
    out = fused(_cov, correction, m)
    return reshaped(out, ()) if shape_of(m)[0] == 1 else out


def _variables(x: ArrayLike, rowvar: bool) -> AnyArray:
    v = floating("cov", x)
    if v.ndim > 2:
        raise ShapeError(
            f"cov takes vectors and matrices, got {v.type}",
            fix="vx.vmap(vx.cov) takes a batch of matrices",
        )
    return matrix_transpose(v) if v.ndim == 2 and not rowvar else atleast_2d(v)


def _cov(correction: float, m: AnyArray) -> AnyArray:
    n = scalar(shape_of(m)[1], real_of(m.dtype))
    c = m - reshaped(total(m, (1,), m.dtype) / n, (shape_of(m)[0], 1))
    return matmul(c, matrix_transpose(apply_conj(c))) / (n - correction).clip(0)


def corrcoef(
    x: Like[FT], y: ArrayLike | None = None, *, rowvar: bool = True
) -> Array[FT, *tuple[Any, ...]]:
    """The correlations of variables: covariances over the product of standard deviations."""
    c = cov(x, y, rowvar=rowvar)
    return fused(_corrcoef, None, c) if c.ndim else c / c


def _corrcoef(_: None, c: AnyArray) -> AnyArray:
    v = diagonal(c)
    d = apply(SQRT, apply(REAL, v) if c.dtype.is_complex else v)
    out = c / d[:, None] / d[None, :]
    return out if c.dtype.is_complex else out.clip(-1, 1)


# quantiles

Method: TypeAlias = Literal["linear", "lower", "higher", "nearest", "midpoint"]


class _How(NamedTuple):
    over: Over
    method: Method
    nan: bool


def quantile(
    x: Like[FT],
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: Method = "linear",
    keepdims: bool = False,
) -> Array[FT, *tuple[Any, ...]]:
    """The value below which the share q of the elements lies, over axes.

    Args:
        q: between 0 and 1, a scalar or an array, whose dimensions stand first in the result.
        method: what to take between two elements.
    """
    return _quantile("quantile", x, q, axis, method, keepdims, False)


def nanquantile(
    x: Like[FT],
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: Method = "linear",
    keepdims: bool = False,
) -> Array[FT, *tuple[Any, ...]]:
    """``quantile`` of the elements that are not NaN."""
    return _quantile("nanquantile", x, q, axis, method, keepdims, True)


def percentile(
    x: Like[FT],
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: Method = "linear",
    keepdims: bool = False,
) -> Array[FT, *tuple[Any, ...]]:
    """``quantile`` with q between 0 and 100."""
    share = q / 100 if is_array(q) else to_numpy(q) / 100
    return _quantile("percentile", x, share, axis, method, keepdims, False)


@overload
def median(x: Like[RF], axis: None = None, *, keepdims: No = False) -> Zero[RF]: ...
@overload
def median(x: Like[RF], axis: Unclear, *, keepdims: bool = False) -> Line[RF]: ...
@overload
def median(x: Like[RF], axis: Axes = None, *, keepdims: bool = False) -> Open[RF]: ...
def median(x: Like[FT], axis: Axes = None, *, keepdims: bool = False) -> Any:
    """The middle element over axes, or the mean of the middle two."""
    return _quantile("median", x, 0.5, axis, "linear", keepdims, False)


@overload
def nanmedian(x: Like[RF], axis: None = None, *, keepdims: No = False) -> Zero[RF]: ...
@overload
def nanmedian(x: Like[RF], axis: Unclear, *, keepdims: bool = False) -> Line[RF]: ...
@overload
def nanmedian(x: Like[RF], axis: Axes = None, *, keepdims: bool = False) -> Open[RF]: ...
def nanmedian(x: Like[FT], axis: Axes = None, *, keepdims: bool = False) -> Any:
    """``median`` of the elements that are not NaN."""
    return _quantile("nanmedian", x, 0.5, axis, "linear", keepdims, True)


def _quantile(
    name: str,
    x: ArrayLike,
    q: ArrayLike,
    axis: Axes,
    method: Method,
    keepdims: bool,
    nan: bool,
) -> AnyArray:
    y = floating(name, x)
    ordered(name, y)
    over = Over(axes_of(name, axis, y.type), keepdims)
    if method not in get_args(Method):
        raise ShapeError(
            f"{name}: {method!r} is no method", fix=f"one of {', '.join(get_args(Method))}"
        )
    n = over.elements(shape_of(y))
    if n == 0:
        raise ShapeError(
            f"{name}: there are no elements in {y.type}, and so no {name}",
            fix="check the size before: x.size > 0",
        )
    how = _How(over, method, nan)
    if nan or is_array(q) or isinstance(n, Poly):
        return fused(_computed, how, y, convert(asarray(q, name=name), accumulator(y.dtype)))
    at = to_numpy(q).astype("float64") * (n - 1)
    low, high = at // 1, -(-at // 1)
    share = asarray(at - low)
    places = [asarray(_chosen(method, at, low, high, k).astype("int32")) for k in range(2)]
    return fused(_known, how, y, *places, convert(share, accumulator(y.dtype)))


def _chosen(method: Method, at: Any, low: Any, high: Any, k: int) -> Any:
    """The lower (k = 0) or the upper element that a method looks at."""
    if method in ("linear", "midpoint"):
        return high if k else low
    return {"lower": low, "higher": high, "nearest": at.round()}[method]


def _lines(x: AnyArray, over: Over) -> AnyArray:
    """x with the reduced dimensions as the last one, sorted along it."""
    rest = [d for d in range(x.ndim) if d not in over.axes]
    y = permuted(x, [*rest, *over.axes])
    shape = tuple([shape_of(x)[d] for d in rest])
    return sort(reshaped(y, (*shape, over.elements(shape_of(x)))))


def _known(how: _How, x: AnyArray, low: AnyArray, high: AnyArray, share: AnyArray) -> AnyArray:
    lines = _lines(x, how.over)
    lead = lines.ndim - 1
    a, b = (gather(lines, [i], "clip", lead=lead) for i in (low, high))
    return _finished(how, x, lines, _between(how.method, a, b, share), low.ndim)


def _computed(how: _How, x: AnyArray, q: AnyArray) -> AnyArray:
    lines = _lines(x, how.over)
    rest, n = shape_of(lines)[:-1], shape_of(lines)[-1]
    shape = (*rest, *shape_of(q))
    if how.nan:
        count = total(convert(~isnan(lines), int32), (lines.ndim - 1,), int32)
        count = reshaped(count, (*rest, *[1] * q.ndim))
    else:
        count = scalar(n, int32, (1,) * len(shape))
    at = broadcast_to(q * convert((count - 1).clip(0), q.dtype), shape)
    places = [_rounded(how.method, at, k) for k in range(2)]
    share = at - apply(FLOOR, at)
    a, b = (gather(lines, [i], "clip", batch_dims=len(rest)) for i in places)
    return _finished(how, x, lines, _between(how.method, a, b, share), q.ndim)


def _rounded(method: Method, at: AnyArray, k: int) -> AnyArray:
    if method in ("linear", "midpoint"):
        op = CEIL if k else FLOOR
    else:
        op = {"lower": FLOOR, "higher": CEIL, "nearest": ROUND_EVEN}[method]
    return convert(apply(op, at), int32)


def _between(method: Method, a: AnyArray, b: AnyArray, share: AnyArray) -> AnyArray:
    """What lies between two elements."""
    if method == "midpoint":
        return where(a == b, a, a + (b - a) / 2)
    if method != "linear":
        return a
    return where((share == 0) | (a == b), a, a + (b - a) * convert(share, a.dtype))


def _finished(how: _How, x: AnyArray, lines: AnyArray, out: AnyArray, n: int) -> AnyArray:
    """The dimensions of q in front, the reduced ones as asked, NaN where one was met."""
    rest = lines.ndim - 1
    if not how.nan:
        last = cut(lines, rest, shape_of(lines)[-1] - 1, shape_of(lines)[-1])
        seen = broadcast_to(reshaped(last, (*shape_of(lines)[:-1], *[1] * n)), shape_of(out))
        out = where(isnan(seen), seen, out)
    out = permuted(out, [*range(rest, rest + n), *range(rest)])
    return reshaped(out, (*shape_of(out)[:n], *how.over.shape(shape_of(x))))
