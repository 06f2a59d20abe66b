"""Optimisers against their formulas in NumPy, and chains, schedules, clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

START = {
    "w": np.array([[1.0, -2.0], [0.5, 3.0]], np.float32),
    "b": np.array([0.1, 0.2], np.float32),
}


def run(optimizer: vx.optim.Transform, steps: int) -> Any:
    """Descend on sum(p**4)/4, whose gradient is p**3."""
    params = vx.tree.map(vx.asarray, START)
    state = optimizer.init(params)

    @vx.jit
    def step(params: Any, state: Any) -> Any:
        updates, state = optimizer.update(vx.tree.map(lambda p: p**3, params), state, params)
        return vx.optim.apply_updates(params, updates), state

    for _ in range(steps):
        params, state = step(params, state)
    return vx.tree.map(lambda p: p.numpy(), params)


def check(found: Any, want: Any) -> None:
    for name, value in want.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_momentum(nesterov: bool) -> None:
    want: dict[str, Any] = dict(START)
    velocity = {k: np.zeros_like(v) for k, v in START.items()}
    for _ in range(4):
        for k in want:
            g = want[k] ** 3
            velocity[k] = g + 0.9 * velocity[k]
            move = g + 0.9 * velocity[k] if nesterov else velocity[k]
            want[k] = want[k] - 0.01 * move
    check(run(vx.optim.sgd(0.01, 0.9, nesterov=nesterov), 4), want)


def test_adamw() -> None:
    want: dict[str, Any] = dict(START)
    mean = {k: np.zeros_like(v) for k, v in START.items()}
    square = {k: np.zeros_like(v) for k, v in START.items()}
    for t in range(1, 6):
        for k in want:
            g = want[k] ** 3
            mean[k] = 0.9 * mean[k] + 0.1 * g
            square[k] = 0.99 * square[k] + 0.01 * g * g
            move = (mean[k] / (1 - 0.9**t)) / (np.sqrt(square[k] / (1 - 0.99**t)) + 1e-8)
            decay = 0.1 * want[k] if k == "w" else 0.0
            want[k] = want[k] - 0.05 * (move + decay)
    mask = lambda params: vx.tree.map(lambda p: p.ndim > 1, params)  # noqa: E731
    check(run(vx.optim.adamw(0.05, b2=0.99, weight_decay=0.1, mask=mask), 5), want)


def test_doubles_keep_their_precision() -> None:
    p, m, v = (np.array([1.0, -2.0]), *np.zeros((2, 2)))
    adam = vx.optim.chain(vx.optim.clip_by_global_norm(0.7), vx.optim.adam(0.1, eps=0.01))
    params = vx.asarray(p)
    state = adam.init(params)
    for t in range(1, 4):
        g = p**3 * min(1, 0.7 / np.linalg.norm(p**3))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p = p - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 0.01)
        updates, state = adam.update(params**3, state, params)
        params = vx.optim.apply_updates(params, updates)
    np.testing.assert_allclose(params.numpy(), p, rtol=1e-11)


def test_a_decay_of_zero_has_no_bias() -> None:
    scale = vx.optim.transform.scale_by_adam(b1=0.0, b2=0.0, eps=0.0)
    g = vx.asarray([3.0, -4.0])
    np.testing.assert_allclose(scale.update(g, scale.init(g), g)[0].numpy(), [1.0, -1.0])


def test_clipping_bounds_the_norm_and_leaves_small_updates() -> None:
    clip = vx.optim.clip_by_global_norm(1.0)
    big = vx.tree.map(vx.asarray, {"a": np.full(3, 4.0, np.float32), "b": np.float32(3.0)})
    clipped, _ = clip.update(big, clip.init(big), big)
    np.testing.assert_allclose(float(vx.optim.global_norm(clipped)), 1.0, rtol=1e-5)
    small = vx.tree.map(lambda x: x * 0.01, big)
    kept, _ = clip.update(small, clip.init(small), small)
    np.testing.assert_allclose(kept["a"].numpy(), small["a"].numpy())


def test_linear_schedule() -> None:
    rate = vx.optim.linear(1.0, 0.0, 4)
    assert [float(rate(vx.asarray(i))) for i in (0, 1, 4, 9)] == [1.0, 0.75, 0.0, 0.0]


def test_bad_settings() -> None:
    for make, text in (
        (lambda: vx.optim.clip_by_global_norm(0.0), "the limit must be positive, got 0.0"),
        (lambda: vx.optim.cosine(1.0, warmup=5, steps=5), "warmup (5) must be in [0, steps)"),
        (lambda: vx.optim.linear(1.0, 0.0, 0), "linear: steps must be positive, got 0"),
    ):
        with pytest.raises(vx.VeraxError, match=r".*") as error:
            make()
        assert text in str(error.value)


def test_a_state_of_another_transformation() -> None:
    params = vx.asarray([1.0, 2.0])
    state = vx.optim.scale_by_adam().init(params)
    assert isinstance(state, vx.optim.State)
    update = vx.optim.trace(0.9).update
    assert message(vx.StructureError, lambda: update(params, state, params)) == (
        "[verax-structure] trace: the state is AdamState, expected TraceState\n"
        "  at test_optim.py:L: assert message("
        "vx.StructureError, lambda: update(params, state, params)) == (\n"
        "  fix: pass what init, or the last update, of the same transformation gave"
    )


def test_a_transformation_of_ones_own() -> None:
    @vx.struct
    class Last(vx.optim.State[Any]):
        updates: Any

    def init(params: Any) -> vx.optim.State[Any]:
        return Last(vx.tree.map(vx.zeros_like, params))

    def update(updates: Any, state: Any, params: Any) -> tuple[Any, vx.optim.State[Any]]:
        return vx.tree.map(lambda u, v: u - v, updates, state.updates), Last(updates)

    differences = vx.optim.chain(vx.optim.Transform(init, update), vx.optim.sgd(1.0))
    params = vx.asarray([1.0, 2.0])
    updates, state = differences.update(params, differences.init(params), params)
    updates, _ = differences.update(params, state, params)
    assert updates.tolist() == [0.0, 0.0]
