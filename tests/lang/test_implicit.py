"""Implicit functions: roots and linear solves by loops without a bound, in every derivative."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import verax as vx
from tests.lang.messages import message
from tests.lang.test_custom import X, agree, d64, same


def newton(f: Any, x: Any) -> Any:
    def step(x: Any) -> Any:
        y, dy = vx.jvp(f, (x,), (vx.ones_like(x),))
        return x - y / dy

    return vx.while_loop(lambda x: vx.abs(f(x)) > 1e-13, step, x)


def scalar(g: Any, y: Any) -> Any:
    return y / g(1.0)


def test_roots_by_newton() -> None:
    def cube_root(a: Any) -> Any:
        return vx.custom_root(lambda x: x**3.0 - a, vx.ones_like(a), newton, scalar)

    agree(cube_root, vx.cbrt, d64(8.0))
    same(vx.jacfwd(vx.grad(vx.grad(cube_root)))(d64(8.0)), d64(10 / 27 * 8 ** (-8 / 3)))
    same(cube_root(d64(27.0)), d64(3.0))


def test_a_fixed_point() -> None:
    """x = tanh(w x + b): a system, its tangents by a linear solve in a loop."""
    w, b = d64(*[[0.3, -0.2], [0.1, 0.4]]), d64(0.5, -0.3)

    def gap(w: Any, b: Any, x: Any) -> Any:
        return vx.tanh(w @ x + b) - x

    def repeat(f: Any, x: Any) -> Any:
        def go_on(s: Any) -> Any:
            return vx.max(vx.abs(s[0] - s[1])) > 1e-14

        return vx.while_loop(go_on, lambda s: (s[0] + f(s[0]), s[0]), (x + f(x), x))[0]

    def solve(g: Any, y: Any) -> Any:
        def series(g: Any, y: Any) -> Any:
            """g = J - 1 with a contraction J: the sum of -J^k y."""
            return vx.fori_loop(0, 80, lambda i, x: g(x) + x - y, vx.zeros_like(y))

        return vx.custom_linear_solve(g, y, series, transpose_solve=series)

    def fixed(b: Any) -> Any:
        return vx.custom_root(partial(gap, w, b), vx.zeros_like(b), repeat, solve)

    def unrolled(b: Any) -> Any:
        return vx.fori_loop(0, 60, lambda i, x: vx.tanh(w @ x + b), vx.zeros_like(b))

    agree(fixed, unrolled, b, 1e-7)
    grads = vx.grad(lambda w: vx.sum(vx.custom_root(partial(gap, w, b), b, repeat, solve)))(w)
    loop = vx.grad(lambda w: vx.sum(vx.fori_loop(0, 60, lambda i, x: vx.tanh(w @ x + b), b)))(w)
    same(grads, loop, 1e-7)


def test_roots_with_aux() -> None:
    def counted(f: Any, x: Any) -> Any:
        def step(s: Any) -> Any:
            y, dy = vx.jvp(f, (s[0],), (1.0,))
            return s[0] - y / dy, s[1] + 1

        return vx.while_loop(lambda s: vx.abs(f(s[0])) > 1e-12, step, (x, 0))

    def root(a: Any) -> Any:
        return vx.custom_root(lambda x: x * x - a, a, counted, scalar, has_aux=True)

    x, steps = root(d64(4.0))
    assert (round(x.item(), 12), steps.item()) == (2.0, 5)
    gradient, steps = vx.grad(root, has_aux=True)(d64(4.0))
    same((gradient, steps), (d64(0.25), vx.asarray(5)))


def test_what_solve_closes_over_has_no_say() -> None:
    def root(a: Any) -> Any:
        low = a * 0.0 + 1.0
        return vx.custom_root(lambda x: x * x - a, a, lambda f, _: newton(f, low), scalar)

    same(vx.grad(root)(d64(9.0)), d64(1 / 6))


def conjugate_gradients(matvec: Any, b: Any) -> Any:
    def step(s: Any) -> Any:
        x, r, p = s
        ap = matvec(p)
        alpha = vx.sum(r * r) / vx.sum(p * ap)
        after = r - alpha * ap
        return x + alpha * p, after, after + vx.sum(after * after) / vx.sum(r * r) * p

    start = (vx.zeros_like(b), b, b)
    return vx.while_loop(lambda s: vx.sum(s[1] * s[1]) > 1e-26, step, start)[0]


M = d64(*[[4.0, 1.0], [1.0, 3.0]])
B = d64(1.0, 2.0)


def by_cramer(m: Any, b: Any) -> Any:
    det = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
    return vx.stack([m[1, 1] * b[0] - m[0, 1] * b[1], m[0, 0] * b[1] - m[1, 0] * b[0]]) / det


def symmetric(m: Any) -> Any:
    return 0.5 * (m + m.T)


def test_linear_solve_by_conjugate_gradients() -> None:
    def solve(m: Any, b: Any) -> Any:
        return vx.custom_linear_solve(
            lambda x: symmetric(m) @ x, b, conjugate_gradients, symmetric=True
        )

    def plain(m: Any, b: Any) -> Any:
        return by_cramer(symmetric(m), b)

    agree(partial(solve, M), partial(plain, M), B)
    agree(lambda m: solve(m, vx.sin(m[0])), lambda m: plain(m, vx.sin(m[0])), M)
    same(solve(M, B), plain(M, B))


def test_linear_solve_with_a_transpose() -> None:
    def normal(matvec: Any, b: Any) -> Any:
        """Cramer's rule, from the columns that matvec gives."""
        columns = [matvec(vx.asarray(e)) for e in np.eye(2)]
        return by_cramer(vx.stack(columns, axis=1), b)

    m = d64(*[[2.0, 1.0], [-1.0, 3.0]])

    def solve(m: Any) -> Any:
        return vx.custom_linear_solve(lambda x: m @ x, B, normal, transpose_solve=normal)

    agree(solve, lambda m: by_cramer(m, B), m)


