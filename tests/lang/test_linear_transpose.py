"""linear_transpose: the adjoint of linear functions, and what is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np

import verax as vx
from tests.lang.messages import message

RNG = np.random.default_rng(0)
A = vx.asarray(RNG.standard_normal((3, 4)))
X, Y, U = (vx.asarray(RNG.standard_normal(n)) for n in (4, 3, 3))


def f(x: Any, t: Any) -> Any:
    """Linear in both together; what it captures and computes from nothing is known."""
    scale = vx.exp(A[0, 0])
    c, _ = vx.scan(lambda c, r: (c * 0.5 + r, None), t["y"], A.T)
    return {"s": A @ x * scale + t["y"], "t": (c + vx.cumulative_sum(t["y"]), x[1])}


def inner(a: Any, b: Any) -> float:
    pairs = zip(vx.tree.leaves(a), vx.tree.leaves(b), strict=True)
    return sum(float(np.sum(x.numpy() * y.numpy())) for x, y in pairs)


def test_it_is_the_adjoint() -> None:
    u = {"s": U, "t": (U * 2.0, vx.asarray(np.array(0.5)))}
    v = (X, {"y": Y})
    back = vx.linear_transpose(f, *v)(u)
    known = f(X * 0.0, {"y": Y * 0.0})  # of an affine function it is the linear part
    image = vx.tree.map(lambda a, b: a - b, f(*v), known)
    np.testing.assert_allclose(inner(u, image), inner(back, v))
    types = vx.spec((4,), vx.float64), {"y": vx.spec((3,), vx.float64)}
    again = vx.linear_transpose(f, *types)(u)
    assert [x.tolist() for x in vx.tree.leaves(again)] == [x.tolist() for x in vx.tree.leaves(back)]


def test_it_composes() -> None:
    def g(x: Any) -> Any:
        return vx.cumulative_sum(x) * 2.0

    twice = vx.linear_transpose(lambda u: vx.linear_transpose(g, X)(u)[0], X)
    np.testing.assert_allclose(twice(X)[0], g(X))
    many = vx.jit(vx.vmap(lambda u: vx.linear_transpose(g, X)(u)[0]))(vx.eye(4, dtype=vx.float64))
    np.testing.assert_allclose(many, np.tril(np.full((4, 4), 2.0)))
    z = vx.asarray(np.array([1.0 + 2.0j, 3.0]))
    back = vx.linear_transpose(lambda x: x * z, z)(z)[0]
    np.testing.assert_allclose(back, z.numpy() * z.numpy())  # no conjugation


def test_what_is_not_linear_is_named() -> None:
    def bent(x: Any) -> Any:
        return vx.sin(x) * 2.0

    def lines(make: Any) -> list[str]:
        return message(vx.DerivativeError, make).split("\n")

    back = vx.linear_transpose(bent, X)
    assert lines(lambda: back(X)) == [
        "[verax-derivative] linear_transpose: test_what_is_not_linear_is_named.bent"
        " (test_linear_transpose.py:L) is not linear: sin is not linear in operand 0, so it cannot"
        " be transposed",
        "  at test_linear_transpose.py:L: assert lines(lambda: back(X)) == [",
        "  at test_linear_transpose.py:L: return vx.sin(x) * 2.0",
        "  fix: vjp(fun, *primals), its derivative at a point",
    ]
    assert lines(lambda: vx.linear_transpose(lambda n: n * 2, vx.arange(3)))[0].endswith(
        ": n is int32[3], which has no cotangent"
    )
    assert lines(lambda: vx.linear_transpose(lambda x: x * 2.0, X)(U))[0] == (
        "[verax-derivative] linear_transpose: cotangents is float64[3], and results is float64[4];"
        " both have one type"
    )
