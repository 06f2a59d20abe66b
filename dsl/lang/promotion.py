"""What operands are made before an op sees them: arrays of one dtype and one shape.

Array-likes are arrays, NumPy arrays and scalars (they keep their dtype) and Python scalars. Python
scalars are weak: they take the dtype of the arrays they meet, within their kind; alone they are
float32, int32, complex64 or bool. So do the weak values that stand for scalar arguments of jit.

Laws: promotion never depends on values, but a Python scalar that has no value in the common dtype
is an error. Only what changes is written: arrays that agree already pass through untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from reprlib import repr as short
from typing import TYPE_CHECKING, Any, TypeGuard

from verax.compiler.backend import backend
from verax.compiler.ir.aligned import from_right
from verax.compiler.ir.dtypes import DType, int32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import Op, show_shape
from verax.compiler.ir.sizes import Poly, Shape, Size
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import broadcast as broadcast_op
from verax.compiler.ops.contract import total
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.pointwise import ADD, Convert, splat
from verax.dsl.lang.dtypes import (
    DTypeLike,
    dtype_of,
    finfo,
    fits,
    integer_range,
    join_scalar,
    promote_types,
)
from verax.dsl.lang.dtypes import join as join_dtypes
from verax.dsl.lang.host import is_numpy, to_numpy
from verax.dsl.lang.scope import STACK, Scope
from verax.dsl.lang.value import Value, apply, shape_of, wrap
from verax.sharding.spec import Spec

if TYPE_CHECKING:
    import numpy as np

    from verax.dsl.lang.signatures import AnyArray, ArrayLike, Number

__all__ = [
    "aligned",
    "asarray",
    "broadcast_shapes",
    "broadcast_to",
    "check_scalar",
    "common_dtype",
    "convert",
    "dtype_in",
    "is_array",
    "is_numpy",
    "operands",
    "put",
    "result_type",
    "scalar",
    "scalar_class",
    "shape_in",
    "size_array",
]

_DEFAULTS: dict[type, DType] = {c: dtype_of(c) for c in (bool, int, float, complex)}
_CLASS_OF_KIND: dict[str, type] = {
    "bool": bool,
    "int": int,
    "uint": int,
    "float": float,
    "complex": complex,
}


# what an operand is


def is_array(x: object) -> TypeGuard[AnyArray]:
    """Whether x is an array of verax (a key is not)."""
    return isinstance(x, Value) and type(x.type) is ArrayType


def scalar_class(x: object) -> type | None:
    """bool, int, float or complex for a Python scalar, for a size and for a weak value; else None.

    A NumPy scalar has a dtype of its own, also where it is a Python float as well.
    """
    c = type(x)
    if c in _DEFAULTS:
        return c
    if isinstance(x, Value):
        return _CLASS_OF_KIND[x.dtype.kind] if x.weak else None
    if isinstance(x, Poly):
        return int
    if is_numpy(x):
        return None
    return next((s for s in (int, float, complex) if isinstance(x, s)), None)


def dtype_in(x: object, name: str = "asarray") -> DType:
    """The dtype of an array or a NumPy array; DTypeError for what is no operand."""
    if isinstance(x, Value):
        if not is_array(x):
            raise DTypeError(
                f"{name} takes arrays, got {x.type}",
                fix="draw from the key first, vx.random.normal(key, shape); vx.random.key_data"
                " gives its words",
            )
        return x.dtype
    if is_numpy(x):
        return dtype_of(x.dtype)
    raise _no_array(name, x)


def _no_array(name: str, x: object) -> DTypeError:
    if isinstance(x, (list, tuple)):
        return DTypeError(
            f"{name} takes arrays and scalars, got a {type(x).__name__}",
            fix="make an array of it first: vx.array(x), or vx.stack(x) for a list of arrays",
        )
    if x is None:
        return DTypeError(
            f"{name} takes arrays and scalars, got None",
            fix="leave the argument out, or return a value: a function without return gives None",
        )
    return DTypeError(
        f"{name} takes arrays and scalars, got an object of class {type(x).__name__}",
        fix="convert it first: vx.asarray(x)",
    )


def result_type(*xs: ArrayLike | DTypeLike) -> DType:
    """The dtype in which arrays, dtypes and Python scalars meet (Array API ``result_type``).

    >>> result_type(1, 2.0)
    float32
    """
    operands = [dtype_of(x) if _names_dtype(x) else x for x in xs]
    return common_dtype("result_type", operands)


def _names_dtype(x: object) -> bool:
    if isinstance(x, (DType, str, type)):
        return True
    return not is_numpy(x) and type(x).__module__.startswith("numpy")


def common_dtype(name: str, xs: Sequence[object]) -> DType:
    """The dtype in which these operands (or dtypes) meet; ``name`` is who asks."""
    strong: list[DType] = []
    weak: list[type] = []
    for x in xs:
        c = scalar_class(x)
        if c is not None:
            weak.append(c)
        else:
            strong.append(x if isinstance(x, DType) else dtype_in(x, name))
    if not strong:
        return _DEFAULTS[max(weak, key=list(_DEFAULTS).index)]
    dtype = strong[0] if len(strong) == 1 else _join(name, strong, xs)
    for c in weak:
        dtype = join_scalar(dtype, c)
    return dtype


def _join(name: str, dtypes: Sequence[DType], xs: Sequence[object]) -> DType:
    scope = STACK.scope
    if scope is not None and scope.strict and len(set(dtypes)) > 1:
        types = [x.type if isinstance(x, Value) else d for x, d in zip(xs, dtypes)]
        raise DTypeError(
            f"{name}: {' and '.join(map(str, types))} have different dtypes, and"
            f" {_strictness(scope)}",
            fix=f"convert one of them: x.astype({str(dtypes[0])!r})",
        )
    try:
        return join_dtypes(dtypes)
    except DTypeError as error:
        raise DTypeError(f"{name}: {error.message}", fix=error.fix) from None


def _strictness(scope: Scope) -> str:
    """Why arrays of two dtypes may not meet here."""
    outermost = scope
    while outermost.outer is not None:
        outermost = outermost.outer
    if outermost.what == "jit":
        return f'{scope.where} is staged with promotion="strict"'
    return "a checker takes no promotion that is not written"


# making arrays


def asarray(x: ArrayLike, dtype: DTypeLike = None, *, name: str = "asarray") -> AnyArray:
    """x as an array, of its own dtype or of the one given.

    A conversion that changes a value is an error where the value can be seen: for Python scalars
    and NumPy arrays. ``astype`` converts without asking.
    """
    if is_array(x) and not x.weak:
        return x if dtype is None else convert(x, dtype_of(dtype))
    c = scalar_class(x)
    if c is not None:
        return scalar(x, _DEFAULTS[c] if dtype is None else dtype_of(dtype), name=name)
    own = dtype_in(x, name)
    assert is_numpy(x)
    wanted = own if dtype is None else dtype_of(dtype)
    if wanted is not own:
        _check_values(x, own, wanted, name)
    return convert(put(x, own), wanted)


def put(x: np.ndarray[Any, Any], dtype: DType, spec: Spec | None = None) -> AnyArray:
    """A NumPy array on the device, or on the mesh of a spec."""
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    t = ArrayType(tuple(x.shape), dtype, spec)
    array: AnyArray = wrap(t, backend().put(x, t))
    return array


def _check_values(x: np.ndarray[Any, Any], own: DType, to: DType, name: str) -> None:
    """Raise where an element of x has no value in another dtype."""
    if x.size == 0 or promote_types(own, to) is to:
        return
    if own.is_complex and not to.is_complex and x.imag.any():
        bad = x.ravel()[x.imag.ravel() != 0][0]
    else:
        real = x.real
        if to.is_integer and own.is_inexact and (real != real // 1).any():
            bad = real.ravel()[(real != real // 1).ravel()][0]
        else:
            bad = next((v for v in (real.min(), real.max()) if not fits(v.item(), to)), None)
    if bad is not None:
        raise DTypeError(
            f"{name}: the value {bad} of a NumPy array of {own} has no value in {to}",
            fix=f"convert it before: x.astype({to.name!r}), or take a wider dtype",
        )


def scalar(x: object, dtype: DType, shape: Shape = (), *, name: str = "asarray") -> AnyArray:
    """A Python scalar, a size or a weak value as an array of this dtype and shape."""
    if isinstance(x, Value):
        return broadcast_to(convert(x, dtype), shape)  # type: ignore[arg-type]
    if isinstance(x, Poly):
        return broadcast_to(convert(size_array(x), dtype), shape)
    assert isinstance(x, (int, float, complex))
    check_scalar(x, dtype, name)
    if STACK.scope is not None:
        return apply(splat(x, ArrayType(shape, dtype)))
    return broadcast_to(put(to_numpy(x, dtype), dtype), shape)


@lru_cache(64)
def _limits(dtype: DType) -> tuple[float, float]:
    if dtype.is_bool:
        return 0, 1
    if dtype.is_integer:
        return integer_range(dtype)
    return finfo(dtype).min, finfo(dtype).max


def check_scalar(x: Number, dtype: DType, name: str) -> None:
    """Raise unless a Python scalar has a value in dtype; a float may round to its neighbour."""
    if type(x) in (int, float) and not (dtype.is_integer and type(x) is float):
        low, high = _limits(dtype)
        if low <= x <= high:  # type: ignore[operator]
            return
    if fits(x, dtype):
        return
    if dtype.is_bool:
        raise DTypeError(f"{name}: {x!r} is not a bool", fix="compare: x != 0")
    if isinstance(x, complex) or (dtype.is_integer and x != x // 1):
        raise DTypeError(
            f"{name}: the Python scalar {x!r} has no value in {dtype}",
            fix="round it or take its real part first, or take another dtype",
        )
    low, high = _limits(dtype)
    raise DTypeError(
        f"{name}: the Python scalar {short(x)} does not fit {dtype}, which holds {low} to {high}",
        fix="take a wider dtype: x.astype(...) of the array that it meets, or dtype=...",
    )


def size_array(size: Poly) -> AnyArray:
    """A size that is not known yet, as a 0-d int32: dims are counted by sums of ones."""
    out: AnyArray | None = None
    for monomial, c in size.terms:
        dims = tuple([Poly((((name,), 1),)) for name in monomial])
        ones = apply(splat(c, ArrayType(dims, int32)))
        term = apply(total(len(dims), range(len(dims))), ones) if dims else ones
        out = term if out is None else apply(ADD, out, term)
    assert out is not None
    return out


def convert(x: AnyArray, dtype: DTypeLike) -> AnyArray:
    """x in another dtype; x itself where it has it already and is not weak."""
    dtype = dtype_of(dtype)
    if x.type.dtype is dtype and not x.weak:
        return x
    return apply(Convert(dtype), x)


# shapes


def broadcast_shapes(*shapes: Shape, name: str = "broadcast_shapes") -> Shape:
    """The shape that these broadcast to: aligned from the right, a 1 takes the other's size.

    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)

    Raises:
        ShapeError: two sizes differ and neither is 1; the message aligns the shapes.
    """
    if len(shapes) == 2 and (shapes[0] == shapes[1] or not shapes[1]):
        return shapes[0]
    rank = max(map(len, shapes), default=0)
    out: list[Size] = []
    for i in range(-rank, 0):
        size: Size = 1
        for shape in shapes:
            n = shape[i] if -i <= len(shape) else 1
            if n == 1 or n == size:
                continue
            if size != 1:
                raise _mismatch(name, shapes, i)
            size = n
        out.append(size)
    return tuple(out)


def _mismatch(name: str, shapes: Sequence[Shape], at: int) -> ShapeError:
    """The shapes in columns, right-aligned, with a mark under the dimension that differs."""
    labels = _PARAMETERS.get((name, len(shapes)))
    if labels is None:
        two = "the left", "the right"
        labels = two if len(shapes) == 2 else tuple([f"operand {k}" for k in range(len(shapes))])
    met: dict[Size, str] = {}
    for label, shape in zip(labels, shapes):
        if -at <= len(shape) and shape[at] != 1:
            met.setdefault(shape[at], label)
    (m, first), (n, second) = list(met.items())[:2]
    where = "the last dimension" if at == -1 else f"dimension {at}"
    return ShapeError(
        f"{name}: the shapes {', '.join(map(show_shape, shapes))} do not broadcast: {where} is {m}"
        f" in {first} and {n} in {second}\n"
        + from_right([(s.removeprefix("the "), t) for s, t in zip(labels, shapes)], [at]),
        fix=_broadcast_fix(shapes, at),
    )


_PARAMETERS = {
    ("where", 3): ("the condition", "x1", "x2"),
    ("clip", 3): ("x", "min", "max"),
    ("isclose", 2): ("x1", "x2"),
}  # what the operands of a function are called, where left and right say little


def _broadcast_fix(shapes: Sequence[Shape], at: int) -> str:
    """What would make two shapes broadcast, if one step does."""
    if len(shapes) == 2:
        a, b = shapes
        names = ("left", "right")
        for name, x, y in ((names[0], a, b), (names[1], b, a)):
            if len(x) == len(y) == 2 and (x[1], x[0]) == y:
                return f"transpose one of them: {name}.T"
            if len(x) == 1 and len(y) > 1 and x[0] == y[-2]:
                return f"the {name} fits dimension -2: {name}[:, None] puts its elements there"
    return (
        "sizes are compared from the right and must agree or be 1: insert a dimension"
        " (x[:, None]), transpose or reshape"
    )


def broadcast_to(
    x: AnyArray,
    shape: Iterable[Size],
    *,
    name: str = "broadcast_to",
    labels: tuple[str, str] = ("from", "to"),
) -> AnyArray:
    """x repeated along new dimensions in front and along dimensions of size 1.

    Args:
        name, labels: what messages call the function, x and what the shape is of.
    """
    shape, own = tuple(shape), shape_of(x)
    if own == shape:
        return x
    for op in _repetition(own, shape, name, labels):
        x = apply(op, x)
    return x


@lru_cache(4096)
def _repetition(own: Shape, shape: Shape, name: str, labels: tuple[str, str]) -> tuple[Op, ...]:
    """The ops that repeat an array of one shape to another."""
    if not _repeats(own, shape):
        n = len(own)
        wrong = [i for i in range(-min(n, len(shape)), 0) if own[i] not in (1, shape[i])]
        wrong += range(-n, -len(shape))
        rows = list(zip(labels, (own, shape)))
        raise ShapeError(
            f"{name}: {show_shape(own)} does not broadcast to {show_shape(shape)}\n"
            + from_right(rows, wrong),
            fix="only dimensions of size 1 are repeated, and new ones stand in front: insert one"
            " (x[:, None]), or sum over those that are too many",
        )
    new = len(shape) - len(own)
    kept = [i for i, n in enumerate(own) if n != 1 or shape[new + i] == 1]
    repeat = broadcast_op(shape, [new + i for i in kept])
    if len(kept) == len(own):
        return (repeat,)
    return Reshape(tuple([own[i] for i in kept])), repeat


def _repeats(own: Shape, shape: Shape) -> bool:
    """Whether one shape is repeated to another: every size stays, or is 1."""
    n = len(own)
    return n <= len(shape) and all(k in (1, m) for k, m in zip(own, shape[len(shape) - n :]))


def operands(name: str, *xs: ArrayLike, dtype: DTypeLike = None) -> list[AnyArray]:
    """Arrays of one dtype and one shape; ``name`` is the function that messages blame.

    Args:
        dtype: the dtype of all of them, or None for the one in which they meet.
    """
    common = common_dtype(name, xs) if dtype is None else dtype_of(dtype)
    shapes = [shape_in(x) for x in xs]
    shape = broadcast_shapes(*shapes, name=name)
    return [aligned(name, x, common, shape) for x in xs]


def shape_in(x: object) -> Shape:
    """The shape of an operand; a Python scalar has none."""
    if isinstance(x, Value):
        return shape_of(x)
    return tuple(x.shape) if is_numpy(x) else ()


def aligned(name: str, x: ArrayLike, dtype: DType, shape: Shape) -> AnyArray:
    """One operand in this dtype and shape."""
    if is_array(x) and not x.weak:
        return broadcast_to(convert(x, dtype), shape, name=name)
    if scalar_class(x) is not None:
        return scalar(x, dtype, shape, name=name)
    return broadcast_to(convert(asarray(x, name=name), dtype), shape, name=name)
