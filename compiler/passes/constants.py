"""Arithmetic on splat constants, where the result is the one that any machine gives.

Integers wrap. Floats are folded in float32 and float64 only, from finite, normal operands to a
finite, normal result: Python computes in double precision, and rounding the double result of one
addition, product or quotient of float32 numbers gives the float32 result exactly.

Law: a folded value equals what the op computes, bit by bit.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any, TypeAlias

from verax.compiler.ir.dtypes import DType, bool_, float32, float64, real_of
from verax.compiler.ir.op import Op
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.pointwise import Compare, Constant, Convert, Pointwise, splat

Number: TypeAlias = bool | int | float | complex

_INTEGERS: dict[str, Callable[..., int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
    "max": max, "min": min,
    "and": operator.and_, "or": operator.or_, "xor": operator.xor, "not": operator.invert,
}  # fmt: skip
_BOOLEANS: dict[str, Callable[..., bool]] = {
    "and": operator.and_, "or": operator.or_, "xor": operator.xor, "not": operator.not_,
}  # fmt: skip
_FLOATS: dict[str, Callable[..., float]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
    "div": operator.truediv, "abs": abs,
}  # fmt: skip
_COMPARE: dict[str, Callable[..., bool]] = {
    "EQ": operator.eq, "NE": operator.ne, "LT": operator.lt, "LE": operator.le,
    "GT": operator.gt, "GE": operator.ge,
}  # fmt: skip
_MANTISSA: dict[DType, int] = {float32: 24, float64: 53}
_LEAST_NORMAL: dict[DType, float] = {float32: 2.0**-126, float64: 2.0**-1022}


def fold(op: Op, operands: Sequence[Constant], t: ArrayType) -> Constant | None:
    """The constant that op gives on these, or None where that is not certain."""
    dtype = operands[0].type.dtype
    values = [value_of(c) for c in operands]
    if None in values:
        return None
    if isinstance(op, Compare):
        return splat(_COMPARE[op.direction](*values), t)
    if isinstance(op, Convert):
        value = _convert(values[0], dtype, op.to)
    elif isinstance(op, Pointwise):
        value = _compute(op.fn, values, dtype)
    else:
        return None
    return None if value is None else splat(value, t)


def value_of(c: Constant) -> bool | int | float | None:
    """The value that the device holds, or None where it is not certain: it may be written with
    more digits than its dtype has."""
    dtype, value = c.type.dtype, c.value
    if dtype.is_bool or dtype.is_integer:
        assert not isinstance(value, complex)
        return value
    if isinstance(value, complex) or not isfinite(value):
        return None if isinstance(value, complex) else value
    if dtype in _MANTISSA:
        return rounded(value, dtype)
    return value if _exactly(value, dtype) else None


def _compute(fn: str, values: Sequence[Any], dtype: DType) -> Number | None:
    if dtype.is_bool:
        return _BOOLEANS[fn](*values) if fn in _BOOLEANS else None
    if dtype.is_integer:
        return _INTEGERS[fn](*values) if fn in _INTEGERS else None
    if fn not in _FLOATS or not all(map(isfinite, values)) or (fn == "div" and values[1] == 0):
        return None
    return rounded(_FLOATS[fn](*values), dtype)


def _convert(value: Any, source: DType, target: DType) -> Number | None:
    """The value in another dtype, or None where the machine may clamp or round as it likes."""
    if target.is_bool:
        return bool(value != 0)
    if not isfinite(value):
        return None
    if target.is_integer:
        return int(value) if value == int(value) and _holds(int(value), target) else None
    if target in _MANTISSA and source.is_float:
        return rounded(value, target)
    return float(value) if _exactly(value, real_of(target)) else None


def _holds(value: int, dtype: DType) -> bool:
    low = -(1 << (dtype.bits - 1)) if dtype.kind == "int" else 0
    return low <= value < low + (1 << dtype.bits)


def _exactly(value: float, dtype: DType) -> bool:
    """Whether the value is an integer that the float dtype surely holds."""
    return abs(value) <= 2 ** _MANTISSA.get(dtype, 3) and value == int(value)


def rounded(value: float, dtype: DType) -> float | None:
    """The nearest number of the dtype, or None where that is not finite and normal, or zero."""
    if dtype not in _MANTISSA or not isfinite(value):
        return None
    if dtype is float32:
        try:
            (value,) = struct.unpack("<f", struct.pack("<f", value))
        except OverflowError:
            return None
    return value if value == 0 or abs(value) >= _LEAST_NORMAL[dtype] else None


def repeated_sum(c: Constant, count: Size, t: ArrayType) -> Constant | None:
    """The sum of ``count`` times the constant, if every partial sum is exact in any order."""
    value, dtype = value_of(c), t.dtype
    if value is None or not isinstance(count, int) or c.type.dtype is not dtype:
        return None
    if dtype.is_integer:
        return splat(value * count, t)
    if dtype not in _MANTISSA or not isfinite(value):
        return None
    digits = Fraction(value).numerator  # every partial sum is a multiple of value's last digit
    odd = digits // (digits & -digits) if digits else 0
    if abs(odd) * count >= 1 << _MANTISSA[dtype]:
        return None
    total = rounded(value * count, dtype)
    return None if total is None else splat(total, t)


def lossless(source: DType, target: DType) -> bool:
    """Whether every value of ``source`` is one of ``target``, so that the way back is exact."""
    if source is target or source is bool_:
        return True
    if source.is_integer and target.is_integer:
        signs = (source.kind, target.kind)
        return source.bits <= target.bits - (signs == ("uint", "int")) and signs != ("int", "uint")
    if source.is_integer:
        return target in _MANTISSA and source.bits <= _MANTISSA[target]
    return _FLOAT_ORDER.get((source.name, target.name), False)


_FLOAT_ORDER: dict[tuple[str, str], bool] = dict.fromkeys(
    [
        ("bfloat16", "float32"), ("bfloat16", "float64"),
        ("float16", "float32"), ("float16", "float64"),
        ("float32", "float64"), ("complex64", "complex128"),
    ],
    True,
)  # fmt: skip
