"""vx.shard: concrete and staged, trees, what is given back, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message
from verax import P

MESH = vx.Mesh(data=2, model=2)
X = vx.asarray(np.arange(32.0, dtype=np.float32).reshape(4, 8))


def test_concrete_arrays_are_moved() -> None:
    y = vx.shard(X, MESH, P("data", "model"))
    assert y.spec is not None
    assert (y.spec.p, y.sharding) == (P("data", "model"), y.spec)
    assert y.tolist() == X.tolist()
    again = vx.shard(y, MESH, P(None, ("data", "model")))
    assert again.spec is not None
    assert again.spec.p == P(None, ("data", "model"))
    assert again.tolist() == X.tolist()
    direct = vx.shard(X.numpy(), MESH, P("model"))
    np.testing.assert_array_equal(np.asarray(direct), X.numpy())


def test_trees_with_one_layout_and_with_many() -> None:
    tree: Any = {"w": X, "b": (X[0], vx.random.key(0)), "n": 3}
    one = vx.shard(tree, MESH, P())
    assert one["w"].spec.trivial
    assert one["n"] == 3
    many = vx.shard(tree, MESH, {"w": P("data"), "b": P("model"), "n": P()})
    assert many["w"].spec.p == P("data")
    assert many["b"][0].spec.p == P("model")
    assert vx.random.normal(many["b"][1]).shape == ()


def test_layouts_go_through_functions_and_derivatives() -> None:
    w = vx.shard(X, MESH, P("data"))

    def loss(w: Any, x: Any) -> Any:
        h = vx.shard(vx.tanh(w * 0.1) @ x, MESH, P("model"))
        return vx.sum(h * h)

    x = vx.ones((8,))
    f = vx.jit(vx.value_and_grad(loss))
    value, g = f(w, x)
    want, wanted = vx.value_and_grad(loss)(X, x)
    np.testing.assert_allclose(value, want, rtol=1e-6)
    np.testing.assert_allclose(g, wanted, rtol=1e-5)
    assert g.spec is not None
    assert (w * 2.0).spec == w.spec
    f(X, x)
    assert f.cache_info().staged == 2  # the layout is part of the type


def test_a_staged_layout_decides_where_the_result_lies() -> None:
    y = vx.jit(lambda x: vx.shard(x * 2.0, MESH, P(None, "model")))(X)
    assert y.spec is not None
    assert y.spec.p == P(None, "model")
    assert y.tolist() == (X * 2.0).tolist()


def test_layouts_that_do_not_fit() -> None:
    with pytest.raises(vx.ShardingError, match="does not divide"):
        vx.shard(vx.ones((3,)), MESH, P("data"))

    def staged(x: Any) -> Any:
        return vx.shard(x, MESH, P("batch"))

    assert message(vx.ShardingError, lambda: vx.jit(staged)(X)).split("\n")[:2] == [
        "[verax-sharding] dimension 0 of an array of shape [4,8] is cut over 'batch', which is no"
        " axis of Mesh(data=2, model=2)",
        '  at test_shard.py:L: return vx.shard(x, MESH, P("batch"))',
    ]
    assert (
        message(vx.StructureError, lambda: vx.shard({"a": X}, MESH, {"a": "data"})).split("\n")[0]
        == "[verax-structure] shard: the layout of x['a'] is 'data', not a P"
    )
