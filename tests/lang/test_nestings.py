"""Transformations in any order give what plain Python gives; derivatives what differences give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import verax as vx
from tests.lang.programs import LETTERS, PROGRAMS, RNG, X, word

programs = pytest.mark.parametrize("name", PROGRAMS)
DERIVATIVES = ("grad", "jvp", "vjp")


def close(a: Any, b: Any, rtol: float = 1e-9, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol)


def check_derivatives(f: Any, x: Any, order: int) -> None:
    """Forward against differences, reverse against forward, for f and for its pullback."""
    t = vx.asarray(RNG.standard_normal(4))
    y, dy = vx.jvp(f, (x,), (t,))
    e = 1e-6
    g = vx.jit(f)
    close(dy, (g(x + t * e).numpy() - g(x - t * e).numpy()) / (2 * e), rtol=1e-6, atol=1e-6)
    ct = vx.asarray(RNG.standard_normal(4))
    close(vx.sum(vx.vjp(f, x)[1](ct)[0] * t), vx.sum(ct * dy))
    close(y, g(x))
    if order > 1:
        check_derivatives(lambda x: vx.vjp(f, x)[1](ct)[0], x, order - 1)


@programs
def test_derivatives_to_second_order(name: str) -> None:
    check_derivatives(PROGRAMS[name], X, 2)


@pytest.mark.optimized  # XLA's plain code has a NaN in that of max
@programs
def test_every_pair_of_letters_runs_under_vmap_of_grad(name: str) -> None:
    f = PROGRAMS[name]
    letters = ("scan", "vjp", "vmap", "jit")
    close(word(f, letters, plain=False)(X), word(f, letters, plain=True)(X))


@st.composite
def words(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    name = draw(st.sampled_from(sorted(PROGRAMS)))
    letters: tuple[str, ...] = ()
    for _ in range(draw(st.integers(2, 4))):
        allowed = [
            letter
            for letter in LETTERS
            if letter not in DERIVATIVES or sum(x in DERIVATIVES for x in letters) < 2
        ]
        letters = (*letters, draw(st.sampled_from(allowed)))
    return name, letters


@given(words())
def test_a_word_of_transformations_is_its_plain_twin(w: tuple[str, tuple[str, ...]]) -> None:
    name, letters = w
    f = PROGRAMS[name]
    close(word(f, letters, plain=False)(X), word(f, letters, plain=True)(X), 1e-8, 1e-8)


@pytest.mark.parametrize("name", ["sin", "matmul", "rnn", "branch", "softmax"])
def test_hessians_are_symmetric_and_the_differences_of_gradients(name: str) -> None:
    def loss(x: Any) -> Any:
        return vx.sum(vx.sin(PROGRAMS[name](x)))

    h = vx.hessian(loss)(X).numpy()
    g, e = vx.grad(loss), 1e-6
    rows = np.eye(4) * e
    columns = [(g(X + r).numpy() - g(X - r).numpy()) / (2 * e) for r in rows]
    close(h, h.T)
    close(h, np.stack(columns), 1e-5, 1e-6)
    close(vx.jacrev(vx.jacfwd(loss))(X), h)


def test_third_derivatives() -> None:
    f = vx.grad(vx.grad(vx.grad(lambda x: x * x * x * x)))
    close(f(2.0), 48.0)


def test_perturbations_are_not_confused() -> None:
    def inner(x: Any) -> Any:
        return x * vx.grad(lambda y: x + y)(1.0)

    close(vx.grad(inner)(1.0), 1.0)
    close(vx.grad(lambda x: vx.jvp(lambda y: x * y, (x,), (1.0,))[1])(3.0), 1.0)


def test_gradients_flow_to_what_inner_functions_capture() -> None:
    c = vx.asarray(np.array([2.0, 2.0, 2.0]))
    x = vx.asarray(np.array([1.0, 2.0, 3.0]))

    def f(x: Any) -> Any:
        y = vx.sin(x)

        def inner(z: Any) -> Any:
            return vx.sum(z * y * c) + vx.grad(lambda w: vx.sum(w * z * y * c))(x)[0]

        return vx.grad(inner)(x)

    want = np.cos([1.0, 2.0, 3.0]) * 2 * np.array([2.0, 1.0, 1.0])
    close(vx.grad(lambda x: vx.sum(f(x)))(x), want)


def test_vmap_of_while_runs_each_example_as_long_as_it_needs() -> None:
    def f(x: Any) -> Any:
        return vx.while_loop(lambda v: v < 10.0, lambda v: v * v, x)

    close(vx.vmap(f)(vx.asarray([2.0, 3.0, 11.0])), [16.0, 81.0, 11.0])


def test_vmap_of_cond_with_a_mapped_decision() -> None:
    def f(x: Any) -> Any:
        return vx.cond(x > 0.0, lambda v: v, lambda v: v * 10.0, x)

    close(vx.vmap(f)(vx.asarray([2.0, -3.0])), [2.0, -30.0])


def test_gradient_of_a_scan_through_its_constants_and_rows() -> None:
    rows = vx.asarray(RNG.standard_normal((5, 4)))

    def scanned(w: Any, xs: Any) -> Any:
        return vx.sum(vx.scan(lambda c, x: (vx.tanh(c * w + x), None), vx.zeros_like(w), xs)[0])

    def looped(w: Any, xs: Any) -> Any:
        c = vx.zeros_like(w)
        for i in range(5):
            c = vx.tanh(c * w + xs[i])
        return vx.sum(c)

    got = vx.grad(scanned, argnums=(0, 1))(X, rows)
    for a, b in zip(got, vx.grad(looped, argnums=(0, 1))(X, rows)):
        close(a, b)
