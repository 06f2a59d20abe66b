"""Calling a pointwise function: from array-likes to one op, or one program, of one shape.

The body is an op, or a function of arrays that are aligned already. While a function is staged,
what it takes to align the operands is written op by op; where nothing is staged, conversion,
broadcasting and the body are one program, compiled once per types, so that a call is one dispatch.

Laws: arrays that agree go straight to the op; a Python scalar never compiles anything anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from verax.compiler.ir.dtypes import ALL, DType
from verax.compiler.ir.op import Op
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.pointwise import splat
from verax.dsl.lang.dtypes import default_float, join_scalar
from verax.dsl.lang.fused import fused
from verax.dsl.lang.host import to_numpy
from verax.dsl.lang.promotion import (
    asarray,
    check_scalar,
    common_dtype,
    operands,
    put,
    scalar,
    scalar_class,
)
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.value import Value, apply

if TYPE_CHECKING:
    from verax.dsl.lang.signatures import AnyArray, ArrayLike

Body: TypeAlias = Op | Callable[..., Any]

_INEXACT = frozenset(d for d in ALL if d.is_inexact)
_PYTHON = frozenset({bool, int, float, complex})


def pointwise(name: str, body: Body, *xs: ArrayLike) -> AnyArray:
    """body of the operands in the dtype and shape in which they meet."""
    x, y = xs[0], xs[-1]
    if _strong(x):
        if len(xs) == 1:
            return _run(body, x)
        if len(xs) == 2 and _strong(y) and y.type is x.type:
            return _run(body, x, y)
        if len(xs) == 2 and type(y) in _PYTHON and STACK.scope is not None:
            constant = _beside(name, y, x)
            if constant is not None:
                return _run(body, x, constant)
    elif len(xs) == 2 and type(x) in _PYTHON and STACK.scope is not None and _strong(y):
        constant = _beside(name, x, y)
        if constant is not None:
            return _run(body, constant, y)
    return _general(name, body, common_dtype(name, xs), xs)


def _strong(x: object) -> TypeGuard[AnyArray]:
    """Whether x is an array that keeps its dtype."""
    return isinstance(x, Value) and type(x.type) is ArrayType and not x.weak


def inexact(name: str, body: Body, *xs: ArrayLike) -> AnyArray:
    """The same for functions of real and complex numbers: integers and bools become float32."""
    for x in xs:
        if isinstance(x, Value) and type(x.type) is ArrayType and x.type.dtype in _INEXACT:
            if len(xs) == 1 and not x.weak:
                return _run(body, x)
            return pointwise(name, body, *xs)
    return _general(name, body, default_float(common_dtype(name, xs)), xs)


def _run(body: Body, *xs: Value) -> AnyArray:
    if isinstance(body, Op):
        return apply(body, *xs)
    return fused(_composed, body, *xs)


def _composed(body: Callable[..., AnyArray], *xs: AnyArray) -> AnyArray:
    return body(*xs)


def _general(name: str, body: Body, dtype: DType, xs: tuple[ArrayLike, ...]) -> AnyArray:
    """Operands that differ in dtype or shape, or are no arrays yet."""
    if STACK.scope is not None:
        return _run(body, *operands(name, *xs, dtype=dtype))
    arrays = [operand(name, x, dtype) for x in xs]
    return fused(_aligned, (name, body, dtype), *arrays)


def _aligned(how: tuple[str, Body, DType], *xs: AnyArray) -> AnyArray:
    name, body, dtype = how
    return _run(body, *operands(name, *xs, dtype=dtype))


def _beside(name: str, value: Any, x: Value) -> AnyArray | None:
    """A Python scalar as a splat of the type of x, or None where x itself must change."""
    dtype: DType = x.type.dtype
    if join_scalar(dtype, type(value)) is not dtype:
        return None
    check_scalar(value, dtype, name)
    return like(value, x)


def operand(name: str, x: Any, dtype: DType) -> AnyArray:
    """An array for x, whose Python scalars take ``dtype``.

    Where nothing is staged, these are kept: a loop meets the same ones again.
    """
    if scalar_class(x) is None:
        return asarray(x, name=name)
    if STACK.scope is not None or type(x) not in _PYTHON:
        return scalar(x, dtype, name=name)
    check_scalar(x, dtype, name)
    return _constant(x, dtype, "" if x else repr(x))


@lru_cache(512)
def _constant(x: bool | int | float | complex, dtype: DType, zero: str) -> AnyArray:
    """A 0-d array that only programs see; ``zero`` tells 0.0 from -0.0."""
    return put(to_numpy(x, dtype), dtype)


def like(value: bool | int | float | complex, x: Value) -> AnyArray:
    """A splat of the type of x, as bodies need it."""
    return apply(splat(value, x.type.bare))
