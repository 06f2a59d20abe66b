"""Loops in reverse mode: checkpoints of while_loop and scan; batches of map; frozen examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

X = vx.asarray(np.array([0.3, -0.8]))
STEPS = 7


def step(y: Any, x: Any) -> Any:
    return vx.sin(y * 1.1) + x * vx.cos(y)


def looped(x: Any, n: Any, **how: Any) -> Any:
    """n steps of a state with a vector, a counter and a random key in it."""

    def body(s: Any) -> Any:
        i, key, y = s
        key, now = vx.random.split(key)
        noise = vx.random.normal(now, (2,), dtype=vx.float64)
        return i + 1, key, step(y, x) + 0.01 * noise * x

    start = (0, vx.random.key(0), x)
    return vx.while_loop(lambda s: s[0] < n, body, start, **how)[2]


def unrolled(x: Any, n: int) -> Any:
    key, y = vx.random.key(0), x
    for _ in range(n):
        key, now = vx.random.split(key)
        y = step(y, x) + 0.01 * vx.random.normal(now, (2,), dtype=vx.float64) * x
    return y


def derivatives(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """To second order, in every combination of the two modes."""

    def total(x: Any) -> Any:
        return vx.sum(f(x) * vx.exp(x))

    def g(x: Any) -> Any:
        v = x * 0.5 + 1.0
        return {
            "value": f(x),
            "forward": vx.jvp(f, (x,), (v,))[1],
            "reverse": vx.grad(total)(x),
            "forward over reverse": vx.jvp(vx.grad(total), (x,), (v,))[1],
            "reverse over reverse": vx.grad(lambda x: vx.sum(vx.grad(total)(x) * v))(x),
            "reverse over forward": vx.grad(lambda x: vx.jvp(total, (x,), (v,))[1])(x),
        }

    return g


WANT = vx.jit(derivatives(lambda x: unrolled(x, STEPS)))(X)
WAYS: dict[str, dict[str, Any]] = {
    "every state is kept": {"max_steps": STEPS},
    "checkpoints": {"max_steps": 10_000},
    "recomputed": {"reverse": "recompute"},
}


@pytest.mark.parametrize("way", WAYS)
def test_derivatives_of_while_are_those_of_its_steps(way: str) -> None:
    got = vx.jit(derivatives(lambda x: looped(x, STEPS, **WAYS[way])))(X)
    for name in WANT:
        np.testing.assert_allclose(got[name], WANT[name], rtol=1e-9, err_msg=name)


def power(x: Any, n: Any, **how: Any) -> Any:
    """x to the n + 1, with consts that have derivatives."""
    return vx.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * x), (0, x), **how)[1]


@pytest.mark.parametrize(
    "how", [{"max_steps": 64}, {"max_steps": 150}, {"max_steps": 99}, {"reverse": "recompute"}]
)
def test_any_number_of_steps(how: dict[str, Any]) -> None:
    """None, one, a segment, more, and as many as the bound lets: the count is known at run time."""
    g = vx.jit(vx.value_and_grad(lambda x, n: power(x, n, **how)))
    bound = how.get("max_steps", 200)
    for n in (0, 1, 9, 10, 11, 12, 13, 63, 64, 65, 128, 129, 150, 200):
        value, d = g(1.01, n)
        taken = min(n, bound)
        np.testing.assert_allclose(value, 1.01 ** (taken + 1), rtol=1e-4)
        np.testing.assert_allclose(d, (taken + 1) * 1.01**taken, rtol=1e-4)
    assert g.cache_info().staged == 1


def test_a_generous_bound_costs_no_steps_and_little_room() -> None:
    """Memory grows with the root of the bound: 2 * 100 states of 64 floats, not 10_000."""

    def f(w: Any, x: Any, bound: int) -> Any:
        out = vx.while_loop(
            lambda s: s[0] < 12, lambda s: (s[0] + 1, vx.tanh(w * s[1])), (0, x), max_steps=bound
        )
        return vx.sum(out[1])

    w = vx.full((64,), 0.5)
    room = {
        n: vx.jit(vx.grad(lambda w, x, n=n: f(w, x, n))).compile(w, w).memory().temporaries
        for n in (100, 10_000)
    }
    assert room[10_000] - room[100] < 2 * 100 * 64 * 4
    assert room[10_000] < 80_000


def test_each_example_goes_back_through_its_own_steps() -> None:
    """Gradients of vmap and under vmap; what is computed for examples that are done is no one's."""

    def f(x: Any, n: Any, c: Any) -> Any:
        """After n steps the root of the state is zero, and its derivative infinite."""
        return vx.while_loop(
            lambda s: s[0] < n,
            lambda s: (s[0] + 1, vx.sqrt(vx.maximum(s[1], 0.0)) * vx.sqrt(n - s[0]) * c),
            (0, x),
            max_steps=5,
        )[1]

    def plain(x: Any, n: int, c: Any) -> Any:
        for i in range(n):
            x = vx.sqrt(vx.maximum(x, 0.0)) * vx.sqrt(vx.asarray(np.float64(n - i))) * c
        return x

    x = vx.asarray(np.array([0.5, 1.5, 2.0, 3.0]))
    ns = np.array([0, 1, 3, 2])
    c = vx.asarray(np.array(1.3))
    axes = (0, 0, None)

    def both(x: Any, n: Any, c: Any) -> Any:
        total = vx.grad(lambda x, c: vx.sum(vx.vmap(f, axes)(x, n, c)), (0, 1))(x, c)
        return total, vx.vmap(vx.grad(f, (0, 2)), axes)(x, n, c)

    many, one = vx.jit(both)(x, vx.asarray(ns.astype(np.float64)), c)
    want = vx.jit(
        lambda x, c: [vx.grad(lambda x, c, n=n: plain(x, int(n), c), (0, 1))(x[i], c)
                      for i, n in enumerate(ns)]
    )(x, c)  # fmt: skip
    for got in (many[0], one[0]):
        np.testing.assert_allclose(got, [d[0].item() for d in want], rtol=1e-9)
    np.testing.assert_allclose(one[1], [d[1].item() for d in want], rtol=1e-9)
    np.testing.assert_allclose(many[1], sum(d[1].item() for d in want), rtol=1e-9)


