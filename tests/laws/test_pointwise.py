"""What the laws cannot say of pointwise ops: derivatives at kinks and edges, refusals, accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.laws.harness import Array, program_of, run, type_of
from verax.compiler.ir.dtypes import (
    DType,
    bool_,
    complex64,
    float16,
    float32,
    int32,
    uint8,
)
from verax.compiler.ir.errors import DerivativeError, DTypeError, ShapeError
from verax.compiler.ir.op import Op
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops import arithmetic, functions
from verax.compiler.ops.bits import Bitcast
from verax.compiler.ops.pointwise import ADD, TABLE, Compare, define
from verax.compiler.passes.jvp import jvp


def apply(op: Op, *xs: object, dtype: str = "float64") -> Array:
    operands = [np.asarray(x, dtype) for x in xs]
    return run(program_of(op, [type_of(x) for x in operands]), operands)[0]


def slopes(op: Op, *xs: object, order: int = 1, dtype: str = "float64") -> list[Array]:
    """The derivative of the given order in each operand alone, at points given per operand."""
    operands = [np.atleast_1d(np.asarray(x, dtype)) for x in xs]
    out = []
    for i in range(len(operands)):
        p, inputs = program_of(op, [type_of(x) for x in operands]), list(operands)
        for _ in range(order):
            p, has = jvp(p, tuple(k == i for k in range(p.n_in)))
            inputs.append(np.ones_like(operands[i]))
            assert has[-1]
        out.append(run(p, inputs)[-1])
    return out


def test_powers_at_zero() -> None:
    exponents = [0.0, 1.0, 2.0, 3.0, 0.5]
    zeros = np.zeros(5)
    assert slopes(arithmetic.POW, zeros, exponents)[0].tolist() == [0, 1, 0, 0, np.inf]
    assert slopes(arithmetic.POW, zeros[:4], exponents[:4], order=2)[0].tolist() == [0, 0, 2, 0]
    assert slopes(arithmetic.POW, zeros[1:], exponents[1:])[1].tolist() == [0, 0, 0, 0]


def test_powers_of_negative_numbers() -> None:
    x, n = [-2.0, -2.0, -2.0], [2.0, 3.0, -1.0]
    np.testing.assert_allclose(slopes(arithmetic.POW, x, n)[0], [-4, 12, -0.25], rtol=1e-15)


def test_ties_are_shared() -> None:
    for op in (arithmetic.MAX, arithmetic.MIN):
        assert [float(t[0]) for t in slopes(op, 1.0, 1.0)] == [0.5, 0.5]


def test_clamp_keeps_the_closed_interval() -> None:
    x = [-2.0, -1.0, 0.0, 1.0, 2.0]
    low, middle, high = slopes(arithmetic.CLAMP, [-1.0] * 5, x, [1.0] * 5)
    assert low.tolist() == [1, 0, 0, 0, 0]
    assert middle.tolist() == [0, 1, 1, 1, 0]
    assert high.tolist() == [0, 0, 0, 0, 1]


def test_clamp_between_crossed_bounds_is_the_upper_one() -> None:
    assert apply(arithmetic.CLAMP, 3.0, 0.0, 1.0) == 1.0
    assert [float(t[0]) for t in slopes(arithmetic.CLAMP, 3.0, 0.0, 1.0)] == [0, 0, 1]


def test_magnitude_at_zero() -> None:
    assert slopes(arithmetic.ABS, 0.0)[0].tolist() == [0]
    assert slopes(arithmetic.ABS, 0.0, dtype="complex128")[0].tolist() == [0]
    assert slopes(arithmetic.SIGN, 0.0, dtype="complex128")[0].tolist() == [0]


def test_slopes_do_not_overflow_before_the_function() -> None:
    (du, dv) = slopes(functions.ATAN2, 300.0, 400.0, dtype="float16")
    np.testing.assert_allclose([du, dv], [[400 / 250000], [-300 / 250000]], rtol=2e-3)


@pytest.mark.parametrize(
    ("op", "x", "want"),
    [
        (functions.SIN, 1e-6 + 1e-6j, np.sin(1e-6 + 1e-6j)),
        (functions.SINH, 1e-6 + 1e-6j, np.sinh(1e-6 + 1e-6j)),
        (functions.COS, 1e-6 + 1e-6j, np.cos(1e-6 + 1e-6j)),
        (functions.COSH, 1e-6 + 1e-6j, np.cosh(1e-6 + 1e-6j)),
    ],
)
def test_complex_functions_keep_small_parts(op: Op, x: complex, want: complex) -> None:
    got = apply(op, x, dtype="complex64")
    np.testing.assert_allclose([got.real, got.imag], [want.real, want.imag], rtol=1e-6)


def test_logistic_of_float16_does_not_overflow() -> None:
    got = apply(functions.LOGISTIC, -12.0, dtype="float16")
    np.testing.assert_allclose(got, 1 / (1 + np.exp(12.0)), rtol=1e-2)


def test_polygamma_has_no_derivative_in_its_order() -> None:
    t = ArrayType((), float32)
    with pytest.raises(DerivativeError) as caught:
        jvp(program_of(functions.POLYGAMMA, [t, t]), (True, True))
    assert "polygamma has no derivative in its order" in str(caught.value)
    assert "fix: keep the order out of what is differentiated" in str(caught.value)


def types(*dtypes: DType) -> Sequence[ArrayType]:
    return [ArrayType((2,), d) for d in dtypes]


@pytest.mark.parametrize(
    ("op", "dtypes", "message"),
    [
        (
            arithmetic.MAX,
            [complex64] * 2,
            "maximum takes bool or int or uint or float operands, got",
        ),
        (arithmetic.CEIL, [int32], r"ceil takes float operands, got int32\[2\]"),
        (arithmetic.COMPLEX, [float16] * 2, "no complex dtype has parts of float16"),
        (arithmetic.POW, [float32, int32], "pow takes operands of one dtype, got float32, int32"),
        (arithmetic.ABS, [float32] * 2, "abs takes 1 operands, got 2"),
        (
            Compare("LT"),
            [complex64] * 2,
            r"less takes real operands, got complex64\[2\]: complex numbers have no order",
        ),
        (Bitcast(uint8), [float32], "bitcast keeps the width: float32 has 32 bits, uint8 has 8"),
        (Bitcast(uint8), [bool_], "bitcast takes integers and real floating point, not bool"),
    ],
)
def test_refusals(op: Op, dtypes: list[DType], message: str) -> None:
    with pytest.raises((DTypeError, ShapeError), match=message):
        op.infer(tuple(types(*dtypes)))


def test_shapes_must_agree() -> None:
    with pytest.raises(ShapeError, match=r"add takes operands of one shape, got \[2\], \[3\]"):
        ADD.infer((ArrayType((2,), float32), ArrayType((3,), float32)))


def test_a_function_tells_its_whole_story() -> None:
    with pytest.raises(TypeError, match="f is linear in operand 0 but has no pullback for it"):
        define("f", "", 1, ("float",), [lambda t, y, x: t], linear=[{0}])
    with pytest.raises(TypeError, match="f takes 2 operands but has 1 tangent rules"):
        define("f", "", 2, ("float",), [lambda t, y, x: t])
    with pytest.raises(TypeError, match="two functions are called exp"):
        define("exp", "", 1, ("float",), None)
    assert "f" not in TABLE
