"""Arrays from scratch: from Python and NumPy, filled, ranges, diagonals, triangles, grids.

While a function is staged all of these are written into its program: splats and iotas, which are
recomputed where they are needed; only values that Python holds (lists, NumPy arrays) become inputs.
Where nothing is staged they are made by NumPy and put on the device, so that no shape compiles.

Python numbers are float32, int32, complex64 or bool unless ``dtype`` says otherwise; NumPy arrays
keep their dtype. A value that the dtype cannot hold is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import index
from reprlib import repr as short
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias, overload

from verax.compiler.ir.dtypes import DType, float32, int32, int64
from verax.compiler.ir.errors import ConcretizationError, DTypeError, ShapeError, UnknownSizeError
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Poly, Shape, Size, at_most, known_negative
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import broadcast, total
from verax.compiler.ops.layout import Iota, Reshape
from verax.compiler.ops.pointwise import ADD, SELECT, Compare, Convert, splat
from verax.compiler.ops.slicing import Pad, Slice
from verax.dsl.lang import promotion
from verax.dsl.lang.dtypes import DTypeLike, dtype_of
from verax.dsl.lang.fused import fused
from verax.dsl.lang.host import is_numpy, numpy, numpy_dtype, to_numpy
from verax.dsl.lang.lists import from_list
from verax.dsl.lang.promotion import (
    broadcast_to,
    common_dtype,
    convert,
    dtype_in,
    is_array,
    put,
    scalar_class,
)
from verax.dsl.lang.ranges import arange, iota, linspace, logspace
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.signatures import (
    DF,
    DT,
    DT2,
    AnyArray,
    ArrayLike,
    Ds,
    First,
    Last,
    Like,
    M,
    N,
    Number,
    Of,
    Open,
    Same,
    Shape1,
    Shape2,
    Shape3,
    Shape4,
    Unranked,
    Zero,
)
from verax.dsl.lang.value import Value, apply, invoke, shape_of
from verax.sharding.spec import Spec

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

__all__ = [
    "ShapeLike",
    "arange",
    "array",
    "asarray",
    "astype",
    "diag",
    "dtype_or",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "identity",
    "iota",
    "linspace",
    "logspace",
    "meshgrid",
    "one_hot",
    "ones",
    "ones_like",
    "placed",
    "shape_from",
    "tri",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]

ShapeLike: TypeAlias = SupportsIndex | Poly | Sequence[SupportsIndex | Poly]
GE, EQ = Compare("GE"), Compare("EQ")
_PYTHON = frozenset({bool, int, float, complex})


# from Python and NumPy ----------------------------------------------------------------------------


@overload
def asarray(
    x: Array[DT2, *Ds], dtype: None = None, *, copy: bool | None = None
) -> Array[DT2, *Ds]: ...
@overload
def asarray(x: Array[DT2, *Ds], dtype: Of[DT], *, copy: bool | None = None) -> Array[DT, *Ds]: ...
@overload
def asarray(x: Number, dtype: Of[DT] = None, *, copy: bool | None = None) -> Zero[DT]: ...
@overload
def asarray(x: Any, dtype: Of[DT] = None, *, copy: bool | None = None) -> Open[DT]: ...
def asarray(x: Any, dtype: Of[DT] = None, *, copy: bool | None = None) -> Any:
    """An array of x: a scalar, nested lists, a NumPy array, or an array already.

    Args:
        x: lists may hold scalars and arrays; their lengths must agree at each depth.
        dtype: None for the dtype of x (Python numbers: float32, int32, complex64, bool).
        copy: True for an array with memory of its own (arrays never change, so that this matters
            for donation only).

    Raises:
        DTypeError: a value of x has no value in dtype; ``astype`` converts without asking.
        ShapeError: lists of different lengths.

    >>> import verax as vx
    >>> vx.array([[1, 2], [3, 4]]).type
    int32[2,2]
    """
    if isinstance(x, (list, tuple)):
        return from_list(x, dtype)
    if not isinstance(x, Value) and scalar_class(x) is None and not is_numpy(x):
        if hasattr(x, "__array__") or hasattr(x, "__dlpack__"):
            x = _foreign(x)
        elif isinstance(x, (Sequence, Iterator)) and not isinstance(x, (str, bytes)):
            return from_list(list(x), dtype)
        else:
            raise DTypeError(
                f"asarray takes numbers, lists of numbers and arrays, got {short(x)}",
                fix="asarray makes one array; vx.tree.map(vx.asarray, x) makes one of each leaf",
            )
    y = promotion.asarray(x, dtype)
    return _copy(y) if copy and y is x else y


array = asarray


def from_numpy(x: Any, dtype: Of[DT] = None) -> Array[DT, *tuple[Any, ...]]:
    """A NumPy array on the device, in its own dtype."""
    return asarray(x, dtype)


def placed(x: Any, spec: Spec | None) -> AnyArray:
    """A NumPy array on the device, or in shards on the mesh of a spec."""
    return put(x, dtype_in(x), spec)


def from_dlpack(x: Any) -> AnyArray:
    """An array of another library, by way of DLPack and host memory."""
    return promotion.asarray(numpy().from_dlpack(x))


def _foreign(x: Any) -> Any:
    return to_numpy(x) if hasattr(x, "__array__") else numpy().from_dlpack(x)


def _copy(x: AnyArray) -> AnyArray:
    b = Builder()
    (y,) = invoke(b.finish([b.input(x.type.bare)]), [x])
    out: AnyArray = y
    return out


@overload
def astype(x: Same[DT2, *Ds], dtype: Of[DT], /) -> Array[DT, *Ds]: ...
@overload
def astype(x: Same[DT2, *Ds], dtype: DType, /) -> Array[Any, *Ds]: ...
def astype(x: ArrayLike, dtype: DTypeLike, /) -> Any:
    """x in another dtype; values that it does not hold are cut, wrapped or rounded.

    Raises:
        DTypeError: from complex to real, which would drop a part.
    """
    to, y = dtype_of(dtype), promotion.asarray(x, name="astype")
    if y.dtype.is_complex and not to.is_complex and not to.is_bool:
        raise DTypeError(
            f"astype: {y.type} to {to} would drop the imaginary part",
            fix="take one part first: x.real.astype(...)",
        )
    return convert(y, to)


# filled -------------------------------------------------------------------------------------------


@overload
def full(shape: tuple[()], fill_value: ArrayLike, dtype: type[DT] | None = None) -> Zero[DT]: ...
@overload
def full(shape: Shape1, fill_value: ArrayLike, dtype: type[DT] | None = None) -> Array[DT, Any]: ...
@overload
def full(
    shape: Shape2, fill_value: ArrayLike, dtype: type[DT] | None = None
) -> Array[DT, Any, Any]: ...
@overload
def full(
    shape: Shape3, fill_value: ArrayLike, dtype: type[DT] | None = None
) -> Array[DT, Any, Any, Any]: ...
@overload
def full(
    shape: Shape4, fill_value: ArrayLike, dtype: type[DT] | None = None
) -> Array[DT, Any, Any, Any, Any]: ...
@overload
def full(shape: ShapeLike, fill_value: ArrayLike, dtype: Of[DT] = None) -> Open[DT]: ...
@overload
def full(shape: ShapeLike, fill_value: ArrayLike, dtype: DType) -> AnyArray: ...
def full(shape: ShapeLike, fill_value: ArrayLike, dtype: Of[DT] = None) -> Any:
    """An array with one value everywhere.

    >>> import verax as vx
    >>> vx.full((2,), 7.0)
    Array([7., 7.], dtype=float32)
    """
    sizes = shape_from("full", shape)
    if scalar_class(fill_value) is None or isinstance(fill_value, (Value, Poly)):
        value = promotion.asarray(fill_value, dtype, name="full")
        return broadcast_to(convert(value, value.dtype), sizes, name="full")
    to = common_dtype("full", [fill_value]) if dtype is None else dtype_of(dtype)
    return _filled("full", fill_value, ArrayType(sizes, to))


@overload
def zeros(shape: tuple[()], dtype: type[DF] | None = None) -> Zero[DF]: ...
@overload
def zeros(shape: Shape1, dtype: type[DF] | None = None) -> Array[DF, Any]: ...
@overload
def zeros(shape: Shape2, dtype: type[DF] | None = None) -> Array[DF, Any, Any]: ...
@overload
def zeros(shape: Shape3, dtype: type[DF] | None = None) -> Array[DF, Any, Any, Any]: ...
@overload
def zeros(shape: Shape4, dtype: type[DF] | None = None) -> Array[DF, Any, Any, Any, Any]: ...
@overload
def zeros(shape: ShapeLike, dtype: type[DF] | None = None) -> Open[DF]: ...
@overload
def zeros(shape: ShapeLike, dtype: Of[DT] = None) -> Open[DT]: ...
@overload
def zeros(shape: ShapeLike, dtype: DType) -> AnyArray: ...
def zeros(shape: ShapeLike, dtype: Of[DT] = None) -> Any:
    """Zeros, float32 unless dtype says otherwise."""
    return _filled("zeros", 0, ArrayType(shape_from("zeros", shape), dtype_or(float32, dtype)))


@overload
def ones(shape: tuple[()], dtype: type[DF] | None = None) -> Zero[DF]: ...
@overload
def ones(shape: Shape1, dtype: type[DF] | None = None) -> Array[DF, Any]: ...
@overload
def ones(shape: Shape2, dtype: type[DF] | None = None) -> Array[DF, Any, Any]: ...
@overload
def ones(shape: Shape3, dtype: type[DF] | None = None) -> Array[DF, Any, Any, Any]: ...
@overload
def ones(shape: Shape4, dtype: type[DF] | None = None) -> Array[DF, Any, Any, Any, Any]: ...
@overload
def ones(shape: ShapeLike, dtype: type[DF] | None = None) -> Open[DF]: ...
@overload
def ones(shape: ShapeLike, dtype: Of[DT] = None) -> Open[DT]: ...
@overload
def ones(shape: ShapeLike, dtype: DType) -> AnyArray: ...
def ones(shape: ShapeLike, dtype: Of[DT] = None) -> Any:
    """Ones, float32 unless dtype says otherwise."""
    return _filled("ones", 1, ArrayType(shape_from("ones", shape), dtype_or(float32, dtype)))


@overload
def empty(shape: tuple[()], dtype: type[DF] | None = None) -> Zero[DF]: ...
@overload
def empty(shape: Shape1, dtype: type[DF] | None = None) -> Array[DF, Any]: ...
@overload
def empty(shape: Shape2, dtype: type[DF] | None = None) -> Array[DF, Any, Any]: ...
@overload
def empty(shape: Shape3, dtype: type[DF] | None = None) -> Array[DF, Any, Any, Any]: ...
@overload
def empty(shape: Shape4, dtype: type[DF] | None = None) -> Array[DF, Any, Any, Any, Any]: ...
@overload
def empty(shape: ShapeLike, dtype: type[DF] | None = None) -> Open[DF]: ...
@overload
def empty(shape: ShapeLike, dtype: Of[DT] = None) -> Open[DT]: ...
@overload
def empty(shape: ShapeLike, dtype: DType) -> AnyArray: ...
def empty(shape: ShapeLike, dtype: Of[DT] = None) -> Any:
    """Zeros too: no array has values that nobody chose."""
    return zeros(shape, dtype)


@overload
def zeros_like(x: Same[DT, *Ds], dtype: None = None, *, shape: None = None) -> Array[DT, *Ds]: ...
@overload
def zeros_like(x: Same[DT, *Ds], dtype: Of[DT2], *, shape: None = None) -> Array[DT2, *Ds]: ...
@overload
def zeros_like(x: Same[DT, *Ds], dtype: None = None, *, shape: ShapeLike) -> Open[DT]: ...
@overload
def zeros_like(x: Same[DT, *Ds], dtype: Of[DT2], *, shape: ShapeLike) -> Open[DT2]: ...
def zeros_like(x: Same[DT, *Ds], dtype: DTypeLike = None, *, shape: ShapeLike | None = None) -> Any:
    """Zeros of the shape and dtype of x, placed on the mesh as x is."""
    return _filled_like("zeros_like", x, 0, dtype, shape)


@overload
def ones_like(x: Same[DT, *Ds], dtype: None = None, *, shape: None = None) -> Array[DT, *Ds]: ...
@overload
def ones_like(x: Same[DT, *Ds], dtype: Of[DT2], *, shape: None = None) -> Array[DT2, *Ds]: ...
@overload
def ones_like(x: Same[DT, *Ds], dtype: None = None, *, shape: ShapeLike) -> Open[DT]: ...
@overload
def ones_like(x: Same[DT, *Ds], dtype: Of[DT2], *, shape: ShapeLike) -> Open[DT2]: ...
def ones_like(x: Same[DT, *Ds], dtype: DTypeLike = None, *, shape: ShapeLike | None = None) -> Any:
    """Ones of the shape and dtype of x, placed on the mesh as x is."""
    return _filled_like("ones_like", x, 1, dtype, shape)


@overload
def empty_like(x: Same[DT, *Ds], dtype: None = None, *, shape: None = None) -> Array[DT, *Ds]: ...
@overload
def empty_like(x: Same[DT, *Ds], dtype: Of[DT2], *, shape: None = None) -> Array[DT2, *Ds]: ...
@overload
def empty_like(x: Same[DT, *Ds], dtype: None = None, *, shape: ShapeLike) -> Open[DT]: ...
@overload
def empty_like(x: Same[DT, *Ds], dtype: Of[DT2], *, shape: ShapeLike) -> Open[DT2]: ...
def empty_like(x: Same[DT, *Ds], dtype: DTypeLike = None, *, shape: ShapeLike | None = None) -> Any:
    """``zeros_like``."""
    return _filled_like("empty_like", x, 0, dtype, shape)


@overload
def full_like(
    x: Same[DT, *Ds], fill_value: ArrayLike, dtype: None = None, *, shape: None = None
) -> Array[DT, *Ds]: ...
@overload
def full_like(
    x: Same[DT, *Ds], fill_value: ArrayLike, dtype: Of[DT2], *, shape: None = None
) -> Array[DT2, *Ds]: ...
@overload
def full_like(
    x: Same[DT, *Ds], fill_value: ArrayLike, dtype: None = None, *, shape: ShapeLike
) -> Open[DT]: ...
@overload
def full_like(
    x: Same[DT, *Ds], fill_value: ArrayLike, dtype: Of[DT2], *, shape: ShapeLike
) -> Open[DT2]: ...
def full_like(
    x: Same[DT, *Ds],
    fill_value: ArrayLike,
    dtype: DTypeLike = None,
    *,
    shape: ShapeLike | None = None,
) -> Any:
    """One value in the shape and dtype of x, placed on the mesh as x is."""
    if type(fill_value) in _PYTHON:
        return _filled_like("full_like", x, fill_value, dtype, shape)
    t = _type_like("full_like", x, dtype, shape)
    return broadcast_to(astype(fill_value, t.dtype), t.shape, name="full_like")


def _filled_like(
    name: str, x: ArrayLike, value: Any, dtype: DTypeLike, shape: ShapeLike | None
) -> AnyArray:
    return _filled(name, value, _type_like(name, x, dtype, shape))


def _type_like(name: str, x: ArrayLike, dtype: DTypeLike, shape: ShapeLike | None) -> ArrayType:
    if is_array(x) and not x.weak:
        own: ArrayType = x.type
    elif scalar_class(x) is not None:
        own = ArrayType((), common_dtype(name, [x]))
    else:
        own = ArrayType(tuple(getattr(x, "shape", ())), dtype_in(x, name))
    to = own.dtype if dtype is None else dtype_of(dtype)
    if shape is not None:
        return ArrayType(shape_from(name, shape), to)
    return ArrayType(own.shape, to, own.spec)


def _filled(name: str, value: Any, t: ArrayType) -> AnyArray:
    promotion.check_scalar(value, t.dtype, name)
    if STACK.scope is not None:
        return apply(splat(value, t.bare))
    return put(numpy().full(t.shape, value, numpy_dtype(t.dtype)), t.dtype, t.spec)


def shape_from(name: str, shape: ShapeLike) -> Shape:
    """A shape as users write it: a size, or a sequence of sizes."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    out: list[Size] = []
    for n in sizes:
        if not isinstance(n, Poly):
            try:
                n = index(n)
            except ConcretizationError:
                raise
            except TypeError:
                raise ShapeError(
                    f"{name}: a size is an int, got {n!r}", fix="convert it first: int(n)"
                ) from None
            if n < 0:
                raise ShapeError(
                    f"{name}: the size {n} in {tuple(sizes)} is negative",
                    fix="sizes are 0 or more: max(n, 0)",
                )
        out.append(n)
    return tuple(out)


