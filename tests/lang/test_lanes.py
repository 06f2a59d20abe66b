"""cond and switch whose decision differs between the examples of a vmap: ``batched``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message
from verax.compiler.ir.program import walk
from verax.compiler.ops.control import Cond
from verax.compiler.ops.loops import Scan

Way = Literal["select", "map", "partition"]
WAYS: tuple[Way, ...] = ("select", "map", "partition")
ways = pytest.mark.parametrize("way", WAYS)
X = vx.asarray(np.linspace(-2.0, 2.0, 41))
W = vx.asarray(np.array([0.5, 2.0]))


def f(x: Any, w: Any, way: Way) -> Any:
    """Where a branch is not taken, its derivative, in x or in w, is infinite or a NaN."""
    return vx.cond(
        x > 0.0,
        lambda: vx.sum(vx.log(x * w) + vx.sqrt(x) / x),
        lambda: vx.sum(x * w) + 1.0,
        batched=way,
    )


def everything(way: Way) -> Callable[[Any, Any], Any]:
    """Values, and derivatives of vmap and under vmap, to second order."""

    def g(x: Any, w: Any) -> Any:
        def one(x: Any, w: Any) -> Any:
            return f(x, w, way)

        def total(x: Any, w: Any) -> Any:
            return vx.sum(many(x, w) * vx.cos(x))

        many = vx.vmap(one, (0, None))
        return {
            "values": many(x, w),
            "grad of vmap": vx.grad(total, (0, 1))(x, w),
            "vmap of grad": vx.vmap(vx.grad(one, (0, 1)), (0, None))(x, w),
            "jvp": vx.jvp(many, (x, w), (x * 0.5, w * 0.25))[1],
            "second": vx.jvp(vx.grad(total, (0, 1)), (x, w), (x * 0.5, w * 0.25))[1],
            "nested": vx.vmap(lambda w: vx.grad(total, (0, 1))(x, w))(vx.stack([w, w * 2.0])),
        }

    return g


def by_hand(x: Any, w: Any) -> Any:
    """The same without a decision: the lanes of each branch by themselves."""
    n = 21  # the first lanes that are not above zero

    def many(x: Any, w: Any) -> Any:
        a, b = x[:n, None], x[n:, None]
        no = vx.sum(a * w, axis=1) + 1.0
        return vx.concat([no, vx.sum(vx.log(b * w) + vx.sqrt(b) / b, axis=1)])

    def total(x: Any, w: Any) -> Any:
        return vx.sum(many(x, w) * vx.cos(x))

    return {
        "values": many(x, w),
        "grad of vmap": vx.grad(total, (0, 1))(x, w),
        "vmap of grad": (vx.diagonal(vx.jacrev(many)(x, w)), vx.jacrev(many, 1)(x, w)),
        "jvp": vx.jvp(many, (x, w), (x * 0.5, w * 0.25))[1],
        "second": vx.jvp(vx.grad(total, (0, 1)), (x, w), (x * 0.5, w * 0.25))[1],
        "nested": vx.vmap(lambda w: vx.grad(total, (0, 1))(x, w))(vx.stack([w, w * 2.0])),
    }


WANT = vx.jit(by_hand)(X, W)


@ways
def test_each_lane_takes_its_branch_and_no_nan_comes_from_the_other(way: Way) -> None:
    got = vx.jit(everything(way))(X, W)
    for name in WANT:
        for a, b in zip(vx.tree.leaves(got[name]), vx.tree.leaves(WANT[name])):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=name)


@ways
def test_a_branch_that_no_lane_takes_spoils_nothing(way: Way) -> None:
    x = -vx.abs(X)
    d = vx.jit(vx.grad(lambda x, w: vx.sum(vx.vmap(lambda x: f(x, w, way))(x)), (0, 1)))(x, W)
    np.testing.assert_allclose(d[0], np.full(41, 2.5))
    np.testing.assert_allclose(d[1], np.full(2, x.numpy().sum()))


@ways
def test_switch_clamps_each_lane_and_keys_stay_with_their_lanes(way: Way) -> None:
    def draw(i: Any, key: Any, x: Any) -> Any:
        branches = [
            lambda k, x: (x * 2.0, vx.random.normal(k, ())),
            lambda k, x: (x + 1.0, vx.random.uniform(k, ()) + 5.0),
            lambda k, x: (-x, 0.0),
        ]
        return vx.switch(i, branches, key, x, batched=way)

    n = 37
    index = vx.arange(n) % 7 - 2
    keys = vx.random.split(vx.random.key(3), n)
    xs = vx.asarray(np.random.default_rng(0).standard_normal((n, 2)))
    got = vx.jit(vx.vmap(draw))(index, keys, xs)
    at = np.clip(index.numpy(), 0, 2)[:, None]
    x = xs.numpy()
    np.testing.assert_allclose(got[0], np.where(at == 0, x * 2, np.where(at == 1, x + 1, -x)))
    normal = vx.vmap(lambda k: vx.random.normal(k, ()))(vx.random.split(vx.random.key(3), n))
    uniform = vx.vmap(lambda k: vx.random.uniform(k, ()))(vx.random.split(vx.random.key(3), n))
    noise = np.where(at[:, 0] == 0, normal, np.where(at[:, 0] == 1, uniform.numpy() + 5.0, 0.0))
    np.testing.assert_allclose(got[1], noise, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 16, 17, 32, 33, 100])
def test_partition_of_any_number_of_lanes(n: int) -> None:
    def g(i: Any, x: Any) -> Any:
        return vx.switch(
            i, [lambda x: x, lambda x: x * 10.0, lambda x: x * 100.0], x, batched="partition"
        )

    index = (np.arange(n) * 7) % 5 % 3
    got = vx.vmap(g)(vx.asarray(index), vx.arange(float(n)))
    np.testing.assert_allclose(got, np.arange(n) * 10.0**index)


@ways
def test_passes_keep_the_word(way: Way) -> None:
    """Derivatives of the cond still say how they are to be batched."""

    def one(x: Any) -> Any:
        return f(x, W, way)

    def second(x: Any) -> Any:
        return vx.jvp(vx.grad(one), (x,), (x,))[1]

    def loop(x: Any) -> Any:
        return vx.map(second, x)

    p = vx.jit(loop).stage(X)
    assert {eq.op.batched for _, eq in walk(p) if isinstance(eq.op, Cond)} == {way}
    assert vx.jit(vx.vmap(second))(X).shape == (41,)


def test_map_runs_one_branch_per_lane_and_partition_few_blocks() -> None:
    """A loop over the lanes holds the cond; of the blocks, 16 are run."""
    lengths: list[tuple[Way, int]] = [("map", 41), ("partition", 14)]
    for way, length in lengths:

        def one(x: Any, way: Way = way) -> Any:
            return f(x, W, way)

        p = vx.jit(vx.vmap(one)).stage(X)
        assert [eq.op.length for eq in p.equations if isinstance(eq.op, Scan)] == [length]
        assert sum(isinstance(eq.op, Cond) for _, eq in walk(p)) == 1


def test_branches_can_be_transposed_under_vmap() -> None:
    def linear(x: Any) -> Any:
        take = vx.arange(4) % 2 == 0
        return vx.vmap(lambda p, x: vx.cond(p, lambda x: x * 3.0, lambda x: -x, x))(take, x)

    (back,) = vx.linear_transpose(linear, vx.spec((4,)))(vx.ones(4))
    assert back.tolist() == [3.0, -1.0, 3.0, -1.0]


def test_other_words_are_refused() -> None:
    word: Any = "each"
    lines = message(vx.StructureError, lambda: f(X[0], W, word)).split("\n")
    assert lines[0] == "[verax-structure] cond: batched is 'each'"
    assert lines[-1] == "  fix: one of 'select', 'map', 'partition'"
