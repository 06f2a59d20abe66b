"""Cases of the pointwise ops: one row tells the reference, the domain, and where it is smooth.

References compute in float64 or complex128 and are rounded; those of bits compute on Python's
integers, which have every width. Each case takes every dtype that the op's own entry takes, so a
dtype that is declared and does not work is found here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
from scipy import special

from tests.laws.harness import Array, Case, Gen, Sample, numpy_dtype, type_of, widened
from verax.compiler.ir.dtypes import ALL, DType, bool_, complex128, float64, uint32
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.ops import arithmetic, bits, functions, pointwise
from verax.compiler.ops.masked import MASKED
from verax.compiler.ops.pointwise import TABLE, Pointwise
from verax.compiler.ops.random import KeyData, KeyWrap, Threefry
from verax.compiler.ops.smooth import LOG_ADD_EXP, X_LOG1P_Y, X_LOG_Y

Interval = tuple[float | None, float | None]
Reference = Callable[..., Any]

EDGES = (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan)
WIDE: Interval = (-20, 20)
TAME: Interval = (-2, 2)
WORD: Interval = (-(2**63), 2**64 - 1)  # the whole range of every integer


def dtypes_of(op: Pointwise) -> tuple[DType, ...]:
    """The dtypes that the op's entry takes, the widest first."""
    return tuple(d for d in reversed(ALL) if d.kind in TABLE[op.fn].takes)


def row(
    op: Pointwise,
    reference: Reference,
    *,
    domain: Sequence[Interval] | None = None,
    smooth: Sequence[Interval] | None = None,
    edges: Sequence[float] = EDGES,
    dtypes: Sequence[DType] | None = None,
    narrow: bool = False,
    ulps: float = 6,
    ulps64: float = 16,
    floor: float = 1e-30,
    weight: int = 1,
) -> Case:
    """The case of one function.

    Args:
        domain: the interval of each operand (or of all), instead of the default of its dtype.
        smooth: the same for the derivative laws; none are tested without it.
        edges: special values, for real floating point only.
        narrow: the reference is given the operands as they are, not in 64 bits.
    """
    taken = dtypes_of(op) if dtypes is None else tuple(dtypes)
    arity = TABLE[op.fn].arity

    def make(g: Gen) -> Sample:
        shape, dtype = g.shape(), g.dtype(taken)
        spans = smooth if g.smooth and smooth else domain or [(None, None)]
        some = edges if dtype.is_float else ()
        ends = [spans[i % len(spans)] for i in range(arity)]
        return Sample(op, [g.array(shape, dtype, *end, special=some) for end in ends])

    def wide(op: Pointwise, *xs: Array) -> Any:
        return reference(*(xs if narrow else map(widened, xs)))

    return Case(
        op.fn,
        make,
        wide,
        derivative=smooth is not None,
        ulps=ulps,
        ulps64=ulps64,
        floor=floor,
        weight=weight,
    )


# arithmetic --------------------------------------------------------------------------------------


