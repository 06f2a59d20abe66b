"""Other shapes of the same elements: reshapes, permutations of dimensions, reversals, broadcasts.

Nothing here computes. A function that would change nothing returns its operand, so that chains of
them cost what their net effect costs. Axes may be negative; sizes may be symbolic.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, overload

from verax.compiler.ir.aligned import aligned, row
from verax.compiler.ir.errors import ShapeError, UnknownSizeError
from verax.compiler.ir.op import show_shape
from verax.compiler.ir.sizes import Poly, Shape, Size, divide, product
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import permute
from verax.compiler.ops.layout import Reshape, Reverse
from verax.dsl.lang import promotion
from verax.dsl.lang.axes import Axes, axes_of, axis_of
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.signatures import (
    DT,
    AnyArray,
    ArrayLike,
    Ds,
    Es,
    First,
    Last,
    Like,
    M,
    N,
    Number,
    NumPy,
    Open,
    Same,
    Shape1,
    Shape2,
    Shape3,
    Shape4,
    Unranked,
    Zero,
)
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array


# on arrays and dimensions that were read already


def reshaped(x: AnyArray, shape: Shape) -> AnyArray:
    """x in another shape of as many elements."""
    return x if shape_of(x) == shape else apply(Reshape(shape), x)


def permuted(x: AnyArray, perm: Sequence[int]) -> AnyArray:
    """x with its dimension ``perm[i]`` as dimension i."""
    return x if tuple(perm) == tuple(range(x.ndim)) else apply(permute(perm), x)


def reversed_along(x: AnyArray, axes: Iterable[int]) -> AnyArray:
    """x backwards along some dimensions."""
    dims = tuple(sorted(axes))
    return apply(Reverse(dims), x) if dims else x


# reshape


@overload
def reshape(x: Like[DT], shape: tuple[()]) -> Zero[DT]: ...
@overload
def reshape(x: Like[DT], shape: Shape1) -> Array[DT, Any]: ...
@overload
def reshape(x: Like[DT], shape: Shape2) -> Array[DT, Any, Any]: ...
@overload
def reshape(x: Like[DT], shape: Shape3) -> Array[DT, Any, Any, Any]: ...
@overload
def reshape(x: Like[DT], shape: Shape4) -> Array[DT, Any, Any, Any, Any]: ...
@overload
def reshape(x: Like[DT], shape: Size | Sequence[Size]) -> Open[DT]: ...
def reshape(x: Like[DT], shape: Size | Sequence[Size]) -> Any:
    """The elements of x, in row-major order, in another shape; one size may be -1.

    >>> import numpy as np
    >>> reshape(np.arange(6), (2, -1)).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    y = asarray(x, name="reshape")
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    return reshaped(y, _solved(y.type, sizes))


def _solved(t: ArrayType, shape: Shape) -> Shape:
    """The shape with -1 worked out, or a ShapeError."""
    sizes = [n if isinstance(n, Poly) else index(n) for n in shape]
    open_at = [i for i, n in enumerate(sizes) if n == -1]
    if len(open_at) > 1:
        raise ShapeError(
            f"reshape: only one size may be -1, got {show_shape(tuple(sizes))}",
            fix=f"write all sizes but one: {t} has {t.size} elements",
        )
    if any(isinstance(n, int) and n < -1 for n in sizes):
        raise ShapeError(
            f"reshape: a size is negative in {show_shape(tuple(sizes))}",
            fix="-1 alone stands for the size that is left",
        )
    told = product([n for n in sizes if n != -1])
    if open_at:
        found = divide(t.size, told) if told != 0 else None
        if found is None:
            if isinstance(t.size, int) and isinstance(told, int):
                raise ShapeError(
                    f"reshape: {t} has {t.size} elements, which do not fall into"
                    f" {show_shape(tuple(sizes))}\n" + _before_and_after(t, tuple(sizes)),
                    fix=_reshape_fix(t, tuple(sizes)),
                )
            raise UnknownSizeError(
                f"reshape: whether {show_shape(tuple(sizes))} divides the {t.size} elements of {t}"
                " is not known",
                fix="give every size: x.reshape(...) without -1",
            )
        sizes[open_at[0]] = found
    elif told != t.size:
        raise ShapeError(
            f"reshape: {t} has {t.size} elements, the shape {show_shape(tuple(sizes))} has {told}\n"
            + _before_and_after(t, tuple(sizes)),
            fix=_reshape_fix(t, tuple(sizes)),
        )
    return tuple(sizes)


