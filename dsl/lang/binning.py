"""Values sorted into bins: digitize, bincount, histogram; and piecewise linear interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from verax.compiler.ir.aligned import differing, from_left
from verax.compiler.ir.dtypes import float32, int32, int64
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import Poly, Size
from verax.dsl.lang.contraction import factors_of
from verax.dsl.lang.creation import linspace
from verax.dsl.lang.cumulative import diff
from verax.dsl.lang.dtypes import default_float
from verax.dsl.lang.fused import fused
from verax.dsl.lang.indexing import gather, narrow
from verax.dsl.lang.logic import where
from verax.dsl.lang.manipulation import flip, ravel
from verax.dsl.lang.promotion import asarray, convert, scalar
from verax.dsl.lang.reductions import max as max_over
from verax.dsl.lang.reductions import min as min_over
from verax.dsl.lang.reductions import sum as sum_over
from verax.dsl.lang.searching import searchsorted
from verax.dsl.lang.signatures import FT, AnyArray, ArrayLike, Like
from verax.dsl.lang.updates import scatter
from verax.dsl.lang.value import shape_of

if TYPE_CHECKING:
    from verax.compiler.ir.dtypes import int32 as int32_
    from verax.dsl.lang.array import Array

__all__ = ["Histogram", "bincount", "digitize", "histogram", "interp"]


def digitize(
    x: ArrayLike, bins: ArrayLike, *, right: bool = False
) -> Array[int32_, *tuple[Any, ...]]:
    """The bin of each element: i where x lies between ``bins[i - 1]`` and ``bins[i]``, as int32.

    Args:
        bins: a monotonic vector, ascending or descending.
        right: whether a bin of ascending edges holds its right one instead of its left one.
    """
    v, edges = factors_of("digitize", x, bins)
    if edges.ndim != 1:
        raise ShapeError(
            f"digitize: bins is a vector, got {edges.type}", fix="vx.ravel(bins), if it is sorted"
        )
    return fused(_digitize, right, v, edges)


def _digitize(right: bool, x: AnyArray, edges: AnyArray) -> AnyArray:
    n = edges.shape[0]
    if n == 0:
        return scalar(0, int32, shape_of(x))
    side: Literal["left", "right"] = "left" if right else "right"
    up = searchsorted(edges, x, side=side)
    down = n - searchsorted(flip(edges), x, side=side)
    return where(edges[-1] >= edges[0], up, down)


def bincount(x: ArrayLike, weights: ArrayLike | None = None, *, length: int) -> Array[Any, Any]:
    """How often each of the numbers 0 to length - 1 occurs; others are left out.

    Args:
        weights: what each occurrence counts, instead of 1.

    >>> import numpy as np
    >>> bincount(np.array([0, 2, 2]), length=3).tolist()
    [1, 0, 2]
    """
    y = ravel(x)
    if not y.dtype.is_integer:
        raise DTypeError(f"bincount counts integers, got {y.type}", fix="x.astype(vx.int32)")
    w = scalar(1, int32) if weights is None else ravel(weights)
    if weights is not None and shape_of(w) != shape_of(y):
        raise ShapeError(
            f"bincount: x has {y.type.size} elements and the weights have {w.type.size}\n"
            + from_left([("x", y.type), ("weights", w.type)], [0]),
            fix="give one weight per element: vx.broadcast_to(weights, x.shape)",
        )
    return fused(_bincount, length, y, w)


def _bincount(length: int, x: AnyArray, w: AnyArray) -> AnyArray:
    at = x if x.dtype in (int32, int64) else narrow(x, length)
    ones = w if w.ndim else scalar(1, w.dtype, shape_of(x))
    return scatter("add", scalar(0, w.dtype, (length,)), ones, [at])


class Histogram(NamedTuple):
    """Counts per bin, and the edges of the bins, one more."""

    counts: AnyArray
    edges: AnyArray


def histogram(
    x: ArrayLike,
    bins: Size | ArrayLike = 10,
    *,
    range: tuple[ArrayLike, ArrayLike] | None = None,
    weights: ArrayLike | None = None,
    density: bool = False,
) -> Histogram:
    """How many elements of x lie in each bin; the last bin holds its right edge too.

    Args:
        bins: how many bins of equal width, or their edges, ascending.
        range: from where to where, by default from the least to the largest element.
        weights: what each element counts, instead of 1.
        density: divide by the total and by the widths, so that the integral is 1.
    """
    y = ravel(x)
    y = convert(y, default_float(y.dtype))
    if isinstance(bins, (int, Poly)):
        low, high = range if range is not None else (min_over(y), max_over(y))
        edges = fused(_edges, bins, *[asarray(v, y.dtype) for v in (low, high)])
    else:
        edges = convert(asarray(bins, name="histogram"), y.dtype)
    w = () if weights is None else (ravel(weights),)
    return Histogram(fused(_histogram, density, y, edges, *w), edges)


def _edges(bins: Size, low: AnyArray, high: AnyArray) -> AnyArray:
    same = low == high
    return linspace(where(same, low - 0.5, low), where(same, high + 0.5, high), bins + 1)


def _histogram(density: bool, x: AnyArray, edges: AnyArray, *weights: AnyArray) -> AnyArray:
    n = edges.shape[0] - 1
    at = searchsorted(edges, x, side="right") - 1
    at = where(x == edges[-1], n - 1, at)
    w = weights[0] if weights else scalar(1, float32 if density else int32, shape_of(x))
    counts = scatter("add", scalar(0, w.dtype, (n,)), w, [at])
    if not density:
        return counts
    total = convert(sum_over(counts), edges.dtype)
    return convert(counts, edges.dtype) / total / diff(edges)


def interp(
    x: Like[FT],
    xp: ArrayLike,
    fp: ArrayLike,
    *,
    left: ArrayLike | None = None,
    right: ArrayLike | None = None,
) -> Array[FT, *tuple[Any, ...]]:
    """The piecewise linear function through the points (xp, fp), xp ascending, at x.

    Args:
        left, right: the value below ``xp[0]`` and above ``xp[-1]``, by default that at the end.

    >>> import numpy as np
    >>> interp(np.array([1.5, 9.0]), np.array([1.0, 2.0]), np.array([10.0, 20.0])).tolist()
    [15.0, 20.0]
    """
    v, at, values = factors_of("interp", x, xp, fp)
    if at.ndim != 1 or shape_of(at) != shape_of(values):
        raise ShapeError(
            f"interp: xp and fp are no vectors of one length, but {at.type} and {values.type}\n"
            + from_left(
                [("xp", at.type), ("fp", values.type)], differing([at.shape, values.shape])
            ),
            fix="give one value of fp per point of xp; vx.vmap interpolates many functions",
        )
    dtype = default_float(v.dtype)
    ends = [convert(asarray(e), dtype) for e in (left, right) if e is not None]
    static = (left is not None, right is not None)
    return fused(_interp, static, *[convert(z, dtype) for z in (v, at, values)], *ends)


def _interp(
    static: tuple[bool, bool], x: AnyArray, xp: AnyArray, fp: AnyArray, *ends: AnyArray
) -> AnyArray:
    n = xp.shape[0]
    if n == 1:
        inside = fp[0] + x * 0
    else:
        i = searchsorted(xp, x, side="right").clip(1, n - 1)
        x0, x1, y0, y1 = (gather(a, [j], "clip") for a in (xp, fp) for j in (i - 1, i))
        slope = (y1 - y0) / (x1 - x0)
        inside = where(x >= x1, y1, y0 + (x.clip(xp[0], xp[-1]) - x0) * slope)
    below = ends[0] if static[0] else fp[0]
    above = ends[-1] if static[1] else fp[-1]
    return where(x < xp[0], below, where(x > xp[-1], above, inside))