def divide(x: Array, y: Array) -> Array:
    """As in C, towards zero; where C leaves it open (by 0), all bits are set."""
    if x.dtype.kind not in "iu":
        return np.asarray(x / y)
    safe = np.where(y == 0, 1, y).astype(x.dtype)
    quotient = np.sign(x) * np.sign(safe) * (np.abs(x) // np.abs(safe))
    return np.where(y == 0, np.array(-1).astype(x.dtype), quotient)


def remainder(x: Array, y: Array) -> Array:
    """As in C, with the sign of the dividend; by 0 it is the dividend."""
    if x.dtype.kind not in "iu":
        return np.asarray(np.fmod(x, y))
    return np.where(y == 0, x, np.fmod(x, np.where(y == 0, 1, y).astype(x.dtype)))


def power(x: Array, n: Array) -> Array:
    """Of integers: a negative exponent gives 0, but for 1 and -1, which have inverses."""
    if x.dtype.kind not in "iu":
        return np.power(x, n)
    inverse = np.where(x == 1, 1, np.where(x == -1, np.where(n % 2, -1, 1), 0))
    return np.where(n < 0, inverse, np.power(x, np.abs(n)))


ARITHMETIC = (
    row(pointwise.NEG, np.negative, smooth=[WIDE]),
    row(pointwise.ADD, np.add, smooth=[WIDE]),
    row(pointwise.SUB, np.subtract, smooth=[WIDE]),
    row(pointwise.MUL, np.multiply, smooth=[WIDE]),
    row(pointwise.DIV, divide, smooth=[(0.5, 2)]),
    row(arithmetic.REM, remainder, smooth=[(5.1, 5.9), (2.1, 2.4)]),
    row(
        arithmetic.POW,
        power,
        domain=[(-8, 8), (-2, 4)],
        smooth=[(0.5, 2), TAME],
        ulps=64,
        ulps64=64,
    ),
    row(arithmetic.MAX, np.maximum, smooth=[WIDE]),
    row(arithmetic.MIN, np.minimum, smooth=[WIDE]),
    row(arithmetic.CLAMP, lambda lo, x, hi: np.minimum(np.maximum(x, lo), hi), smooth=[(-3, 3)]),
    row(arithmetic.CEIL, np.ceil),
    row(arithmetic.FLOOR, np.floor),
    row(arithmetic.ROUND_EVEN, np.round),
    row(arithmetic.ROUND_AWAY, lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x)),
    row(arithmetic.IS_FINITE, np.isfinite),
    row(arithmetic.NEXT_AFTER, np.nextafter, smooth=[WIDE], narrow=True),
    row(arithmetic.ABS, np.abs, smooth=[(0.5, 2)]),
    row(arithmetic.SIGN, np.sign, smooth=[(0.5, 2)]),
    row(arithmetic.REAL, np.real, smooth=[WIDE]),
    row(arithmetic.IMAG, np.imag, smooth=[WIDE]),
    row(arithmetic.CONJ, np.conj, smooth=[WIDE]),
    row(
        arithmetic.COMPLEX,
        lambda x, y: x + 1j * y,
        smooth=[WIDE],
        edges=(),
        dtypes=[d for d in dtypes_of(arithmetic.COMPLEX) if d.bits >= 32],
    ),
)

# functions ---------------------------------------------------------------------------------------


def integral(case: Case) -> Case:
    """The case with its first operand rounded: the order of polygamma."""

    def make(g: Gen) -> Sample:
        sample = case.make(g)
        n, x = sample.operands
        return Sample(sample.op, [np.round(n), x], fixed=(0,))

    return attrs.evolve(case, make=make)


FUNCTIONS = (
    row(functions.EXP, np.exp, domain=[WIDE], smooth=[TAME]),
    row(functions.EXPM1, np.expm1, domain=[WIDE], smooth=[TAME], ulps64=32),
    row(functions.LOG, np.log, domain=[(0.01, 20)], smooth=[(0.5, 4)], ulps64=64),
    row(functions.LOG1P, np.log1p, domain=[(-0.9, 20)], smooth=[(-0.5, 4)], ulps64=256),
    row(functions.LOGISTIC, lambda x: 1 / (1 + np.exp(-x)), domain=[WIDE], smooth=[TAME]),
    row(functions.SQRT, np.sqrt, domain=[(0, 20)], smooth=[(0.5, 4)]),
    row(functions.RSQRT, lambda x: 1 / np.sqrt(x), domain=[(0.01, 20)], smooth=[(0.5, 4)]),
    row(functions.CBRT, np.cbrt, domain=[WIDE], smooth=[(0.5, 4)]),
    row(functions.SIN, np.sin, domain=[WIDE], smooth=[TAME]),
    row(functions.COS, np.cos, domain=[WIDE], smooth=[TAME]),
    row(functions.TAN, np.tan, domain=[(-1.5, 1.5)], smooth=[(-1, 1)]),
    row(functions.ASIN, np.arcsin, domain=[(-1, 1)], smooth=[(-0.8, 0.8)], weight=2),
    row(functions.ACOS, np.arccos, domain=[(-1, 1)], smooth=[(-0.8, 0.8)], weight=2),
    row(functions.ATAN, np.arctan, domain=[WIDE], smooth=[(-0.8, 0.8)]),
    row(functions.ATAN2, np.arctan2, domain=[WIDE], smooth=[(0.5, 2)]),
    row(functions.SINH, np.sinh, domain=[(-9, 9)], smooth=[TAME]),
    row(functions.COSH, np.cosh, domain=[(-9, 9)], smooth=[TAME]),
    row(functions.TANH, np.tanh, domain=[(-1.5, 1.5)], smooth=[(-1, 1)]),
    row(functions.ASINH, np.arcsinh, domain=[WIDE], smooth=[(-0.8, 0.8)], weight=2),
    row(functions.ACOSH, np.arccosh, domain=[(1, 20)], smooth=[(1.5, 3)], weight=2),
    row(functions.ATANH, np.arctanh, domain=[(-1, 1)], smooth=[(-0.8, 0.8)], ulps64=256),
    row(functions.ERF, special.erf, domain=[(-4, 4)], smooth=[TAME]),
    row(functions.ERFC, special.erfc, domain=[(-4, 4)], smooth=[TAME]),
    row(
        functions.ERF_INV,
        special.erfinv,
        domain=[(-1, 1)],
        smooth=[(-0.8, 0.8)],
        ulps=16,
        ulps64=64,
    ),
    row(
        functions.LGAMMA,
        special.gammaln,
        domain=[(0.1, 20)],
        smooth=[(0.5, 4)],
        ulps=32,
        ulps64=64,
        floor=1,
        weight=2,
    ),
    row(
        functions.DIGAMMA,
        special.digamma,
        domain=[(0.1, 20)],
        smooth=[(0.5, 4)],
        edges=(1.0,),
        ulps=32,
        ulps64=64,
        floor=1,
        weight=2,
    ),
    integral(
        row(
            functions.POLYGAMMA,
            special.polygamma,
            domain=[(0, 3), (0.1, 20)],
            smooth=[(0, 3), (0.5, 4)],
            edges=(1.0,),
            ulps=64,
            ulps64=256,
            floor=1e-6,
            weight=3,
        )
    ),
)


