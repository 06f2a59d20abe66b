"""Arithmetic, rounding and the parts of complex numbers.

Names are those of the Array API, with NumPy's where the standard has none. Integers: ``divide`` and
``reciprocal`` convert to float32; ``floor_divide`` and ``remainder`` follow Python's signs, and by
zero give what the hardware gives (no error: an array has no exceptions). Rounding an integer is the
integer itself. Bools add and multiply as ``or`` and ``and``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verax.compiler.ir.errors import DTypeError
from verax.compiler.ops.arithmetic import (
    ABS,
    CEIL,
    CLAMP,
    COMPLEX,
    CONJ,
    FLOOR,
    IMAG,
    MAX,
    MIN,
    NEXT_AFTER,
    POW,
    REAL,
    REM,
    ROUND_EVEN,
    SIGN,
)
from verax.compiler.ops.bits import AND, Bitcast
from verax.compiler.ops.functions import ATAN2
from verax.compiler.ops.pointwise import ADD, DIV, MUL, NEG, SELECT, SUB, Compare
from verax.dsl.lang.call import inexact, like, pointwise
from verax.dsl.lang.dtypes import SIGNED
from verax.dsl.lang.promotion import asarray, convert
from verax.dsl.lang.value import apply

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array
    from verax.dsl.lang.signatures import DT, FT, AnyArray, ArrayLike, Ds, Like, Real, Same

__all__ = [
    "abs",
    "absolute",
    "add",
    "angle",
    "ceil",
    "clip",
    "conj",
    "conjugate",
    "copysign",
    "divide",
    "divmod",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "imag",
    "make_complex",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "nextafter",
    "positive",
    "pow",
    "power",
    "real",
    "reciprocal",
    "remainder",
    "rint",
    "round",
    "sign",
    "square",
    "subtract",
    "true_divide",
    "trunc",
]

EQ, NE, LT = Compare("EQ"), Compare("NE"), Compare("LT")


# sums and products --------------------------------------------------------------------------------


def add(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 + x2."""
    return pointwise("add", ADD, x1, x2)


