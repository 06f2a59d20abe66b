"""Comparisons, logic, bits, and what asks a question of each element; ``where`` chooses by answers.

Comparisons promote as arithmetic does. Logic takes bools and converts numbers by ``x != 0``;
``where`` and ``select`` want bools, so that a mask is never an accident. ``isfinite`` and its kin
take every dtype: integers are finite. Nothing here but ``where``, ``select`` and ``nan_to_num`` has
a derivative; ``where`` gives each branch the derivative where it was chosen, so guard the operand
of a function that is undefined elsewhere, not its result: ``sqrt(where(x > 0, x, 1.0))``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from verax.compiler.ir.dtypes import DType, bool_
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ops.arithmetic import ABS, IMAG, IS_FINITE, REAL
from verax.compiler.ops.barrier import StopGradient
from verax.compiler.ops.bits import (
    AND,
    CLZ,
    NOT,
    OR,
    POPCNT,
    SHIFT_LEFT,
    SHIFT_RIGHT_ARITHMETIC,
    SHIFT_RIGHT_LOGICAL,
    XOR,
    Bitcast,
)
from verax.compiler.ops.pointwise import ADD, MUL, SELECT, SUB, Compare
from verax.compiler.ops.reduce import Reduce
from verax.dsl.lang.arithmetic import sign_bit
from verax.dsl.lang.call import like, operand, pointwise
from verax.dsl.lang.dtypes import dtype_of, finfo
from verax.dsl.lang.fused import fused
from verax.dsl.lang.promotion import (
    aligned,
    asarray,
    broadcast_shapes,
    broadcast_to,
    common_dtype,
    convert,
    is_array,
    shape_in,
)
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.signatures import DT, AnyArray, ArrayLike, Ds, Like, Of, Same, Zero
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

    Mask: TypeAlias = Array[bool_, *tuple[Any, ...]]

EQ, NE = Compare("EQ"), Compare("NE")
LT, LE, GT, GE = Compare("LT"), Compare("LE"), Compare("GT"), Compare("GE")


# comparisons --------------------------------------------------------------------------------------


def equal(x1: Like[DT], x2: Like[DT], /) -> Mask:
    """x1 == x2, elementwise; nan equals nothing."""
    return pointwise("equal", EQ, x1, x2)


def not_equal(x1: Like[DT], x2: Like[DT], /) -> Mask:
    """x1 != x2, elementwise."""
    return pointwise("not_equal", NE, x1, x2)


def less(x1: Like[DT], x2: Like[DT], /) -> Mask:
    """x1 < x2, elementwise."""
    return pointwise("less", LT, x1, x2)


def less_equal(x1: Like[DT], x2: Like[DT], /) -> Mask:
    """x1 <= x2, elementwise."""
    return pointwise("less_equal", LE, x1, x2)


def greater(x1: Like[DT], x2: Like[DT], /) -> Mask:
    """x1 > x2, elementwise."""
    return pointwise("greater", GT, x1, x2)


def greater_equal(x1: Like[DT], x2: Like[DT], /) -> Mask:
    """x1 >= x2, elementwise."""
    return pointwise("greater_equal", GE, x1, x2)


def isclose(
    x1: Like[DT], x2: Like[DT], /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Mask:
    """``abs(x1 - x2) <= atol + rtol * abs(x2)``; equal infinities are close."""
    return pointwise("isclose", _close_or_nan if equal_nan else _close, x1, x2, rtol, atol)


def allclose(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Zero[bool_]:
    """Whether all elements are close."""
    close = isclose(x1, x2, rtol, atol, equal_nan)
    return apply(Reduce("and", tuple(range(close.ndim))), close) if close.ndim else close


def _close(x: AnyArray, y: AnyArray, rtol: AnyArray, atol: AnyArray) -> AnyArray:
    gap, size = apply(ABS, apply(SUB, x, y)), apply(ABS, y)
    rtol, atol = (apply(REAL, t) if t.dtype.is_complex else t for t in (rtol, atol))
    bound = apply(ADD, atol, apply(MUL, rtol, size))
    near = apply(AND, apply(LE, gap, bound), _finite(y))
    return apply(OR, near, apply(EQ, x, y))


def _close_or_nan(x: AnyArray, y: AnyArray, rtol: AnyArray, atol: AnyArray) -> AnyArray:
    both = apply(AND, apply(NE, x, x), apply(NE, y, y))
    return apply(OR, both, _close(x, y, rtol, atol))


# logic and bits -----------------------------------------------------------------------------------


def _mask(name: str, x: ArrayLike) -> AnyArray:
    return fused(_nonzero, None, asarray(x, name=name))


def _nonzero(_: None, x: AnyArray) -> AnyArray:
    return x if x.dtype.is_bool else apply(NE, x, like(0, x))


def logical_and(x1: ArrayLike, x2: ArrayLike, /) -> Mask:
    """Whether both are true, or not 0."""
    return pointwise("logical_and", AND, *_masks("logical_and", x1, x2))


def logical_or(x1: ArrayLike, x2: ArrayLike, /) -> Mask:
    """Whether one of them is true, or not 0."""
    return pointwise("logical_or", OR, *_masks("logical_or", x1, x2))


def logical_xor(x1: ArrayLike, x2: ArrayLike, /) -> Mask:
    """Whether exactly one of them is true, or not 0."""
    return pointwise("logical_xor", XOR, *_masks("logical_xor", x1, x2))


def logical_not(x: ArrayLike, /) -> Mask:
    """Whether it is false, or 0."""
    return pointwise("logical_not", NOT, *_masks("logical_not", x))


def _masks(name: str, *xs: ArrayLike) -> list[AnyArray]:
    return [x if is_array(x) and x.type.dtype is bool_ else _mask(name, x) for x in xs]


def bitwise_and(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 & x2, of integers or bools."""
    return pointwise("bitwise_and", AND, x1, x2)


