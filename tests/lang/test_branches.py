"""Branches not taken do not reach derivatives: ``where`` around partial functions, all orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from verax.compiler.ir.program import Program
from verax.compiler.ops.pointwise import Select
from verax.compiler.passes.guard import guard

F = Callable[[Any], Any]


def taken(safe: F, partial: F, holds: F) -> F:
    """The partial function where ``holds``, else the safe one."""
    return lambda x: vx.where(holds(x), partial(x), safe(x))


def positive(x: Any) -> Any:
    return x > 0


def inside(x: Any) -> Any:
    return vx.abs(x) < 1


CASES: dict[str, tuple[F, F, F, float]] = {
    "sqrt": (vx.sin, vx.sqrt, positive, 0.0),
    "sqrt of a negative": (vx.sin, vx.sqrt, positive, -2.0),
    "log": (vx.sin, vx.log, positive, 0.0),
    "log1p": (vx.sin, vx.log1p, lambda x: x > -1, -1.0),
    "rsqrt": (vx.sin, vx.rsqrt, positive, 0.0),
    "cbrt": (vx.sin, vx.cbrt, positive, 0.0),
    "reciprocal": (vx.sin, lambda x: 1 / x, lambda x: x != 0, 0.0),
    "sinc": (vx.cos, lambda x: vx.sin(x) / x, lambda x: x != 0, 0.0),
    "root": (vx.sin, lambda x: x**0.3, positive, 0.0),
    "entropy": (vx.sin, lambda x: x * vx.log(x), positive, 0.0),
    "exp": (vx.sin, lambda x: vx.exp(1000 * x), lambda x: x < 1, 2.0),
    "cosh": (vx.sin, lambda x: vx.cosh(1000 * x), lambda x: x < 1, 2.0),
    "acos": (vx.sin, vx.acos, inside, 1.0),
    "asin": (vx.sin, vx.asin, inside, -1.0),
    "acosh": (vx.sin, vx.acosh, lambda x: x > 1, 0.5),
    "atanh": (vx.sin, vx.atanh, inside, 1.0),
    "atan2": (vx.sin, lambda x: vx.atan2(x, x), positive, 0.0),
    "lgamma": (vx.sin, vx.lgamma, positive, 0.0),
    "chain": (vx.sin, lambda x: vx.log(vx.sqrt(x) - 1), lambda x: x > 1, 0.0),
    "a norm": (
        vx.sin,
        lambda x: x / vx.sqrt(vx.sum(vx.stack([x * x, x * x]))),
        lambda x: x != 0,
        0.0,
    ),
    "two cases": (
        vx.sin,
        lambda x: vx.where(x > 5, vx.sqrt(x - 5), vx.log(x)),
        positive,
        0.0,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_derivatives_are_those_of_the_branch_taken(name: str) -> None:
    """Forward, reverse and mixed, to the third order, alone and in a batch."""
    safe, partial, holds, at = CASES[name]
    f, x = taken(safe, partial, holds), vx.asarray(np.float64(at))

    def all_orders(g: F) -> F:
        first = (vx.grad(g), vx.jacfwd(g))
        second = (vx.grad(first[0]), vx.jacfwd(first[0]), vx.grad(first[1]))
        third = (vx.grad(second[1]), vx.jacfwd(second[2]))
        return lambda x: vx.stack([d(x) for d in (*first, *second, *third)])

    one, many = vx.jit(lambda x: (all_orders(f)(x), vx.vmap(all_orders(f))(vx.stack([x, x]))))(x)
    want = vx.jit(all_orders(safe))(x)
    np.testing.assert_allclose(one.numpy(), want.numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(many.numpy(), np.stack([want.numpy()] * 2), rtol=1e-12, atol=1e-12)


def test_where_the_partial_branch_is_taken_its_derivative_is_exact() -> None:
    x = vx.asarray(np.array([-1.0, 0.0, 0.25, 4.0]))
    g = vx.grad(lambda x: vx.sum(vx.where(x > 0, vx.sqrt(x) * vx.log(x), -x)))(x)
    s = np.array([0.25, 4.0])
    want = np.log(s) / (2 * np.sqrt(s)) + np.sqrt(s) / s
    np.testing.assert_allclose(g.numpy(), [-1, -1, *want], rtol=1e-12)


def test_the_direction_of_zero() -> None:
    """The root stands under a sum's broadcast: it is guarded where no lane needs it."""

    def unit(x: Any) -> Any:
        size = vx.sqrt(vx.sum(x * x, axis=-1, keepdims=True))
        return vx.where(size > 0, x / size, 0.0)

    x = vx.asarray(np.array([[3.0, 4.0], [0.0, 0.0]]))
    j = vx.jit(vx.jacrev(unit))(x).numpy()
    assert np.isfinite(j).all()
    u = np.array([0.6, 0.8])
    np.testing.assert_allclose(j[0, :, 0], (np.eye(2) - np.outer(u, u)) / 5, rtol=1e-12)
    assert not j[1].any()


def test_masked_steps_of_a_scan() -> None:
    """Padding is garbage that the mask hides: in the loop's body too."""

    def total(xs: Any, n: Any) -> Any:
        def step(c: Any, row: Any) -> Any:
            i, x = row
            return vx.where(i < n, c + vx.log(x), c), None

        return vx.scan(step, vx.zeros((), dtype=vx.float64), (vx.arange(4), xs))[0]

    xs = vx.asarray(np.array([1.0, 2.0, 0.0, -3.0]))
    np.testing.assert_allclose(vx.grad(total)(xs, 2).numpy(), [1, 0.5, 0, 0], rtol=1e-12)


def test_a_dropped_out_value_needs_no_guard() -> None:
    """A mask of fresh random bits knows nothing about the value, and the value stays one."""

    def drop(x: Any, key: vx.random.Key) -> Any:
        return vx.where(vx.random.bernoulli(key, 0.5, (3,)), vx.exp(x), 0.0)

    def clip(x: Any) -> Any:
        return vx.where(x < 1, vx.exp(x), 0.0)

    def selects(p: Program) -> int:
        return sum(isinstance(eq.op, Select) for eq in p.equations)

    x = vx.ones((3,))
    dropped = vx.jit(drop).lower(x, vx.random.key(0)).program
    assert guard(dropped) is dropped
    clipped = vx.jit(clip).lower(x).program
    assert selects(guard(clipped)) == selects(clipped) + 1
