"""Norms of vectors and matrices.

The gradient of a norm at zero is zero: of the subgradients it is the one of least length, and it
keeps NaN out of programs in which a difference happens to vanish.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from verax.compiler.ir.dtypes import real_of
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ops.arithmetic import ABS, IMAG, REAL
from verax.compiler.ops.functions import SQRT
from verax.compiler.ops.pointwise import SELECT
from verax.compiler.ops.svd import Svd
from verax.dsl.lang.axes import Axes, axes_of
from verax.dsl.lang.dtypes import default_float
from verax.dsl.lang.fused import fused
from verax.dsl.lang.manipulation import permuted, reshaped
from verax.dsl.lang.promotion import asarray, convert, scalar
from verax.dsl.lang.reductions import Over, accumulator, reduced, total
from verax.dsl.lang.signatures import FT, AnyArray, Like
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

Order: TypeAlias = int | float | Literal["fro", "nuc"] | None


def norm(
    x: Like[FT], ord: Order = None, axis: Axes = None, *, keepdims: bool = False
) -> Array[FT, *tuple[Any, ...]]:
    """The norm of vectors or matrices.

    Args:
        ord: None is the 2-norm of all elements (for matrices Frobenius); vectors take any number,
            also 0 (how many are not zero) and infinities; matrices ``"fro"``, 1, -1, inf, -inf,
            and of the singular values 2 (the greatest), -2 (the least) and ``"nuc"`` (the sum).
        axis: one axis for vectors, two for matrices; None takes x as a whole, which must then have
            rank 1 or 2 unless ``ord`` is None.
    """
    y = asarray(x, name="norm")
    axes = axes_of("norm", axis, y.type)
    if ord is None:
        return _vector("norm", y, 2, axes, keepdims)
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ShapeError(
                f"norm: {ord!r} is a norm of matrices, got the vectors of {y.type}",
                fix="name two axes, axis=(-2, -1), or a norm of vectors: 1, 2, inf",
            )
        return _vector("norm", y, ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix("norm", y, ord, axes, keepdims)
    raise ShapeError(
        f"norm: ord={ord!r} needs vectors or matrices, got {len(axes)} axes of {y.type}",
        fix="name one axis or two: axis=-1, axis=(-2, -1)",
    )


def vector_norm(
    x: Like[FT], *, axis: Axes = None, keepdims: bool = False, ord: float = 2
) -> Array[FT, *tuple[Any, ...]]:
    """The norm of all elements over axes, taken as one vector."""
    y = asarray(x, name="vector_norm")
    return _vector("vector_norm", y, ord, axes_of("vector_norm", axis, y.type), keepdims)


def matrix_norm(
    x: Like[FT], *, keepdims: bool = False, ord: Order = "fro"
) -> Array[FT, *tuple[Any, ...]]:
    """The norm of the matrices in the last two dimensions."""
    y = asarray(x, name="matrix_norm")
    return _matrix("matrix_norm", y, ord, axes_of("matrix_norm", (-2, -1), y.type), keepdims)


def _vector(name: str, x: AnyArray, ord: float, axes: tuple[int, ...], keepdims: bool) -> AnyArray:
    return fused(_vector_norm, (float(ord), Over(axes, keepdims)), _floating(x))


def _floating(x: AnyArray) -> AnyArray:
    return convert(x, default_float(x.dtype))


def _vector_norm(static: tuple[float, Over], x: AnyArray) -> AnyArray:
    ord, over = static
    to = real_of(x.dtype)
    if ord == 2:
        out = _root(total(_squared(x), over.axes, accumulator(to)), 2)
    elif ord == math.inf:
        out = reduced("max", apply(ABS, x), over)
    elif ord == -math.inf:
        out = reduced("min", apply(ABS, x), over)
    elif ord == 0:
        out = total(x != 0, over.axes, to)
    elif ord == 1:
        out = total(apply(ABS, x), over.axes, accumulator(to))
    else:
        powers = convert(apply(ABS, x), accumulator(to)) ** ord
        out = _root(total(powers, over.axes, accumulator(to)), ord)
    return reshaped(convert(out, to), over.shape(shape_of(x)))


def _squared(x: AnyArray) -> AnyArray:
    """The squares of absolute values, accumulated without loss."""
    if x.dtype.is_complex:
        re, im = apply(REAL, x), apply(IMAG, x)
        return re * re + im * im
    y = convert(x, accumulator(x.dtype))
    return y * y


def _root(s: AnyArray, degree: float) -> AnyArray:
    """``s ** (1 / degree)``, with derivative 0 at 0."""
    root = apply(SQRT, s) if degree == 2 else s ** (1 / degree)
    return apply(SELECT, s != 0, root, scalar(0 if degree > 0 else math.inf, s.dtype, shape_of(s)))


def _matrix(name: str, x: AnyArray, ord: Order, axes: tuple[int, ...], keepdims: bool) -> AnyArray:
    if ord == "fro":
        return _vector(name, x, 2, axes, keepdims)
    if ord in (2, -2, "nuc"):
        return fused(_spectral_norm, (ord, axes, keepdims), _floating(x))
    if ord not in (1, -1, math.inf, -math.inf):
        raise ShapeError(
            f"{name}: there is no matrix norm ord={ord!r}",
            fix='use 1, 2 or inf, their negatives, "fro" or "nuc"',
        )
    return fused(_matrix_norm, (float(ord), axes, keepdims), _floating(x))


def _matrix_norm(static: tuple[float, tuple[int, ...], bool], x: AnyArray) -> AnyArray:
    ord, axes, keepdims = static
    summed, kept = axes if abs(ord) == 1 else axes[::-1]
    lines = _vector_norm((1.0, Over((summed,), True)), x)
    out = reduced("max" if ord > 0 else "min", lines, Over((kept,), True))
    return reshaped(out, Over(axes, keepdims).shape(shape_of(x)))


def _spectral_norm(static: tuple[Order, tuple[int, ...], bool], x: AnyArray) -> AnyArray:
    """Of the singular values the sum ("nuc"), the greatest (2) or the least (-2)."""
    ord, axes, keepdims = static
    s = apply(Svd(False, False), permuted(x, [*[i for i in range(x.ndim) if i not in axes], *axes]))
    s = apply(SELECT, s != 0, s, scalar(0, s.dtype, shape_of(s)))
    last = (s.ndim - 1,)
    if ord == "nuc":
        out = total(s, last, s.dtype)
    else:
        out = reduced("max" if ord == 2 else "min", s, Over(last, False))
    return reshaped(out, Over(axes, keepdims).shape(shape_of(x)))