def dtype_or(default: DType, dtype: DTypeLike) -> DType:
    """The dtype asked for, or the default."""
    return default if dtype is None else dtype_of(dtype)


# diagonals and triangles --------------------------------------------------------------------------


@overload
def eye(
    n: Size, m: Size | None = None, /, *, k: int = 0, dtype: type[DF] | None = None
) -> Array[DF, Any, Any]: ...
@overload
def eye(
    n: Size, m: Size | None = None, /, *, k: int = 0, dtype: Of[DT] = None
) -> Array[DT, Any, Any]: ...
def eye(n: Size, m: Size | None = None, /, *, k: int = 0, dtype: Of[DT] = None) -> Any:
    """Ones on diagonal k of an n x m matrix (square if m is None), zeros elsewhere."""
    shape, to = shape_from("eye", (n, n if m is None else m)), dtype_or(float32, dtype)
    if STACK.scope is None:
        return put(numpy().eye(*shape, k, numpy_dtype(to)), to)
    return apply(Convert(to), _band(EQ, shape, k))


@overload
def identity(n: Size, /, dtype: type[DF] | None = None) -> Array[DF, Any, Any]: ...
@overload
def identity(n: Size, /, dtype: Of[DT] = None) -> Array[DT, Any, Any]: ...
def identity(n: Size, /, dtype: Of[DT] = None) -> Any:
    """The n x n identity matrix."""
    return eye(n, dtype=dtype)