def test_linear_solve_forward_needs_no_transpose() -> None:
    def divide(matvec: Any, b: Any) -> Any:
        return b / matvec(vx.ones_like(b))

    def solve(a: Any) -> Any:
        x = vx.custom_linear_solve(lambda x: a * x, X, divide)
        return vx.sum(x)

    same(vx.jvp(solve, (X,), (X,))[1], vx.asarray(np.float64(-3.0)))
    text = message(vx.DerivativeError, lambda: vx.grad(solve)(X))
    assert text == (
        "[verax-derivative] reverse mode through custom_linear_solve, which was given no"
        " transpose_solve\n"
        "  at test_implicit.py:L: text = message(vx.DerivativeError, lambda: vx.grad(solve)(X))\n"
        "  at test_implicit.py:L: x = vx.custom_linear_solve(lambda x: a * x, X, divide)\n"
        "  fix: give the transpose too, or take the derivative in forward mode: vx.jvp, vx.jacfwd"
    )


def test_a_solve_is_not_repeated() -> None:
    """One loop forward and one backward, whatever is differentiated."""

    def loss(m: Any, b: Any) -> Any:
        x = vx.custom_linear_solve(lambda x: symmetric(m) @ x, b, conjugate_gradients, None, True)
        return vx.sum(vx.sin(x))

    def loops(f: Any) -> int:
        return str(vx.jit(f).lower(M, B)).count("stablehlo.while")

    assert loops(loss) == 1
    assert loops(vx.grad(loss, argnums=(0, 1))) == 2
    assert loops(lambda m, b: vx.jvp(loss, (m, b), (m, b))) == 2


def test_maps_of_other_trees_are_refused() -> None:
    assert message(
        vx.ShapeError,
        lambda: vx.custom_linear_solve(vx.sum, X, conjugate_gradients),
    ) == (
        "[verax-shape] custom_linear_solve: sum (reductions.py:L)"
        " gives another tree than it takes\n"
        "    takes  float64[3]\n"
        "    gives  float64[ ]\n"
        "                   ^\n"
        "  at test_implicit.py:L: lambda: vx.custom_linear_solve(vx.sum, X, conjugate_gradients),\n"
        "  fix: give what comes in, float64[3], or start with the type that comes out, float64[]"
    )
