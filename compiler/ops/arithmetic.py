"""Arithmetic beyond + - * /: remainders, powers, order, rounding, and the parts of complex numbers.

Derivatives are those of the real line; where a complex function is not holomorphic (abs, sign, the
parts) it is differentiated as a map of the plane. Ties are shared: of two equal operands of max or
min each gets half, and a clamped value keeps its derivative on the closed interval. Integers behave
as in C: the remainder has the sign of the dividend, what overflows wraps.

Law: a power is differentiable at 0 wherever the function is, which ``n * x ** (n - 1)`` alone is
not.
"""

from __future__ import annotations

from verax.compiler.ir.dtypes import DType, complex_of, real_of
from verax.compiler.ir.errors import DTypeError
from verax.compiler.ops.functions import LOG
from verax.compiler.ops.pointwise import (
    NUMERIC,
    ORDERED,
    Pointwise,
    Term,
    define,
    divided,
    to_bool,
)

SIGNED = ("int", "float", "complex")
FLOAT = ("float",)


# powers and remainders ---------------------------------------------------------------------------

POW: Pointwise = define(
    "pow", "stablehlo.power", 2, NUMERIC,
    [lambda t, y, x, n: t * power_slope(x, n), lambda t, y, x, n: t * (y * log_or_zero(x))],
    safe=(1, None),
)  # fmt: skip
REM: Pointwise = define(
    "rem", "stablehlo.remainder", 2, ("int", "uint", "float"),
    [lambda t, y, x, d: t, lambda t, y, x, d: -(t * ((x - y) / d).apply(ROUND_EVEN))],
    write=divided("stablehlo.remainder"), safe=(None, 1),
)  # fmt: skip


def power_slope(x: Term, n: Term) -> Term:
    """``n * x ** (n - 1)``, which is 0 where n is 0, also at x = 0."""
    constant = n.eq(0)
    return constant.where(0, n * x.apply(POW, constant.where(1, n - 1)))


def log_or_zero(x: Term) -> Term:
    return x.eq(0).where(1, x).apply(LOG)


# order -------------------------------------------------------------------------------------------

MAX: Pointwise = define(
    "max", "stablehlo.maximum", 2, ORDERED,
    [
        lambda t, y, u, v: shared(t, u.gt(v), u.eq(v)),
        lambda t, y, u, v: shared(t, v.gt(u), u.eq(v)),
    ],
)  # fmt: skip
MIN: Pointwise = define(
    "min", "stablehlo.minimum", 2, ORDERED,
    [
        lambda t, y, u, v: shared(t, u.lt(v), u.eq(v)),
        lambda t, y, u, v: shared(t, v.lt(u), u.eq(v)),
    ],
)  # fmt: skip
CLAMP: Pointwise = define(
    "clamp", "stablehlo.clamp", 3, ORDERED,
    [
        lambda t, y, lo, x, hi: x.lt(lo).where(lo.gt(hi).where(0, t), 0),
        lambda t, y, lo, x, hi: x.lt(lo).where(0, x.gt(hi).where(0, t)),
        lambda t, y, lo, x, hi: x.apply(MAX, lo).gt(hi).where(t, 0),
    ],
)  # fmt: skip


def shared(t: Term, chosen: Term, tie: Term) -> Term:
    """t where this operand is chosen, half of it at a tie."""
    return chosen.where(t, tie.where(t * 0.5, 0))


# rounding ----------------------------------------------------------------------------------------

CEIL: Pointwise = define("ceil", "stablehlo.ceil", 1, FLOAT, None)
FLOOR: Pointwise = define("floor", "stablehlo.floor", 1, FLOAT, None)
ROUND_EVEN: Pointwise = define("round_even", "stablehlo.round_nearest_even", 1, FLOAT, None)
ROUND_AWAY: Pointwise = define("round_away", "stablehlo.round_nearest_afz", 1, FLOAT, None)
IS_FINITE: Pointwise = define("is_finite", "stablehlo.is_finite", 1, FLOAT, None, result=to_bool)
NEXT_AFTER: Pointwise = define(
    "next_after", "chlo.next_after", 2, FLOAT, [lambda t, y, x, to: t, lambda t, y, x, to: None]
)


# magnitude and sign ------------------------------------------------------------------------------


def turn(t: Term, y: Term, x: Term) -> Term | None:
    """How ``x / abs(x)`` turns on the unit circle; the real sign is constant."""
    if not x.type.dtype.is_complex:
        return None
    size = x.apply(ABS)
    angle = size.eq(0).where(0, (t * conj(y)).apply(IMAG) / size)
    return join(angle.like(0), angle) * y


ABS: Pointwise = define(
    "abs", "stablehlo.abs", 1, SIGNED,
    [lambda t, y, x: real(t * conj(x.apply(SIGN)))],
    result=real_of,
)  # fmt: skip
SIGN: Pointwise = define("sign", "stablehlo.sign", 1, SIGNED, [turn])


# the parts of complex numbers --------------------------------------------------------------------


def complex_from(dtype: DType) -> DType:
    """The complex dtype with such parts; only float32 and float64 have one."""
    if not complex_of(dtype).is_complex:
        raise DTypeError(
            f"no complex dtype has parts of {dtype}",
            fix="convert the parts first: x.astype(vx.float32)",
        )
    return complex_of(dtype)


REAL: Pointwise = define(
    "real", "stablehlo.real", 1, ("complex",), [lambda t, y, z: t.apply(REAL)],
    linear=[{0}], pullbacks=[lambda ct, z: join(ct, ct.like(0))], result=real_of,
)  # fmt: skip
IMAG: Pointwise = define(
    "imag", "stablehlo.imag", 1, ("complex",), [lambda t, y, z: t.apply(IMAG)],
    linear=[{0}], pullbacks=[lambda ct, z: join(ct.like(0), -ct)], result=real_of,
)  # fmt: skip
CONJ: Pointwise = define(
    "conj", "chlo.conj", 1, ("complex",), [lambda t, y, z: t.apply(CONJ)],
    linear=[{0}], pullbacks=[lambda ct, z: ct.apply(CONJ)],
)  # fmt: skip
COMPLEX: Pointwise = define(
    "complex", "stablehlo.complex", 2, FLOAT,
    [lambda t, y, u, v: join(t, t.like(0)), lambda t, y, u, v: join(t.like(0), t)],
    linear=[{0, 1}],
    pullbacks=[lambda ct, u, v: ct.apply(REAL), lambda ct, u, v: -ct.apply(IMAG)],
    result=complex_from,
)  # fmt: skip


def join(re: Term, im: Term) -> Term:
    """The complex number with these parts."""
    return re.apply(COMPLEX, im)


def conj(x: Term) -> Term:
    """The conjugate; a real number is its own."""
    return x.apply(CONJ) if x.type.dtype.is_complex else x


def real(x: Term) -> Term:
    """The real part; a real number is its own."""
    return x.apply(REAL) if x.type.dtype.is_complex else x
