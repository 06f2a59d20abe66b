"""Elementary and special functions: an entry tells the operation, the domain and the derivative.

Derivatives use the result where that is cheaper, and are factored so that nothing cancels or
overflows where the function does not: ``(1 - x) * (1 + x)``, not ``1 - x * x``. Complex functions
are holomorphic: one formula serves line and plane, with the branch cuts of the function. XLA's
lowering is used where it is exact to some last places, else the op writes a better one: complex sin
and its kin by real parts (XLA loses a small imaginary part), narrow floats in float32.

Law: against SciPy in every dtype, and against finite differences, in ``tests/laws``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from verax.compiler.ir.dtypes import DType, float8_e4m3fn, float8_e5m2, float16, float32, real_of
from verax.compiler.ir.errors import DerivativeError
from verax.compiler.ir.op import Emitter
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.pointwise import INEXACT, REAL, Pointwise, Term, Writer, define, write_call

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
HALF_ROOT_PI = math.sqrt(math.pi) / 2
FLOAT8 = (float8_e4m3fn, float8_e5m2)


# lowerings ---------------------------------------------------------------------------------------


def through_float32(hlo: str, *narrow: DType) -> Writer:
    """The operation ``hlo``, computed in float32 for these dtypes."""

    def write(e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yt: ArrayType) -> str:
        if yt.dtype not in narrow:
            return e.op(write_call(hlo, xs, xts, yt))
        wide = ArrayType(yt.shape, float32)
        ws = [write_convert(e, x, xt, wide) for x, xt in zip(xs, xts)]
        return write_convert(e, e.op(write_call(hlo, ws, [wide] * len(ws), wide)), wide, yt)

    return write


def write_convert(e: Emitter, x: str, t: ArrayType, to: ArrayType) -> str:
    return e.op(f"stablehlo.convert {x} : ({t.mlir}) -> {to.mlir}")


def by_parts(hlo: str, re: tuple[str, str], im: tuple[str, str], im_sign: int = 1) -> Writer:
    """The operation ``hlo``, of complex ``a + bi`` as ``re(a) re(b) + i im(a) im(b)``."""

    def write(e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yt: ArrayType) -> str:
        if not yt.dtype.is_complex:
            return e.op(write_call(hlo, xs, xts, yt))
        part = ArrayType(yt.shape, real_of(yt.dtype))
        a = e.op(f"stablehlo.real {xs[0]} : ({yt.mlir}) -> {part.mlir}")
        b = e.op(f"stablehlo.imag {xs[0]} : ({yt.mlir}) -> {part.mlir}")
        u = write_product(e, re, a, b, part)
        v = write_product(e, im, a, b, part)
        if im_sign < 0:
            v = e.op(write_call("stablehlo.negate", [v], [part], part))
        return e.op(write_call("stablehlo.complex", [u, v], [part, part], yt))

    return write


def write_product(e: Emitter, names: tuple[str, str], a: str, b: str, t: ArrayType) -> str:
    f, g = (e.op(write_call(name, [x], [t], t)) for name, x in zip(names, (a, b)))
    return e.op(write_call("stablehlo.multiply", [f, g], [t, t], t))


SINE, COSINE, HYPERBOLIC_SINE, HYPERBOLIC_COSINE = (
    "stablehlo.sine", "stablehlo.cosine", "chlo.sinh", "chlo.cosh",
)  # fmt: skip


# exponentials and logarithms ---------------------------------------------------------------------

EXP: Pointwise = define(
    "exp", "stablehlo.exponential", 1, INEXACT, [lambda t, y, x: t * y], safe=(0,)
)
EXPM1: Pointwise = define(
    "expm1", "stablehlo.exponential_minus_one", 1, INEXACT, [lambda t, y, x: t * (y + 1)],
    safe=(0,),
)  # fmt: skip
LOG: Pointwise = define("log", "stablehlo.log", 1, INEXACT, [lambda t, y, x: t / x], safe=(1,))
LOG1P: Pointwise = define(
    "log1p", "stablehlo.log_plus_one", 1, INEXACT, [lambda t, y, x: t / (x + 1)], safe=(0,)
)
LOGISTIC: Pointwise = define(
    "logistic", "stablehlo.logistic", 1, INEXACT, [lambda t, y, x: t * (y * (1 - y))],
    write=through_float32("stablehlo.logistic", float16, *FLOAT8),
)  # fmt: skip

# roots -------------------------------------------------------------------------------------------

SQRT: Pointwise = define(
    "sqrt", "stablehlo.sqrt", 1, INEXACT, [lambda t, y, x: t / (y * 2)], safe=(1,)
)
RSQRT: Pointwise = define(
    "rsqrt", "stablehlo.rsqrt", 1, INEXACT, [lambda t, y, x: t * (y / x) * -0.5], safe=(1,)
)
CBRT: Pointwise = define(
    "cbrt", "stablehlo.cbrt", 1, REAL, [lambda t, y, x: t / (y * y * 3)], safe=(1,)
)

# circular functions ------------------------------------------------------------------------------

SIN: Pointwise = define(
    "sin", SINE, 1, INEXACT, [lambda t, y, x: t * x.apply(COS)],
    write=by_parts(SINE, (SINE, HYPERBOLIC_COSINE), (COSINE, HYPERBOLIC_SINE)),
)  # fmt: skip
COS: Pointwise = define(
    "cos", COSINE, 1, INEXACT, [lambda t, y, x: -(t * x.apply(SIN))],
    write=by_parts(COSINE, (COSINE, HYPERBOLIC_COSINE), (SINE, HYPERBOLIC_SINE), -1),
)  # fmt: skip
TAN: Pointwise = define(
    "tan", "stablehlo.tan", 1, INEXACT, [lambda t, y, x: t * (y * y + 1)], safe=(0,)
)
ASIN: Pointwise = define(
    "asin", "chlo.asin", 1, INEXACT, [lambda t, y, x: t / root_of_1_minus_square(x)], safe=(0,)
)
ACOS: Pointwise = define(
    "acos", "chlo.acos", 1, INEXACT, [lambda t, y, x: -t / root_of_1_minus_square(x)], safe=(0,)
)
ATAN: Pointwise = define("atan", "chlo.atan", 1, INEXACT, [lambda t, y, x: t / (x * x + 1)])
ATAN2: Pointwise = define(
    "atan2", "stablehlo.atan2", 2, REAL,
    [lambda t, y, u, v: t * over_square(v, u, v), lambda t, y, u, v: -(t * over_square(u, u, v))],
    safe=(None, 1),
)  # fmt: skip


def root_of_1_minus_square(x: Term) -> Term:
    return (1 - x).apply(SQRT) * (1 + x).apply(SQRT)


def over_square(w: Term, u: Term, v: Term) -> Term:
    """``w / (u * u + v * v)`` where w is u or v, without leaving the range of the dtype.

    It multiplies by a reciprocal, since XLA makes ``a / (b * c)`` of ``a / b / c``.
    """
    a, b = magnitude(u), magnitude(v)
    inverse = 1 / a.gt(b).where(a, b)
    p, q = u * inverse, v * inverse
    return w * inverse * (inverse / (p * p + q * q))


def magnitude(x: Term) -> Term:
    return x.lt(0).where(-x, x)


# hyperbolic functions ----------------------------------------------------------------------------

SINH: Pointwise = define(
    "sinh", HYPERBOLIC_SINE, 1, INEXACT, [lambda t, y, x: t * x.apply(COSH)],
    write=by_parts(HYPERBOLIC_SINE, (HYPERBOLIC_SINE, COSINE), (HYPERBOLIC_COSINE, SINE)),
    safe=(0,),
)  # fmt: skip
COSH: Pointwise = define(
    "cosh", HYPERBOLIC_COSINE, 1, INEXACT, [lambda t, y, x: t * x.apply(SINH)],
    write=by_parts(HYPERBOLIC_COSINE, (HYPERBOLIC_COSINE, COSINE), (HYPERBOLIC_SINE, SINE)),
    safe=(0,),
)  # fmt: skip
TANH: Pointwise = define(
    "tanh", "stablehlo.tanh", 1, INEXACT, [lambda t, y, x: t * ((1 - y) * (1 + y))]
)
ASINH: Pointwise = define(
    "asinh", "chlo.asinh", 1, INEXACT, [lambda t, y, x: t / (x * x + 1).apply(SQRT)]
)
ACOSH: Pointwise = define(
    "acosh", "chlo.acosh", 1, INEXACT,
    [lambda t, y, x: t / ((x - 1).apply(SQRT) * (x + 1).apply(SQRT))],
    safe=(2,),
)  # fmt: skip
ATANH: Pointwise = define(
    "atanh", "chlo.atanh", 1, INEXACT, [lambda t, y, x: t / ((1 - x) * (1 + x))], safe=(0,)
)

# special functions -------------------------------------------------------------------------------

ERF: Pointwise = define(
    "erf", "chlo.erf", 1, REAL, [lambda t, y, x: t * bell(x) * TWO_OVER_ROOT_PI]
)
ERFC: Pointwise = define(
    "erfc", "chlo.erfc", 1, REAL, [lambda t, y, x: t * bell(x) * -TWO_OVER_ROOT_PI],
    write=through_float32("chlo.erfc", *FLOAT8),
)  # fmt: skip
ERF_INV: Pointwise = define(
    "erf_inv", "chlo.erf_inv", 1, REAL, [lambda t, y, x: t * (y * y).apply(EXP) * HALF_ROOT_PI],
    safe=(0,),
)  # fmt: skip
LGAMMA: Pointwise = define(
    "lgamma", "chlo.lgamma", 1, REAL, [lambda t, y, x: t * x.apply(DIGAMMA)], safe=(1,)
)
DIGAMMA: Pointwise = define(
    "digamma", "chlo.digamma", 1, REAL, [lambda t, y, x: t * x.like(1).apply(POLYGAMMA, x)],
    safe=(1,),
)  # fmt: skip
POLYGAMMA: Pointwise = define(
    "polygamma", "chlo.polygamma", 2, REAL,
    [lambda t, y, n, x: no_order(), lambda t, y, n, x: t * (n + 1).apply(POLYGAMMA, x)],
    safe=(None, 1),
)  # fmt: skip


def bell(x: Term) -> Term:
    return (-(x * x)).apply(EXP)


def no_order() -> Term:
    raise DerivativeError(
        "polygamma has no derivative in its order",
        fix="keep the order out of what is differentiated: vx.stop_gradient(n)",
    )
