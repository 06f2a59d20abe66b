"""Numbers in a row: by a step (``arange``), by a count (``linspace``), by powers (``logspace``).

While a function is staged they are iotas with arithmetic on them; where nothing is staged and the
bounds are Python numbers, NumPy makes them and no length compiles.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, overload

from verax.compiler.ir.dtypes import DType, float32, int32
from verax.compiler.ir.errors import DTypeError, ShapeError, UnknownSizeError
from verax.compiler.ir.sizes import Poly, Shape, Size, known_negative
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.pointwise import ADD, MUL, SELECT, SUB, Compare, splat
from verax.compiler.ops.slicing import ceil_div
from verax.dsl.lang import promotion
from verax.dsl.lang.arithmetic import floor, pow
from verax.dsl.lang.dtypes import DTypeLike, default_float, dtype_of, promote_types
from verax.dsl.lang.fused import fused
from verax.dsl.lang.host import is_numpy, numpy, numpy_dtype
from verax.dsl.lang.promotion import common_dtype, convert, put
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.signatures import DF, DT, AnyArray, ArrayLike, Of, Open
from verax.dsl.lang.value import Value, apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

EQ = Compare("EQ")
_PYTHON = frozenset({bool, int, float, complex})


def iota(n: Size, dtype: DTypeLike = int32) -> AnyArray:
    """``[0, 1, ..., n - 1]``."""
    return arange(n, dtype=dtype)


@overload
def arange(
    start: int, stop: int | None = None, step: int = 1, *, dtype: None = None
) -> Array[int32, Any]: ...
@overload
def arange(
    start: float, stop: float | None = None, step: float = 1, *, dtype: None = None
) -> Array[float32, Any]: ...
@overload
def arange(
    start: Any, stop: Any = None, step: Any = 1, *, dtype: Of[DT] = None
) -> Array[DT, Any]: ...
def arange(start: Any, stop: Any = None, step: Any = 1, *, dtype: Of[DT] = None) -> Any:
    """Numbers from start (0 if it is the only argument) in steps, without stop.

    int32 if all arguments are integers, else float32.

    >>> import verax as vx
    >>> vx.arange(1, 10, 3)
    Array([1, 4, 7], dtype=int32)
    """
    if stop is None:
        start, stop = 0, start
    start, stop, step = (_python_number("arange", x) for x in (start, stop, step))
    to = common_dtype("arange", [start, stop, step]) if dtype is None else dtype_of(dtype)
    if to.is_bool:
        raise DTypeError("arange has no values in bool", fix="take int32 and compare")
    n = _length(start, stop, step)
    if STACK.scope is None and not isinstance(n, Poly):
        return _counted(start, step, n, to)
    out = apply(Iota(n, to))
    if step != 1:
        out = apply(MUL, out, _beside(step, out))
    return out if isinstance(start, int) and start == 0 else apply(ADD, out, _beside(start, out))


def _counted(start: Any, step: Any, n: int, dtype: DType) -> AnyArray:
    host = numpy().arange(n) * step + start
    return promotion.asarray(host, dtype, name="arange")


def _beside(value: Any, x: AnyArray) -> AnyArray:
    return promotion.scalar(value, x.dtype, shape_of(x), name="arange")


def _python_number(name: str, x: Any) -> Any:
    if type(x) in _PYTHON or isinstance(x, Poly):
        return x
    if is_numpy(x) or isinstance(x, Value):
        return x.item()
    raise DTypeError(
        f"{name} takes numbers, got an object of class {type(x).__name__}",
        fix="give ints or floats: arange(start, stop, step)",
    )


def _length(start: Any, stop: Any, step: Any) -> Size:
    if step == 0:
        raise ShapeError("arange: the step is 0", fix="linspace takes a count instead of a step")
    if isinstance(start, Poly) or isinstance(stop, Poly):
        n: Size = stop - start
        return n if step == 1 else _steps(n, step)
    count: int = math.ceil((stop - start) / step)
    return max(0, count)


def _steps(n: Size, step: Any) -> Size:
    """How many steps there are in a distance that is not known."""
    if isinstance(n, int) or not isinstance(step, int):
        raise UnknownSizeError(
            f"arange: how many steps of {step} there are in {n} is not known",
            fix="take a step that is an int, or vx.linspace",
        )
    return ceil_div(n if step > 0 else n * -1, abs(step))


@overload
def linspace(
    start: float,
    stop: float,
    /,
    num: Size = 50,
    *,
    dtype: type[DF] | None = None,
    endpoint: bool = True,
) -> Array[DF, Any]: ...
@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    /,
    num: Size = 50,
    *,
    dtype: Of[DT] = None,
    endpoint: bool = True,
) -> Open[DT]: ...
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    /,
    num: Size = 50,
    *,
    dtype: Of[DT] = None,
    endpoint: bool = True,
) -> Any:
    """``num`` evenly spaced numbers from start to stop, along a new first dimension.

    Args:
        endpoint: whether stop is the last of them.

    >>> import verax as vx
    >>> vx.linspace(0.0, 1.0, 3)
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    if known_negative(num):
        raise ShapeError(
            f"linspace: the number of samples {num} is negative", fix="num=50, or 0 for none"
        )
    of = common_dtype("linspace", [start, stop])
    inner = default_float(of if dtype is None else join_floats(of, dtype_of(dtype)))
    out = _spaced(start, stop, num, endpoint, inner)
    return out if dtype is None else _whole(out, dtype_of(dtype))


