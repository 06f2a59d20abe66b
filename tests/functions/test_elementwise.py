"""Pointwise functions against NumPy and SciPy, in every kind of dtype, staged and not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tests.functions.cases_elementwise import BINARY, UNARY, Case
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.dsl.lang import elementwise as e
from verax.dsl.lang.array import AnyArray
from verax.dsl.lang.creation import array, asarray, full, ones, zeros
from verax.dsl.lang.dtypes import DType, dtype_of, finfo, float32, int32
from verax.dsl.lang.fused import _COMPILED
from verax.dsl.lang.grad import grad
from verax.dsl.lang.host import numpy_dtype
from verax.dsl.lang.jit import jit, spec
from verax.dsl.lang.vjp import jvp

Host = npt.NDArray[Any]
N = 48
EDGES = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, math.inf, -math.inf, math.nan]
DTYPES = ["float32", "float64", "float16", "bfloat16", "complex64", "int32", "uint8", "bool"]
SHARE = {"float64": 0, "float16": 1, "bfloat16": 2}  # of three: each takes a third of the table
LETTER = {"float": "f", "complex": "c", "int": "i", "uint": "u", "bool": "b"}


def cases_of(table: Sequence[Case], dtype: DType) -> list[Case]:
    taken = [c for c in table if LETTER[dtype.kind] in c.kinds]
    return taken[SHARE[dtype.name] :: 3] if dtype.name in SHARE else taken


def draw(rng: np.random.Generator, dtype: DType, low: float, high: float) -> Host:
    """N values of the interval, in the dtype."""
    if dtype.is_bool:
        return rng.random(N) < 0.5
    if dtype.kind == "uint":
        low, high = max(low, 0), max(high, 0)
    x = rng.uniform(low, high, N)
    if dtype.is_complex:
        return np.asarray(x + 1j * rng.uniform(low, high, N)).astype(np.complex64)
    if dtype.is_integer:
        return x.astype(np.int64).astype(dtype.name)
    return x.astype(numpy_dtype(dtype))


def widened(x: Host, dtype: DType) -> Host:
    if dtype.is_complex:
        return x.astype(np.complex128)
    return x.astype(np.float64) if dtype.is_float else x


def close(case: Case, dtype: DType, got: Any, wanted: Host) -> None:
    host = got.numpy()
    if not got.dtype.is_inexact:
        np.testing.assert_array_equal(host, np.asarray(wanted).astype(host.dtype), case.name)
        return
    wide = host.astype(np.complex128 if got.dtype.is_complex else np.float64)
    eps = case.ulps * finfo(dtype).eps
    np.testing.assert_allclose(wide, wanted, rtol=eps, atol=eps, err_msg=case.name)


def nonzero(case: Case, dtype: DType, y: Host) -> Host:
    """Integers are not divided by zero."""
    divides = case.f in (e.floor_divide, e.remainder, e.fmod)
    return np.where(y == 0, 3, y).astype(y.dtype) if divides else y


@pytest.mark.parametrize("name", DTYPES)
def test_functions_of_one_operand(name: str) -> None:
    dtype = dtype_of(name)
    cases = cases_of(UNARY, dtype)
    program = jit(lambda xs: [c.f(x) for c, x in zip(cases, xs)])

    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        rng = np.random.default_rng(seed)
        xs = [draw(rng, dtype, c.low, c.high) for c in cases]
        for case, x, y in zip(cases, xs, program(xs)):
            assert y.shape == (N,)
            close(case, dtype, y, case.reference(widened(x, dtype)))

    check()


@pytest.mark.parametrize("name", DTYPES)
def test_functions_of_two_operands(name: str) -> None:
    dtype = dtype_of(name)
    cases = cases_of(BINARY, dtype)
    program = jit(lambda xs, ys: [c.f(x, y) for c, x, y in zip(cases, xs, ys)])

    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        rng = np.random.default_rng(seed)
        xs = [draw(rng, dtype, c.low, c.high) for c in cases]
        ys = [nonzero(c, dtype, draw(rng, dtype, c.low, c.high)) for c in cases]
        for case, x, y, z in zip(cases, xs, ys, program(xs, ys)):
            close(case, dtype, z, case.reference(widened(x, dtype), widened(y, dtype)))

    check()


SPECIAL_UNARY = " ".join(
    (
        "abs sign floor ceil trunc round exp expm1 log log1p sqrt tanh erf erfc relu relu6",
        "hard_tanh isfinite isinf isnan signbit nan_to_num softplus sigmoid square negative sin",
        "asinh cbrt",
    )
).split()
SPECIAL_BINARY = " ".join(
    (
        "add multiply divide remainder floor_divide fmod maximum minimum fmax fmin copysign",
        "heaviside hypot logaddexp atan2 equal less greater_equal isclose",
    )
).split()


def agrees(name: str, got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(
        got.numpy().astype(np.float64), np.asarray(wanted, np.float64), 2e-6, 1e-37, err_msg=name
    )


def test_special_values() -> None:
    """inf, nan, signed zeros: what NumPy says, in float32."""
    x = np.array(EDGES, np.float32)
    a, b = (g.ravel() for g in np.meshgrid(x, x))
    unary = [c for c in UNARY if c.name in SPECIAL_UNARY]
    binary = [c for c in BINARY if c.name in SPECIAL_BINARY]
    assert len(unary) == len(SPECIAL_UNARY)
    assert len(binary) == len(SPECIAL_BINARY)
    ones_, twos = jit(lambda x, a, b: ([c.f(x) for c in unary], [c.f(a, b) for c in binary]))(
        x, a, b
    )
    with np.errstate(all="ignore"):
        for case, y in zip(unary, ones_):
            agrees(case.name, y, case.reference(x))
        for case, y in zip(binary, twos):
            agrees(case.name, y, case.reference(a, b))


def test_eager_is_staged() -> None:
    """One program per call where nothing is staged gives the same."""
    x = array([0.25, 0.5, 0.75])
    y = array([[2], [1]])
    unary = [c for c in cases_of(UNARY, float32) if c.low <= 0.25 and c.high >= 0.75][::4]
    binary = cases_of(BINARY, float32)[::3]
    staged = jit(lambda x, y: ([c.f(x) for c in unary], [c.f(x, y) for c in binary]))(x, y)
    for case, got in zip(unary, staged[0]):
        eager = case.f(x)
        assert eager.type is got.type
        np.testing.assert_allclose(eager.numpy(), got.numpy(), 1e-6, err_msg=case.name)
    for case, got in zip(binary, staged[1]):
        eager = case.f(x, y)
        assert eager.type is got.type
        assert eager.shape == (2, 3)
        np.testing.assert_allclose(eager.numpy(), got.numpy(), 1e-6, err_msg=case.name)


@pytest.mark.parametrize("name", ["int8", "int64", "uint16", "bool"])
def test_integers_become_float32_where_a_real_number_is_computed(name: str) -> None:
    x = ones((2,), name)
    fs = [e.sin, e.exp, e.sqrt, e.sigmoid, e.gelu, e.reciprocal, e.erf, e.elu]
    ys = jit(lambda x: [*[f(x) for f in fs], e.divide(x, x), e.atan2(x, x)])(x)
    assert {y.dtype for y in ys} == {float32}
    np.testing.assert_allclose(ys[0].numpy(), np.sin(1.0), 1e-6)


# division, powers


def test_python_division() -> None:
    a, b = np.meshgrid(np.arange(-7, 8), [-3, -2, -1, 1, 2, 3])
    q, r = divmod(asarray(a), asarray(b))
    np.testing.assert_array_equal(q.numpy(), a // b)
    np.testing.assert_array_equal(r.numpy(), a % b)
    q, r = divmod(asarray(a * 0.5), asarray(b * 0.5))
    np.testing.assert_array_equal(q.numpy(), (a * 0.5) // (b * 0.5))
    np.testing.assert_array_equal(r.numpy(), (a * 0.5) % (b * 0.5))
    np.testing.assert_array_equal((7 // asarray(b)).numpy(), 7 // b)
    np.testing.assert_array_equal((asarray(a) % -4).numpy(), a % -4)


@given(st.floats(-1e6, 1e6, width=32), st.floats(-1e3, 1e3, width=32))
def test_floor_divide_and_remainder_go_together(a: float, b: float) -> None:
    with np.errstate(all="ignore"):
        wanted = np.divmod(np.float64(a), np.float64(b))
    q, r = divmod(asarray(np.float64(a)), asarray(np.float64(b)))
    np.testing.assert_allclose([q.item(), r.item()], wanted, 1e-15, 1e-300)


def test_integer_powers_are_exact() -> None:
    x = asarray(np.array([-3, -1, 0, 2, 5]))
    for n in (0, 1, 2, 3, 5, 8):
        np.testing.assert_array_equal((x**n).numpy(), np.array([-3, -1, 0, 2, 5]) ** n)
    np.testing.assert_array_equal((2 ** asarray([0, 1, 5])).numpy(), [1, 2, 32])
    y = array([0.5, -2.0])
    for p in (-3, -1, 2.0, 7, -2.0):
        np.testing.assert_allclose((y**p).numpy(), np.array([0.5, -2.0]) ** p, 1e-6)
    assert (asarray(True) ** 2).dtype is int32
    np.testing.assert_allclose((y**0.5).numpy()[0], 0.5**0.5, 1e-6)
    with pytest.raises(DTypeError) as info:
        x**-1
    assert info.value.message == "pow: int64[5] to the negative power -1 is no integer"


def test_powers_are_products() -> None:
    text = str(jit(lambda x: x**5).stage(spec((2,))))
    assert text.count("mul") == 3
    assert "pow" not in text


# choices


def test_where_meets_in_one_type() -> None:
    mask = array([True, False])
    y = e.where(mask, 1.0, zeros((3, 1), "int8"))
    assert (y.shape, y.dtype) == ((3, 2), float32)
    np.testing.assert_array_equal(y.numpy(), [[1, 0]] * 3)
    assert e.where(mask, 1, 2).dtype is int32
    staged = jit(lambda m, z: e.where(m, 1.0, z))(mask, zeros((3, 1), "int8"))
    assert staged.type is y.type
    with pytest.raises(DTypeError) as info:
        e.where(ones((2,)), 1, 2)
    assert info.value.message == "where takes a boolean condition, got float32[2]"
    assert info.value.fix == "compare: condition != 0"
    with pytest.raises(ShapeError, match=r"where: the shapes \[2\], \[3\], \[\] do not broadcast"):
        e.where(mask, ones((3,)), 0.0)


def test_select_takes_the_first_that_holds() -> None:
    x = np.arange(6)
    got = e.select([x < 2, x < 4], [x * 10, x * 100], -1)
    np.testing.assert_array_equal(got.numpy(), np.select([x < 2, x < 4], [x * 10, x * 100], -1))
    with pytest.raises(ShapeError, match="select takes one choice per condition"):
        e.select([x < 2], [])


def test_the_rest_in_one_program() -> None:
    x = np.array([0.5, 1.5, 3.25])
    n = np.array([0.0, 1.0, 2.0])
    edges = np.array(EDGES)

    def f(x: Any, n: Any, edges: Any) -> dict[str, Any]:
        return {
            "polygamma": e.polygamma(n, x),
            "nextafter": e.nextafter(x, 10.0),
            "isposinf": e.isposinf(edges),
            "isneginf": e.isneginf(edges),
            "gelu": e.gelu(x, approximate=False),
            "leaky_relu": e.leaky_relu(edges[:7], 0.25),
            "elu": e.elu(-x, 2.0),
            "celu": e.celu(-x, 2.0),
            "nan_to_num": e.nan_to_num(edges, nan=1.0, posinf=2.0, neginf=-2.0),
            "true_divide": e.true_divide(x, n + 1),
        }

    got = jit(f)(x, n, edges)
    wanted = {
        "polygamma": special.polygamma(n, x),
        "nextafter": np.nextafter(x, 10.0),
        "isposinf": np.isposinf(edges),
        "isneginf": np.isneginf(edges),
        "gelu": x * special.ndtr(x),
        "leaky_relu": np.where(edges[:7] > 0, edges[:7], 0.25 * edges[:7]),
        "elu": 2 * np.expm1(-x),
        "celu": 2 * np.expm1(-x / 2),
        "nan_to_num": np.nan_to_num(edges, nan=1.0, posinf=2.0, neginf=-2.0),
        "true_divide": x / (n + 1),
    }
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(got[name].numpy(), value, 1e-13, err_msg=name)
    assert got["nextafter"].tolist() == wanted["nextafter"].tolist()


def test_clip() -> None:
    x = array([-2.0, 0.5, 3.0, math.nan])
    for low, high in ((0.0, 1.0), (None, 1.0), (0.0, None), (array([[0.0], [1.0]]), 2)):
        got = e.clip(x, low, high).numpy()
        low_, high_ = (None if v is None else np.asarray(v) for v in (low, high))
        np.testing.assert_array_equal(got, np.clip(x.numpy(), low_, high_))
    assert e.clip(asarray([1, 5]), 2, 3).dtype is int32
    np.testing.assert_array_equal(e.clip(x).numpy(), x.numpy())


def test_round_to_decimals() -> None:
    x = np.array([1.25, -2.345, 1234.5], np.float32)
    for d in (-2, 0, 1, 2):
        np.testing.assert_allclose(e.round(asarray(x), d).numpy(), np.round(x, d), 1e-6)
    n = np.array([149, 150, 151, -150])
    assert e.round(asarray(n), -2).tolist() == np.round(n, -2).tolist()
    assert e.round(asarray(n), 2).tolist() == n.tolist()


def test_complex_parts() -> None:
    z = e.make_complex(array([1.0, 2.0]), 3.0)
    assert z.tolist() == [1 + 3j, 2 + 3j]
    assert [e.real(z).dtype, e.imag(z).dtype, e.abs(z).dtype] == [float32] * 3
    with pytest.raises(DTypeError, match="complex numbers have no order"):
        z < z  # noqa: B015


def test_bits() -> None:
    x = array([1.0, -2.5])
    back = e.bitcast(e.bitcast(x, "int32"), float32)
    assert back.tolist() == x.tolist()
    assert e.popcount(asarray([7, 8])).tolist() == [3, 1]
    assert e.count_leading_zeros(asarray(np.array([1, 128, 0], np.uint8))).tolist() == [7, 0, 8]
    assert (asarray(np.array([-8], np.int8)) >> 1).tolist() == [-4]
    assert (asarray(np.array([248], np.uint8)) >> 1).tolist() == [124]
    assert (~asarray([True, False])).tolist() == [False, True]
    with pytest.raises(DTypeError, match="bitcast keeps the width"):
        e.bitcast(x, "int8")


def test_close() -> None:
    x = array([1.0, math.inf, math.nan, 1e-9])
    y = array([1.0 + 1e-6, math.inf, math.nan, 0.0])
    assert e.isclose(x, y).tolist() == [True, True, False, True]
    assert e.isclose(x, y, equal_nan=True).tolist() == [True, True, True, True]
    assert e.allclose(x, y, equal_nan=True).item() is True
    assert e.allclose(x, y).item() is False
    assert e.allclose(1.0, 1.0).item() is True
    assert e.isclose(array([1 + 1j]), array([1 + 1.1j])).tolist() == [False]


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda: e.subtract(asarray(True), asarray(False)), "sub takes"),
        (lambda: e.bitwise_and(ones((2,)), ones((2,))), "and takes"),
        (lambda: e.erf(ones((2,), "complex64")), "erf takes"),
        (lambda: e.maximum(1j, 2.0), "max takes"),
    ],
)
def test_dtypes_that_are_not_taken(f: Any, text: str) -> None:
    with pytest.raises(DTypeError, match=text):
        f()


# derivatives


def slopes(f: Any, xs: Sequence[float]) -> list[float]:
    x = asarray(np.array(xs, np.float64))
    _, t = jvp(f, (x,), (ones((len(xs),), "float64"),))
    return t.tolist()  # type: ignore[no-any-return]


def test_derivatives_where_cases_meet() -> None:
    assert slopes(e.relu, [-1, 0, 1]) == [0, 0, 1]
    assert slopes(e.relu6, [0, 3, 6]) == [0, 1, 0]
    assert slopes(e.abs, [-2, 0, 2]) == [-1, 0, 1]
    assert slopes(lambda x: e.clip(x, 0.0, 1.0), [-1, 0, 0.5, 1, 2]) == [0, 1, 1, 1, 0]
    assert slopes(e.softplus, [0]) == [0.5]
    assert slopes(lambda x: e.maximum(x, 0.0), [0]) == [0.5]
    assert slopes(lambda x: e.remainder(x, 2.0), [3, 4, -1]) == [1, 1, 1]
    assert slopes(lambda x: x**2, [0, 3]) == [0, 6]
    assert slopes(lambda x: e.hypot(x, 0.0), [0, 3]) == [0, 1]
    assert slopes(e.stop_gradient, [1]) == [0]
    assert slopes(e.elu, [0]) == [1]


def test_derivatives_stay_smooth() -> None:
    """Second and third derivatives on the line where cases meet."""
    sigmoid = [0.5, 0.25, 0.0, -0.125]

    def order(f: Any, n: int) -> Any:
        for _ in range(n):
            f = grad(f)
        return f

    zero = asarray(np.float64(0))
    for n in (1, 2, 3, 4):
        got = order(e.softplus, n)(zero).item()
        assert got == pytest.approx(sigmoid[n - 1], abs=1e-12)
    for n, wanted in ((1, 0.0), (2, -(math.pi**2) / 3), (4, math.pi**4 / 5)):
        assert order(e.sinc, n)(zero).item() == pytest.approx(wanted, abs=1e-9)
    big = asarray(np.float64(800))
    assert order(e.softplus, 1)(big).item() == 1
    assert order(e.softplus, 2)(-big).item() == 0


def test_logaddexp_at_infinity() -> None:
    inf = math.inf
    x, y = asarray(np.array([-inf, inf, 0, -inf])), asarray(np.array([-inf, inf, inf, 1.0]))
    value, slope = jvp(e.logaddexp, (x, y), (ones((4,), "float64"), zeros((4,), "float64")))
    assert value.tolist() == [-inf, inf, inf, 1.0]
    assert slope.tolist() == [0.5, 0.5, 0.0, 0.0]

    def total(x: AnyArray) -> AnyArray:
        return e.logaddexp(x, y).sum()

    back = grad(total)(x)
    assert back.tolist() == [0.5, 0.5, 0.0, 0.0]


def test_where_guards_its_operand() -> None:
    def f(x: AnyArray) -> AnyArray:
        positive = x > 0
        return e.where(positive, e.sqrt(e.where(positive, x, 1.0)), 0.0).sum()

    assert grad(f)(array([0.0, 4.0])).tolist() == [0.0, 0.25]


def test_scalars_compile_nothing_anew() -> None:
    x = full((5,), 2.0)

    def call(slope: float) -> list[Any]:
        return [e.leaky_relu(x, slope), x * slope, slope + x, e.where(x > slope, x, slope)]

    call(0.1)
    before = len(_COMPILED)
    for slope in (0.2, 0.3, 0.4):
        call(slope)
    assert len(_COMPILED) == before