@overload
def tri(
    n: Size, m: Size | None = None, k: int = 0, dtype: type[DF] | None = None
) -> Array[DF, Any, Any]: ...
@overload
def tri(
    n: Size, m: Size | None = None, k: int = 0, dtype: Of[DT] = None
) -> Array[DT, Any, Any]: ...
def tri(n: Size, m: Size | None = None, k: int = 0, dtype: Of[DT] = None) -> Any:
    """Ones on and below diagonal k of an n x m matrix, zeros above."""
    shape, to = shape_from("tri", (n, n if m is None else m)), dtype_or(float32, dtype)
    if STACK.scope is None:
        return put(numpy().tri(*shape, k, numpy_dtype(to)), to)
    return apply(Convert(to), _band(GE, shape, k))


def _band(comparison: Compare, shape: Shape, k: int) -> AnyArray:
    """Where row + k compares so with column."""
    row = apply(broadcast(shape, (0,)), apply(Iota(shape[0], int32)))
    column = apply(broadcast(shape, (1,)), apply(Iota(shape[1], int32)))
    if k:
        row = apply(ADD, row, apply(splat(k, row.type)))
    return apply(comparison, row, column)


def tril(x: Same[DT, *Ds], /, *, k: int = 0) -> Array[DT, *Ds]:
    """x with zeros above diagonal k of its last two dimensions."""
    return fused(_triangle, ("lower", k), _matrix("tril", x))