def test_a_linear_half_can_be_mapped_and_transposed() -> None:
    """The derivative of a loop as a function of its own."""
    lin = vx.jit(lambda x: vx.linearize(lambda x: looped(x, STEPS, max_steps=100), x)[1])(X)
    eye = vx.eye(2, dtype=vx.float64)
    want = vx.jacfwd(lambda x: unrolled(x, STEPS))(X).numpy().T
    np.testing.assert_allclose(vx.jit(vx.vmap(lin))(eye), want, rtol=1e-9)
    many = vx.linear_transpose(vx.vmap(lin), eye)
    np.testing.assert_allclose(many(eye)[0], want.T, rtol=1e-9)


def test_reverse_mode_without_a_bound() -> None:
    lines = message(vx.DerivativeError, lambda: vx.grad(lambda x: power(x, 3))(1.0)).split("\n")
    assert lines[0] == (
        "[verax-derivative] reverse mode through a while loop without a bound on its steps: nobody"
        " knows how many states to keep"
    )
    assert lines[2].startswith("  at test_loops.py:L: return vx.while_loop(")
    assert lines[-1] == (
        "  fix: while_loop(cond_fun, body_fun, init, max_steps=100), or reverse='recompute'"
    )
    assert message(vx.StructureError, lambda: power(1.0, 3, reverse="again")).split("\n")[0] == (
        "[verax-structure] while_loop: reverse is 'again'"
    )


# scan --------------------------------------------------------------------------------------------

ROWS = vx.asarray(np.random.default_rng(0).standard_normal((11, 2)))


def scanned(x: Any, **how: Any) -> Any:
    def body(c: Any, r: Any) -> Any:
        row, key = r
        noise = vx.random.normal(key, (2,), dtype=vx.float64)
        return step(c, row) + 0.01 * noise * c, (c * row, key)

    keys = vx.random.split(vx.random.key(1), 11)
    c, (ys, keys) = vx.scan(body, x, (ROWS, keys), **how)
    return c + vx.sum(ys, axis=0) * vx.random.key_data(keys)[3, 0]


@pytest.mark.parametrize("reverse", [False, True])
def test_scans_in_segments_are_scans(reverse: bool) -> None:
    def all_of(**how: Any) -> Any:
        """Values, gradients, and their derivatives."""

        def f(x: Any, v: Any) -> Any:
            g = vx.grad(lambda x: vx.sum(scanned(x, reverse=reverse, **how) * v))
            return vx.jvp(g, (x,), (v,))

        y = vx.jit(lambda x: scanned(x, reverse=reverse, **how))(X)
        return y, vx.jit(f)(X, X * 0.5 + 1.0)

    want = vx.tree.leaves(all_of())
    for got in (all_of(checkpoint_every=3, unroll=2), all_of(unroll=4)):
        for a, b in zip(vx.tree.leaves(got), want):
            np.testing.assert_allclose(a, b, rtol=1e-9)


def test_segments_make_memory_grow_with_the_root() -> None:
    def f(w: Any, xs: Any, every: int | None) -> Any:
        body = lambda c, x: (vx.tanh(vx.sin(c * w) + x), None)  # noqa: E731
        return vx.sum(vx.scan(body, w, xs, checkpoint_every=every)[0])

    w, xs = vx.ones((32,)), vx.ones((1024, 32))
    room = [
        vx.jit(vx.grad(lambda w, xs, e=e: f(w, xs, e))).compile(w, xs).memory().temporaries
        for e in (None, 32)
    ]
    assert room[1] * 8 < room[0]


def test_map_in_batches() -> None:
    keys = vx.random.split(vx.random.key(0), 7)

    def f(t: Any) -> Any:
        return {"y": t["x"] * 2.0 + vx.random.normal(t["k"], ()), "n": t["x"].shape[0]}

    xs = {"x": vx.arange(14.0).reshape(7, 2), "k": keys}
    want = vx.map(f, xs)
    for size in (1, 3, 7, 20):
        got = vx.map(f, {"x": xs["x"], "k": vx.random.split(vx.random.key(0), 7)}, batch_size=size)
        np.testing.assert_allclose(got["y"], want["y"], rtol=1e-6)
        assert got["n"].tolist() == [2] * 7
    assert vx.map(lambda x: x, vx.zeros((0, 3)), batch_size=2).shape == (0, 3)


def test_options_that_make_no_sense() -> None:
    assert message(vx.ShapeError, lambda: vx.map(lambda x: x, X, batch_size=0)).split("\n")[0] == (
        "[verax-shape] map: batch_size is 0, not an int >= 1"
    )
    lines = message(vx.ShapeError, lambda: scanned(X, checkpoint_every=0)).split("\n")
    assert lines[0] == "[verax-shape] scan: checkpoint_every is 0, not an int >= 1"