def _before_and_after(t: ArrayType, shape: Shape) -> str:
    """Both shapes; what they have in common at either end is in common columns."""
    front = next((i for i, (m, n) in enumerate(zip(t.shape, shape)) if m != n), 0)
    most = min(len(t.shape), len(shape)) - front
    back = next((i for i in range(most) if t.shape[-1 - i] != shape[-1 - i]), most)

    uneven = len(t.shape) != len(shape)

    def keys(word: str, ndim: int) -> list[Hashable]:
        inner: list[Hashable] = [(word if uneven else "", i) for i in range(ndim - front - back)]
        return [*range(front), *inner, *range(-back, 0)]

    rows = [row("from", t, keys("from", len(t.shape))), row("to", shape, keys("to", len(shape)))]
    return aligned(rows, [k for r in rows for k in r.keys if isinstance(k, tuple)])


def _reshape_fix(t: ArrayType, shape: Shape) -> str:
    """The one size that would make the shape fit, if there is one."""
    for i in reversed(range(len(shape))):
        rest = product([n for d, n in enumerate(shape) if d != i and n != -1])
        found = (
            divide(t.size, rest) if rest != 0 and -1 not in (*shape[:i], *shape[i + 1 :]) else None
        )
        if found is not None:
            fitting = show_shape((*shape[:i], found, *shape[i + 1 :]))
            return f"the shape {fitting} would fit; -1 stands for the size that is left"
    return "a shape must have as many elements as the array: vx.broadcast_to repeats, x[:n] cuts"


def ravel(x: Like[DT]) -> Array[DT, Any]:
    """The elements of x in row-major order along one dimension."""
    y = asarray(x, name="ravel")
    return reshaped(y, (y.type.size,))


@overload
def expand_dims(x: Same[DT, *Ds], axis: First = 0) -> Array[DT, Any, *Ds]: ...
@overload
def expand_dims(x: Same[DT, *Ds], axis: Last) -> Array[DT, *Ds, Any]: ...
@overload
def expand_dims(x: Same[DT, *Ds], axis: Axes = 0) -> Open[DT]: ...
def expand_dims(x: Like[DT], axis: Axes = 0) -> Any:
    """x with new dimensions of size 1; the axes are those of the result."""
    y = asarray(x, name="expand_dims")
    extra = len(axis) if isinstance(axis, Sequence) else 1
    new = axes_of("expand_dims", axis if axis is not None else 0, y.type, extra)
    old = iter(shape_of(y))
    return reshaped(y, tuple([1 if d in new else next(old) for d in range(y.ndim + extra)]))


def squeeze(x: Like[DT], axis: Axes = None) -> Array[DT, *tuple[Any, ...]]:
    """x without some dimensions of size 1, all of them by default.

    Raises:
        ShapeError: an axis that was named has another size.
    """
    y = asarray(x, name="squeeze")
    shape = shape_of(y)
    if axis is None:
        gone: Sequence[int] = [d for d, n in enumerate(shape) if n == 1]
    else:
        gone = axes_of("squeeze", axis, y.type)
        for d in gone:
            if shape[d] != 1:
                ones = [i for i, n in enumerate(shape) if n == 1]
                raise ShapeError(
                    f"squeeze: dimension {d} of {y.type} has size {shape[d]}, not 1",
                    fix=f"of size 1 are the dimensions {tuple(ones)}"
                    if ones
                    else f"take one element, x[i] along axis {d}, or reduce: vx.sum(x, axis={d})",
                )
    return reshaped(y, tuple([n for d, n in enumerate(shape) if d not in gone]))


def atleast_1d(x: Like[DT]) -> Array[DT, *tuple[Any, ...]]:
    """x, or a scalar as an array with one element."""
    y = asarray(x, name="atleast_1d")
    return y if y.ndim else reshaped(y, (1,))


def atleast_2d(x: Like[DT]) -> Array[DT, *tuple[Any, ...]]:
    """x with dimensions of size 1 in front, up to rank 2."""
    y = asarray(x, name="atleast_2d")
    return y if y.ndim >= 2 else reshaped(y, (1,) * (2 - y.ndim) + shape_of(y))


def atleast_3d(x: Like[DT]) -> Array[DT, *tuple[Any, ...]]:
    """x up to rank 3, as NumPy does it: [n] becomes [1,n,1] and [m,n] becomes [m,n,1]."""
    y = asarray(x, name="atleast_3d")
    shapes = {0: (1, 1, 1), 1: (1, *shape_of(y), 1), 2: (*shape_of(y), 1)}
    return y if y.ndim >= 3 else reshaped(y, shapes[y.ndim])


# permutations


def permute_dims(x: Like[DT], axes: Sequence[int]) -> Array[DT, *tuple[Any, ...]]:
    """x with its dimension ``axes[i]`` as dimension i."""
    y = asarray(x, name="permute_dims")
    perm = axes_of("permute_dims", tuple(axes), y.type)
    if len(perm) != y.ndim:
        raise ShapeError(
            f"permute_dims: {tuple(axes)} is no order of the {y.ndim} dimensions of {y.type}",
            fix=f"name each of the axes 0 to {y.ndim - 1} once; x.mT exchanges the last two",
        )
    return permuted(y, perm)