def _spaced(start: ArrayLike, stop: ArrayLike, num: Size, endpoint: bool, dtype: DType) -> AnyArray:
    if STACK.scope is None and type(start) in _PYTHON and type(stop) in _PYTHON:
        host = numpy().linspace(start, stop, num, endpoint)
        return put(host.astype(numpy_dtype(dtype)), dtype)
    ends = promotion.operands("linspace", start, stop, dtype=dtype)
    return fused(_interpolated, (num, endpoint), *ends)


def _interpolated(how: tuple[Size, bool], start: AnyArray, stop: AnyArray) -> AnyArray:
    """Between start and stop by weights that are exactly 0 and 1 at the ends."""
    num, endpoint = how
    t: ArrayType = start.type
    steps = num - 1 if endpoint else num
    step = 1 / (max(steps, 1) if isinstance(steps, int) else steps)
    weight = apply(MUL, apply(Iota(num, t.dtype)), promotion.scalar(step, t.dtype, (num,)))
    if endpoint and num not in (0, 1):
        last = promotion.scalar(num - 1, int32, (num,))
        last = apply(EQ, apply(Iota(num, int32)), last)
        weight = apply(SELECT, last, _splat(1, (num,), t.dtype), weight)
    shape = (num, *t.shape)
    weight = apply(broadcast(shape, (0,)), weight)
    dims = range(1, len(shape))
    low, high = (apply(broadcast(shape, dims), x) for x in (start, stop))
    rest = apply(SUB, _splat(1, shape, t.dtype), weight)
    return apply(ADD, apply(MUL, low, rest), apply(MUL, high, weight))


def _splat(value: float, shape: Shape, dtype: DType) -> AnyArray:
    return apply(splat(value, ArrayType(shape, dtype)))


def join_floats(of: DType, wanted: DType) -> DType:
    """The dtype to compute in where ``wanted`` is asked for: its own precision if it is inexact."""
    return wanted if wanted.is_inexact else of


def _whole(x: AnyArray, dtype: DType) -> AnyArray:
    return convert(floor(x) if dtype.is_integer else x, dtype)


@overload
def logspace(
    start: float,
    stop: float,
    /,
    num: Size = 50,
    *,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: type[DF] | None = None,
) -> Array[DF, Any]: ...
@overload
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    /,
    num: Size = 50,
    *,
    endpoint: bool = True,
    base: ArrayLike = 10.0,
    dtype: Of[DT] = None,
) -> Open[DT]: ...
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    /,
    num: Size = 50,
    *,
    endpoint: bool = True,
    base: ArrayLike = 10.0,
    dtype: Of[DT] = None,
) -> Any:
    """``base`` to the powers ``linspace(start, stop, num)``."""
    inner = default_float(common_dtype("logspace", [start, stop]))
    if dtype is not None and dtype_of(dtype).is_float:
        inner = promote_types(inner, dtype_of(dtype))
    out = pow(base, linspace(start, stop, num, endpoint=endpoint, dtype=inner))
    return out if dtype is None else _whole(out, dtype_of(dtype))