# functions computed by cases ---------------------------------------------------------------------


def zero_where_zero(x: Array, product: Array) -> Array:
    return np.where(x == 0, 0, product)


SMOOTH = (
    row(LOG_ADD_EXP, np.logaddexp, domain=[WIDE], smooth=[TAME], floor=1),
    row(
        X_LOG_Y,
        lambda x, y: zero_where_zero(x, x * np.log(y)),
        domain=[WIDE, (0.01, 20)],
        smooth=[TAME, (0.5, 4)],
    ),
    row(
        X_LOG1P_Y,
        lambda x, y: zero_where_zero(x, x * np.log1p(y)),
        domain=[WIDE, (-0.9, 20)],
        smooth=[TAME, (-0.5, 4)],
        ulps64=256,
    ),
)


# bits --------------------------------------------------------------------------------------------


def word_row(op: Pointwise, on_words: Callable[..., int], shift: bool = False) -> Case:
    """The case of an op on bits, with ``on_words(width, *words)`` on unsigned Python integers."""
    domain = [WORD, (-2, 70)] if shift else [WORD]

    def reference(*xs: Array) -> Array:
        dtype = type_of(xs[0]).dtype
        width = 1 if dtype.is_bool else dtype.bits
        mask = (1 << width) - 1
        out = np.empty(xs[0].shape, np.int64)
        for i in np.ndindex(out.shape):
            word = on_words(width, *[int(x[i]) & mask for x in xs]) & mask
            negative = dtype.kind == "int" and word >> (width - 1)
            out[i] = (
                np.uint64(word).astype(np.int64) if width == 64 else word - negative * (mask + 1)
            )
        return out

    return row(op, reference, domain=domain, narrow=True)


def shift_right_arithmetic(width: int, x: int, by: int) -> int:
    signed = x - ((x >> (width - 1)) << width)
    return signed >> min(by, width)


BITS = (
    word_row(bits.NOT, lambda n, x: ~x),
    word_row(bits.AND, lambda n, x, y: x & y),
    word_row(bits.OR, lambda n, x, y: x | y),
    word_row(bits.XOR, lambda n, x, y: x ^ y),
    word_row(bits.SHIFT_LEFT, lambda n, x, by: x << by if by < n else 0, shift=True),
    word_row(bits.SHIFT_RIGHT_LOGICAL, lambda n, x, by: x >> by, shift=True),
    word_row(bits.SHIFT_RIGHT_ARITHMETIC, shift_right_arithmetic, shift=True),
    word_row(bits.POPCNT, lambda n, x: x.bit_count()),
    word_row(bits.CLZ, lambda n, x: n - x.bit_length()),
)


# ops with parameters -----------------------------------------------------------------------------


def make_constant(g: Gen) -> Sample:
    t = ArrayType(g.shape(), g.dtype(ALL))
    return Sample(pointwise.splat(g.pick((0, 1, 3, True)), t), [])


def make_convert(g: Gen) -> Sample:
    source = g.dtype([complex128, float64] if g.smooth else reversed(ALL))
    to = g.pick((float64, complex128) if g.smooth else ALL)
    low = 0 if to.kind in ("uint", "bool") else -8
    return Sample(pointwise.Convert(to), [g.array(g.shape(), source, low, 7)])


