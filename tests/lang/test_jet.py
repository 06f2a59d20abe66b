"""``jet``: closed forms to order 8, composition with the other transformations, whole messages."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

ORDER = 8
LINE: tuple[Any, ...] = (1.0, *[0.0] * (ORDER - 1))
X = 0.7


def f64(x: Any) -> Any:
    return vx.asarray(np.asarray(x, np.float64))


def polygon(c: list[float]) -> list[float]:
    """The derivatives at X of the polynomial with these coefficients, constant first."""
    p = np.polynomial.Polynomial(c)
    return [float(p.deriv(k)(X)) for k in range(1, ORDER + 1)]


ANGLES = [math.sin(X), math.cos(X), -math.sin(X), -math.cos(X)]
CLOSED: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "exp": (vx.exp, [math.exp(X)] * ORDER),
    "sin": (vx.sin, [ANGLES[k % 4] for k in range(1, ORDER + 1)]),
    "cos": (vx.cos, [ANGLES[(k + 1) % 4] for k in range(1, ORDER + 1)]),
    "log": (vx.log, [-math.factorial(k - 1) * (-1 / X) ** k for k in range(1, ORDER + 1)]),
    "reciprocal": (lambda x: 1 / x, [math.factorial(k) * (-1 / X) ** k / X for k in range(1, 9)]),
    "polynomial": (lambda x: 3 * x**5 - x**2 + 7, polygon([7.0, 0.0, -1.0, 0.0, 0.0, 3.0])),
    "horner": (lambda x: ((x + 2) * x - 1) * x * x, polygon([0.0, 0.0, -1.0, 2.0, 1.0])),
    "power": (
        lambda x: x**2.5,
        [math.prod(2.5 - j for j in range(k)) * X ** (2.5 - k) for k in range(1, ORDER + 1)],
    ),
    "sqrt": (
        vx.sqrt,
        [math.prod(0.5 - j for j in range(k)) * X ** (0.5 - k) for k in range(1, ORDER + 1)],
    ),
}


@pytest.mark.parametrize(("f", "want"), CLOSED.values(), ids=list(CLOSED))
def test_closed_forms(f: Callable[[Any], Any], want: list[float]) -> None:
    _, terms = vx.jet(f, (f64(X),), (LINE,))
    np.testing.assert_allclose([float(t) for t in terms], want, rtol=1e-12)


def test_a_curved_path_is_the_chain_rule() -> None:
    """Faa di Bruno, of sin(t^3) at 0.5."""
    t = 0.5
    h0, h1, h2 = t**3, 3 * t * t, 6 * t
    y, (d1, d2) = vx.jet(vx.sin, (f64(h0),), ((f64(h1), f64(h2)),))
    assert float(y) == pytest.approx(math.sin(h0), rel=1e-14)
    assert float(d1) == pytest.approx(math.cos(h0) * h1, rel=1e-14)
    assert float(d2) == pytest.approx(-math.sin(h0) * h1**2 + math.cos(h0) * h2, rel=1e-14)


def test_coefficients_instead_of_derivatives() -> None:
    _, terms = vx.jet(vx.exp, (f64(0.0),), (LINE,), factorial_scaled=False)
    want = [1 / math.factorial(k) for k in range(1, ORDER + 1)]
    np.testing.assert_allclose([float(t) for t in terms], want, rtol=1e-14)


def test_complex_numbers() -> None:
    z = 0.3 + 0.4j
    y, terms = vx.jet(vx.exp, (vx.asarray(np.complex128(z)),), ((1j, None, None),))
    got = np.array([complex(y), *map(complex, terms)])
    np.testing.assert_allclose(got, np.exp(z) * 1j ** np.arange(4), rtol=1e-14)


@pytest.mark.parametrize("dtype", [vx.float32, vx.bfloat16, vx.float16], ids=str)
def test_narrow_dtypes_keep_their_dtype(dtype: Any) -> None:
    x = vx.asarray(0.5).astype(dtype)
    y, terms = vx.jet(lambda x: vx.tanh(x) * x, (x,), ((1.0, 0.0),))
    assert [t.dtype for t in (y, *terms)] == [dtype] * 3


def test_trees_and_integers() -> None:
    def f(d: dict[str, Any]) -> dict[str, Any]:
        return {"product": d["x"] * d["y"], "count": vx.asarray(3)}

    y, terms = vx.jet(f, ({"x": 2.0, "y": 3.0},), ({"x": [1.0, 0.0], "y": [1.0, 0.0]},))
    assert float(y["product"]) == 6.0
    assert [float(t) for t in terms["product"]] == [5.0, 2.0]
    assert terms["count"] == [None, None]


def test_no_terms() -> None:
    y, terms = vx.jet(vx.sin, (f64(X),), ([],))
    assert float(y) == pytest.approx(math.sin(X))
    assert terms == []


def power_by_loop(x: Any) -> Any:
    return vx.fori_loop(0, 4, lambda i, c: c * x, vx.ones_like(x))


def power_by_scan(x: Any) -> Any:
    return vx.scan(lambda c, _: (c * x, c), vx.ones_like(x), None, length=4)[0]


def power_by_while(x: Any) -> Any:
    one = vx.ones_like(x)
    return vx.while_loop(lambda s: s[0] < 4, lambda s: (s[0] + 1, s[1] * x), (0, one))[1]


def power_by_cond(x: Any) -> Any:
    return vx.cond(x > 0, lambda x: x**4, lambda x: x, x)


def power_by_python(x: Any) -> Any:
    y = x
    while y < 0.24:
        y = y * x
    for _ in range(3 if x > 0 else 0):
        y = y * x
    return y


@pytest.mark.parametrize(
    "f", [power_by_loop, power_by_scan, power_by_while, power_by_cond, power_by_python]
)
def test_control_flow(f: Callable[[Any], Any]) -> None:
    _, terms = vx.jet(f, (f64(X),), ((1.0, 0.0, 0.0, 0.0),))
    want = [4 * X**3, 12 * X**2, 24 * X, 24.0]
    np.testing.assert_allclose([float(t) for t in terms], want, rtol=1e-12)


def third(x: Any) -> Any:
    """The third derivative of x * sin(x)."""
    return vx.jet(lambda x: x * vx.sin(x), (x,), ((1.0, 0.0, 0.0),))[1][2]


def test_with_the_other_transformations() -> None:
    xs = np.linspace(-1.0, 1.0, 5)
    want = -3 * np.sin(xs) - xs * np.cos(xs)
    slope = -4 * np.cos(xs) + xs * np.sin(xs)
    many = vx.vmap(third)
    np.testing.assert_allclose(many(f64(xs)), want, rtol=1e-12)
    np.testing.assert_allclose(vx.jit(many)(f64(xs)), want, rtol=1e-12)
    np.testing.assert_allclose(vx.vmap(vx.grad(third))(f64(xs)), slope, rtol=1e-12)
    np.testing.assert_allclose(vx.jvp(many, (f64(xs),), (f64(xs),))[1], slope * xs, rtol=1e-12)


def test_jet_of_jet() -> None:
    y, (d1, d2) = vx.jet(third, (f64(X),), ((1.0, 0.0),))
    assert float(y) == pytest.approx(-3 * math.sin(X) - X * math.cos(X), rel=1e-12)
    assert float(d1) == pytest.approx(-4 * math.cos(X) + X * math.sin(X), rel=1e-12)
    assert float(d2) == pytest.approx(5 * math.sin(X) + X * math.cos(X), rel=1e-12)


def test_a_function_with_a_rule_of_its_own() -> None:
    @vx.custom_jvp
    def double_sine(x: Any) -> Any:
        return vx.sin(x)

    @double_sine.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return double_sine(x), 2 * vx.cos(x) * t

    _, terms = vx.jet(double_sine, (f64(X),), ((1.0, 0.0, 0.0),))
    want = [2 * math.cos(X), -2 * math.sin(X), -2 * math.cos(X)]
    np.testing.assert_allclose([float(t) for t in terms], want, rtol=1e-14)


def test_no_infinite_slope_reaches_the_branch_taken() -> None:
    def f(x: Any) -> Any:
        return vx.where(x > 0, vx.sqrt(x), 0.0)

    _, terms = vx.jet(f, (f64(0.0),), ((1.0, 0.0, 0.0),))
    assert [float(t) for t in terms] == [0.0, 0.0, 0.0]


BAD: dict[str, tuple[type[vx.VeraxError], Callable[[], Any], str]] = {
    "no list": (
        vx.StructureError,
        lambda: vx.jet(vx.sin, (0.0,), (1.0,)),
        "[verax-structure] jet: series[0] is a Python float, not the list of the terms of one"
        " argument\n"
        "  at test_jet.py:L: lambda: vx.jet(vx.sin, (0.0,), (1.0,)),\n"
        "  fix: jet(f, (x,), ([first, second],)): per argument a list of derivatives",
    ),
    "lengths": (
        vx.StructureError,
        lambda: vx.jet(vx.atan2, (0.0, 1.0), ([1.0], [1.0, 2.0])),
        "[verax-structure] jet: the series have 1 and 2 terms\n"
        "  at test_jet.py:L: lambda: vx.jet(vx.atan2, (0.0, 1.0), ([1.0], [1.0, 2.0])),\n"
        "  fix: give all the same number of terms; None stands for zero",
    ),
    "types": (
        vx.DerivativeError,
        lambda: vx.jet(vx.sin, (0.0,), ([None, vx.ones(3)],)),
        "[verax-derivative] jet, order 2: terms[0] is float32[3], and primals[0] is float32[];"
        " both have one type\n"
        "    primals[0]  float32[ ]\n"
        "    terms[0]    float32[3]\n"
        "                        ^\n"
        "  at test_jet.py:L: lambda: vx.jet(vx.sin, (0.0,), ([None, vx.ones(3)],)),\n"
        "  fix: vx.ones_like(y) makes a term of the type of y",
    ),
    "arguments": (
        vx.StructureError,
        lambda: vx.jet(vx.sin, (0.0,), ([1.0], [1.0])),
        "[verax-structure] jet: the trees differ at the root: a tuple of 1, and a tuple of 2: only"
        " the second has [1]\n"
        "    first:  (*,)\n"
        "    second: ([*], [*])\n"
        "  at test_jet.py:L: lambda: vx.jet(vx.sin, (0.0,), ([1.0], [1.0])),\n"
        "  fix: build both in one way: the same containers, keys and lengths",
    ),
}


@pytest.mark.parametrize(("kind", "make", "text"), BAD.values(), ids=list(BAD))
def test_messages(kind: type[vx.VeraxError], make: Callable[[], Any], text: str) -> None:
    assert message(kind, make) == text
