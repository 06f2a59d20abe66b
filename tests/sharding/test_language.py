"""Sharded arrays in the language: a training step on four devices is the step on one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import verax as vx
from verax.sharding.mesh import Mesh
from verax.sharding.spec import P

MESH = Mesh(data=2, model=2)


def loss(params: dict[str, Any], x: Any, y: Any, key: Any) -> Any:
    h = vx.relu(x @ params["w1"] + params["b1"])
    h = vx.where(vx.random.bernoulli(key, 0.9, h.shape), h / 0.9, 0.0)
    return vx.mean((h @ params["w2"] - y) ** 2)


def step(params: dict[str, Any], x: Any, y: Any, key: Any) -> tuple[dict[str, Any], Any]:
    """Gradient descent, clipped by the norm of all gradients."""
    value, grads = vx.value_and_grad(loss)(params, x, y, key)
    norm = sum(vx.sum(g * g) for g in grads.values()) ** 0.5
    return {name: w - 0.1 * grads[name] / norm for name, w in params.items()}, value


def arrays() -> tuple[dict[str, Any], Any, Any]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return vx.array((rng.standard_normal(shape) * 0.1).astype(np.float32))

    params = {"w1": draw(16, 32), "b1": draw(32), "w2": draw(32, 16)}
    return params, draw(8, 16), draw(8, 16)


LAYOUT = {"w1": P(None, "model"), "b1": P("model"), "w2": P("model")}


def test_a_training_step_on_four_devices() -> None:
    params, x, y = arrays()
    cut = {name: vx.shard(w, MESH, LAYOUT[name]) for name, w in params.items()}
    cut_x, cut_y = (vx.shard(a, MESH, P("data")) for a in (x, y))
    want, want_loss = vx.jit(step)(params, x, y, vx.random.key(0))
    got, got_loss = vx.jit(step)(cut, cut_x, cut_y, vx.random.key(0))
    np.testing.assert_allclose(np.asarray(got_loss), np.asarray(want_loss), rtol=1e-5)
    for name in params:
        np.testing.assert_allclose(np.asarray(got[name]), np.asarray(want[name]), atol=1e-6)
        assert got[name].spec.p == LAYOUT[name]


def test_its_communication_is_that_of_megatron() -> None:
    params, x, y = arrays()
    cut = {name: vx.shard(w, MESH, LAYOUT[name]) for name, w in params.items()}
    cut_x, cut_y = (vx.shard(a, MESH, P("data")) for a in (x, y))
    comm = vx.jit(step).compile(cut, cut_x, cut_y, vx.random.key(0)).comm
    lines = sorted((c.kind, c.axes, c.nbytes) for c in comm)
    assert lines == [
        ("all_reduce", ("data",), 4),  # the loss
        ("all_reduce", ("data",), 64),  # gradients: b1,
        ("all_reduce", ("data",), 1024),  # w1
        ("all_reduce", ("data",), 1024),  # and w2
        ("all_reduce", ("model",), 4),  # their norm
        ("all_reduce", ("model",), 256),  # the activations
    ]
    assert all(c.span is not None for c in comm)


def test_a_budget_for_communication() -> None:
    mesh = vx.Mesh(model=2)
    x = vx.shard(vx.ones((4, 8)), mesh, P(None, "model"))

    def total(x: vx.AnyArray) -> vx.AnyArray:
        return vx.sum(x, axis=1)

    assert vx.jit(total, comm_budget="1KB")(x).shape == (4,)
    tight = vx.jit(total, comm_budget=15)
    for call in (tight, tight.compile):
        with pytest.raises(vx.ShardingError) as error:
            call(x)
        text = error.value.message
        assert "total (" in text
        assert "communicates 16 bytes, more than comm_budget=15\n" in text
        assert "all_reduce      1     16  model" in text
    assert tight(vx.ones((4, 8))).shape == (4,)
    with pytest.raises(vx.StructureError, match=r"comm_budget='much' is no number of bytes"):
        vx.jit(total, comm_budget="much")