def subtract(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 - x2; bools have no difference (use ``logical_xor``)."""
    return pointwise("subtract", SUB, x1, x2)


def multiply(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 * x2."""
    return pointwise("multiply", MUL, x1, x2)


def divide(x1: Like[FT], x2: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """x1 / x2; integers are divided as float32."""
    return inexact("divide", DIV, x1, x2)


def negative(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """-x."""
    return pointwise("negative", NEG, x)


def positive(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """x itself, as an array."""
    return asarray(x, name="positive")


def square(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """x * x."""
    x = asarray(x, name="square")
    return apply(MUL, x, x)


def reciprocal(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """1 / x."""
    return inexact("reciprocal", _reciprocal, x)


def _reciprocal(x: AnyArray) -> AnyArray:
    return apply(DIV, like(1, x), x)


# division with remainder --------------------------------------------------------------------------


def floor_divide(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 // x2, rounded towards minus infinity as in Python.

    By zero, floats give inf or nan and integers an unspecified value.
    """
    return pointwise("floor_divide", _floor_divide, x1, x2)


def remainder(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 % x2, with the sign of x2 as in Python; C's remainder is ``fmod``.

    By zero, floats give nan and integers an unspecified value.
    """
    return pointwise("remainder", _remainder, x1, x2)


def fmod(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """The remainder with the sign of x1, as in C."""
    return pointwise("fmod", REM, x1, x2)


def divmod(
    x1: Like[DT], x2: Like[DT], /
) -> tuple[Array[DT, *tuple[Any, ...]], Array[DT, *tuple[Any, ...]]]:
    """``(x1 // x2, x1 % x2)``."""
    return floor_divide(x1, x2), remainder(x1, x2)


def _remainder(x: AnyArray, y: AnyArray) -> AnyArray:
    r = apply(REM, x, y)
    return r if x.dtype.kind == "uint" else apply(SELECT, _crossed(r, y), apply(ADD, r, y), r)


def _crossed(r: AnyArray, y: AnyArray) -> AnyArray:
    """Where a remainder has the wrong sign for Python: it is not 0 and y has the other sign."""
    zero = like(0, y)
    return apply(AND, apply(NE, r, zero), apply(NE, apply(LT, r, zero), apply(LT, y, zero)))


def _floor_divide(x: AnyArray, y: AnyArray) -> AnyArray:
    kind = x.dtype.kind
    if kind == "uint":
        return apply(DIV, x, y)
    r = apply(REM, x, y)
    q = apply(DIV, x if kind == "int" else apply(SUB, x, r), y)
    q = apply(SELECT, _crossed(r, y), apply(SUB, q, like(1, q)), q)
    if kind == "int":
        return q
    quotient = apply(DIV, x, y)
    signed_zero = apply(MUL, quotient, like(0, x))
    q = apply(ROUND_EVEN, q)
    q = apply(SELECT, apply(EQ, q, like(0, q)), signed_zero, q)
    return apply(SELECT, apply(EQ, y, like(0, y)), quotient, q)


# powers -------------------------------------------------------------------------------------------

_UNROLLED = 32  # exponents up to this size are products


def pow(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """x1 ** x2; a small Python int as exponent is written as products, exact for integers.

    Integers to negative powers are 0 except for bases 1 and -1; for a negative Python int it is an
    error.
    """
    if type(x2) is int or (type(x2) is float and x2.is_integer()):
        n = int(x2)
        base = asarray(x1, name="pow")
        if -_UNROLLED <= n <= _UNROLLED and (base.dtype.is_inexact or type(x2) is int):
            return _integer_power(base, n)
    return pointwise("pow", POW, x1, x2)


def _integer_power(x: AnyArray, n: int) -> AnyArray:
    if n < 0 and not x.dtype.is_inexact:
        raise DTypeError(
            f"pow: {x.type} to the negative power {n} is no integer",
            fix="convert the base first: x.astype(vx.float32) ** n",
        )
    if x.dtype.is_bool:
        x = convert(x, "int32")
    return pointwise("pow", _POWERS[n], x)


def _power_by(n: int) -> Any:
    def body(x: AnyArray) -> AnyArray:
        if n == 0:
            return like(1, x)
        y = _product(x, -n if n < 0 else n)
        return y if n > 0 else _reciprocal(y)

    return body


def _product(x: AnyArray, n: int) -> AnyArray:
    """x ** n by repeated squaring, n >= 1."""
    out = None
    while n:
        if n & 1:
            out = x if out is None else apply(MUL, out, x)
        n >>= 1
        if n:
            x = apply(MUL, x, x)
    assert out is not None
    return out


_POWERS = {n: _power_by(n) for n in range(-_UNROLLED, _UNROLLED + 1)}


# size, sign and order -----------------------------------------------------------------------------


def abs(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """The absolute value; of complex numbers the modulus, which is real."""
    return pointwise("abs", _abs, x)


def _abs(x: AnyArray) -> AnyArray:
    return x if x.dtype.kind in ("bool", "uint") else apply(ABS, x)


def sign(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """-1, 0 or 1; of complex numbers ``x / abs(x)``."""
    return pointwise("sign", _sign, x)


def _sign(x: AnyArray) -> AnyArray:
    if x.dtype.is_bool:
        return x
    return apply(MIN, x, like(1, x)) if x.dtype.kind == "uint" else apply(SIGN, x)


def maximum(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """The greater of the two; nan if either is. Equal operands share the derivative."""
    return pointwise("maximum", MAX, x1, x2)


def minimum(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """The lesser of the two; nan if either is. Equal operands share the derivative."""
    return pointwise("minimum", MIN, x1, x2)


def fmax(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """The greater of the two, or the one that is not nan."""
    return pointwise("fmax", _fmax, x1, x2)


def fmin(x1: Like[DT], x2: Like[DT], /) -> Array[DT, *tuple[Any, ...]]:
    """The lesser of the two, or the one that is not nan."""
    return pointwise("fmin", _fmin, x1, x2)


def _fmax(x: AnyArray, y: AnyArray) -> AnyArray:
    return apply(SELECT, apply(NE, x, x), y, apply(SELECT, apply(NE, y, y), x, apply(MAX, x, y)))


def _fmin(x: AnyArray, y: AnyArray) -> AnyArray:
    return apply(SELECT, apply(NE, x, x), y, apply(SELECT, apply(NE, y, y), x, apply(MIN, x, y)))


def clip(
    x: Same[DT, *Ds], /, min: ArrayLike | None = None, max: ArrayLike | None = None
) -> Array[DT, *Ds]:
    """x where it lies between min and max, else the nearer bound; where min > max it is max.

    The derivative is kept on the closed interval.

    >>> import verax as vx
    >>> vx.clip(vx.array([-1.0, 0.5, 3.0]), 0.0, 1.0)
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    if min is None:
        return asarray(x, name="clip") if max is None else pointwise("clip", _at_most, x, max)
    if max is None:
        return pointwise("clip", _at_least, x, min)
    return pointwise("clip", _between, x, min, max)


def _between(x: AnyArray, low: AnyArray, high: AnyArray) -> AnyArray:
    return apply(CLAMP, low, x, high)


def _at_least(x: AnyArray, low: AnyArray) -> AnyArray:
    return apply(SELECT, apply(LT, x, low), low, x)


def _at_most(x: AnyArray, high: AnyArray) -> AnyArray:
    return apply(SELECT, apply(LT, high, x), high, x)


def copysign(x1: Like[FT], x2: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """The size of x1 with the sign of x2, also of its zeros."""
    return inexact("copysign", _copysign, x1, x2)


def _copysign(x: AnyArray, y: AnyArray) -> AnyArray:
    size = apply(ABS, x)
    return apply(SELECT, sign_bit(y), apply(NEG, size), size)


def sign_bit(x: AnyArray) -> AnyArray:
    """Whether a float is negative or -0.0, read from its bits."""
    bits = apply(Bitcast(SIGNED[x.dtype.bits]), x)
    return apply(LT, bits, like(0, bits))


def heaviside(x1: Like[FT], x2: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """0 for negative x1, 1 for positive ones, x2 at zero; nan stays nan."""
    return inexact("heaviside", _heaviside, x1, x2)


def _heaviside(x: AnyArray, at_zero: AnyArray) -> AnyArray:
    zero = like(0, x)
    above = apply(SELECT, apply(LT, zero, x), like(1, x), x)
    step = apply(SELECT, apply(LT, x, zero), zero, above)
    return apply(SELECT, apply(EQ, x, zero), at_zero, step)


def nextafter(x1: Like[FT], x2: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """The next float after x1 towards x2."""
    return inexact("nextafter", NEXT_AFTER, x1, x2)


# rounding -----------------------------------------------------------------------------------------


def floor(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """The greatest whole number that is not greater."""
    return pointwise("floor", _floor, x)


def ceil(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """The least whole number that is not less."""
    return pointwise("ceil", _ceil, x)


def trunc(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """The whole number next to x towards zero."""
    return pointwise("trunc", _trunc, x)


def round(x: Same[DT, *Ds], /, decimals: int = 0) -> Array[DT, *Ds]:
    """The nearest number with that many decimals; halves go to the even one.

    >>> import verax as vx
    >>> vx.round(vx.array([0.5, 1.5, 2.5]))
    Array([0., 2., 2.], dtype=float32)
    """
    array = asarray(x, name="round")
    if not decimals or (not array.dtype.is_inexact and decimals > 0):
        return pointwise("round", _round, array)
    factor = 10.0**-decimals if decimals < 0 else 10.0**decimals
    if decimals < 0:
        return convert(multiply(_round(divide(array, factor)), factor), array.dtype)
    return divide(_round(multiply(array, factor)), factor)


def rint(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The nearest whole number, halves to the even one."""
    return inexact("rint", _round, x)


def _floor(x: AnyArray) -> AnyArray:
    return apply(FLOOR, x) if x.dtype.is_inexact else x


def _ceil(x: AnyArray) -> AnyArray:
    return apply(CEIL, x) if x.dtype.is_inexact else x


def _trunc(x: AnyArray) -> AnyArray:
    if not x.dtype.is_inexact:
        return x
    return apply(SELECT, apply(LT, x, like(0, x)), apply(CEIL, x), apply(FLOOR, x))


def _round(x: AnyArray) -> AnyArray:
    if x.dtype.is_complex:
        return apply(COMPLEX, _round(apply(REAL, x)), _round(apply(IMAG, x)))
    return apply(ROUND_EVEN, x) if x.dtype.is_inexact else x


# complex numbers ----------------------------------------------------------------------------------


def real(x: Same[DT, *Ds], /) -> Array[Any, *Ds]:
    """The real part; a real array is its own."""
    return pointwise("real", _real, x)


def imag(x: Same[DT, *Ds], /) -> Array[Any, *Ds]:
    """The imaginary part; zeros for a real array."""
    return pointwise("imag", _imag, x)


def conj(x: Same[DT, *Ds], /) -> Array[DT, *Ds]:
    """The complex conjugate; a real array is its own."""
    return pointwise("conj", _conj, x)


def angle(x: Same[DT, *Ds], /) -> Array[Any, *Ds]:
    """The argument of complex numbers, between -pi and pi."""
    return inexact("angle", _angle, x)


def make_complex(real: Like[FT], imag: Like[FT], /) -> Array[Any, *tuple[Any, ...]]:
    """``real + 1j * imag``, without the product."""
    return inexact("make_complex", COMPLEX, real, imag)


def _real(x: AnyArray) -> AnyArray:
    return apply(REAL, x) if x.dtype.is_complex else x


def _imag(x: AnyArray) -> AnyArray:
    return apply(IMAG, x) if x.dtype.is_complex else like(0, x)


def _conj(x: AnyArray) -> AnyArray:
    return apply(CONJ, x) if x.dtype.is_complex else x


def _angle(x: AnyArray) -> AnyArray:
    return apply(ATAN2, _imag(x), _real(x))


absolute, conjugate, mod, power, true_divide = abs, conj, remainder, pow, divide