def triu(x: Same[DT, *Ds], /, *, k: int = 0) -> Array[DT, *Ds]:
    """x with zeros below diagonal k of its last two dimensions."""
    return fused(_triangle, ("upper", k), _matrix("triu", x))


def _matrix(name: str, x: ArrayLike) -> AnyArray:
    y = promotion.asarray(x, name=name)
    if y.ndim < 2:
        raise ShapeError(
            f"{name} takes matrices (at least two dimensions), got {y.type}",
            fix="x[None, :] is one row, x[:, None] one column; vx.diag makes a matrix of a diagonal"
            if y.ndim
            else "a scalar is no matrix: x[None, None]",
        )
    return y


def _triangle(how: tuple[str, int], x: AnyArray) -> AnyArray:
    part, k = how
    t: ArrayType = x.type
    mask = _band(GE, t.shape[-2:], k if part == "lower" else k - 1)
    if t.ndim > 2:
        mask = apply(broadcast(t.shape, (t.ndim - 2, t.ndim - 1)), mask)
    zero = apply(splat(0, t.bare))
    return apply(SELECT, mask, x, zero) if part == "lower" else apply(SELECT, mask, zero, x)


@overload
def diag(x: Unranked[DT], /, k: int = 0) -> Open[DT]: ...
@overload
def diag(x: Array[DT, N], /, k: First = 0) -> Array[DT, N, N]: ...
@overload
def diag(x: Array[DT, N], /, k: int) -> Array[DT, Any, Any]: ...
@overload
def diag(x: Array[DT, N, M], /, k: int = 0) -> Array[DT, Any]: ...
@overload
def diag(x: Like[DT], /, k: int = 0) -> Open[DT]: ...
def diag(x: Like[DT], /, k: int = 0) -> Any:
    """The matrix with a vector on its diagonal k, or diagonal k of a matrix.

    >>> import verax as vx
    >>> vx.diag(vx.array([1, 2]))
    Array([[1, 0],
           [0, 2]], dtype=int32)
    """
    y = promotion.asarray(x, name="diag")
    if y.ndim == 1:
        return fused(_from_diagonal, k, y)
    if y.ndim == 2:
        return fused(_diagonal_of, k, y)
    raise ShapeError(
        f"diag takes a vector or a matrix, got {y.type}", fix="vx.diagonal(x, axis1=..., axis2=...)"
    )


