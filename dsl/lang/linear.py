"""Products of vectors and matrices: matmul, dot and their kin, each one contraction.

Leading dimensions are batches and broadcast. ``out_dtype`` (``preferred_element_type`` elsewhere)
is the dtype of the result and of the accumulation; floats of 16 bits and less are accumulated in
float32 and rounded at the end. Bools multiply as "and" and add as "or". A mismatch is told in the
terms of the operands that were given, with the transposition that would make them fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, overload

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import show_shape
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ops.arithmetic import CONJ
from verax.dsl.lang.axes import axes_of, axis_of
from verax.dsl.lang.contraction import Labels, contract, factors_of
from verax.dsl.lang.dtypes import DTypeLike
from verax.dsl.lang.fused import fused
from verax.dsl.lang.joining import roll
from verax.dsl.lang.manipulation import moveaxis, ravel, reshaped
from verax.dsl.lang.promotion import broadcast_shapes
from verax.dsl.lang.signatures import (
    DT,
    AnyArray,
    ArrayLike,
    Es,
    K,
    Last,
    Like,
    M,
    N,
    Open,
    Unranked,
    Zero,
)
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

Pairs: TypeAlias = int | Sequence[int] | Sequence[Sequence[int]]


@overload
def matmul(x: Unranked[DT], y: Open[DT], /, *, out_dtype: None = None) -> Open[DT]: ...
@overload
def matmul(x: Open[DT], y: Unranked[DT], /, *, out_dtype: None = None) -> Open[DT]: ...
@overload
def matmul(
    x: Array[DT, *Es, N, K], y: Array[DT, K], /, *, out_dtype: None = None
) -> Array[DT, *Es, N]: ...
@overload
def matmul(
    x: Array[DT, *Es, N, K], y: Array[DT, K, M], /, *, out_dtype: None = None
) -> Array[DT, *Es, N, M]: ...
@overload
def matmul(
    x: Array[DT, *Es, N, K], y: Array[DT, *Es, K, M], /, *, out_dtype: None = None
) -> Array[DT, *Es, N, M]: ...
@overload
def matmul(x: Array[DT, K], y: Array[DT, K], /, *, out_dtype: None = None) -> Zero[DT]: ...
@overload
def matmul(
    x: Array[DT, K], y: Array[DT, *Es, K, M], /, *, out_dtype: None = None
) -> Array[DT, *Es, M]: ...
@overload
def matmul(x: Like[DT], y: Like[DT], /, *, out_dtype: None = None) -> Open[DT]: ...
@overload
def matmul(x: Like[DT], y: Like[DT], /, *, out_dtype: DTypeLike) -> AnyArray: ...
def matmul(x: Like[DT], y: Like[DT], /, *, out_dtype: DTypeLike = None) -> Any:
    """x @ y: of matrices in the last two dimensions, of vectors where there is only one.

    Args:
        out_dtype: the dtype of the result and of the accumulation, by default that of the operands;
            narrow floats are accumulated in float32 even so.

    >>> import numpy as np
    >>> matmul(np.array([[1, 2]]), np.array([3, 4])).tolist()
    [11]

    Raises:
        ShapeError: the summed dimensions differ, an operand is a scalar, or batches do not fit.
    """
    a, b = factors_of("matmul", x, y)
    _check_matmul(a, b)
    rest = max(a.ndim, b.ndim) - 2
    left = ("k",) if a.ndim == 1 else (*range(rest - a.ndim + 2, rest), "m", "k")
    right = ("k",) if b.ndim == 1 else (*range(rest - b.ndim + 2, rest), "k", "n")
    out: Labels = (*range(max(rest, 0)), *[f for f in ("m", "n") if f in (*left, *right)])
    return contract([left, right], out, [a, b], out_dtype)


def _check_matmul(a: AnyArray, b: AnyArray) -> None:
    for x in (a, b):
        if not x.ndim:
            raise ShapeError(
                f"matmul: {a.type} @ {b.type}: a scalar is no matrix", fix="multiply by it: x * y"
            )
    m, n = shape_of(a)[-1], shape_of(b)[-2 if b.ndim > 1 else -1]
    if m != n:
        _refuse(a, b, m, n)
    batches = shape_of(a)[:-2], shape_of(b)[:-2]
    try:
        broadcast_shapes(*batches)
    except ShapeError:
        raise ShapeError(
            f"matmul: {a.type} @ {b.type}: the batch dimensions {show_shape(batches[0])} of the"
            f" left and {show_shape(batches[1])} of the right do not broadcast"
        ) from None


def _refuse(a: AnyArray, b: AnyArray, m: Size, n: Size) -> NoReturn:
    left = "only dimension" if a.ndim == 1 else "last dimension"
    right = "only dimension" if b.ndim == 1 else "second-to-last"
    raise ShapeError(
        f"matmul: {a.type} @ {b.type}: the {left} of the left ({m}) and the {right} of the right"
        f" ({n}) differ",
        fix=_transposition(shape_of(a), shape_of(b)),
    )


def _transposition(a: Shape, b: Shape) -> str | None:
    """The transposition that would make the summed dimensions agree."""
    if len(b) > 1 and a[-1] == b[-1]:
        return "transpose the right: x @ y.mT"
    if len(a) > 1 and a[-2] == b[-2 if len(b) > 1 else -1]:
        return "transpose the left: x.mT @ y"
    if len(a) > 1 and len(b) > 1 and a[-2] == b[-1]:
        return "transpose both, x.mT @ y.mT, or exchange them: y @ x"
    return None


@overload
def dot(x: Unranked[DT], y: Open[DT], *, out_dtype: None = None) -> Open[DT]: ...
@overload
def dot(x: Open[DT], y: Unranked[DT], *, out_dtype: None = None) -> Open[DT]: ...
@overload
def dot(
    x: Array[DT, *Es, N, K], y: Array[DT, K], *, out_dtype: None = None
) -> Array[DT, *Es, N]: ...
@overload
def dot(
    x: Array[DT, *Es, N, K], y: Array[DT, K, M], *, out_dtype: None = None
) -> Array[DT, *Es, N, M]: ...
@overload
def dot(x: Array[DT, K], y: Array[DT, K], *, out_dtype: None = None) -> Zero[DT]: ...
@overload
def dot(x: Open[DT], y: Open[DT], *, out_dtype: None = None) -> Open[DT]: ...
@overload
def dot(x: ArrayLike, y: ArrayLike, *, out_dtype: DTypeLike = None) -> AnyArray: ...
def dot(x: ArrayLike, y: ArrayLike, *, out_dtype: DTypeLike = None) -> Any:
    """The sum over the last dimension of x and the second-to-last of y; scalars multiply.

    For vectors and matrices it is ``matmul``; of higher ranks it pairs all batches of one with all
    of the other.
    """
    a, b = factors_of("dot", x, y)
    if not a.ndim or not b.ndim:
        return a * b
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b, out_dtype=out_dtype)
    return tensordot(a, b, ((-1,), (-2 if b.ndim > 1 else -1,)), out_dtype=out_dtype)


@overload
def vdot(x: Open[DT], y: Open[DT]) -> Zero[DT]: ...
@overload
def vdot(x: ArrayLike, y: ArrayLike) -> Zero[Any]: ...
def vdot(x: ArrayLike, y: ArrayLike) -> Any:
    """The inner product of all elements of x, conjugated, with those of y."""
    return vecdot(ravel(x), ravel(y))


@overload
def vecdot(x: Unranked[DT], y: Open[DT], axis: int = -1) -> Open[DT]: ...
@overload
def vecdot(x: Open[DT], y: Unranked[DT], axis: int = -1) -> Open[DT]: ...
@overload
def vecdot(x: Array[DT, *Es, K], y: Array[DT, *Es, K], axis: Last = -1) -> Array[DT, *Es]: ...
@overload
def vecdot(x: Open[DT], y: Open[DT], axis: int = -1) -> Open[DT]: ...
@overload
def vecdot(x: ArrayLike, y: ArrayLike, axis: int = -1) -> AnyArray: ...
def vecdot(x: ArrayLike, y: ArrayLike, axis: int = -1) -> Any:
    """The inner products of the vectors along an axis, those of x conjugated; the rest broadcasts.

    >>> import numpy as np
    >>> vecdot(np.array([[1, 2], [3, 4]]), np.array([1, 1])).tolist()
    [3, 7]
    """
    a, b = factors_of("vecdot", x, y)
    i, j = (axis_of("vecdot", axis, z.type) for z in (a, b))
    _same("vecdot", a, b, i, j)
    a, b = moveaxis(a, i, -1), moveaxis(b, j, -1)
    rest = max(a.ndim, b.ndim) - 1
    broadcast_shapes(shape_of(a)[:-1], shape_of(b)[:-1], name="vecdot")
    left = (*range(rest - a.ndim + 1, rest), "k")
    right = (*range(rest - b.ndim + 1, rest), "k")
    return contract([left, right], tuple(range(rest)), [apply_conj(a), b])


def apply_conj(x: AnyArray) -> AnyArray:
    """The complex conjugate; a real array is its own."""
    return apply(CONJ, x) if x.dtype.is_complex else x


def _same(name: str, a: AnyArray, b: AnyArray, i: int, j: int) -> None:
    """Raise unless two dimensions that are summed together have one size."""
    m, n = shape_of(a)[i], shape_of(b)[j]
    if m != n:
        i, j = i % a.ndim, j % b.ndim
        raise ShapeError(
            f"{name}: dimension {i} of {a.type} ({m}) and dimension {j} of {b.type} ({n}) differ"
        )


@overload
def matvec(x: Unranked[DT], y: Open[DT]) -> Open[DT]: ...
@overload
def matvec(x: Open[DT], y: Unranked[DT]) -> Open[DT]: ...
@overload
def matvec(x: Array[DT, *Es, N, K], y: Array[DT, K]) -> Array[DT, *Es, N]: ...
@overload
def matvec(x: Open[DT], y: Open[DT]) -> Open[DT]: ...
@overload
def matvec(x: ArrayLike, y: ArrayLike) -> AnyArray: ...
def matvec(x: ArrayLike, y: ArrayLike) -> Any:
    """The matrices x times the vectors y; leading dimensions broadcast."""
    a, b = factors_of("matvec", x, y)
    return matmul(a, reshaped(b, (*shape_of(b), 1)))[..., 0]


@overload
def vecmat(x: Unranked[DT], y: Open[DT]) -> Open[DT]: ...
@overload
def vecmat(x: Open[DT], y: Unranked[DT]) -> Open[DT]: ...
@overload
def vecmat(x: Array[DT, K], y: Array[DT, *Es, K, M]) -> Array[DT, *Es, M]: ...
@overload
def vecmat(x: Open[DT], y: Open[DT]) -> Open[DT]: ...
@overload
def vecmat(x: ArrayLike, y: ArrayLike) -> AnyArray: ...
def vecmat(x: ArrayLike, y: ArrayLike) -> Any:
    """The vectors x, conjugated, times the matrices y; leading dimensions broadcast."""
    a, b = factors_of("vecmat", x, y)
    a = apply_conj(a)
    return matmul(reshaped(a, (*shape_of(a)[:-1], 1, shape_of(a)[-1])), b)[..., 0, :]


@overload
def inner(x: Unranked[DT], y: Open[DT]) -> Open[DT]: ...
@overload
def inner(x: Open[DT], y: Unranked[DT]) -> Open[DT]: ...
@overload
def inner(x: Array[DT, K], y: Array[DT, K]) -> Zero[DT]: ...
@overload
def inner(x: Array[DT, N, K], y: Array[DT, M, K]) -> Array[DT, N, M]: ...
@overload
def inner(x: Open[DT], y: Open[DT]) -> Open[DT]: ...
@overload
def inner(x: ArrayLike, y: ArrayLike) -> AnyArray: ...
def inner(x: ArrayLike, y: ArrayLike) -> Any:
    """The sum over the last dimensions of both; scalars multiply."""
    a, b = factors_of("inner", x, y)
    if not a.ndim or not b.ndim:
        return a * b
    return tensordot(a, b, ((-1,), (-1,)))


@overload
def outer(x: Unranked[DT], y: Open[DT]) -> Array[DT, Any, Any]: ...
@overload
def outer(x: Open[DT], y: Unranked[DT]) -> Array[DT, Any, Any]: ...
@overload
def outer(x: Array[DT, N], y: Array[DT, M]) -> Array[DT, N, M]: ...
@overload
def outer(x: Open[DT], y: Open[DT]) -> Array[DT, Any, Any]: ...
@overload
def outer(x: ArrayLike, y: ArrayLike) -> Array[Any, Any, Any]: ...
def outer(x: ArrayLike, y: ArrayLike) -> Any:
    """The products of every element of x with every element of y, as a matrix."""
    a, b = factors_of("outer", ravel(x), ravel(y))
    return contract([("i",), ("j",)], ("i", "j"), [a, b])


@overload
def tensordot(x: Open[DT], y: Open[DT], axes: Pairs = 2, *, out_dtype: None = None) -> Open[DT]: ...
@overload
def tensordot(
    x: ArrayLike, y: ArrayLike, axes: Pairs = 2, *, out_dtype: DTypeLike = None
) -> AnyArray: ...
def tensordot(x: ArrayLike, y: ArrayLike, axes: Pairs = 2, *, out_dtype: DTypeLike = None) -> Any:
    """The sum over pairs of dimensions, one of x and one of y each.

    Args:
        axes: how many, the last of x with the first of y; or the dimensions of x and those of y.
    """
    a, b = factors_of("tensordot", x, y)
    ours, theirs = _pairs(a, b, axes)
    for i, j in zip(ours, theirs):
        _same("tensordot", a, b, i, j)
    left: Labels = tuple([("x", i) for i in range(a.ndim)])
    paired = dict(zip(theirs, ours))
    right: Labels = tuple([("x", paired[j]) if j in paired else ("y", j) for j in range(b.ndim)])
    kept = [f for i, f in enumerate(left) if i not in ours]
    out = (*kept, *[f for j, f in enumerate(right) if j not in theirs])
    return contract([left, right], out, [a, b], out_dtype)


def _pairs(a: AnyArray, b: AnyArray, axes: Pairs) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(axes, Sequence):
        first, second = ((s,) if isinstance(s, int) else tuple(s) for s in axes)
    else:
        n = index(axes)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: {n} dimensions of {a.type} and {b.type} to sum over")
        first, second = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    if len(first) != len(second):
        raise ShapeError(
            f"tensordot: {len(first)} dimensions of the left, {len(second)} of the right to pair"
        )
    return axes_of("tensordot", first, a.type), axes_of("tensordot", second, b.type)


@overload
def kron(x: Open[DT], y: Open[DT]) -> Open[DT]: ...
@overload
def kron(x: ArrayLike, y: ArrayLike) -> AnyArray: ...
def kron(x: ArrayLike, y: ArrayLike) -> Any:
    """The Kronecker product: x, with every element replaced by its product with y.

    >>> import numpy as np
    >>> kron(np.array([1, 2]), np.array([1, 10])).tolist()
    [1, 10, 2, 20]
    """
    a, b = factors_of("kron", x, y)
    n = max(a.ndim, b.ndim)
    a, b = (reshaped(z, (1,) * (n - z.ndim) + shape_of(z)) for z in (a, b))
    left: Labels = tuple([("x", d) for d in range(n)])
    right: Labels = tuple([("y", d) for d in range(n)])
    out = tuple([f for pair in zip(left, right) for f in pair])
    spread = contract([left, right], out, [a, b])
    return reshaped(spread, tuple([p * q for p, q in zip(shape_of(a), shape_of(b))]))


@overload
def cross(x: Open[DT], y: Open[DT], axis: int = -1) -> Open[DT]: ...
@overload
def cross(x: ArrayLike, y: ArrayLike, axis: int = -1) -> AnyArray: ...
def cross(x: ArrayLike, y: ArrayLike, axis: int = -1) -> Any:
    """The cross products of vectors of three elements along an axis; the rest broadcasts."""
    a, b = factors_of("cross", x, y)
    for z in (a, b):
        if shape_of(z)[axis_of("cross", axis, z.type)] != 3:
            raise ShapeError(
                f"cross: {a.type} and {b.type} are no vectors of 3 elements along axis {axis}"
            )
    return fused(_cross, axis, a, b)


def _cross(axis: int, a: AnyArray, b: AnyArray) -> AnyArray:
    return roll(a, -1, axis) * roll(b, 1, axis) - roll(a, 1, axis) * roll(b, -1, axis)
