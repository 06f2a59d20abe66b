"""Exponentials, logarithms, circular and hyperbolic functions, and special functions.

Integers and bools convert to float32 (a function of real numbers has no integer values to keep);
16-bit, 64-bit and complex arrays keep their dtype. Special functions take real numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from verax.compiler.ops.arithmetic import ABS, MAX, MIN
from verax.compiler.ops.functions import (
    ACOS,
    ACOSH,
    ASIN,
    ASINH,
    ATAN,
    ATAN2,
    ATANH,
    CBRT,
    COS,
    COSH,
    DIGAMMA,
    ERF,
    ERF_INV,
    ERFC,
    EXP,
    EXPM1,
    LGAMMA,
    LOG,
    LOG1P,
    POLYGAMMA,
    RSQRT,
    SIN,
    SINH,
    SQRT,
    TAN,
    TANH,
)
from verax.compiler.ops.pointwise import ADD, DIV, MUL, SELECT, Compare
from verax.compiler.ops.smooth import LOG_ADD_EXP, X_LOG1P_Y, X_LOG_Y
from verax.dsl.lang.call import inexact, like
from verax.dsl.lang.value import apply

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array
    from verax.dsl.lang.signatures import FT, AnyArray, Ds, Like, Real

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "digamma",
    "erf",
    "erf_inv",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "gammaln",
    "hypot",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "polygamma",
    "rad2deg",
    "radians",
    "rsqrt",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "xlog1py",
    "xlogy",
]

EQ, LT = Compare("EQ"), Compare("LT")


# exponentials and logarithms ----------------------------------------------------------------------


def exp(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """e to the power x."""
    return inexact("exp", EXP, x)


def exp2(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """2 to the power x."""
    return inexact("exp2", _exp2, x)


def _exp2(x: AnyArray) -> AnyArray:
    return apply(EXP, apply(MUL, x, like(math.log(2), x)))


def expm1(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``exp(x) - 1``, accurate near 0."""
    return inexact("expm1", EXPM1, x)