def _from_diagonal(k: int, x: AnyArray) -> AnyArray:
    t: ArrayType = x.type
    n = t.shape[0] + abs(k)
    if k:
        x = apply(Pad(((max(-k, 0), max(k, 0), 0),)), x)
    rows = apply(broadcast((n, n), (0,)), x)
    zero = apply(splat(0, rows.type))
    return apply(SELECT, _band(EQ, (n, n), k), rows, zero)


def _diagonal_of(k: int, x: AnyArray) -> AnyArray:
    """The square below the diagonal's start, read flat in steps of its width and one."""
    n, m = shape_of(x)
    top, left = max(-k, 0), max(k, 0)
    size = shortest("diag", n - top, m - left)
    parts = ((top, top + size, 1), (left, left + size, 1))
    square = apply(Slice(parts if size != 0 else ((0, 0, 1), (0, 0, 1))), x)
    if isinstance(size, Poly):
        return square_diagonal(square)
    flat = apply(Reshape((size * size,)), square)
    return apply(Slice(((0, size * size, size + 1),)), flat)


def shortest(name: str, n: Size, m: Size) -> Size:
    """The length of a diagonal that begins n rows and m columns before the ends of a matrix."""
    wide = at_most(n, m)
    if wide is None:
        raise UnknownSizeError(
            f"{name}: whether {n} or {m} is the smaller is not known, and the diagonal ends there",
            fix="take a matrix that is square, or of known sizes",
        )
    size = n if wide else m
    return 0 if known_negative(size) else size


