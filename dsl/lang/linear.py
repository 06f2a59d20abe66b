"""Products of vectors and matrices: matmul, dot and their kin, each one contraction.

Leading dimensions are batches and broadcast. ``out_dtype`` (``preferred_element_type`` elsewhere)
is the dtype of the result and of the accumulation; floats of 16 bits and less are accumulated in
float32 and rounded at the end. Bools multiply as "and" and add as "or". A mismatch is told in the
terms of the operands that were given, with the transposition that would make them fit.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from verax.compiler.ir.aligned import aligned, row
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
Axes: TypeAlias = tuple[int, ...]


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
    return _matmul("matmul", a, b, out_dtype)


def _matmul(name: str, a: AnyArray, b: AnyArray, out_dtype: DTypeLike = None) -> AnyArray:
    """The product of matrices; ``name`` is the function that messages blame."""
    _check_matmul(name, a, b)
    rest = max(a.ndim, b.ndim) - 2
    left = ("k",) if a.ndim == 1 else (*range(rest - a.ndim + 2, rest), "m", "k")
    right = ("k",) if b.ndim == 1 else (*range(rest - b.ndim + 2, rest), "k", "n")
    out: Labels = (*range(max(rest, 0)), *[f for f in ("m", "n") if f in (*left, *right)])
    return contract([left, right], out, [a, b], out_dtype)


def _check_matmul(name: str, a: AnyArray, b: AnyArray) -> None:
    for side, x in (("left", a), ("right", b)):
        if not x.ndim:
            raise ShapeError(
                f"{name}: the {side} is the scalar {x.type}, which is no matrix\n"
                + _matrices(a, b, ()),
                fix="multiply by it: x * y",
            )
    m, n = shape_of(a)[-1], shape_of(b)[-2 if b.ndim > 1 else -1]
    if m != n:
        left = "only dimension" if a.ndim == 1 else "last dimension"
        right = "only one" if b.ndim == 1 else "second-to-last"
        raise ShapeError(
            f"{name}: the {left} of the left ({m}) and the {right} of the right ({n}) differ\n"
            + _matrices(a, b, ["k"]),
            fix=_transposition(shape_of(a), shape_of(b)),
        )
    batches = shape_of(a)[:-2], shape_of(b)[:-2]
    try:
        broadcast_shapes(*batches)
    except ShapeError:
        n_left, n_right = map(len, batches)
        wrong = [
            i
            for i in range(-min(n_left, n_right), 0)
            if batches[0][i] != batches[1][i] and 1 not in (batches[0][i], batches[1][i])
        ]
        raise ShapeError(
            f"{name}: the batch dimensions {show_shape(batches[0])} of the left and"
            f" {show_shape(batches[1])} of the right do not broadcast\n" + _matrices(a, b, wrong),
            fix="dimensions before the last two are batches: they must agree or be 1; insert one,"
            " x[:, None], or write the product as vx.einsum",
        ) from None


def _matrices(a: AnyArray, b: AnyArray, marked: Collection[Hashable]) -> str:
    """The operands of a product, the summed dimensions under each other."""
    left = ("k",) if a.ndim == 1 else (*range(-a.ndim + 2, 0), "m", "k")
    right = ("k",) if b.ndim == 1 else (*range(-b.ndim + 2, 0), "k", "n")
    rows = [
        row("left", a.type, left if a.ndim else ()),
        row("right", b.type, right if b.ndim else ()),
    ]
    return aligned(rows, marked)


def _transposition(a: Shape, b: Shape) -> str:
    """The transposition that would make the summed dimensions agree."""
    if len(b) > 1 and a[-1] == b[-1]:
        return "transpose the right: x @ y.mT"
    if len(a) > 1 and a[-2] == b[-2 if len(b) > 1 else -1]:
        return "transpose the left: x.mT @ y"
    if len(a) > 1 and len(b) > 1 and a[-2] == b[-1]:
        return "transpose both, x.mT @ y.mT, or exchange them: y @ x"
    return (
        f"give the right {a[-1]} rows, or the left {b[-2 if len(b) > 1 else -1]} columns: no"
        " transposition makes them fit"
    )


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
        return _matmul("dot", a, b, out_dtype)
    pairs = ((a.ndim - 1,), (b.ndim - 2 if b.ndim > 1 else 0,))
    return _tensordot("dot", a, b, pairs, out_dtype)


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
    _same("vecdot", a, b, (i,), (j,))
    a, b = moveaxis(a, i, -1), moveaxis(b, j, -1)
    rest = max(a.ndim, b.ndim) - 1
    broadcast_shapes(shape_of(a)[:-1], shape_of(b)[:-1], name="vecdot")
    left = (*range(rest - a.ndim + 1, rest), "k")
    right = (*range(rest - b.ndim + 1, rest), "k")
    return contract([left, right], tuple(range(rest)), [apply_conj(a), b])


def apply_conj(x: AnyArray) -> AnyArray:
    """The complex conjugate; a real array is its own."""
    return apply(CONJ, x) if x.dtype.is_complex else x


def _same(name: str, a: AnyArray, b: AnyArray, ours: Axes, theirs: Axes) -> None:
    """Raise unless the dimensions that are summed together have one size each."""
    pairs = [(i % a.ndim, j % b.ndim) for i, j in zip(ours, theirs)]
    wrong = [(i, j) for i, j in pairs if shape_of(a)[i] != shape_of(b)[j]]
    if wrong:
        i, j = wrong[0]
        first, second = dict(pairs), {j: i for i, j in pairs}
        left: Labels = tuple([(d, first[d]) if d in first else ("l", d) for d in range(a.ndim)])
        right: Labels = tuple([(second[d], d) if d in second else ("r", d) for d in range(b.ndim)])
        if name == "vecdot":  # what is not summed broadcasts
            left, right = (
                tuple([k if k in pairs else d - n for d, k in enumerate(keys)])
                for keys, n in ((left, a.ndim), (right, b.ndim))
            )
        raise ShapeError(
            f"{name}: dimension {i} of the left ({shape_of(a)[i]}) and dimension {j} of the right"
            f" ({shape_of(b)[j]}) differ, and are summed together\n"
            + aligned([row("left", a.type, left), row("right", b.type, right)], wrong),
            fix=_other_axis(name, shape_of(a)[i], shape_of(b)),
        )


def _other_axis(name: str, n: Size, b: Shape) -> str:
    """The dimension of the right that would fit."""
    fitting = [j for j, m in enumerate(b) if m == n]
    if fitting:
        return (
            f"dimension {fitting[0]} of the right has the size {n}: move it there,"
            " vx.moveaxis, or say which dimensions are summed with vx.tensordot or vx.einsum"
        )
    return f"no dimension of the right has the size {n}: check what {name} is given"


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
    if not b.ndim:
        raise ShapeError(
            f"matvec: the right is the scalar {b.type}, which is no vector",
            fix="multiply by it: x * y",
        )
    return _matmul("matvec", a, reshaped(b, (*shape_of(b), 1)))[..., 0]


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
    if not a.ndim:
        raise ShapeError(
            f"vecmat: the left is the scalar {a.type}, which is no vector",
            fix="multiply by it: x * y",
        )
    a = apply_conj(a)
    rows = reshaped(a, (*shape_of(a)[:-1], 1, shape_of(a)[-1]))
    return _matmul("vecmat", rows, b)[..., 0, :]


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
    return _tensordot("inner", a, b, ((a.ndim - 1,), (b.ndim - 1,)))


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
    return _tensordot("tensordot", a, b, _pairs(a, b, axes), out_dtype)


def _tensordot(
    name: str, a: AnyArray, b: AnyArray, pairs: tuple[Axes, Axes], out_dtype: DTypeLike = None
) -> AnyArray:
    ours, theirs = pairs
    _same(name, a, b, ours, theirs)
    left: Labels = tuple([("x", i) for i in range(a.ndim)])
    paired = dict(zip(theirs, ours))
    right: Labels = tuple([("x", paired[j]) if j in paired else ("y", j) for j in range(b.ndim)])
    kept = [f for i, f in enumerate(left) if i not in ours]
    out = (*kept, *[f for j, f in enumerate(right) if j not in theirs])
    return contract([left, right], out, [a, b], out_dtype)


def _pairs(a: AnyArray, b: AnyArray, axes: Pairs) -> tuple[Axes, Axes]:
    if isinstance(axes, Sequence):
        first, second = ((s,) if isinstance(s, int) else tuple(s) for s in axes)
    else:
        n = index(axes)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot: axes={n} sums over {n} dimensions, which {a.type} and {b.type} do not"
                " both have",
                fix=f"axes=0 to axes={min(a.ndim, b.ndim)}, or the dimensions of each:"
                " axes=((1,), (0,))",
            )
        first, second = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    if len(first) != len(second):
        raise ShapeError(
            f"tensordot: axes pairs {len(first)} dimensions of the left with {len(second)} of the"
            " right",
            fix="name as many of the left as of the right: axes=((1, 2), (0, 1))",
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
                f"cross: {a.type} and {b.type} are no vectors of 3 elements along axis {axis}",
                fix="say where the three stand, axis=...; pad vectors of the plane with a zero",
            )
    return fused(_cross, axis, a, b)


def _cross(axis: int, a: AnyArray, b: AnyArray) -> AnyArray:
    return roll(a, -1, axis) * roll(b, 1, axis) - roll(a, 1, axis) * roll(b, -1, axis)
