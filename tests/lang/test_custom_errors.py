"""What a wrong derivative rule says: every message whole, with both types side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

X = vx.asarray(np.array([0.3, 0.7, 1.1]))


def sin(x: Any) -> Any:
    return vx.sin(x)


def two(x: Any, y: Any) -> Any:
    return x * y


def keyword(x: Any, *, n: int = 1) -> Any:
    return x


def jvp(rule: Any, f: Any = sin) -> Any:
    g: Any = vx.custom_jvp(f)
    g.defjvp(rule)
    return g


def jvps(*rules: Any) -> Any:
    g: Any = vx.custom_jvp(two)
    g.defjvps(*rules)
    return g


def vjp(fwd: Any, bwd: Any) -> Any:
    g: Any = vx.custom_vjp(sin)
    g.defvjp(fwd, bwd)
    return g


def grad(f: Any) -> Any:
    return vx.grad(lambda x: vx.sum(f(x)))(X)


def kept(x: Any) -> Any:
    return vx.sin(x), x


def wrong(p: Any, t: Any) -> Any:
    return vx.sin(p[0]), t[0]


def half(residuals: Any, ct: Any) -> Any:
    return vx.stack([ct, ct])


def double(residuals: Any, x: Any) -> Any:
    return x * 2.0


def linear(x: Any) -> Any:
    return vx.linear_call(double, half, (), x)


def number(x: Any) -> Any:
    return vx.linear_call(double, double, (), x)


CASES: list[tuple[str, type[vx.VeraxError], Callable[[], Any], str]] = [
    (
        "not a pair",
        vx.StructureError,
        lambda: grad(jvp(lambda p, t: vx.sin(p[0]))),
        (
            "[verax-structure] the jvp rule of sin (test_custom_errors.py:L) gives *, not"
            " a pair\n"
            "  fix: return (result, tangent of the result)"
        ),
    ),
    (
        "shape of a tangent",
        vx.ShapeError,
        lambda: grad(jvp(lambda p, t: (vx.sin(p[0]), vx.sum(t[0])))),
        (
            "[verax-shape] the jvp rule of sin (test_custom_errors.py:L) gives a tangent"
            " unlike its result\n"
            "    result   float64[3]\n"
            "    tangent  float64[ ]\n"
            "                     ^\n"
            "  fix: give the tangent the type of the result, float64[3]"
        ),
    ),
    (
        "dtype of a tangent",
        vx.DTypeError,
        lambda: grad(jvp(lambda p, t: (vx.sin(p[0]), t[0].astype(vx.float32)))),
        (
            "[verax-dtype] the jvp rule of sin (test_custom_errors.py:L) gives a tangent"
            " unlike its result\n"
            "    result   float64[3]\n"
            "    tangent  float32[3]\n"
            "  fix: convert the tangent: .astype(vx.float64)"
        ),
    ),
    (
        "structure of a tangent",
        vx.StructureError,
        lambda: grad(jvp(lambda p, t: (vx.sin(p[0]), (t[0], t[0])))),
        (
            "[verax-structure] the jvp rule of sin (test_custom_errors.py:L) gives a tangent"
            " unlike its result: the trees differ at the root: a leaf, and a tuple of 2\n"
            "    result:  *\n"
            "    tangent: (*, *)\n"
            "  fix: give one leaf per leaf of the result; None stands for zero"
        ),
    ),
    (
        "structure of a result",
        vx.StructureError,
        lambda: grad(jvp(lambda p, t: ((vx.sin(p[0]),), t[0]))),
        (
            "[verax-structure] the jvp rule of sin (test_custom_errors.py:L) gives another"
            " result: the trees differ at the root: a leaf, and a tuple of 1\n"
            "    function: *\n"
            "    rule:     (*,)\n"
            "  fix: build both in one way: the same containers, keys and lengths"
        ),
    ),
    (
        "type of a result",
        vx.ShapeError,
        lambda: grad(jvp(lambda p, t: (vx.sum(p[0]), t[0]))),
        (
            "[verax-shape] the jvp rule of sin (test_custom_errors.py:L) gives another"
            " result\n"
            "    function  float64[3]\n"
            "    rule      float64[ ]\n"
            "                      ^\n"
            "  fix: give float64[3] in both: reduce, broadcast or slice one of them"
        ),
    ),
    (
        "result and tangents",
        vx.DerivativeError,
        lambda: grad(jvp(lambda p, t: (vx.sin(p[0]) + t[0], t[0]))),
        (
            "[verax-derivative] the jvp rule of sin (test_custom_errors.py:L) lets the"
            " result depend on the tangents\n"
            "  fix: return (result, tangent of the result), the result from the arguments"
            " alone"
        ),
    ),
    (
        "not linear",
        vx.DerivativeError,
        lambda: grad(jvp(lambda p, t: (vx.sin(p[0]), t[0] * t[0]))),
        (
            "[verax-derivative] multiply is not linear in operands 0 and 1, so it cannot be"
            " transposed\n"
            "  fix: a linear function adds, and multiplies by what does not depend on its"
            " argument; vx.vjp takes the derivative of any function at a point"
        ),
    ),
    (
        "cotangents no tuple",
        vx.StructureError,
        lambda: grad(vjp(kept, lambda x, ct: ct)),
        (
            "[verax-structure] the backward function of sin (test_custom_errors.py:L)"
            " gives *, not a tuple of one cotangent per argument (1)\n"
            "  fix: return a tuple; None stands for zero"
        ),
    ),
    (
        "too many cotangents",
        vx.StructureError,
        lambda: grad(vjp(kept, lambda x, ct: (ct, ct))),
        (
            "[verax-structure] the backward function of sin (test_custom_errors.py:L)"
            " gives (*, *), not a tuple of one cotangent per argument (1)\n"
            "  fix: return a tuple; None stands for zero"
        ),
    ),
    (
        "shape of a cotangent",
        vx.ShapeError,
        lambda: grad(vjp(kept, lambda x, ct: (vx.sum(ct),))),
        (
            "[verax-shape] the backward function of sin (test_custom_errors.py:L) gives"
            " cotangents unlike the arguments\n"
            "    [0]  argument   float64[3]\n"
            "    [0]  cotangent  float64[ ]\n"
            "                            ^\n"
            "  fix: give the cotangent at [0] the type of the argument, float64[3]"
        ),
    ),
    (
        "dtype of a cotangent",
        vx.DTypeError,
        lambda: grad(vjp(kept, lambda x, ct: (ct.astype(vx.float32),))),
        (
            "[verax-dtype] the backward function of sin (test_custom_errors.py:L) gives"
            " cotangents unlike the arguments\n"
            "    [0]  argument   float64[3]\n"
            "    [0]  cotangent  float32[3]\n"
            "  fix: convert the cotangent: .astype(vx.float64)"
        ),
    ),
    (
        "structure of a cotangent",
        vx.StructureError,
        lambda: grad(vjp(kept, lambda x, ct: ({"a": ct},))),
        (
            "[verax-structure] the backward function of sin (test_custom_errors.py:L) gives"
            " cotangents unlike the arguments: the trees differ at [0]: a leaf, and a dict"
            " of 1\n"
            "    arguments:  (*,)\n"
            "    cotangents: ({'a': *},)\n"
            "  fix: give one leaf per leaf of the arguments at [0]; None stands for zero"
        ),
    ),
    (
        "forward no pair",
        vx.StructureError,
        lambda: grad(vjp(sin, lambda x, ct: (ct,))),
        (
            "[verax-structure] the forward function of sin (test_custom_errors.py:L) gives"
            " *, not a pair\n"
            "  fix: return (result, residuals)"
        ),
    ),
    (
        "forward mode",
        vx.DerivativeError,
        lambda: vx.jvp(vjp(kept, lambda x, ct: (ct * ct,)), (X,), (X,)),
        (
            "[verax-derivative] forward mode through sin, whose vjp rule is not linear in"
            " the cotangent: multiply is not linear in operands 0 and 1, so it cannot be"
            " transposed\n"
            "  fix: take the derivative in reverse mode (vx.grad, vx.vjp, vx.jacrev), or"
            " declare it forward: vx.custom_jvp"
        ),
    ),
    (
        "no jvp rule",
        vx.StructureError,
        lambda: vx.custom_jvp(sin)(1.0),
        (
            "[verax-structure] sin (test_custom_errors.py:L) is a custom_jvp and has no"
            " rule yet\n"
            "  fix: sin.defjvp(rule)"
        ),
    ),
    (
        "no vjp rule",
        vx.StructureError,
        lambda: vx.grad(vx.custom_vjp(sin))(1.0),
        (
            "[verax-structure] sin (test_custom_errors.py:L) is a custom_vjp and has no"
            " rule yet\n"
            "  fix: sin.defvjp(fwd, bwd)"
        ),
    ),
    (
        "two rules",
        vx.StructureError,
        lambda: jvp(wrong).defjvp(wrong),
        (
            "[verax-structure] sin (test_custom_errors.py:L) has its derivative rule"
            " already\n"
            "  fix: make another one: custom_jvp(sin)"
        ),
    ),
    (
        "no function",
        vx.StructureError,
        lambda: vx.custom_jvp(3),  # type: ignore[arg-type]
        (
            "[verax-structure] custom_jvp needs a function, got an object of int\n"
            "  fix: vx.custom_jvp(f), or as a decorator: @vx.custom_jvp"
        ),
    ),
    (
        "no such argument",
        vx.StructureError,
        lambda: vx.custom_jvp(sin, nondiff_argnums=(2,)),
        (
            "[verax-structure] custom_jvp of sin (test_custom_errors.py:L): nondiff_argnums"
            " names argument 2, which it does not have\n"
            "  fix: count positional arguments from 0"
        ),
    ),
    (
        "keyword only",
        vx.StructureError,
        lambda: jvp(wrong, keyword)(X, n=2),
        (
            "[verax-structure] keyword takes n by keyword only, and the arguments of a"
            " function with a derivative rule have positions\n"
            "  fix: remove the * from its parameters"
        ),
    ),
    (
        "rules per argument",
        vx.StructureError,
        lambda: vx.grad(jvps(None))(1.0, 2.0),
        (
            "[verax-structure] two (test_custom_errors.py:L) has 1 rules for 2 arguments\n"
            "  fix: one rule per argument, None where the derivative is zero"
        ),
    ),
    (
        "defjvps and nondiff",
        vx.StructureError,
        lambda: vx.custom_jvp(two, nondiff_argnums=0).defjvps(None),
        ("[verax-structure] defjvps knows no nondiff_argnums\n  fix: use defjvp"),
    ),
    (
        "no push",
        vx.StructureError,
        lambda: grad(vx.custom_derivative(sin)),
        (
            "[verax-structure] sin (test_custom_errors.py:L) gives *, not a pair\n"
            "  fix: return (result, push)"
        ),
    ),
    (
        "closed over",
        vx.DerivativeError,
        lambda: vx.grad(lambda a: jvp(wrong, lambda x: a * x)(1.0))(2.0),
        (
            "[verax-derivative] <lambda>.<lambda>.<lambda> has a derivative rule of its"
            " own, which says nothing about an array that it closes over, and the"
            " derivative along that array is needed\n"
            "  fix: make the array an argument of the function; or stop it:"
            " vx.stop_gradient(array)"
        ),
    ),
    (
        "wrong value",
        vx.DerivativeError,
        lambda: vx.testing.check_rule(jvps(None, lambda t, a, x, y: t * y), 1.5, 2.0),
        (
            "[verax-derivative] the jvp rule of two (test_custom_errors.py:L) is wrong along"
            " x\n"
            "    rule, forward       0\n"
            "    rule, reverse       0\n"
            "    without rule        0.167548\n"
            "    finite differences  0.167548\n"
            "  fix: compare the rule with the derivative on paper, for this argument"
        ),
    ),
    (
        "wrong value at once",
        vx.DerivativeError,
        lambda: vx.custom_jvp(sin).defjvp(wrong, check=(0.5,)),
        (
            "[verax-derivative] the jvp rule of sin (test_custom_errors.py:L) is wrong along"
            " x\n"
            "    rule, forward       0.0837739\n"
            "    rule, reverse       0.0837739\n"
            "    without rule        0.0735186\n"
            "    finite differences  0.0735186\n"
            "  fix: compare the rule with the derivative on paper, for this argument"
        ),
    ),
    (
        "wrong result",
        vx.DerivativeError,
        lambda: vx.testing.check_rule(jvp(lambda p, t: (p[0], t[0])), X),
        (
            "[verax-derivative] the jvp rule of sin (test_custom_errors.py:L) gives another"
            " result than the function\n"
            "    function  [0.29552021 0.64421769 0.89120736]\n"
            "    rule      [0.3 0.7 1.1]\n"
            "  fix: the result that the rule gives must be the function of the arguments"
        ),
    ),
    (
        "wrong gradient",
        vx.DerivativeError,
        lambda: vx.testing.check_grads(jvp(wrong), (0.5,)),
        (
            "[verax-derivative] forward mode, of sin (test_custom_errors.py:L), is wrong\n"
            "    forward mode        0.0837739\n"
            "    finite differences  0.0735186\n"
            "  fix: compare the rule with the derivative on paper; at a kink there is none"
        ),
    ),
    (
        "unknown mode",
        vx.StructureError,
        lambda: vx.testing.check_grads(sin, (0.5,), modes=("up",)),
        (
            "[verax-structure] check_grads: modes is ('up',), which is unknown\n"
            "  fix: modes=('fwd', 'rev'), or one of them"
        ),
    ),
    (
        "wrong transpose",
        vx.ShapeError,
        lambda: vx.grad(linear)(1.0),
        (
            "[verax-shape] the transpose half (test_custom_errors.py:L) gives cotangents"
            " unlike the arguments\n"
            "    argument   float32[ ]\n"
            "    cotangent  float32[2]\n"
            "                       ^\n"
            "  fix: give the cotangent the type of the argument, float32[]"
        ),
    ),
    (
        "linear call of integers",
        vx.DTypeError,
        lambda: vx.jit(number)(1),
        (
            "[verax-dtype] linear_call of double (test_custom_errors.py:L) is a map of"
            " floating-point arrays, got int32[]\n"
            "  fix: pass what is no floating-point array among the residual_args"
        ),
    ),
]


@pytest.mark.parametrize(
    ("kind", "make", "text"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_message(kind: type[vx.VeraxError], make: Callable[[], Any], text: str) -> None:
    lines = [line for line in message(kind, make).splitlines() if not line.startswith("  at ")]
    assert "\n".join(lines) == text