def bitwise_or(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 | x2, of integers or bools."""
    return pointwise("bitwise_or", OR, x1, x2)


def bitwise_xor(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 ^ x2, of integers or bools."""
    return pointwise("bitwise_xor", XOR, x1, x2)


def bitwise_invert(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """~x, of integers or bools."""
    return pointwise("bitwise_invert", NOT, x)


def bitwise_left_shift(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 << x2; 0 for shifts by the width or more."""
    return pointwise("bitwise_left_shift", SHIFT_LEFT, x1, x2)


def bitwise_right_shift(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 >> x2; signed integers keep their sign."""
    return pointwise("bitwise_right_shift", _right_shift, x1, x2)


def _right_shift(x: AnyArray, y: AnyArray) -> AnyArray:
    return apply(SHIFT_RIGHT_ARITHMETIC if x.dtype.kind == "int" else SHIFT_RIGHT_LOGICAL, x, y)


def popcount(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """How many bits of each integer are set."""
    return pointwise("popcount", POPCNT, x)


def count_leading_zeros(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """How many bits stand before the highest one that is set."""
    return pointwise("count_leading_zeros", CLZ, x)


def bitcast(x: ArrayLike, dtype: Of[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """The same bits read as another dtype of the same width.

    >>> import verax as vx
    >>> vx.bitcast(1.0, vx.int32)
    Array(1065353216, dtype=int32)
    """
    return pointwise("bitcast", Bitcast(dtype_of(dtype)), x)


# questions ----------------------------------------------------------------------------------------


def isfinite(x: Same[DT, *Ds], /) -> Array[bool_, *Ds]:
    """Whether it is neither inf nor nan."""
    return pointwise("isfinite", _finite, x)


def isinf(x: Same[DT, *Ds], /) -> Array[bool_, *Ds]:
    """Whether it is inf or -inf (or has such a part)."""
    return pointwise("isinf", _infinite, x)


def isnan(x: Same[DT, *Ds], /) -> Array[bool_, *Ds]:
    """Whether it is not a number."""
    return pointwise("isnan", _nan, x)


def isposinf(x: Same[DT, *Ds], /) -> Array[bool_, *Ds]:
    """Whether it is inf."""
    return pointwise("isposinf", EQ, x, math.inf)


def isneginf(x: Same[DT, *Ds], /) -> Array[bool_, *Ds]:
    """Whether it is -inf."""
    return pointwise("isneginf", EQ, x, -math.inf)


def signbit(x: Same[DT, *Ds], /) -> Array[bool_, *Ds]:
    """Whether it is negative or -0.0."""
    return pointwise("signbit", _signbit, x)


def _false(x: AnyArray) -> AnyArray:
    return apply(NE, x, x) if x.dtype.is_inexact else apply(LT, x, x)


def _finite(x: AnyArray) -> AnyArray:
    if x.dtype.is_complex:
        return apply(AND, apply(IS_FINITE, apply(REAL, x)), apply(IS_FINITE, apply(IMAG, x)))
    return apply(IS_FINITE, x) if x.dtype.is_float else apply(EQ, x, x)


def _infinite(x: AnyArray) -> AnyArray:
    if not x.dtype.is_inexact:
        return _false(x)
    size = apply(ABS, x)
    return apply(EQ, size, like(math.inf, size))


def _nan(x: AnyArray) -> AnyArray:
    return _false(x)


def _signbit(x: AnyArray) -> AnyArray:
    if x.dtype.is_float:
        return sign_bit(x)
    return apply(LT, x, like(0, x))


# choices ------------------------------------------------------------------------------------------


def where(condition: ArrayLike, x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 where the condition holds, else x2; the three are broadcast together.

    >>> import verax as vx
    >>> vx.where(vx.array([True, False]), 1.0, vx.array([5.0, 6.0]))
    Array([1., 6.], dtype=float32)

    Raises:
        DTypeError: the condition is not boolean.
    """
    mask = _condition("where", condition)
    dtype = common_dtype("where", [x1, x2])
    if STACK.scope is not None:
        shape = broadcast_shapes(*map(shape_in, (mask, x1, x2)), name="where")
        values = [aligned("where", x, dtype, shape) for x in (x1, x2)]
        return apply(SELECT, broadcast_to(mask, shape), *values)
    x, y = operand("where", x1, dtype), operand("where", x2, dtype)
    if x.type is y.type and x.type.dtype is dtype and shape_of(mask) == shape_of(x):
        return apply(SELECT, mask, x, y)
    return fused(_where, None, mask, x, y)


def _where(_: None, mask: AnyArray, x: AnyArray, y: AnyArray) -> AnyArray:
    return where(mask, x, y)


def _condition(name: str, condition: ArrayLike) -> AnyArray:
    mask = asarray(condition, name=name)
    if mask.dtype is not bool_:
        raise DTypeError(
            f"{name} takes a boolean condition, got {mask.type}", fix="compare: condition != 0"
        )
    return mask


def select(
    conditions: Sequence[ArrayLike], choices: Sequence[ArrayLike], default: ArrayLike = 0
) -> AnyArray:
    """The choice of the first condition that holds, or the default."""
    if len(conditions) != len(choices) or not conditions:
        raise ShapeError(
            f"select takes one choice per condition, got {len(conditions)} conditions and"
            f" {len(choices)} choices",
            fix="give two lists of one length; what holds nowhere takes the default",
        )
    masks = [_condition("select", c) for c in conditions]
    dtype = common_dtype("select", [*choices, default])
    values = [operand("select", x, dtype) for x in (*choices, default)]
    return fused(_select, (len(masks), dtype), *masks, *values)


def _select(how: tuple[int, DType], *xs: AnyArray) -> AnyArray:
    n, dtype = how
    shape = broadcast_shapes(*map(shape_of, xs), name="select")
    masks = [broadcast_to(m, shape) for m in xs[:n]]
    *choices, out = [broadcast_to(convert(x, dtype), shape) for x in xs[n:]]
    for mask, choice in zip(reversed(masks), reversed(choices)):
        out = apply(SELECT, mask, choice, out)
    return out


def nan_to_num(
    x: Same[DT, *Ds],
    /,
    nan: ArrayLike = 0.0,
    posinf: ArrayLike | None = None,
    neginf: ArrayLike | None = None,
) -> Array[DT, *Ds]:
    """x with nan and the infinities replaced, these by the greatest and least float by default."""
    y = asarray(x, name="nan_to_num")
    if not y.dtype.is_float:
        return y
    limits = finfo(y.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    return pointwise("nan_to_num", _replaced, y, nan, high, low)


def _replaced(x: AnyArray, nan: AnyArray, high: AnyArray, low: AnyArray) -> AnyArray:
    out = apply(SELECT, apply(EQ, x, like(math.inf, x)), high, x)
    out = apply(SELECT, apply(EQ, x, like(-math.inf, x)), low, out)
    return apply(SELECT, apply(NE, x, x), nan, out)


def stop_gradient(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """x, through which no derivative passes."""
    return pointwise("stop_gradient", StopGradient(), x)


invert, left_shift, right_shift = bitwise_invert, bitwise_left_shift, bitwise_right_shift
bitwise_not, bitwise_count = bitwise_invert, popcount