def square_diagonal(x: AnyArray) -> AnyArray:
    """The diagonals of square matrices of unknown size, by a sum over what is masked."""
    t: ArrayType = x.type
    mask = apply(broadcast(t.shape, (t.ndim - 2, t.ndim - 1)), _band(EQ, t.shape[-2:], 0))
    kept = apply(SELECT, mask, x, apply(splat(0, t.bare)))
    return apply(total(t.ndim, (t.ndim - 2,)), kept)


# grids and classes --------------------------------------------------------------------------------


def meshgrid(*xs: ArrayLike, indexing: str = "xy") -> list[AnyArray]:
    """Coordinate arrays of the grid that the vectors span.

    Args:
        indexing: "xy" exchanges the first two dimensions (as in plots), "ij" does not.
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(
            f"meshgrid: indexing is {indexing!r}, which is unknown", fix="indexing='xy' or 'ij'"
        )
    vectors = [promotion.asarray(x, name="meshgrid") for x in xs]
    for v in vectors:
        if v.ndim > 1:
            raise ShapeError(f"meshgrid takes vectors, got {v.type}", fix="vx.ravel(x)")
    dims = list(range(len(vectors)))
    if indexing == "xy" and len(dims) > 1:
        dims[:2] = [1, 0]
    shape = [1] * len(vectors)
    for d, v in zip(dims, vectors):
        shape[d] = v.shape[0] if v.ndim else 1
    return [_along(tuple(shape), d, v) for d, v in zip(dims, vectors)]


def _along(shape: Shape, d: int, v: AnyArray) -> AnyArray:
    """v along dimension d, repeated along the others."""
    return apply(broadcast(shape, (d,) if v.ndim else ()), v)


@overload
def one_hot(
    x: Array[Any, *Ds], num_classes: Size, /, *, axis: Last = -1, dtype: type[DF] | None = None
) -> Array[DF, *Ds, Any]: ...
@overload
def one_hot(
    x: ArrayLike, num_classes: Size, /, *, axis: int = -1, dtype: type[DF] | None = None
) -> Open[DF]: ...
@overload
def one_hot(
    x: ArrayLike, num_classes: Size, /, *, axis: int = -1, dtype: Of[DT] = None
) -> Open[DT]: ...
def one_hot(x: ArrayLike, num_classes: Size, /, *, axis: int = -1, dtype: Of[DT] = None) -> Any:
    """1 at the class of each element, 0 elsewhere, along a new dimension; all 0 out of range.

    >>> import verax as vx
    >>> vx.one_hot(vx.array([0, 2]), 3)
    Array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    classes = promotion.asarray(x, name="one_hot")
    if not classes.dtype.is_integer:
        raise DTypeError(
            f"one_hot takes integer classes, got {classes.type}", fix="x.astype(vx.int32)"
        )
    n = num_classes if isinstance(num_classes, Poly) else index(num_classes)
    if not -classes.ndim - 1 <= axis <= classes.ndim:
        raise ShapeError(
            f"one_hot: axis {axis} is out of range for {classes.type} with a dimension more",
            fix=f"its axes are 0 to {classes.ndim}, or {-classes.ndim - 1} to -1 from the end",
        )
    at = axis % (classes.ndim + 1)
    return fused(_one_hot, (n, at, dtype_or(float32, dtype)), classes)


def _one_hot(how: tuple[Size, int, DType], x: AnyArray) -> AnyArray:
    n, at, dtype = how
    t: ArrayType = x.type
    shape = (*t.shape[:at], n, *t.shape[at:])
    wide = int64 if t.dtype.bits > 32 else int32  # classes beyond the dtype are in no row
    repeated = apply(broadcast(shape, [d for d in range(len(shape)) if d != at]), convert(x, wide))
    numbers = apply(broadcast(shape, (at,)), apply(Iota(n, wide)))
    return apply(Convert(dtype), apply(EQ, repeated, numbers))
