"""Programs from float64[4] to float64[4], staged and in plain Python, and words of transformations.

``plain`` words use Python loops and ifs where the others use vmap, scan and cond; derivatives stay,
so that a word and its plain twin must agree in the last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import verax as vx

F = Callable[[Any], Any]
RNG = np.random.default_rng(0)
W = vx.asarray(RNG.standard_normal((4, 4)))
X = vx.asarray(RNG.standard_normal(4))
ROWS = vx.asarray(RNG.standard_normal((3, 4)) * 0.5)
INDEX = vx.asarray(np.array([2, 0, 3, 3], np.int32))


def rnn(x: Any) -> Any:
    """Consts that are differentiated, a carry, xs and ys."""

    def step(c: Any, r: Any) -> tuple[Any, Any]:
        return vx.tanh(W @ c + r * x), c * r

    c, ys = vx.scan(step, x, ROWS)
    return c + vx.sum(ys, axis=0)


def backward_scan(x: Any) -> Any:
    def step(c: Any, r: Any) -> tuple[Any, Any]:
        return c * 0.5 + r, vx.sin(c) * x

    return vx.scan(step, x, ROWS, reverse=True)[1][1]


def newton(x: Any) -> Any:
    def body(s: Any) -> Any:
        i, y = s
        return i + 1, y - (y * y - 2.0) / (y * 2.0 + 8.0)

    return vx.while_loop(lambda s: s[0] < 3, body, (0, x), max_steps=5)[1]


def branch(x: Any) -> Any:
    return vx.cond(vx.sum(x) > 0.0, lambda v: vx.sin(v) * v, lambda v: v * v * v, x)


def scan_of_cond(x: Any) -> Any:
    def step(c: Any, r: Any) -> tuple[Any, Any]:
        return vx.cond(vx.sum(r) > 0.0, lambda c: c * vx.sin(r), lambda c: c + r * r, c), c

    c, ys = vx.scan(step, x, ROWS)
    return c + ys[0] * ys[2]


def power(x: Any) -> Any:
    return vx.fori_loop(0, 3, lambda i, y: y * x + i, x)


PROGRAMS: dict[str, F] = {
    "sin": lambda x: vx.sin(x) * x + vx.exp(x * 0.1),
    "div": lambda x: vx.log(x * x + 1.0) / (vx.tanh(x) + 3.0),
    "where": lambda x: vx.where(x > 0.1, vx.maximum(x, x * x), -x),
    "sums": lambda x: x * vx.sum(x) + vx.cumulative_sum(x),
    "matmul": lambda x: vx.tanh(W @ x) @ W,
    "take": lambda x: (x * x)[INDEX] * 2.0,
    "softmax": lambda x: vx.softmax(W @ x) * x,
    "reshape": lambda x: (x.reshape(2, 2).T @ x.reshape(2, 2)).reshape(4),
    "call of jit": lambda x: vx.jit(lambda y: vx.sin(y) @ W)(x) * x,
    "max": lambda x: vx.max(x) * x + vx.min(x * x),
    "rnn": rnn,
    "backward scan": backward_scan,
    "newton": newton,
    "branch": branch,
    "scan of cond": scan_of_cond,
    "power": power,
}


# words: each letter makes a function float64[4] -> float64[4] of one -----------------------------


def _halves(f: F) -> F:
    return lambda x: vx.scan(lambda c, _: (f(c) * 0.5, None), x, None, 2)[0]


def _python_halves(f: F) -> F:
    return lambda x: f(f(x) * 0.5) * 0.5


def _stacked(x: Any) -> Any:
    return vx.stack([x, x * 0.5, -x])


def _map(f: F) -> F:
    return lambda x: vx.sum(vx.vmap(f)(_stacked(x)), axis=0)


def _python_map(f: F) -> F:
    return lambda x: f(x) + f(x * 0.5) + f(-x)


def _choose(f: F) -> F:
    return lambda x: vx.cond(x[0] > x[1], f, lambda y: f(-y), x)


def _python_choose(f: F) -> F:
    return lambda x: f(x) if x[0] > x[1] else f(-x)


def _grad(f: F) -> F:
    return vx.grad(lambda x: vx.sum(vx.sin(f(x))))


def _jvp(f: F) -> F:
    return lambda x: vx.jvp(f, (x,), (vx.cos(x),))[1]


def _vjp(f: F) -> F:
    return lambda x: vx.vjp(f, x)[1](vx.cos(x))[0]


def _same(f: F) -> F:
    return f


LETTERS: dict[str, tuple[F, F]] = {
    "jit": (vx.jit, _same),
    "scan": (_halves, _python_halves),
    "vmap": (_map, _python_map),
    "cond": (_choose, _python_choose),
    "grad": (_grad, _grad),
    "jvp": (_jvp, _jvp),
    "vjp": (_vjp, _vjp),
}


def word(f: F, letters: tuple[str, ...], *, plain: bool) -> F:
    """The function that the letters make of f, from the inside out."""
    for letter in letters:
        f = LETTERS[letter][plain](f)
    return f