@overload
def transpose(x: Unranked[DT], axes: Sequence[int] | None = None) -> Open[DT]: ...
@overload
def transpose(x: Array[DT, N, M], axes: None = None) -> Array[DT, M, N]: ...
@overload
def transpose(x: Like[DT], axes: Sequence[int] | None = None) -> Open[DT]: ...
def transpose(x: Like[DT], axes: Sequence[int] | None = None) -> Any:
    """x with its dimensions in the order ``axes``, by default reversed."""
    y = asarray(x, name="transpose")
    return permute_dims(y, range(y.ndim)[::-1] if axes is None else axes)


@overload
def matrix_transpose(x: Array[DT, *Es, N, M]) -> Array[DT, *Es, M, N]: ...
@overload
def matrix_transpose(x: NumPy | Number) -> AnyArray: ...
def matrix_transpose(x: Like[DT]) -> Any:
    """x with its last two dimensions exchanged."""
    y = asarray(x, name="matrix_transpose")
    if y.ndim < 2:
        raise ShapeError(
            f"matrix_transpose: {y.type} has no two dimensions to exchange",
            fix="x[:, None] is one column, x[None, :] one row"
            if y.ndim
            else "a scalar has no transpose: leave it as it is",
        )
    return swapaxes(y, -1, -2)


def swapaxes(x: Like[DT], axis1: int, axis2: int) -> Array[DT, *tuple[Any, ...]]:
    """x with two dimensions exchanged."""
    y = asarray(x, name="swapaxes")
    i, j = axis_of("swapaxes", axis1, y.type), axis_of("swapaxes", axis2, y.type)
    perm = list(range(y.ndim))
    perm[i], perm[j] = j, i
    return permuted(y, perm)


def moveaxis(
    x: Like[DT], source: int | Sequence[int], destination: int | Sequence[int]
) -> Array[DT, *tuple[Any, ...]]:
    """x with some dimensions moved to other places; the others keep their order."""
    y = asarray(x, name="moveaxis")
    start, end = (axes_of("moveaxis", a, y.type) for a in (source, destination))
    if len(start) != len(end):
        raise ShapeError(
            f"moveaxis: {len(start)} axes cannot go to {len(end)} place{'s' * (len(end) != 1)}",
            fix="name as many places as axes: vx.moveaxis(x, (0, 1), (1, 2))",
        )
    rest = iter([d for d in range(y.ndim) if d not in start])
    moved = dict(zip(end, start))
    return permuted(y, [moved[d] if d in moved else next(rest) for d in range(y.ndim)])


# reversals


def flip(x: Same[DT, *Ds], axis: Axes = None) -> Array[DT, *Ds]:
    """x backwards along an axis, several, or all."""
    y = asarray(x, name="flip")
    return reversed_along(y, axes_of("flip", axis, y.type))


def flipud(x: Same[DT, *Ds]) -> Array[DT, *Ds]:
    """x backwards along its first dimension."""
    return flip(x, 0)


def fliplr(x: Same[DT, *Ds]) -> Array[DT, *Ds]:
    """x backwards along its second dimension."""
    return flip(x, 1)


def rot90(x: Like[DT], k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array[DT, *tuple[Any, ...]]:
    """x turned k times by 90 degrees in the plane of two axes, from the first to the second."""
    y = asarray(x, name="rot90")
    i, j = axes_of("rot90", axes, y.type)
    turns = k % 4
    if turns == 2:
        return reversed_along(y, (i, j))
    if turns == 1:
        return swapaxes(reversed_along(y, (j,)), i, j)
    if turns == 3:
        return reversed_along(swapaxes(y, i, j), (j,))
    return y


# broadcasts


@overload
def broadcast_to(x: Like[DT], shape: tuple[()]) -> Zero[DT]: ...
@overload
def broadcast_to(x: Like[DT], shape: Shape1) -> Array[DT, Any]: ...
@overload
def broadcast_to(x: Like[DT], shape: Shape2) -> Array[DT, Any, Any]: ...
@overload
def broadcast_to(x: Like[DT], shape: Shape3) -> Array[DT, Any, Any, Any]: ...
@overload
def broadcast_to(x: Like[DT], shape: Shape4) -> Array[DT, Any, Any, Any, Any]: ...
@overload
def broadcast_to(x: Like[DT], shape: Size | Sequence[Size]) -> Open[DT]: ...
def broadcast_to(x: Like[DT], shape: Size | Sequence[Size]) -> Any:
    """x repeated along new dimensions in front and along dimensions of size 1."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    return promotion.broadcast_to(asarray(x, name="broadcast_to"), sizes)


def broadcast_arrays(*xs: ArrayLike) -> list[AnyArray]:
    """The operands repeated to their common shape; each keeps its dtype."""
    ys = [asarray(x, name="broadcast_arrays") for x in xs]
    shape = promotion.broadcast_shapes(*map(shape_of, ys), name="broadcast_arrays")
    return [promotion.broadcast_to(y, shape, name="broadcast_arrays") for y in ys]