def convert(op: pointwise.Convert, x: Array) -> Array:
    if op.to.is_bool:
        return np.asarray(widened(x) != 0)
    wide = widened(x)
    return np.asarray(wide if op.to.is_complex else wide.real).astype(numpy_dtype(op.to))


COMPARISONS = {
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
}


def make_compare(g: Gen) -> Sample:
    dtype, shape = g.dtype(reversed(ALL)), g.shape()
    directions = ("EQ", "NE") if dtype.is_complex else tuple(COMPARISONS)
    low, high = (None, None) if g.smooth else (-2, 2)
    some = (*EDGES, 0.5) if dtype.is_inexact else ()
    operands = [g.array(shape, dtype, low, high, special=some) for _ in range(2)]
    return Sample(pointwise.Compare(g.pick(directions)), operands)


def compare(op: pointwise.Compare, x: Array, y: Array) -> Array:
    return np.asarray(COMPARISONS[op.direction](widened(x), widened(y)))


def make_select(g: Gen) -> Sample:
    dtype, shape = g.dtype(reversed(ALL)), g.shape()
    some = EDGES if dtype.is_inexact else ()
    values = [g.array(shape, dtype, special=some) for _ in range(2)]
    return Sample(pointwise.SELECT, [g.array(shape, bool_), *values])


def make_masked(g: Gen) -> Sample:
    """Where the mask does not hold, what comes out is nobody's."""
    dtype, shape = g.dtype(reversed(ALL)), g.shape()
    values = [g.array(shape, dtype) for _ in range(2)]
    return Sample(MASKED, [np.ones(values[0].shape, np.bool_), *values])


def make_bitcast(g: Gen) -> Sample:
    plain = [d for d in reversed(ALL) if not d.is_bool and not d.is_complex]
    source = g.dtype(plain)
    to = g.pick([d for d in plain if d.bits == source.bits])
    low, high = WORD if source.is_integer else WIDE
    return Sample(bits.Bitcast(to), [g.array(g.shape(), source, low, high)])


def bitcast(op: bits.Bitcast, x: Array) -> Array:
    to = numpy_dtype(op.to)
    if op.to.bits == 4:
        return (x.astype(np.int8) & 15).astype(np.uint8).astype(to)
    return np.asarray(x.view(to))


PARAMETERS = (
    Case("constant", make_constant, lambda op: np.full(op.type.shape, op.value), derivative=False),
    Case("convert", make_convert, convert, ulps=1),
    Case("compare", make_compare, compare, derivative=False),
    Case("select", make_select, lambda op, c, x, y: np.where(c, widened(x), widened(y))),
    Case("masked", make_masked, lambda op, c, x, y: widened(x)),
    Case("bitcast", make_bitcast, bitcast, derivative=False),
)


# random bits -------------------------------------------------------------------------------------


def rotate(x: Array, by: int) -> Array:
    return (x << np.uint32(by)) | (x >> np.uint32(32 - by))


def threefry(op: Threefry, k0: Array, k1: Array, x0: Array, x1: Array) -> tuple[Array, Array]:
    """Threefry-2x32-20 as Salmon et al. define it, round by round."""
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for i in range(20):
        x0 = x0 + x1
        x1 = rotate(x1, (13, 15, 26, 6, 17, 29, 16, 24)[i % 8]) ^ x0
        if i % 4 == 3:
            s = i // 4 + 1
            x0, x1 = x0 + keys[s % 3], x1 + keys[(s + 1) % 3] + np.uint32(s)
    return x0, x1


def make_threefry(g: Gen) -> Sample:
    shape = g.shape()
    return Sample(Threefry(), [g.array(shape, uint32, *WORD) for _ in range(4)])


def make_key_data(g: Gen) -> Sample:
    shape = g.shape()
    words = g.array((*shape, 2), uint32, *WORD)
    return Sample(KeyData(), [words], (KeyType("threefry2x32", shape),))


def make_key_wrap(g: Gen) -> Sample:
    return Sample(KeyWrap("threefry2x32"), [g.array((*g.shape(), 2), uint32, *WORD)])


RANDOM = (
    Case("threefry", make_threefry, threefry, derivative=False, weight=2),
    Case("key_data", make_key_data, lambda op, x: x, derivative=False),
    Case("key_wrap", make_key_wrap, lambda op, x: x, derivative=False),
)

CASES: tuple[Case, ...] = (*ARITHMETIC, *FUNCTIONS, *SMOOTH, *BITS, *PARAMETERS, *RANDOM)