def log(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The natural logarithm; nan for negative real numbers."""
    return inexact("log", LOG, x)


def log1p(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``log(1 + x)``, accurate near 0."""
    return inexact("log1p", LOG1P, x)


def log2(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The logarithm to base 2."""
    return inexact("log2", _log2, x)


def log10(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The logarithm to base 10."""
    return inexact("log10", _log10, x)


def _log2(x: AnyArray) -> AnyArray:
    return apply(DIV, apply(LOG, x), like(math.log(2), x))


def _log10(x: AnyArray) -> AnyArray:
    return apply(DIV, apply(LOG, x), like(math.log(10), x))


def logaddexp(x1: Like[FT], x2: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """``log(exp(x1) + exp(x2))`` without overflow, smooth everywhere."""
    return inexact("logaddexp", LOG_ADD_EXP, x1, x2)


def logaddexp2(x1: Like[FT], x2: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """The same to base 2."""
    return inexact("logaddexp2", _logaddexp2, x1, x2)


def _logaddexp2(x: AnyArray, y: AnyArray) -> AnyArray:
    unit = like(math.log(2), x)
    return apply(DIV, apply(LOG_ADD_EXP, apply(MUL, x, unit), apply(MUL, y, unit)), unit)


def xlogy(x: Like[FT], y: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """``x * log(y)``, and 0 where x is 0: the term of an entropy."""
    return inexact("xlogy", X_LOG_Y, x, y)


def xlog1py(x: Like[FT], y: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """``x * log1p(y)``, and 0 where x is 0."""
    return inexact("xlog1py", X_LOG1P_Y, x, y)


# roots --------------------------------------------------------------------------------------------


def sqrt(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The square root; nan for negative real numbers. Its derivative at 0 is inf."""
    return inexact("sqrt", SQRT, x)


def rsqrt(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``1 / sqrt(x)``."""
    return inexact("rsqrt", RSQRT, x)


def cbrt(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The real cube root, of negative numbers too."""
    return inexact("cbrt", CBRT, x)


def hypot(x1: Like[FT], x2: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """``sqrt(x1 * x1 + x2 * x2)`` without overflow; its derivative at 0 is 0."""
    return inexact("hypot", _hypot, x1, x2)


def _hypot(x: AnyArray, y: AnyArray) -> AnyArray:
    x, y = apply(ABS, x), apply(ABS, y)
    high, low = apply(MAX, x, y), apply(MIN, x, y)
    none = apply(EQ, high, like(0, x))
    slope = apply(DIV, low, apply(SELECT, none, like(1, x), high))
    size = apply(MUL, high, apply(SQRT, apply(ADD, apply(MUL, slope, slope), like(1, x))))
    infinite = apply(EQ, apply(SELECT, apply(EQ, x, x), x, y), like(math.inf, x))
    infinite = apply(SELECT, apply(EQ, y, like(math.inf, x)), apply(EQ, y, y), infinite)
    return apply(SELECT, infinite, like(math.inf, x), size)


# circular functions -------------------------------------------------------------------------------


def sin(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The sine of an angle in radians."""
    return inexact("sin", SIN, x)


def cos(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The cosine of an angle in radians."""
    return inexact("cos", COS, x)


def tan(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The tangent of an angle in radians."""
    return inexact("tan", TAN, x)


def asin(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The angle in [-pi/2, pi/2] whose sine is x."""
    return inexact("asin", ASIN, x)


def acos(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The angle in [0, pi] whose cosine is x."""
    return inexact("acos", ACOS, x)


def atan(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The angle in [-pi/2, pi/2] whose tangent is x."""
    return inexact("atan", ATAN, x)


def atan2(x1: Like[FT], x2: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """The angle of the point (x2, x1), in [-pi, pi]."""
    return inexact("atan2", ATAN2, x1, x2)


def deg2rad(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """Degrees as radians."""
    return inexact("deg2rad", _deg2rad, x)


def rad2deg(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """Radians as degrees."""
    return inexact("rad2deg", _rad2deg, x)


def _deg2rad(x: AnyArray) -> AnyArray:
    return apply(MUL, x, like(math.pi / 180, x))


def _rad2deg(x: AnyArray) -> AnyArray:
    return apply(MUL, x, like(180 / math.pi, x))


def sinc(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``sin(pi x) / (pi x)``, and 1 at 0; smooth there too."""
    return inexact("sinc", _sinc, x)


_SINC_SERIES = [(-1) ** k / math.factorial(2 * k + 1) for k in range(5)]
_SINC_NEAR = 0.05  # radians; the next term of the series is 2e-21 here


def _sinc(x: AnyArray) -> AnyArray:
    angle = apply(MUL, x, like(math.pi, x))
    near = apply(LT, apply(ABS, angle), like(_SINC_NEAR, angle))
    away = apply(SELECT, near, like(1, angle), angle)
    square = apply(MUL, angle, angle)
    series = like(_SINC_SERIES[-1], square)
    for c in reversed(_SINC_SERIES[:-1]):
        series = apply(ADD, apply(MUL, series, square), like(c, square))
    return apply(SELECT, near, series, apply(DIV, apply(SIN, away), away))


# hyperbolic functions -----------------------------------------------------------------------------


def sinh(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The hyperbolic sine."""
    return inexact("sinh", SINH, x)


def cosh(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The hyperbolic cosine."""
    return inexact("cosh", COSH, x)


def tanh(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The hyperbolic tangent."""
    return inexact("tanh", TANH, x)


def asinh(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The inverse of ``sinh``."""
    return inexact("asinh", ASINH, x)


def acosh(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The inverse of ``cosh``, not negative; nan below 1."""
    return inexact("acosh", ACOSH, x)


def atanh(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The inverse of ``tanh``; nan beyond -1 and 1."""
    return inexact("atanh", ATANH, x)


# special functions --------------------------------------------------------------------------------


def erf(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The error function."""
    return inexact("erf", ERF, x)


def erfc(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """``1 - erf(x)``, accurate for large x."""
    return inexact("erfc", ERFC, x)


def erf_inv(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The inverse of ``erf`` on (-1, 1)."""
    return inexact("erf_inv", ERF_INV, x)


def lgamma(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The logarithm of the absolute value of the gamma function."""
    return inexact("lgamma", LGAMMA, x)


def digamma(x: Real[FT, *Ds], /) -> Array[FT, *Ds]:
    """The derivative of ``lgamma``."""
    return inexact("digamma", DIGAMMA, x)


def polygamma(n: Like[FT], x: Like[FT], /) -> Array[FT, *tuple[Any, ...]]:
    """The n-th derivative of ``digamma``; it has no derivative in n."""
    return inexact("polygamma", POLYGAMMA, n, x)


arccos, arcsin, arctan, arctan2 = acos, asin, atan, atan2
arccosh, arcsinh, arctanh = acosh, asinh, atanh
degrees, radians, gammaln = rad2deg, deg2rad, lgamma
